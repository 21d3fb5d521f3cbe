package geo

import "github.com/oschwald/maxminddb-golang/v2"

// Sample tells what a database holds, as it is told of a file.
func Sample(database []byte) (File, error) {
	var about File
	r, err := maxminddb.OpenBytes(database)
	if err == nil {
		err = sample(r, &about)
	}
	return about, err
}
