package s3

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"footfall/storage/objstore"
)

// Style is where the bucket's name stands in the addresses that requests go to.
type Style string

// The styles.
const (
	Auto        Style = ""        // as a host for AWS, in the path elsewhere
	Path        Style = "path"    // https://endpoint/bucket/…
	VirtualHost Style = "virtual" // https://bucket.endpoint/…
)

// Config says how a store is reached.
type Config struct {
	Endpoint    string // https://host, or http://host:port where nobody else is on the line; empty: AWS
	Region      string // empty: what AWS_REGION or the endpoint says, else us-east-1
	Style       Style
	CAFile      string // certificates in PEM that are believed beside those of the system; may be empty
	Credentials Credentials
	Timeout     time.Duration            // of a request beyond what its bytes need; 0: half a minute
	Getenv      func(name string) string // nil: the environment of the process
}

// Open opens a bucket. Nothing is sent yet, but the credentials must be there.
func (cfg Config) Open(at objstore.Location) (objstore.Bucket, error) {
	b, err := cfg.open(at)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", at, err)
	}
	return b, nil
}

func (cfg Config) open(at objstore.Location) (*Bucket, error) {
	if cfg.Getenv == nil {
		cfg.Getenv = os.Getenv
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = requestTimeout
	}
	host, secure, err := endpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	lookup, ok := map[Style]minio.BucketLookupType{Auto: minio.BucketLookupAuto, Path: minio.BucketLookupPath, VirtualHost: minio.BucketLookupDNS}[cfg.Style]
	if !ok {
		return nil, fmt.Errorf("the style of addresses is %q: it must be path or virtual", string(cfg.Style))
	}
	roots, err := authorities(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	from := &source{given: cfg.Credentials, getenv: cfg.Getenv}
	keys := credentials.New(from)
	if _, err := keys.GetWithContext(nil); err != nil {
		return nil, err
	}
	skew := new(atomic.Int64)
	options := &minio.Options{
		Creds: keys, Secure: secure, BucketLookup: lookup, MaxRetries: 1, // trying again is objstore.Retry's
		Region:    cfg.region(host),
		Transport: &transport{base: network(roots), skew: skew},
	}
	core, err := minio.NewCore(host, options)
	if err != nil {
		return nil, fmt.Errorf("the endpoint %s: %w", host, err)
	}
	b := &Bucket{
		core: core, keys: keys, source: from, skew: skew, timeout: cfg.Timeout,
		bucket: at.Bucket, prefix: at.Prefix, conditional: newFact(), versioned: newFact(),
	}
	if b.prefix != "" {
		b.prefix += "/"
	}
	return b, nil
}

// endpoint takes an address apart. Without a scheme it is https: what goes over the line is signed, not secret, but its answers are believed.
func endpoint(address string) (host string, secure bool, err error) {
	if address == "" {
		return "s3.amazonaws.com", true, nil
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", false, errors.New("the endpoint must be the address of a server and nothing else, like https://s3.example.com")
	}
	return u.Host, u.Scheme == "https", nil
}

// region never leaves it to minio-go, which would ask the store with a request that many credentials do not allow.
func (cfg Config) region(host string) string {
	if cfg.Region != "" {
		return cfg.Region
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := cfg.Getenv(name); region != "" {
			return region
		}
	}
	if strings.HasSuffix(host, ".r2.cloudflarestorage.com") {
		return "auto"
	}
	// s3.eu-central-003.backblazeb2.com, s3.fr-par.scw.cloud, s3.eu-west-1.amazonaws.com and many more say it themselves.
	if parts := strings.Split(host, "."); len(parts) >= 4 && parts[0] == "s3" {
		return parts[1]
	}
	return "us-east-1"
}

func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("there is no certificate in %s: it must be a PEM file, with lines BEGIN CERTIFICATE", file)
	}
	return pool, nil
}

// network speaks HTTP/1.1 alone: what happens to one connection does not happen to all requests then.
func network(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   handshakeTimeout,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    true, // what is sealed does not shrink, and the header is not signed
		ForceAttemptHTTP2:     false,
		ExpectContinueTimeout: time.Second,
	}
}
