package s3_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

// TestMain spares us the fifth of a second that minio-go waits after a failure before it sees that it shall not try again.
func TestMain(m *testing.M) {
	minio.DefaultRetryUnit = time.Millisecond
	os.Exit(m.Run())
}

// prefixes gives each test a place of its own in one bucket, with other objects around it.
func prefixes(t *testing.T, s *objtest.Server) func(t *testing.T) objstore.Bucket {
	n := 0
	return func(t *testing.T) objstore.Bucket {
		n++
		prefix := "Some_prefix/" + strconv.Itoa(n) + "-"
		beside := s.Open(prefix + "beside")
		if err := beside.Put(t.Context(), "beside", nil, objstore.Overwrite); err != nil {
			t.Fatal(err)
		}
		return s.Open(prefix)
	}
}

func TestVersity(t *testing.T) {
	objtest.Conform(t, prefixes(t, objtest.StartVersity(t, objtest.VersityConfig{})))
}

func TestVersityVersions(t *testing.T) {
	objtest.Conform(t, prefixes(t, objtest.StartVersity(t, objtest.VersityConfig{Versioning: true})))
}

func TestFake(t *testing.T) {
	objtest.Conform(t, prefixes(t, objtest.StartFake(t)))
}

func TestWithoutPrefix(t *testing.T) {
	b := objtest.StartVersity(t, objtest.VersityConfig{}).Open("")
	if err := b.Put(t.Context(), "a/b", []byte("x"), objstore.Overwrite); err != nil {
		t.Fatal(err)
	}
	if have := strings.Join(objtest.Names(t, b, "", ""), " "); have != "a/b" {
		t.Errorf("listed are %s", have)
	}
}
