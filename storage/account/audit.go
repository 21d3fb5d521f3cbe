package account

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// Entry is a line of the audit log: somebody destroyed data, had it destroyed from now on, changed the keys, or what is counted. It says how much, and
// nothing of what it was.
type Entry struct {
	Number uint64      `json:"number"`
	Time   time.Time   `json:"time"`
	By     string      `json:"by"`     // who, as a word and a number: "command line", "token 3"
	Did    string      `json:"did"`    // what: one of the Did words
	Site   schema.Site `json:"site"`   // its number
	Domain string      `json:"domain"` // its name then
	Days   int         `json:"days"`   // that were changed or went
	Events int64       `json:"events"` // that went, engagement left out
	// Retention is the number of days kept from now on, 0 for all, where that was changed.
	Retention *int   `json:"retention,omitempty"`
	Rule      uint64 `json:"rule,omitempty"` // that was added, changed or removed
	Slot      *int   `json:"slot,omitempty"` // of the key that was added, removed or made anew, or that a rotation kept
}

// What an Entry may say was done.
const (
	DidDelete     = "delete events"
	DidReset      = "reset site"
	DidRemove     = "remove site"
	DidRetention  = "set retention"
	DidAddKey     = "add key"
	DidRemoveKey  = "remove key"
	DidRecovery   = "new recovery key"
	DidRotate     = "rotate keys"
	DidAddRule    = "add rule"
	DidChangeRule = "change rule"
	DidRemoveRule = "remove rule"
	DidRestore    = "restore snapshot" // what was done after its point is not in this list
)

const kindEntry = 1

// number gives the entry the next number, if it has none.
func (b *Book) number(ctx context.Context, e *Entry) error {
	b.auditing.Lock()
	defer b.auditing.Unlock()
	if b.entries == 0 {
		err := b.db.Scan(ctx, file.Audit, nil, func(key, _ []byte) error {
			if len(key) == 8 {
				b.entries = binary.BigEndian.Uint64(key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
	}
	b.entries++
	e.Number = b.entries
	return nil
}

// Begin gives an entry its number. Note then writes it, once or, while what it tells of goes on, again and again.
func (b *Book) Begin(ctx context.Context, e *Entry) error { return b.number(ctx, e) }

// Note writes a numbered entry as part of the change it tells of. Of old entries the log keeps MaxEntries.
func (b *Book) Note(tx *file.Tx, e *Entry) error {
	plain, err := json.Marshal(e)
	if err != nil {
		panic("account: internal error: an entry does not marshal: " + err.Error())
	}
	key := entryKey(e.Number)
	if e.Number > MaxEntries {
		if err := tx.Delete(file.Audit, entryKey(e.Number-MaxEntries)); err != nil {
			return err
		}
	}
	return tx.Put(file.Audit, key, b.rest.Seal([]byte{version}, plain, entryPlace(key)))
}

func entryKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func entryPlace(key []byte) seal.Place {
	return seal.Place{Bucket: byte(file.Audit), Key: key, Type: kindEntry, Version: version}
}

// Entries returns the audit log, the oldest entry first. Errors wrap ErrDamaged or seal.ErrDamaged where an entry does not decode.
func (b *Book) Entries(ctx context.Context) ([]Entry, error) {
	var list []Entry
	err := b.db.Scan(ctx, file.Audit, nil, func(key, value []byte) error {
		if len(key) != 8 || len(value) == 0 || value[0] != version {
			return fmt.Errorf("%w: an entry of the audit log", ErrDamaged)
		}
		plain, err := b.rest.Open(nil, value[1:], entryPlace(key))
		if err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		var e Entry
		if json.Unmarshal(plain, &e) != nil || e.Number != binary.BigEndian.Uint64(key) {
			return fmt.Errorf("%w: an entry of the audit log", ErrDamaged)
		}
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return list, nil
}
