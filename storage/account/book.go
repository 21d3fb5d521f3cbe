package account

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"footfall/storage/file"
	"footfall/storage/schema"
	"footfall/storage/seal"
)

// Kinds of records. They are part of the file format.
const (
	kindCounters = 1 + iota
	kindSite
	kindUser
	kindToken
	kindSession
	kindRule
)

// versionChanges is the version of a site with changes of its time zone: a program that does not know them would place its days, and
// what is in them, wrongly.
const (
	version        = 1
	versionChanges = 2
)

// counters hold the last number given, of each kind. They are stored before a number is used, so that no number is
// given twice even if the process dies in between: a site's number is part of visitor ids and of keys.
type counters struct {
	Site  schema.Site `json:"site"`
	User  uint64      `json:"user"`
	Token uint64      `json:"token"`
	Rule  uint64      `json:"rule,omitempty"`
}

// state is one version of the book. It never changes once it is published; a change clones the maps it touches.
type state struct {
	counters counters
	sites    map[schema.Site]Site
	domains  map[string]schema.Site
	scripts  map[string]schema.Site // by Script.ID
	users    map[uint64]User
	emails   map[string]uint64
	tokens   map[[32]byte]Token
	sessions map[[32]byte]Session
	rules    map[schema.Site]*Rules
}

func newState() *state {
	return &state{
		sites: map[schema.Site]Site{}, domains: map[string]schema.Site{}, scripts: map[string]schema.Site{},
		users: map[uint64]User{}, emails: map[string]uint64{},
		tokens: map[[32]byte]Token{}, sessions: map[[32]byte]Session{},
		rules: map[schema.Site]*Rules{},
	}
}

// Book is safe for concurrent use. Reading takes no lock.
type Book struct {
	db   *file.DB
	rest *seal.Sealer

	mu  sync.Mutex // serialises changes: read state, commit, publish
	now atomic.Pointer[state]

	touching sync.Mutex // held while a use of a token is recorded
	auditing sync.Mutex // guards entries
	entries  uint64     // number of the newest entry of the audit log; 0 until it is asked for
}

// Open reads the book from db. Errors wrap ErrDamaged or seal.ErrDamaged where a record does not decode.
func Open(db *file.DB, rest *seal.Sealer) (*Book, error) {
	b := &Book{db: db, rest: rest}
	s := newState()
	err := db.Scan(context.Background(), file.Accounts, nil, func(key, value []byte) error { return b.load(s, key, value) })
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	for _, rules := range s.rules {
		slices.SortFunc(rules.list, byKind)
	}
	b.now.Store(s)
	return b, nil
}

func (b *Book) load(s *state, key, value []byte) error {
	plain, err := b.open(key, value)
	if err != nil {
		return err
	}
	return s.decode(key, plain)
}

// open unseals one stored value.
func (b *Book) open(key, value []byte) ([]byte, error) {
	if len(key) == 0 || len(value) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	if value[0] != version && (value[0] != versionChanges || key[0] != kindSite) {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrDamaged, value[0], versionChanges)
	}
	plain, err := b.rest.Open(nil, value[1:], place(key, uint16(value[0])))
	if err != nil {
		return nil, fmt.Errorf("account record: %w", err)
	}
	return plain, nil
}

// decode adds the record to s. It never panics, whatever the bytes are.
func (s *state) decode(key, plain []byte) error {
	var err error
	var home []byte // the key under which the decoded record belongs
	switch key[0] {
	case kindCounters:
		err = json.Unmarshal(plain, &s.counters)
		home = numberKey(kindCounters, 0)
	case kindSite:
		var v Site
		if err = json.Unmarshal(plain, &v); err == nil && !slices.IsSortedFunc(v.Changes, byFirst) {
			err = errors.New("changes of the time zone are out of order")
		}
		v.calendar, _ = v.Calendar() // a zone this program does not know is told to whoever asks for the days
		s.sites[v.ID], s.domains[v.Domain] = v, v.ID
		if v.Script.ID != "" {
			s.scripts[v.Script.ID] = v.ID
		}
		home = numberKey(kindSite, uint64(v.ID))
	case kindUser:
		var v User
		err = json.Unmarshal(plain, &v)
		s.users[v.ID], s.emails[v.Email] = v, v.ID
		home = numberKey(kindUser, v.ID)
	case kindToken:
		var v Token
		err = json.Unmarshal(plain, &v)
		s.tokens[v.Hash] = v
		home = hashKey(kindToken, v.Hash)
	case kindSession:
		var v Session
		err = json.Unmarshal(plain, &v)
		s.sessions[v.Hash] = v
		home = hashKey(kindSession, v.Hash)
	case kindRule:
		var v Rule
		if err = json.Unmarshal(plain, &v); err == nil {
			if _, known := v.Kind.Info(); !known {
				err = fmt.Errorf("a rule about %q", v.Kind)
			}
		}
		if s.rules[v.Site] == nil {
			s.rules[v.Site] = &Rules{}
		}
		s.rules[v.Site].list = append(s.rules[v.Site].list, v) // Open sorts them
		home = numberKey(kindRule, v.ID)
	default:
		return fmt.Errorf("%w: kind %d is not known", ErrDamaged, key[0])
	}
	if err != nil {
		return fmt.Errorf("%w: kind %d: %w", ErrDamaged, key[0], err)
	}
	if string(home) != string(key) {
		return fmt.Errorf("%w: kind %d lies under another record's key", ErrDamaged, key[0])
	}
	return nil
}

func place(key []byte, version uint16) seal.Place {
	return seal.Place{Bucket: byte(file.Accounts), Key: key, Type: key[0], Version: version}
}

func byFirst(a, b ZoneChange) int { return cmp.Compare(a.First, b.First) }

func numberKey(kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, n)
}

func hashKey(kind byte, h [32]byte) []byte { return append([]byte{kind}, h[:16]...) }

// change is one durable step from a state to the next. Steps are written in order, so a later record wins.
type change struct {
	b    *Book
	next state
	puts []record
	dels [][]byte
	done *Entry // nil, or what the step is to leave in the audit log
}

type record struct{ key, value []byte }

func (c *change) put(key []byte, v any) {
	plain, err := json.Marshal(v)
	if err != nil {
		panic("account: internal error: a record does not marshal: " + err.Error())
	}
	version := byte(version)
	if site, ok := v.(Site); ok && len(site.Changes) > 0 {
		version = versionChanges
	}
	c.puts = append(c.puts, record{key, c.b.rest.Seal([]byte{version}, plain, place(key, uint16(version)))})
}

func (c *change) delete(key []byte) { c.dels = append(c.dels, key) }

// change starts a step; the caller holds mu.
func (b *Book) changeLocked() *change { return &change{b: b, next: *b.now.Load()} }

// commit makes the step durable and then visible. The wait is not cut short by ctx: a caller that gave up could not
// tell whether the record is on disk, and memory would differ from it.
func (c *change) commit(ctx context.Context) error {
	err := c.b.db.Commit(context.WithoutCancel(ctx), func(tx *file.Tx) error {
		for _, k := range c.dels {
			if err := tx.Delete(file.Accounts, k); err != nil {
				return err
			}
		}
		for _, r := range c.puts {
			if err := tx.Put(file.Accounts, r.key, r.value); err != nil {
				return err
			}
		}
		if c.done != nil {
			return c.b.Note(tx, c.done)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.b.now.Store(&c.next)
	return nil
}

// number makes the next number durable before it is used.
func (b *Book) numberLocked(ctx context.Context, take func(*counters)) (counters, error) {
	c := b.changeLocked()
	take(&c.next.counters)
	c.put(numberKey(kindCounters, 0), c.next.counters)
	if err := c.commit(ctx); err != nil {
		return counters{}, err
	}
	return c.next.counters, nil
}

// with returns a copy of m in which k is v.
func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	n := maps.Clone(m)
	n[k] = v
	return n
}

// without returns a copy of m that lacks k.
func without[K comparable, V any](m map[K]V, k K) map[K]V {
	n := maps.Clone(m)
	delete(n, k)
	return n
}
