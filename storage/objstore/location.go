package objstore

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Location is where a bucket is, as its address says.
type Location struct {
	Path   string // of file:///path: absolute; empty for S3
	Bucket string // of s3://bucket/prefix; empty for a directory
	Prefix string // in front of all names, without slashes at its ends; may be empty
}

// String returns the address that [ParseLocation] reads.
func (l Location) String() string {
	if l.Path != "" {
		return (&url.URL{Scheme: "file", Path: l.Path}).String()
	}
	return strings.TrimSuffix("s3://"+l.Bucket+"/"+l.Prefix, "/")
}

var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketPrefix = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
)

// ParseLocation reads s3://bucket/prefix and file:///path. Its errors do not repeat addresses that may contain a password.
func ParseLocation(address string) (Location, error) {
	if address == "" {
		return Location{}, errors.New("the address of the bucket is empty: give s3://bucket/prefix or file:///path")
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return Location{}, errors.New("the address of the bucket cannot be read: give s3://bucket/prefix or file:///path")
	}
	if u.User != nil {
		return Location{}, errors.New("the address of the bucket contains a user or password: give credentials by file or environment, and the address without them")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#") {
		return Location{}, errors.New("the address of the bucket contains ? or #: give s3://bucket/prefix or file:///path, and the rest as options of their own")
	}
	switch u.Scheme {
	case "s3":
		return parseS3(u)
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return Location{}, fmt.Errorf("file://%s… names another host: a directory of this one is file:///path, with three slashes", u.Host)
		}
		if u.Path == "" || strings.ContainsRune(u.Path, 0) {
			return Location{}, errors.New("the address file:// lacks its path: give file:///path")
		}
		return Location{Path: path.Clean(u.Path)}, nil
	case "":
		return Location{}, errors.New("the address of the bucket does not say what it is: give s3://bucket/prefix, or file:///path for a directory")
	}
	return Location{}, fmt.Errorf("the address of the bucket begins with %q, which is not known: give s3://bucket/prefix or file:///path", u.Scheme+":")
}

func parseS3(u *url.URL) (Location, error) {
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if !bucketName.MatchString(l.Bucket) || strings.Contains(l.Bucket, "..") {
		return Location{}, fmt.Errorf("s3://%s: a bucket's name has 3 to 63 of a-z, 0-9, dot and hyphen: give s3://bucket/prefix, and the address of the server as endpoint", u.Host)
	}
	if l.Prefix == "" {
		return l, nil
	}
	if len(l.Prefix) > maxPrefix || !bucketPrefix.MatchString(l.Prefix) || path.Clean("/"+l.Prefix) != "/"+l.Prefix {
		return Location{}, fmt.Errorf("the prefix in s3://%s/… may have up to %d letters, digits, dots, hyphens, underscores and single slashes", l.Bucket, maxPrefix)
	}
	return l, nil
}

// Open opens the bucket at an address. s3 opens those on S3, see package objstore/s3: Open(address, s3.Config{…}.Open). Nothing is written, and S3 is not asked
// anything yet.
func Open(address string, s3 func(Location) (Bucket, error)) (Bucket, error) {
	l, err := ParseLocation(address)
	if err != nil {
		return nil, err
	}
	if l.Path != "" {
		return OpenDir(l.Path)
	}
	if s3 == nil {
		return nil, fmt.Errorf("%s is on S3, and only directories are meant here: give file:///path", l)
	}
	return s3(l)
}
