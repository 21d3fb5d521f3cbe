package objstore_test

import (
	"errors"
	"strings"
	"testing"

	"footfall/storage/objstore"
)

func TestParseLocation(t *testing.T) {
	for address, want := range map[string]objstore.Location{
		"s3://bucket":              {Bucket: "bucket"},
		"s3://bucket/":             {Bucket: "bucket"},
		"s3://my.bucket-1/a/B_c.d": {Bucket: "my.bucket-1", Prefix: "a/B_c.d"},
		"s3://bucket/a/":           {Bucket: "bucket", Prefix: "a"},
		"file:///backup":           {Path: "/backup"},
		"file:///backup/../b//c/":  {Path: "/b/c"},
		"file://localhost/backup":  {Path: "/backup"},
		"file:///with%20space":     {Path: "/with space"},
	} {
		have, err := objstore.ParseLocation(address)
		if err != nil || have != want {
			t.Errorf("%s: got %+v, %v, want %+v", address, have, err, want)
		}
		if again, err := objstore.ParseLocation(have.String()); err != nil || again != want {
			t.Errorf("%s: %s is read as %+v, %v", address, have, again, err)
		}
	}
	for _, address := range []string{
		"", "bucket", "/backup", "./backup", "backup/x", "s3:bucket", "s3:///a", "s3://b", "s3://Bucket/a", "s3://bu..cket/a", "s3://bucket:9000/a", "s3://bucket/a//b", "s3://bucket/../b",
		"s3://bucket/a/./b", "s3://bucket/a b", "s3://bucket/a%2fb%00", "s3://bucket/" + strings.Repeat("a", 257), "s3://bucket/a?region=x", "s3://bucket/a?", "s3://bucket/a#b", "s3://bucket/a#",
		"file://", "file://backup/x", "file:backup", "https://s3.example.com/bucket", "gs://bucket", "s3://%zz", "file:///a%00b",
	} {
		if l, err := objstore.ParseLocation(address); err == nil || !strings.Contains(err.Error(), "s3://") && !strings.Contains(err.Error(), "file:///") {
			t.Errorf("%q: got %+v, error %v", address, l, err)
		}
	}
	for _, address := range []string{"s3://AKID:hunter2@bucket/a", "s3://AKID:hunter2%@bucket/a", "s3://hunter2@bucket", "s3://bucket/a?secret=hunter2", "https://x:hunter2@y/z"} {
		if _, err := objstore.ParseLocation(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got error %v", address, err)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if b, err := objstore.Open("file://"+dir, nil); err != nil {
		t.Error(err)
	} else if _, ok := b.(*objstore.Dir); !ok {
		t.Errorf("got a %T", b)
	}
	mine := errors.New("mine")
	_, err := objstore.Open("s3://bucket/a", func(l objstore.Location) (objstore.Bucket, error) {
		if l.Bucket != "bucket" || l.Prefix != "a" {
			t.Errorf("opened is %+v", l)
		}
		return nil, mine
	})
	if err != mine {
		t.Errorf("got error %v", err)
	}
	for _, address := range []string{"s3://bucket/a", "nonsense", "file://" + dir + "/none"} {
		if _, err := objstore.Open(address, nil); err == nil {
			t.Errorf("%s was opened", address)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, address := range []string{"s3://bucket/a/b", "file:///a/b", "s3://u:p@bucket", "s3://bucket/%2e%2e", "file:///%2e%2e/a", "s3://bucket/a?b#c", "\x00"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		l, err := objstore.ParseLocation(address)
		if err != nil {
			return
		}
		if (l.Path == "") == (l.Bucket == "") || l.Path != "" && l.Prefix != "" {
			t.Errorf("%q is read as %+v", address, l)
		}
		if again, err := objstore.ParseLocation(l.String()); err != nil || again != l {
			t.Errorf("%q is read as %+v, and %s as %+v, %v", address, l, l, again, err)
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../a", "a//b", ".tmp/a", "A", "a\x00", "a/..b", "é"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		dir, _ := openDir(t)
		err := dir.Put(t.Context(), name, []byte(name), objstore.Create)
		if (err == nil) != (objstore.CheckName(name) == nil) {
			t.Fatalf("%q: %v, but put: %v", name, objstore.CheckName(name), err)
		}
		if err != nil {
			if !errors.Is(err, objstore.ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		found := ""
		if err := dir.List(t.Context(), "", "", func(o objstore.Object) error { found += o.Name; return nil }); err != nil || found != name {
			t.Errorf("%q is listed as %q, %v", name, found, err)
		}
	})
}
