package s3

import (
	"context"
	"time"

	"footfall/storage/objstore"
)

// Address returns where requests for an object would go.
func Address(b objstore.Bucket, name string) (string, error) {
	bucket := b.(*Bucket)
	u, err := bucket.core.PresignedGetObject(context.Background(), bucket.bucket, bucket.prefix+name, time.Minute, nil)
	if err != nil {
		return "", err
	}
	u.RawQuery = ""
	return u.String(), nil
}

// Region returns what requests are signed for.
func Region(cfg Config, endpointAddress string) (string, error) {
	host, _, err := endpoint(endpointAddress)
	return cfg.region(host), err
}

// ParseCredentials is what reads a credentials file.
var ParseCredentials = parseCredentials
