package verb

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"footfall/storage/memory"
	"footfall/storage/objstore"
	"footfall/storage/objstore/s3"
	"footfall/storage/snapshot"
)

// BucketFlags say where snapshots are streamed to, and how that place is reached. No flag takes the credentials: other people of the machine see the
// arguments of a process.
type BucketFlags struct {
	SnapshotTo          string      `help:"Where snapshots are streamed to: s3://BUCKET/PREFIX or file:///DIR." placeholder:"URL" group:"Snapshots:"`
	SnapshotEndpoint    string      `help:"Address of an S3 server that is not Amazon's, such as https://s3.example.com." placeholder:"URL" group:"Snapshots:"`
	SnapshotRegion      string      `help:"Region of the bucket (default: as AWS_REGION or the endpoint says, else us-east-1)." placeholder:"NAME" group:"Snapshots:"`
	SnapshotPathStyle   bool        `help:"Write the bucket's name into the path of requests, not into the host (most servers that are not Amazon's take both)." group:"Snapshots:"`
	SnapshotCA          string      `name:"snapshot-ca" help:"Certificates in PEM that are believed beside those of the system." placeholder:"FILE" group:"Snapshots:"`
	SnapshotCredentials string      `help:"File with lines 'access_key = ...' and 'secret_key = ...', read again when it changes (default: FOOTFALL_S3_ACCESS_KEY and FOOTFALL_S3_SECRET_KEY, or AWS_... in the environment)." placeholder:"FILE" group:"Snapshots:"`
	SnapshotNoPrune     bool        `help:"Never delete old snapshots: for credentials that may not. Prune from another machine with footfall snapshot prune --from." group:"Snapshots:"`
	SnapshotLimit       memory.Size `help:"Bytes a second to and from the bucket, such as 2M (default: no limit)." placeholder:"SIZE" group:"Snapshots:"`
}

// FromFlags are BucketFlags of a verb that can read any bucket.
type FromFlags struct {
	From string `help:"Where the snapshots are, if not at --snapshot-to: s3://BUCKET/PREFIX, file:///DIR, or a file that snapshot create --to has written." placeholder:"URL"`
	BucketFlags
}

// Alone reports whether a bucket was named that needs neither a data directory nor a server.
func (f *FromFlags) Alone() bool { return f.From != "" }

// errNoBucket is for verbs that find no bucket.
var errNoBucket = errors.New("no bucket is named: say --snapshot-to, or FOOTFALL_SNAPSHOT_TO in the environment, with s3://BUCKET/PREFIX or file:///DIR")

// bucket opens the bucket that --from or --snapshot-to names, for a verb that reads it with patience, and not for ever.
func (f *FromFlags) bucket(c *Context) (objstore.Bucket, string, error) {
	at := f.BucketFlags
	if f.From != "" {
		at.SnapshotTo = f.From
		if info, err := os.Stat(f.From); err == nil && info.Mode().IsRegular() {
			archive, err := snapshot.OpenArchive(f.From)
			return archive, f.From, err
		}
	}
	b, err := at.open(c.Log)
	if err != nil {
		return nil, "", err
	}
	return patient(b), at.SnapshotTo, nil
}

// patient is for who has somebody waiting: it tries again, and not for ever.
func patient(b objstore.Bucket) objstore.Bucket {
	return objstore.Retry(b, objstore.RetryConfig{Attempts: readAttempts})
}

// open opens the bucket. Nothing is asked of it yet.
func (f *BucketFlags) open(log *slog.Logger) (objstore.Bucket, error) {
	if f.SnapshotTo == "" {
		return nil, Exit(ExitUsage, errNoBucket)
	}
	cfg := s3.Config{Endpoint: f.SnapshotEndpoint, Region: f.SnapshotRegion, CAFile: f.SnapshotCA, Credentials: s3.Credentials{File: f.SnapshotCredentials}}
	if f.SnapshotPathStyle {
		cfg.Style = s3.Path
	}
	b, err := objstore.Open(f.SnapshotTo, cfg.Open)
	if err != nil {
		return nil, Exit(ExitUsage, err)
	}
	if info, err := os.Stat(f.SnapshotCredentials); err == nil && info.Mode().Perm()&0o004 != 0 {
		log.Warn("everybody on this machine can read the credentials of the bucket: chmod 600", "file", f.SnapshotCredentials)
	}
	return objstore.Limit(b, objstore.LimitConfig{AtOnce: atOnce, BytesPerSecond: int64(f.SnapshotLimit)}), nil
}

// Limits.
const (
	readAttempts  = 8                // of a request of a command: one to two minutes, after which a person wants to know
	writeAttempts = 3                // of a request of the stream: short of that long outages are its own business
	atOnce        = 8                // requests with a body at a time: each holds up to 16 MiB
	silentFor     = 10 * time.Minute // without a snapshot are worth a person's time; less heals by itself
	drillWait     = 2 * time.Second  // of status for what is nice to know
	probeTime     = time.Minute      // a store that takes longer to answer a few small requests is down
	probeAgain    = 15 * time.Minute // after a probe that failed
	lastRetry     = 5 * time.Second  // between two of those
)

// probe asks a bucket once what it can do.
func probe(ctx context.Context, b objstore.Bucket) objstore.Report {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return objstore.Probe(ctx, b)
}
