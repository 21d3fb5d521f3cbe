package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"footfall/storage/account"
	"footfall/storage/file"
	"footfall/storage/seal"
)

// Key says which key opens a store.
type Key = seal.KeySource

// KeySlot is one of the keys that open a store.
type KeySlot = seal.Slot

// Kinds of keys.
const (
	KeyFile     = seal.KeyFile
	Passphrase  = seal.Passphrase
	RecoveryKey = seal.Recovery
)

// What changing keys may be refused for.
var (
	ErrLastKey       = seal.ErrLastKey
	ErrNoSlot        = seal.ErrNoSlot
	ErrKeyTwice      = seal.ErrKeyTwice
	ErrShortKey      = seal.ErrShortKey
	ErrOpenerRemoved = seal.ErrOpenerRemoved
)

// KeyStatus tells which keys open a store. It holds no secret.
type KeyStatus struct {
	Slots  []KeySlot
	Opener int       // the slot that the store was opened with, or that the key at hand opens; -1 none
	Made   time.Time // the master key; zero: not known
	Beside string    // path of a key file that opens the store and lies in its own directory; empty: none
	// OldStays says why what is destroyed in the vault may stay readable on the disk, empty where nothing speaks for that. It is a guess.
	OldStays string
}

// HasRecovery reports whether there is a recovery key.
func (s *KeyStatus) HasRecovery() bool {
	for _, slot := range s.Slots {
		if slot.Kind == RecoveryKey {
			return true
		}
	}
	return false
}

// KeyStatus tells which keys open the store.
func (s *Store) KeyStatus() KeyStatus {
	return keyStatus(s.cfg.Dir, s.cfg.Key.File, s.vault.Outline(), s.vault.Opener())
}

// ReadKeyStatus tells which keys open the store in dir, which nobody needs to have open. Without a key, or with one that opens nothing,
// this is what the file says and not proven; with the right one a forged file is ErrVaultDamaged. The error of a key that opens
// nothing is returned with the status. Errors without it: ErrMissing, ErrVaultDamaged, seal.ErrNewer.
func ReadKeyStatus(dir string, key Key) (*KeyStatus, error) {
	outline, err := seal.ReadOutline(filepath.Join(dir, vaultName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s in %s; name another directory with --data", ErrMissing, vaultName, dir)
	} else if err != nil {
		return nil, err
	}
	opener := -1
	if !key.None() {
		if opener, err = outline.Try(key); errors.Is(err, ErrVaultDamaged) {
			return nil, err
		}
	}
	status := keyStatus(dir, key.File, outline, opener)
	return &status, err
}

func keyStatus(dir, keyFile string, outline *seal.Outline, opener int) KeyStatus {
	status := KeyStatus{Slots: outline.Slots(), Opener: opener, Made: outline.Made(), OldStays: seal.OldStays(filepath.Join(dir, vaultName))}
	for _, path := range []string{keyFile, filepath.Join(dir, keyName)} {
		if path == "" || !inside(dir, path) {
			continue
		}
		if _, err := outline.Try(Key{File: path}); err == nil {
			status.Beside = path
			break
		}
	}
	return status
}

// inside reports whether a file lies in a directory. A link there to a file elsewhere does not: whoever copies the directory has no more
// than the link.
func inside(dir, path string) bool {
	real := func(path string) string {
		abs, err := filepath.Abs(path)
		if err == nil {
			abs, err = filepath.EvalSymlinks(abs)
		}
		if err != nil {
			return ""
		}
		return abs
	}
	where := real(path)
	return where != "" && filepath.Dir(where) == real(dir)
}

// createVault makes the vault of a new store and, if that is to be its key and is not there, the key file.
func (s *Store) createVault(path string) (err error) {
	if file := s.cfg.Key.File; file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if err := seal.NewKeyFile(file); err != nil {
				return err
			}
		}
	}
	if s.vault, err = seal.CreateVault(path, s.db.ID(), s.cfg.Key, s.cfg.Now()); err != nil {
		return fmt.Errorf("make vault: %w", err)
	}
	s.fresh, s.cfg.Key = true, Key{File: s.cfg.Key.File}
	if s.cfg.NoRecovery {
		return nil
	}
	recovery := seal.NewRecovery()
	if _, err := s.vault.SetRecovery(recovery, s.cfg.Now()); err != nil {
		return err
	}
	s.recovery = recovery
	return nil
}

// noteKeys leaves in the audit log who changed the keys. The change is made by then, so a failure is only logged.
func (s *Store) noteKeys(ctx context.Context, by, did string, slot int) {
	ctx = context.WithoutCancel(ctx) // who asked may have gone
	e := &account.Entry{Time: s.cfg.Now().UTC().Truncate(time.Second), By: by, Did: did, Slot: &slot}
	err := s.book.Begin(ctx, e)
	if err == nil {
		err = s.db.Commit(ctx, func(tx *file.Tx) error { return s.book.Note(tx, e) })
	}
	if err != nil {
		s.cfg.Logger.Error("note a change of the keys", "did", did, "slot", slot, "error", err)
	}
}

// AddKey makes another key open the store, and returns its slot. by is who asks, for the audit log. Errors: ErrKeyTwice, ErrShortKey, and those
// of a key that cannot be read.
func (s *Store) AddKey(ctx context.Context, by string, key Key) (slot int, err error) {
	if slot, err = s.vault.AddKey(key, s.cfg.Now()); err == nil {
		s.noteKeys(ctx, by, account.DidAddKey, slot)
	}
	return slot, err
}

// RemoveKey makes the key in a slot open the store no more. Errors: ErrNoSlot, ErrLastKey.
func (s *Store) RemoveKey(ctx context.Context, by string, slot int) error {
	err := s.vault.RemoveKey(slot)
	if err == nil {
		s.noteKeys(ctx, by, account.DidRemoveKey, slot)
	}
	return err
}

// NewRecoveryKey returns a new recovery key to be shown. It opens nothing before SetRecoveryKey or RotateKeys was called with it.
func NewRecoveryKey() string { return seal.NewRecovery() }

// SetRecoveryKey makes key the one recovery key; the one before it opens the store no more.
func (s *Store) SetRecoveryKey(ctx context.Context, by, key string) error {
	slot, err := s.vault.SetRecovery(key, s.cfg.Now())
	if err == nil {
		s.noteKeys(ctx, by, account.DidRecovery, slot)
	}
	return err
}

// RotateKeys makes a new master key. The key that the store was opened with stays, and recovery, unless it is empty, becomes the recovery
// key; every other key opens the store no more. No data is written anew. See seal.Vault.Rotate. Errors: ErrOpenerRemoved.
func (s *Store) RotateKeys(ctx context.Context, by, recovery string) error {
	err := s.vault.Rotate(recovery, s.cfg.Now())
	if err == nil {
		s.noteKeys(ctx, by, account.DidRotate, s.vault.Opener())
	}
	return err
}
