package objstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

func openDir(t *testing.T) (*objstore.Dir, string) {
	t.Helper()
	path := t.TempDir()
	b, err := objstore.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return b, path
}

func TestDir(t *testing.T) {
	objtest.Conform(t, func(t *testing.T) objstore.Bucket {
		b, _ := openDir(t)
		return b
	})
}

func TestDirMustExist(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "-not", filepath.Join(file, "below")} {
		if _, err := objstore.OpenDir(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: got error %v", path, err)
		}
	}
}

// TestDirGone holds that a disk that was taken away is a reason to wait, and that nothing is written where it was.
func TestDirGone(t *testing.T) {
	b, path := openDir(t)
	if err := b.Put(t.Context(), "a", []byte("a"), objstore.Create); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".gone"); err != nil {
		t.Fatal(err)
	}
	_, getErr := b.Get(t.Context(), "a", 0, -1)
	for op, err := range map[string]error{
		"put":    b.Put(t.Context(), "dir/b", []byte("b"), objstore.Create),
		"get":    getErr,
		"delete": b.Delete(t.Context(), "a"),
		"list":   b.List(t.Context(), "", "", func(objstore.Object) error { return nil }),
	} {
		if !errors.Is(err, objstore.ErrTemporary) || errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: got error %v", op, err)
		}
	}
	if err := os.Rename(path+".gone", path); err != nil {
		t.Fatal(err)
	}
	if have := objtest.Names(t, b, "", ""); !slices.Equal(have, []string{"a"}) {
		t.Errorf("there is %v", have)
	}
}

// TestDirLeftovers holds that what a crash left is not listed, and removed when nobody can be writing it any more.
func TestDirLeftovers(t *testing.T) {
	b, path := openDir(t)
	temp := filepath.Join(path, ".tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"put-1": 2 * time.Hour, "put-2": time.Minute} {
		file := filepath.Join(temp, name)
		if err := os.WriteFile(file, []byte("half an obj"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if have := objtest.Names(t, b, "", ""); len(have) != 0 {
		t.Errorf("listed are %v", have)
	}
	if err := b.Put(t.Context(), "a", nil, objstore.Create); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "put-2" {
		t.Errorf("left are %v, want put-2 alone", entries)
	}
}

func TestDirForeignFiles(t *testing.T) {
	b, path := openDir(t)
	for _, name := range []string{"README.TXT", ".hidden", "lost+found/x", "b", "link"} {
		file := filepath.Join(path, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("b", filepath.Join(path, "c")); err != nil {
		t.Skip(err)
	}
	if have := objtest.Names(t, b, "", ""); !slices.Equal(have, []string{"b", "link"}) {
		t.Errorf("listed are %v", have)
	}
	for _, mode := range []objstore.Mode{objstore.Create, objstore.Overwrite} {
		if err := b.Put(t.Context(), "b/below", nil, mode); !errors.Is(err, objstore.ErrRefused) {
			t.Errorf("below a file: got error %v", err)
		}
		if err := os.MkdirAll(filepath.Join(path, "dir"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), "dir", nil, mode); err == nil {
			t.Error("an object replaced a directory")
		}
		if err := b.Delete(t.Context(), "dir"); err != nil {
			t.Error(err)
		}
	}
}

// A disk that is unmounted leaves an empty directory at its place: what is written there is on the wrong disk, and is gone when it is mounted again.
func TestDirIsAnotherOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mount")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := objstore.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a", []byte("1"), objstore.Create); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+"-unmounted"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "b", []byte("2"), objstore.Create); !errors.Is(err, objstore.ErrTemporary) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(path); len(left) > 0 {
		t.Errorf("%v was written", left)
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+"-unmounted", path)); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "b", []byte("2"), objstore.Create); err != nil {
		t.Errorf("mounted again: %v", err)
	}
}
