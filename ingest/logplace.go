package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math"
	"slices"

	"footfall/storage"
	"footfall/storage/schema"
)

// logPlace says how far a log has been read. A log is known by its content, for its name changes when it is rotated: by its first bytes, and when
// it is read again all that was read must be the same. A log that holds nothing but the beginning of another is taken for an older copy of it. The hashes have a key of their own, so that nobody can ask them whether a
// certain line was in a log. Storage keeps it as a bookmark:
//
//	byte      version, 1
//	16 bytes  key
//	uvarint   bytes of the head, then 16 bytes: their HMAC-SHA256, cut
//	uvarint   bytes that were read, then 16 bytes: their HMAC-SHA256, cut
//	uvarint   where the first line begins that has yet to be counted
//	varint    first day that has yet to be counted, of the lines up to what was read
type logPlace struct {
	number uint32
	key    [logSum]byte
	head   int64
	first  [logSum]byte // of the head
	read   int64
	all    [logSum]byte // of what was read
	from   int64
	day    schema.Date

	changed bool // since it was kept
}

const (
	logSum          = 16
	logPlaceVersion = 1
)

var errLogPlace = errors.New("bookmark of a log: not understood: a newer version has written it, or it is damaged")

func (p *logPlace) append(b []byte) []byte {
	b = append(b, logPlaceVersion)
	b = append(b, p.key[:]...)
	b = append(binary.AppendUvarint(b, uint64(p.head)), p.first[:]...)
	b = append(binary.AppendUvarint(b, uint64(p.read)), p.all[:]...)
	b = binary.AppendUvarint(b, uint64(p.from))
	return binary.AppendVarint(b, int64(p.day))
}

func (p *logPlace) decode(b []byte) error {
	if len(b) < 1+logSum || b[0] != logPlaceVersion {
		return errLogPlace
	}
	b = b[1+copy(p.key[:], b[1:]):]
	for _, f := range []struct {
		n   *int64
		sum []byte
	}{{&p.head, p.first[:]}, {&p.read, p.all[:]}, {&p.from, nil}} {
		x, n := binary.Uvarint(b)
		if n <= 0 || x > 1<<62 || len(b)-n < len(f.sum) {
			return errLogPlace
		}
		*f.n = int64(x)
		b = b[n+copy(f.sum, b[n:]):]
	}
	date, n := binary.Varint(b)
	if n <= 0 || n != len(b) || p.head > p.read || p.from > p.read {
		return errLogPlace
	}
	p.day = schema.Date(date)
	return nil
}

func (p *logPlace) hash() hash.Hash { return hmac.New(sha256.New, p.key[:]) }

func (p *logPlace) sum(b []byte) (s [logSum]byte) {
	h := p.hash()
	h.Write(b)
	copy(s[:], h.Sum(nil))
	return s
}

// logPlaces are the places of a site's logs.
type logPlaces struct {
	known []*logPlace
	next  uint32 // number
}

func readLogPlaces(ctx context.Context, store *storage.Store, site schema.Site) (*logPlaces, error) {
	kept, err := store.Bookmarks(ctx, site)
	if err != nil {
		return nil, err
	}
	l := &logPlaces{}
	for _, number := range slices.Sorted(maps.Keys(kept)) {
		p := &logPlace{number: number}
		if err := p.decode(kept[number]); err != nil {
			return nil, err
		}
		l.known = append(l.known, p)
		l.next = number + 1
	}
	return l, nil
}

// find returns the place of the log that begins with head, a new one if it was never read.
func (l *logPlaces) find(head []byte) *logPlace {
	var best *logPlace
	for _, p := range l.known {
		if p.head > 0 && p.head <= int64(len(head)) && p.sum(head[:p.head]) == p.first && (best == nil || p.head > best.head || p.head == best.head && p.read > best.read) {
			best = p
		}
	}
	if best == nil {
		best = &logPlace{number: l.next}
		_, _ = rand.Read(best.key[:]) // which never fails
		l.next++
		l.known = append(l.known, best)
	}
	return best
}

// keep keeps the places that changed.
func (l *logPlaces) keep(im *storage.Import) error {
	for _, p := range l.known {
		if !p.changed || p.read == 0 {
			continue
		}
		if err := im.Keep(p.number, p.append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// tracker follows a log as it is read, and notices where it is no longer the one that was read before.
type tracker struct {
	*logPlace
	was  logPlace
	hash hash.Hash
	at   int64
	top  []byte // its first bytes
}

// track returns the tracker of the log that begins with head.
func (l *logPlaces) track(head []byte) *tracker {
	p := l.find(head)
	return &tracker{logPlace: p, was: *p, hash: p.hash(), top: head}
}

// pass takes the lines of a block, which begins at an offset and ends at another.
func (t *tracker) pass(lines []byte, begin, end int64) error {
	if t.at < t.was.read && end >= t.was.read {
		known := max(0, min(t.was.read-begin, int64(len(lines))))
		t.hash.Write(lines[:known])
		if err := t.same(); err != nil {
			return err
		}
		lines = lines[known:]
	}
	t.hash.Write(lines)
	t.at = end
	return nil
}

// same compares what was read up to now with what was read before.
func (t *tracker) same() error {
	if [logSum]byte(t.hash.Sum(nil)) != t.was.all {
		return fmt.Errorf("it begins as a log that was imported before and goes on otherwise within its first %d bytes: was it changed? Nothing of it can be told apart from what is counted already", t.was.read)
	}
	return nil
}

// end sets the place of what has been read: lines from an offset on, and days from one on, are yet to be counted.
func (t *tracker) end(from int64, date schema.Date) error {
	if t.at < t.was.read {
		return fmt.Errorf("it begins as a log that was imported before, and has only %d of the %d bytes that were read then: was it cut? Nothing was counted again", t.at, t.was.read)
	}
	p := t.logPlace
	p.changed = true
	p.head, p.read, p.from, p.day = min(int64(len(t.top)), t.at), t.at, from, date
	if from >= t.at { // every line is counted, whatever its day
		p.from, p.day = t.at, math.MinInt32
	}
	p.first, p.all = p.sum(t.top[:p.head]), [logSum]byte(t.hash.Sum(nil))
	return nil
}
