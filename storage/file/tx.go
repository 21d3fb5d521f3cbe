package file

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Tx is the changes of one [Op]. It is valid until the op's Write returns. When Write returns an error, the op's
// changes are taken back and the other ops of the same commit stay.
type Tx struct {
	tx      *bolt.Tx
	sums    *Sums
	bulk    bool // of the ops
	bytes   int
	changes []change // of all ops, oldest first, with those that were taken back
	undo    []entry  // of this op, oldest first
	fatal   error    // bbolt refused what it never should: the commit cannot go on
}

// change is a key that was set, or removed where value is nil.
type change struct {
	bucket     Bucket
	key, value []byte
}

func (c change) apply(tx *bolt.Tx) error {
	if b := tx.Bucket([]byte{byte(c.bucket)}); c.value != nil {
		return b.Put(c.key, c.value)
	} else {
		return b.Delete(c.key)
	}
}

// entry is what a key held before.
type entry struct {
	bucket  Bucket
	key     []byte
	value   []byte
	existed bool
}

func (t *Tx) bucket(b Bucket, key []byte) (*bolt.Bucket, error) {
	switch {
	case !b.valid():
		return nil, fmt.Errorf("no bucket %d", b)
	case len(key) == 0 || len(key) > MaxKey:
		return nil, fmt.Errorf("key of %d bytes, allowed are 1 to %d", len(key), MaxKey)
	case b == Meta && key[0] == 0:
		return nil, errors.New("keys of Meta that begin with 0 are reserved")
	}
	return t.tx.Bucket([]byte{byte(b)}), nil
}

// Get returns the value of a key, with the changes made so far, or nil if there is none. It must not be changed and
// is valid until Write returns.
func (t *Tx) Get(b Bucket, key []byte) []byte {
	bucket, err := t.bucket(b, key)
	if err != nil {
		return nil
	}
	return bucket.Get(key)
}

// Put sets a value. Key and value are copied.
func (t *Tx) Put(b Bucket, key, value []byte) error {
	bucket, err := t.bucket(b, key)
	if err == nil && len(value) > MaxValue {
		err = fmt.Errorf("value of %d bytes, allowed are %d", len(value), MaxValue)
	}
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	old := bucket.Get(key)
	key = bytes.Clone(key)
	t.undo = append(t.undo, entry{b, key, old, old != nil})
	return t.put(bucket, b, key, append(make([]byte, 0, len(value)), value...), old != nil)
}

// put sets a value. Both slices are kept until the commit.
func (t *Tx) put(bucket *bolt.Bucket, b Bucket, key, value []byte, exists bool) error {
	if err := bucket.Put(key, value); err != nil {
		t.fatal = fmt.Errorf("put: %w", err)
		return t.fatal
	}
	if !exists {
		t.sums.flip(b, key, 1)
	}
	t.bytes += len(key) + len(value)
	t.changes = append(t.changes, change{b, key, value})
	return nil
}

// Delete removes a key. It is no error if there is none.
func (t *Tx) Delete(b Bucket, key []byte) error {
	bucket, err := t.bucket(b, key)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	old := bucket.Get(key)
	if old == nil {
		return nil
	}
	key = bytes.Clone(key)
	t.undo = append(t.undo, entry{b, key, old, true})
	return t.delete(bucket, b, key)
}

func (t *Tx) delete(bucket *bolt.Bucket, b Bucket, key []byte) error {
	if err := bucket.Delete(key); err != nil {
		t.fatal = fmt.Errorf("delete: %w", err)
		return t.fatal
	}
	t.sums.flip(b, key, -1)
	t.bytes += len(key)
	t.changes = append(t.changes, change{b, key, nil})
	return nil
}

// DeletePrefix removes every key that begins with prefix, which must not be empty.
func (t *Tx) DeletePrefix(b Bucket, prefix []byte) error {
	bucket, err := t.bucket(b, prefix)
	if err != nil {
		return fmt.Errorf("delete prefix: %w", err)
	}
	var keys [][]byte // a cursor must not be used while its bucket changes
	c := bucket.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := t.Delete(b, k); err != nil {
			return err
		}
	}
	return nil
}

// setFormat rewrites the format record. Nothing of the op may fail after it, since it is not undone.
func (t *Tx) setFormat(id [16]byte, format int) error {
	c := change{Meta, keyFormat, encodeFormat(id, format)}
	if err := c.apply(t.tx); err != nil {
		t.fatal = fmt.Errorf("put format: %w", err)
		return t.fatal
	}
	t.changes = append(t.changes, c)
	return nil
}

// run runs the Write of one op and takes its changes back if it fails.
func (t *Tx) run(write func(*Tx) error) error {
	t.undo = t.undo[:0]
	err := write(t)
	if err == nil || t.fatal != nil {
		return err
	}
	for i := len(t.undo) - 1; i >= 0; i-- {
		e := t.undo[i]
		bucket := t.tx.Bucket([]byte{byte(e.bucket)})
		exists := bucket.Get(e.key) != nil
		if e.existed {
			t.put(bucket, e.bucket, e.key, bytes.Clone(e.value), exists)
		} else if exists {
			t.delete(bucket, e.bucket, e.key)
		}
	}
	return err
}
