package api

import "footfall/storage"

// ParseDeletion reads the body of a deletion.
func ParseDeletion(body []byte, o Options) (storage.Deletion, error) {
	object, err := decodeObject(body)
	if err != nil {
		return storage.Deletion{}, err
	}
	d, err := parseDeletion(object, nil, o)
	if err != nil {
		return storage.Deletion{}, err
	}
	return d.Deletion, nil
}
