package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

// leftOf returns the versions and markers of objects whose name begins with prefix.
func leftOf(s *objtest.Server, prefix string) string {
	answer := string(s.MustDo("GET", "/"+s.Bucket+"?prefix="+prefix+"&versions=", nil, nil))
	return fmt.Sprintf("%d versions, %d markers", strings.Count(answer, "<Version>"), strings.Count(answer, "<DeleteMarker>"))
}

// TestDeleteVersions holds that of a deleted object no version stays, and of its neighbours all do.
func TestDeleteVersions(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{Versioning: true})
	b := s.Open("p")
	names := []string{"keys/a", "keys/ab", "keys/b", "keyring"}
	for _, name := range names {
		for i := range 3 {
			if err := b.Put(t.Context(), name, fmt.Appendf(nil, "secret of %s, %d", name, i), objstore.Overwrite); err != nil {
				t.Fatal(err)
			}
		}
	}
	if have := leftOf(s, "p/key"); have != "12 versions, 0 markers" {
		t.Fatalf("there are %s", have)
	}
	// A deletion by somebody who knows nothing of versions is made good.
	s.MustDo("DELETE", "/"+s.Bucket+"/p/keys/b", nil, nil)
	if have := leftOf(s, "p/keys/b"); have != "3 versions, 1 markers" {
		t.Fatalf("of keys/b there are %s", have)
	}
	if err := b.Delete(t.Context(), "keys/b", "keys/a", "keys/none"); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"p/keys/a": "3 versions, 0 markers" /* of keys/ab */, "p/keys/b": "0 versions, 0 markers", "p/keyring": "3 versions, 0 markers", "p/keys/none": "0 versions, 0 markers"} {
		if have := leftOf(s, prefix); have != want {
			t.Errorf("of %s there are %s, want %s", prefix, have, want)
		}
	}
	for _, dir := range []string{filepath.Dir(s.Dir), filepath.Join(filepath.Dir(s.Dir), "..", "versions")} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if bytes.Contains(text, []byte("secret of keys/a,")) || bytes.Contains(text, []byte("secret of keys/b")) {
				t.Errorf("%s still has the bytes of a deleted object", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRetained holds that a lock is reported with its end, and that what it keeps is no longer listed.
func TestRetained(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{ObjectLock: true})
	b := s.Open("p")
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	for _, name := range []string{"keys/free", "keys/held", "keys/locked"} {
		if err := b.Put(t.Context(), name, []byte(name), objstore.Create); err != nil {
			t.Fatal(err)
		}
	}
	s.MustDo("PUT", "/"+s.Bucket+"/p/keys/locked?retention=", http.Header{}, fmt.Appendf(nil, `<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>COMPLIANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>`, until.Format(time.RFC3339)))
	s.MustDo("PUT", "/"+s.Bucket+"/p/keys/held?legal-hold=", http.Header{}, []byte(`<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>ON</Status></LegalHold>`))

	err := b.Delete(t.Context(), "keys/locked")
	var kept *objstore.Retained
	if !errors.As(err, &kept) || kept.Name != "keys/locked" || !kept.Until.Equal(until) {
		t.Errorf("got error %v, want that it is kept until %v", err, until)
	}
	err = b.Delete(t.Context(), "keys/held", "keys/free")
	if !errors.As(err, &kept) || kept.Name != "keys/held" || !kept.Until.IsZero() {
		t.Errorf("got error %v, want that it is kept", err)
	}
	if have := objtest.Names(t, b, "", ""); len(have) != 0 {
		t.Errorf("listed are %v", have)
	}
	if have := leftOf(s, "p/keys/"); !strings.HasPrefix(have, "2 versions") {
		t.Errorf("there are %s", have)
	}
	// Asking again later is the advice.
	if err := b.Delete(t.Context(), "keys/locked"); !errors.As(err, &kept) {
		t.Errorf("the second time: got error %v", err)
	}
}
