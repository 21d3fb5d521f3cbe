package storage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
)

// TestKeysOfAStore changes the keys of a store with events in it, and reads them back with each key.
func TestKeysOfAStore(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	c := &clock{time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	s := mustOpen(t, dir, c)
	site, date := mustSite(t, s), schema.DateOf(c.now)
	o := mustOpenDay(t, s, site, date)
	mustAppend(t, s, o, pageview(c.now, 0, 1, true, "/"))
	salt, err := s.Salt(site, date)
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	recovery := storage.NewRecoveryKey()
	if err := s.RotateKeys(ctx, "test", recovery); err != nil {
		t.Fatal(err)
	}
	passphrase := []byte("correct horse battery staple")
	if slot, err := s.AddKey(ctx, "test", storage.Key{Passphrase: passphrase}); slot != 2 || err != nil {
		t.Errorf("slot %d, %v", slot, err)
	}
	mustAppend(t, s, o, pageview(c.now, 1, 1, true, "/b")) // the journal's key is the same as before
	if again, err := s.Salt(site, date); again != salt || err != nil {
		t.Errorf("the salt is another: %v", err)
	}
	entries, err := s.Accounts().Entries(ctx)
	if err != nil || len(entries) != 2 || entries[0].Did != account.DidRotate || *entries[0].Slot != 0 || entries[1].Did != account.DidAddKey || *entries[1].Slot != 2 || entries[1].By != "test" {
		t.Errorf("audit log %+v, %v", entries, err)
	}
	status := s.KeyStatus()
	if len(status.Slots) != 3 || status.Opener != 0 || !status.Made.Equal(c.now) || !status.HasRecovery() || status.Beside != filepath.Join(dir, "footfall.key") {
		t.Errorf("got %+v", status)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for opener, key := range []storage.Key{{}, {Recovery: recovery}, {Passphrase: passphrase}} {
		s, err := storage.Open(ctx, storage.Config{Dir: dir, Key: key, Now: c.Now})
		if err != nil {
			t.Fatalf("key %d: %v", opener, err)
		}
		if got := total(t, s, site.ID, query.Pageviews, date, date); got != 2 {
			t.Errorf("key %d: %v pageviews", opener, got)
		}
		if got := s.KeyStatus().Opener; got != opener {
			t.Errorf("key %d: opened with slot %d", opener, got)
		}
		if err := errors.Join(s.Check(ctx, nil), s.Close()); err != nil {
			t.Errorf("key %d: %v", opener, err)
		}
	}
}

func TestNoRecoveryKey(t *testing.T) {
	c := &clock{time.Now()}
	s, err := storage.Open(context.Background(), storage.Config{Dir: t.TempDir(), Create: true, NoRecovery: true, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if status := s.KeyStatus(); s.RecoveryKey() != "" || status.HasRecovery() || !s.Fresh() {
		t.Errorf("recovery key %q, status %+v", s.RecoveryKey(), status)
	}
}

func TestReadKeyStatus(t *testing.T) {
	c := &clock{time.Now()}
	home := t.TempDir()
	dir, key := filepath.Join(home, "data"), filepath.Join(home, "data", "footfall.key")
	s := mustOpen(t, dir, c)
	recovery := s.RecoveryKey()
	for _, open := range []bool{true, false} { // it may be in use
		for name, want := range map[string]struct {
			key    storage.Key
			opener int
			err    error
		}{
			"no key": {storage.Key{}, -1, nil}, "the key": {storage.Key{File: key}, 0, nil}, "the recovery key": {storage.Key{Typed: []byte(recovery)}, 1, nil},
			"another": {storage.Key{Raw: make([]byte, 32)}, -1, storage.ErrWrongKey}, "a missing one": {storage.Key{File: dir + "none"}, -1, storage.ErrNoKeyFile},
		} {
			status, err := storage.ReadKeyStatus(dir, want.key)
			if !errors.Is(err, want.err) || status == nil || status.Opener != want.opener || len(status.Slots) != 2 {
				t.Errorf("open %v, %s: got %+v, %v", open, name, status, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := storage.ReadKeyStatus(home, storage.Key{}); !errors.Is(err, storage.ErrMissing) {
		t.Errorf("no store: %v", err)
	}
	// A key that is only linked to does not go with a copy of the directory; one that opens nothing does no harm.
	beside := func(want string) {
		t.Helper()
		if status, err := storage.ReadKeyStatus(dir, storage.Key{}); err != nil || status.Beside != want {
			t.Errorf("the key beside is %q, %v, want %q", status.Beside, err, want)
		}
	}
	beside(key)
	if err := os.Rename(key, filepath.Join(home, "key")); err != nil {
		t.Fatal(err)
	}
	beside("")
	if err := os.Symlink(filepath.Join(home, "key"), key); err != nil {
		t.Fatal(err)
	}
	beside("")
	if err := errors.Join(os.Remove(key), os.WriteFile(key, []byte("hello"), 0o600)); err != nil {
		t.Fatal(err)
	}
	beside("")
}
