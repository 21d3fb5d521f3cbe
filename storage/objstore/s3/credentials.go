package s3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Credentials say who we are to the store. The first of these that is there counts:
//
//   - AccessKey and SecretKey;
//   - File, with lines like access_key = … and secret_key = …, session_token if needed. The names of AWS's own file and of environment
//     variables do as well (aws_access_key_id, AWS_SECRET_ACCESS_KEY, FOOTFALL_S3_ACCESS_KEY, …); of a file with sections the one named default counts. It is read again when it changes;
//   - FOOTFALL_S3_ACCESS_KEY, FOOTFALL_S3_SECRET_KEY and FOOTFALL_S3_SESSION_TOKEN in the environment;
//   - AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
type Credentials struct {
	AccessKey    string
	SecretKey    string
	SessionToken string
	File         string
}

func (c Credentials) complete() bool { return c.AccessKey != "" && c.SecretKey != "" }

// String hides what must not be printed.
func (c Credentials) String() string { return "S3 credentials" }

// GoString hides it from %#v too.
func (c Credentials) GoString() string { return c.String() }

// credentialsError says what is wrong with where credentials come from.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// source is what minio-go asks before each request whether it has other credentials.
type source struct {
	given  Credentials
	getenv func(string) string

	mu   sync.Mutex
	read os.FileInfo // of File when it was read last; guarded by mu
	last Credentials // guarded by mu
}

// IsExpired reports whether the file has changed. One that is gone or being written keeps what it said.
func (s *source) IsExpired() bool {
	if s.given.complete() || s.given.File == "" {
		return false
	}
	info, err := os.Stat(s.given.File)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && (s.read == nil || !os.SameFile(info, s.read) || !info.ModTime().Equal(s.read.ModTime()) || info.Size() != s.read.Size())
}

// RetrieveWithCredContext implements minio-go's Provider.
func (s *source) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.findLocked()
	if err != nil {
		if !s.last.complete() {
			return credentials.Value{}, &credentialsError{err}
		}
		found = s.last // until the file is whole again
	}
	s.last = found
	return credentials.Value{AccessKeyID: found.AccessKey, SecretAccessKey: found.SecretKey, SessionToken: found.SessionToken, SignerType: credentials.SignatureV4}, nil
}

// Retrieve implements minio-go's Provider.
func (s *source) Retrieve() (credentials.Value, error) { return s.RetrieveWithCredContext(nil) }

func (s *source) findLocked() (Credentials, error) {
	switch {
	case s.given.complete():
		return s.given, nil
	case s.given.AccessKey != "" || s.given.SecretKey != "":
		return Credentials{}, errors.New("of the access key and its secret one is missing: give both")
	case s.given.File != "":
		return s.readFileLocked()
	}
	for _, names := range [][3]string{
		{"FOOTFALL_S3_ACCESS_KEY", "FOOTFALL_S3_SECRET_KEY", "FOOTFALL_S3_SESSION_TOKEN"},
		{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"},
	} {
		if c := (Credentials{AccessKey: s.getenv(names[0]), SecretKey: s.getenv(names[1]), SessionToken: s.getenv(names[2])}); c.complete() {
			return c, nil
		}
	}
	return Credentials{}, errors.New("there are no credentials: give a file with them, or set FOOTFALL_S3_ACCESS_KEY and FOOTFALL_S3_SECRET_KEY")
}

func (s *source) readFileLocked() (Credentials, error) {
	f, err := os.Open(s.given.File)
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCredentials))
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	s.read = info
	c := parseCredentials(text)
	if !c.complete() {
		return Credentials{}, fmt.Errorf("the credentials file %s lacks an access key or its secret: it needs the lines access_key = … and secret_key = …", s.given.File)
	}
	return c, nil
}

// parseCredentials understands lines of name = value, with comments, quotes and sections.
func parseCredentials(text []byte) Credentials {
	var c Credentials
	ours := true
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if section, ok := strings.CutPrefix(line, "["); ok {
			ours = strings.TrimSpace(strings.TrimSuffix(section, "]")) == "default"
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !ours || line[0] == '#' || line[0] == ';' {
			continue
		}
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "export ")))
		name = strings.TrimPrefix(strings.TrimPrefix(name, "aws_"), "footfall_s3_")
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		switch name {
		case "access_key", "access_key_id":
			c.AccessKey = value
		case "secret_key", "secret_access_key":
			c.SecretKey = value
		case "session_token":
			c.SessionToken = value
		}
	}
	return c
}

// hide removes the credentials in use from what a store said.
func (s *source) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range []string{s.last.AccessKey, s.last.SecretKey, s.last.SessionToken} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
