// Package file keeps keys and values in one file that survives a crash.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

var errTodo = errors.New("not built yet")

type Bucket byte

const (
	Meta Bucket = 1 + iota
	Journal
	Catalog
	Days
	Accounts
	Audit
)

var (
	ErrRunning  = errors.New("already running: another process has the data file open")
	ErrDamaged  = errors.New("the data file is damaged")
	ErrPoisoned = errors.New("a commit failed: nothing more is written")
	ErrBusy     = errors.New("too many changes wait for the disk")
	ErrClosed   = errors.New("the data file is closed")
)

// ErrNewer says that a newer program wrote the file.
type ErrNewer struct{ Have, Knows int }

func (e ErrNewer) Error() string {
	return fmt.Sprintf("the data file has format %d, this program knows formats up to %d", e.Have, e.Knows)
}

type Config struct {
	Path    string
	Logger  *slog.Logger
	MaxSize int
}

type DB struct{}
type Tx struct{}

func (t *Tx) Put(b Bucket, key, value []byte) error      { return errTodo }
func (t *Tx) Delete(b Bucket, key []byte) error          { return errTodo }
func (t *Tx) DeletePrefix(b Bucket, prefix []byte) error { return errTodo }
func (t *Tx) Get(b Bucket, key []byte) []byte            { return nil }

type Op struct {
	Write func(*Tx) error
	Done  func(error)
}
type Pending struct{}

func (p *Pending) Wait(ctx context.Context) error { return errTodo }
func (p *Pending) Started() bool                  { return false }

// Refused is the reason why Submit did not queue the op (Done is then never called), or nil.
func (p *Pending) Refused() error { return errTodo }

type Stats struct {
	Size, Free   int64 // bytes
	Commits, Ops uint64
	Queued       int
}

func Create(cfg Config) (*DB, error)                                   { return nil, errTodo }
func Open(cfg Config) (*DB, error)                                     { return nil, errTodo }
func (db *DB) ID() [16]byte                                            { return [16]byte{} }
func (db *DB) Submit(op Op) *Pending                                   { return nil }
func (db *DB) Commit(ctx context.Context, write func(*Tx) error) error { return errTodo }
func (db *DB) Get(b Bucket, key []byte) ([]byte, error)                { return nil, errTodo }
func (db *DB) Scan(ctx context.Context, b Bucket, prefix []byte, fn func(key, value []byte) error) error {
	return errTodo
}
func (db *DB) Poisoned() error                                                   { return nil }
func (db *DB) Check(ctx context.Context, progress func(done, total int64)) error { return errTodo }
func (db *DB) Stats() Stats                                                      { return Stats{} }
func (db *DB) Close() error                                                      { return errTodo }
