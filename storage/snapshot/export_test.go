package snapshot

import (
	"context"

	"footfall/storage/objstore"
)

// ManifestNow makes the stream write a manifest as it does each hour.
func ManifestNow(ctx context.Context, s *Stream) error {
	_, err := s.Snapshot(ctx, "")
	return err
}

// NewestEpoch returns the number of the newest claim.
func NewestEpoch(ctx context.Context, b objstore.Bucket) (uint32, error) { return newestEpoch(ctx, b) }

// ReadArchive goes through a tar that need not be a file.
var ReadArchive = readArchive
