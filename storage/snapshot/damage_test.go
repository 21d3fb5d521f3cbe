package snapshot_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"footfall/storage/objstore"
	"footfall/storage/schema"
	"footfall/storage/snapshot"
)

func mustGet(t *testing.T, b objstore.Bucket, name string) []byte {
	t.Helper()
	r, err := b.Get(t.Context(), name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// An object of each kind is cut, flipped, swapped for another and removed: verify names it; restore refuses and names it, unless it does without; with
// Salvage the rest is restored, and what is lost is listed.
func TestDamage(t *testing.T) {
	a := newAppliance(t, 30)
	b := mustDir(t)
	for site := range 3 {
		if err := a.vault.CreateSite(schema.Site(site + 1)); err != nil {
			t.Fatal(err)
		}
	}
	s, stop := a.stream(t, b)
	for range 4 {
		a.work(t, 20)
		if _, err := s.Snapshot(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		a.work(t, 5)
		await(t, s)
	}
	stop()
	if v := a.verified(t, b); v.Err() != nil {
		t.Fatal(v.Err())
	}
	manifests, packs, sites := names(t, b, "v1/manifest/"), names(t, b, "v1/pack/"), names(t, b, "v1/sites/")
	behind := slices.IndexFunc(packs, func(name string) bool { return filepath.Base(name) == filepath.Base(manifests[len(manifests)-1]) })
	if behind < 0 || len(packs)-behind < 4 {
		t.Fatalf("%d packs, %d to the last manifest", len(packs), behind)
	}
	for _, kind := range []struct {
		name, like string
		unread     bool // restore does without
	}{
		{manifests[len(manifests)-1], manifests[0], false},
		{manifests[0], manifests[1], true},
		{packs[behind+2], packs[behind+1], false},
		{sites[1], sites[2], false},
		{"v1/roll", manifests[0], false},
		{"v1/keyring", manifests[0], false},
		{names(t, b, "v1/epoch/")[0], manifests[0], true},
	} {
		whole, other := mustGet(t, b, kind.name), mustGet(t, b, kind.like)
		for how, body := range map[string][]byte{"cut": whole[:len(whole)/2], "flipped": flipped(whole), "swapped": other, "missing": nil} {
			t.Run(kind.name+" "+how, func(t *testing.T) {
				damage(t, b, kind.name, body)
				defer damage(t, b, kind.name, whole)
				r, err := snapshot.Open(t.Context(), b, a.key)
				if kind.name == "v1/keyring" {
					if !errors.Is(err, snapshot.ErrNothing) && (!errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), kind.name)) {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				v, err := r.Verify(t.Context(), snapshot.Verifying{ReadData: 1})
				missing := how == "missing" && strings.HasPrefix(kind.name, "v1/manifest/") // which is as if it had been pruned
				if found := slices.ContainsFunc(v.Bad, func(b snapshot.Bad) bool { return b.Object == kind.name }); err != nil || found == missing {
					t.Errorf("verified %+v, %v", v, err)
				}
				dir := filepath.Join(t.TempDir(), "restored")
				_, err = r.Restore(t.Context(), snapshot.Restoring{Dir: dir})
				if kind.unread || missing {
					if err != nil {
						t.Errorf("restore: %v", err)
					}
					return
				}
				if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), kind.name) {
					t.Errorf("restore: %v", err)
				}
				if _, err := os.Stat(dir); err == nil {
					t.Error("something was restored")
				}
				rep, err := r.Restore(t.Context(), snapshot.Restoring{Dir: dir, Salvage: true})
				if err != nil || len(rep.Lost) == 0 || !strings.Contains(strings.Join(rep.Lost, "\n"), kind.name) {
					t.Errorf("salvaged %+v, %v", rep, err)
				}
			})
		}
	}
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)*2/3] ^= 4
	return b
}

func damage(t *testing.T, b objstore.Bucket, name string, body []byte) {
	t.Helper()
	var err error
	if body == nil {
		err = b.Delete(t.Context(), name)
	} else {
		err = b.Put(t.Context(), name, body, objstore.Overwrite)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A snapshot in one file is restored, listed and verified as one in a bucket; cut or flipped anywhere it is refused.
func TestArchive(t *testing.T) {
	a := newAppliance(t, 31)
	if err := a.vault.CreateSite(1); err != nil {
		t.Fatal(err)
	}
	a.work(t, 100)
	var out bytes.Buffer
	p, err := snapshot.WriteArchive(t.Context(), &out, snapshot.Archiving{DB: a.db, Vault: a.vault, Name: "in one file"})
	if err != nil || p.Name != "in one file" {
		t.Fatalf("%+v, %v", p, err)
	}
	path := filepath.Join(t.TempDir(), "snapshot.tar")
	open := func(body []byte) (*snapshot.Archive, error) {
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return snapshot.OpenArchive(path)
	}
	b, err := open(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := a.restore(t, b, snapshot.Restoring{Point: "in one file"}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
	if v := a.verified(t, b); v.Err() != nil || v.Points != 1 {
		t.Errorf("%+v", v)
	}
	if err := b.Put(t.Context(), "v1/low", nil, objstore.Overwrite); !errors.Is(err, objstore.ErrRefused) {
		t.Errorf("put: %v", err)
	}
	for _, at := range []int{0, 100, 512, 700, out.Len() / 3, out.Len() / 2, out.Len() - 1025, out.Len() - 1024, out.Len() - 1} {
		if b, err := open(out.Bytes()[:at]); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", at, out.Len())
			b.Close()
		}
	}
	for at := 700; at < out.Len()-1024; at += out.Len() / 20 {
		body := bytes.Clone(out.Bytes())
		body[at] ^= 8
		b, err := open(body)
		if err != nil {
			continue
		}
		if _, err := a.tryRestore(t, b, snapshot.Restoring{}); err == nil && !padding(out.Bytes(), at) {
			t.Errorf("byte %d flipped: no error", at)
		}
		b.Close()
	}
	full := errors.New("no room")
	if _, err := snapshot.WriteArchive(t.Context(), &narrow{left: 5000, err: full}, snapshot.Archiving{DB: a.db, Vault: a.vault}); !errors.Is(err, full) {
		t.Errorf("a disk that is full: %v", err)
	}
}

// padding tells whether a byte of a tar is between objects, or of the time and the owner in a header and thus of no meaning.
func padding(b []byte, at int) bool { return b[at] == 0 }

// narrow takes so many bytes.
type narrow struct {
	left int
	err  error
}

func (n *narrow) Write(p []byte) (int, error) {
	if n.left -= len(p); n.left < 0 {
		return 0, n.err
	}
	return len(p), nil
}

// FuzzArchive opens files that anybody may have made.
func FuzzArchive(f *testing.F) {
	f.Add([]byte("v1/keyring"))
	f.Add(make([]byte, 1024))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := snapshot.ReadArchive(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		err = a.List(t.Context(), "", "", func(o objstore.Object) error {
			r, err := a.Get(t.Context(), o.Name, 0, -1)
			if err != nil {
				return err
			}
			defer r.Close()
			body, err := io.ReadAll(r)
			if int64(len(body)) != o.Size {
				t.Errorf("%s: %d bytes of %d", o.Name, len(body), o.Size)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
