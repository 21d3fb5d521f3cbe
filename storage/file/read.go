package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Read calls fn with the value of a key, or with nil if there is none. The value is gone when fn returns. fn must be quick, and must not
// come back to the DB: the file cannot grow its mapping while it runs.
func (db *DB) Read(b Bucket, key []byte, fn func(value []byte) error) error {
	if !b.valid() {
		return fmt.Errorf("read: no bucket %d", b)
	}
	return db.view(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte{byte(b)}).Get(key)) })
}

// Get returns a copy of the value of a key, or nil if there is none.
func (db *DB) Get(b Bucket, key []byte) (value []byte, err error) {
	if !b.valid() {
		return nil, fmt.Errorf("get: no bucket %d", b)
	}
	err = db.view(func(tx *bolt.Tx) error {
		value = bytes.Clone(tx.Bucket([]byte{byte(b)}).Get(key))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return value, nil
}

// Scan calls fn for each key that begins with prefix, in order; an empty prefix means all. The slices are copies and
// fn's to keep. fn runs outside of any transaction and may write. Changes made while a scan runs are seen if they
// lie ahead of it and within 256 pairs not yet handed out; what was there at the start and is not deleted is always seen.
func (db *DB) Scan(ctx context.Context, b Bucket, prefix []byte, fn func(key, value []byte) error) error {
	return db.scan(ctx, b, prefix, MaxValue, func(p pair) error { return fn(p.key, p.value) })
}

// Sizes is Scan with the length of each value in place of the value, which is not read.
func (db *DB) Sizes(ctx context.Context, b Bucket, prefix []byte, fn func(key []byte, size int) error) error {
	return db.scan(ctx, b, prefix, 0, func(p pair) error { return fn(p.key, p.size) })
}

// Fingerprint tells whether a sealed value is another one: it is bytes 1 to 8 of the value, which are of the random nonce, and zeros where the
// value is shorter.
type Fingerprint [8]byte

// FingerprintOf returns the fingerprint of a value.
func FingerprintOf(value []byte) (fp Fingerprint) {
	if len(value) > 0 {
		copy(fp[:], value[1:])
	}
	return fp
}

// Fingerprints is [DB.Sizes] of all buckets, in order, with a fingerprint of each value.
func (db *DB) Fingerprints(ctx context.Context, fn func(b Bucket, key []byte, fp Fingerprint, size int) error) error {
	for b := Meta; b <= Audit; b++ {
		err := db.scan(ctx, b, nil, 1+len(Fingerprint{}), func(p pair) error { return fn(b, p.key, FingerprintOf(p.value), p.size) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Sums returns the sums of the last commit.
func (db *DB) Sums() (s Sums, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		s, err = DecodeSums(tx.Bucket([]byte{byte(Meta)}).Get(keySums))
		return err
	})
	if err != nil {
		return Sums{}, fmt.Errorf("read sums: %w", err)
	}
	return s, nil
}

type pair struct {
	key, value []byte
	size       int // of the whole value
}

// scan hands out the first most bytes of each value.
func (db *DB) scan(ctx context.Context, b Bucket, prefix []byte, most int, fn func(pair) error) error {
	if !b.valid() {
		return fmt.Errorf("scan: no bucket %d", b)
	}
	var after []byte
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		pairs, more, err := db.chunk(b, prefix, after, most)
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		for _, p := range pairs {
			if err := fn(p); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		after = pairs[len(pairs)-1].key
	}
}

// chunk copies pairs after a key out of one short transaction; more tells whether there may be others.
func (db *DB) chunk(b Bucket, prefix, after []byte, most int) (pairs []pair, more bool, err error) {
	err = db.view(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte{byte(b)}).Cursor()
		k, v := c.Seek(prefix)
		if after != nil {
			if k, v = c.Seek(after); bytes.Equal(k, after) {
				k, v = c.Next()
			}
		}
		size := 0
		for ; k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			p := pair{k, v[:min(len(v), most)], len(v)}
			if len(pairs) > 0 && (len(pairs) == scanPairs || size+len(p.key)+len(p.value) > scanBytes) {
				more = true
				break
			}
			if b == Meta && k[0] == 0 {
				continue
			}
			pairs = append(pairs, p)
			size += len(p.key) + len(p.value)
		}
		// Copied in one piece: the transaction's memory is gone when it ends.
		buf := make([]byte, 0, size)
		for i, p := range pairs {
			n := len(buf)
			buf = append(append(buf, p.key...), p.value...)
			m := n + len(p.key)
			pairs[i].key, pairs[i].value = buf[n:m:m], buf[m:len(buf):len(buf)]
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return pairs, more, nil
}

// Check walks the tree at one point in time, compares it with the sums, and then reads every value. Commits go on meanwhile. It calls
// progress, which may be nil, with bytes; total is an upper bound that free pages keep from being reached.
func (db *DB) Check(ctx context.Context, progress func(done, total int64)) error {
	err := errMetaGone
	for errors.Is(err, errMetaGone) && ctx.Err() == nil { // where two commits came in between, the next try starts from a newer tree
		err = db.viewIn(func(h *handle, tx *bolt.Tx) error { return db.checkTree(ctx, h, uint64(tx.ID())) })
	}
	if err == nil {
		err = db.readAll(ctx, progress)
	}
	if err != nil {
		return fmt.Errorf("check data file: %w", err)
	}
	return nil
}

// readAll reads every value, so that unreadable disk blocks are found. It does so apart from the walk, which keeps a transaction open.
func (db *DB) readAll(ctx context.Context, progress func(done, total int64)) error {
	var done int64
	size := db.Stats().Size
	for b := Meta; b <= Audit; b++ {
		err := db.Scan(ctx, b, nil, func(key, value []byte) error {
			if done += int64(len(key) + len(value)); progress != nil {
				progress(done, size)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// errMetaGone means that the meta page of a transaction was overwritten before it could be read.
var errMetaGone = errors.New("meta page is gone")

// checkTree checks the tree of transaction txid, which the caller keeps open: so none of its pages is used again
// while the walk reads them from the file.
func (db *DB) checkTree(ctx context.Context, h *handle, txid uint64) error {
	info, err := h.file.Stat()
	if err != nil {
		return err
	}
	for i := range int64(2) {
		m, ok, err := readMeta(h.file, i)
		if err != nil {
			return err
		}
		if !ok || m.txid != txid {
			continue
		}
		w, err := walk(ctx, h.file, info.Size(), m, db.newest)
		if err != nil {
			return err
		}
		return w.sums.compare(w.own[string(keySums)])
	}
	return errMetaGone
}

// Stats are numbers about the file and the commits since Open.
type Stats struct {
	Size    int64 // bytes of the file
	Free    int64 // bytes of pages inside the file that hold nothing
	Tail    int64 // bytes behind the last page that was ever used
	Commits uint64
	Ops     uint64 // ops in those commits
	Queued  int    // ops that wait now
	Slow    uint64 // reads that took more than a second
}

// Rest lets go of the pages of the file that were read. They stay in the page cache, as long as nobody wants the memory, but no longer count as ours:
// opening walks through the whole file.
func (db *DB) Rest() {
	_ = db.viewIn(func(h *handle, tx *bolt.Tx) error { // inside of which the mapping does not move
		unmapped(h.bolt.Info().Data, tx.Size())
		return nil
	})
}

// Stats returns the current numbers.
func (db *DB) Stats() Stats {
	s := Stats{Commits: db.commits.Load(), Ops: db.ops.Load(), Slow: db.slow.Load()}
	db.mu.Lock()
	s.Queued = len(db.queue)
	db.mu.Unlock()
	if db.closed.Load() {
		return s
	}
	_ = db.viewIn(func(h *handle, tx *bolt.Tx) error { // numbers of one file, which no compaction closes meanwhile
		info, err := h.file.Stat()
		if err != nil {
			return err
		}
		b := h.bolt.Stats()
		s.Size, s.Free = info.Size(), int64(b.FreePageN+b.PendingPageN)*pageSize
		s.Tail = max(0, s.Size-tx.Size())
		return nil
	})
	return s
}
