package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
	"footfall/storage/objstore/s3"
)

func isPut(r *http.Request) bool { return r.Method == http.MethodPut }

// through opens a bucket of a server behind a proxy, with and without patience.
func through(t *testing.T, s *objtest.Server, retry objstore.RetryConfig) (*objtest.Proxy, objstore.Bucket, objstore.Bucket) {
	t.Helper()
	p := objtest.StartProxy(t, s.Endpoint)
	cfg := s.Config()
	cfg.Endpoint = p.Endpoint
	bare := objtest.Open(t, cfg, s.At("p"))
	if _, err := bare.Conditional(t.Context()); err != nil {
		t.Fatal(err)
	}
	retry.Base, retry.Cap = time.Millisecond, 5*time.Millisecond
	return p, bare, objstore.Retry(bare, retry)
}

// TestFaults makes the network fail in each way once and in all ways at random; what was put is there, whole and once.
func TestFaults(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	p, bare, b := through(t, s, objstore.RetryConfig{Attempts: 50})
	faults := map[string]objtest.Fault{
		"reset":        {Reset: true},
		"slow down":    {Status: 503, Code: "SlowDown"},
		"too many":     {Status: 429, Code: "TooManyRequests"},
		"internal":     {Status: 500, Code: "InternalError"},
		"gateway":      {Status: 502},
		"timeout":      {Status: 400, Code: "RequestTimeout"},
		"cut upload":   {CutRequest: 100},
		"lost answer":  {DropAnswer: true},
		"damaged once": {Status: 400, Code: "BadDigest"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			object := "faults/" + strings.ReplaceAll(name, " ", "-")
			for _, mode := range []objstore.Mode{objstore.Create, objstore.Overwrite} {
				p.First(1, isPut, fault)
				if err := bare.Put(t.Context(), object+"-once", []byte(name), mode); !errors.Is(err, objstore.ErrTemporary) {
					t.Errorf("without patience: got error %v", err)
				}
				p.First(3, isPut, fault)
				if err := b.Put(t.Context(), object, objtest.Bytes(10_000), mode); err != nil {
					t.Fatal(err)
				}
				p.Set(nil)
				if have, err := objstore.ReadAll(t.Context(), bare, object, 0, -1); err != nil || !bytes.Equal(have, objtest.Bytes(10_000)) {
					t.Errorf("got %d bytes, %v", len(have), err)
				}
			}
			if err := b.Put(t.Context(), object, []byte("of another"), objstore.Create); !errors.Is(err, objstore.ErrExists) {
				t.Errorf("got error %v, want that it exists", err)
			}
			p.First(2, nil, fault)
			if have := objtest.Names(t, b, object, ""); !slices.Contains(have, object) {
				t.Errorf("listed are %v", have)
			}
			p.First(2, nil, fault)
			if err := b.Delete(t.Context(), object, object+"-once"); err != nil {
				t.Error(err)
			}
			p.Set(nil)
			if have := objtest.Names(t, b, "faults/", ""); len(have) != 0 {
				t.Errorf("left are %v", have)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		all := make([]objtest.Fault, len(faults), 2*len(faults))
		for _, f := range faults {
			all = append(all, f)
		}
		p.Set(func(*http.Request) objtest.Fault { return all[rand.IntN(len(all))] })
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := w; i < 60; i += 4 {
					if err := b.Put(t.Context(), fmt.Sprintf("all/%02d", i), objtest.Bytes(i*100+1), objstore.Create); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		p.Set(nil)
		if have := objtest.Names(t, bare, "all/", ""); len(have) != 60 {
			t.Errorf("there are %d objects, want 60", len(have))
		}
		for i := range 60 {
			if have, err := objstore.ReadAll(t.Context(), bare, fmt.Sprintf("all/%02d", i), 0, -1); err != nil || !bytes.Equal(have, objtest.Bytes(i*100+1)) {
				t.Errorf("object %d: %d bytes, %v", i, len(have), err)
			}
		}
	})
}

// TestReadOn holds that an object that breaks off again and again is read to its end, each byte once.
func TestReadOn(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	p, bare, b := through(t, s, objstore.RetryConfig{Attempts: 3})
	body := objtest.Bytes(1 << 20)
	if err := b.Put(t.Context(), "pack", body, objstore.Create); err != nil {
		t.Fatal(err)
	}
	p.Set(func(*http.Request) objtest.Fault { return objtest.Fault{CutAnswer: 100_000} })
	if _, err := objstore.ReadAll(t.Context(), bare, "pack", 0, -1); !errors.Is(err, objstore.ErrTemporary) {
		t.Errorf("without patience: got error %v", err)
	}
	for _, part := range [][2]int64{{0, -1}, {0, 1 << 20}, {1000, 500_000}, {300_000, -1}} {
		before := p.Requests()
		have, err := objstore.ReadAll(t.Context(), b, "pack", part[0], part[1])
		if err != nil {
			t.Fatal(err)
		}
		want := body[part[0]:]
		if part[1] >= 0 {
			want = want[:part[1]]
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%v: got %d other bytes than the %d", part, len(have), len(want))
		}
		if n := p.Requests() - before; n < int64(len(want))/100_000 || n > int64(len(want))/100_000+5 { // some may meet a connection that was just closed
			t.Errorf("%v: %d requests for %d bytes", part, n, len(want))
		}
	}
	p.Set(func(r *http.Request) objtest.Fault { return objtest.Fault{Reset: true} })
	if _, err := objstore.ReadAll(t.Context(), b, "pack", 0, -1); !errors.Is(err, objstore.ErrTemporary) || !strings.Contains(err.Error(), "tried 3 times") {
		t.Errorf("got error %v", err)
	}
}

// TestStalled holds that a store that says nothing more is left, and the caller's own context with its reason is not mistaken for that.
func TestStalled(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	p := objtest.StartProxy(t, s.Endpoint)
	cfg := s.Config()
	cfg.Endpoint = p.Endpoint
	patient := objtest.Open(t, cfg, s.At(""))
	if err := patient.Put(t.Context(), "a", objtest.Bytes(1<<20), objstore.Create); err != nil {
		t.Fatal(err)
	}
	cfg.Timeout = 100 * time.Millisecond
	b := objtest.Open(t, cfg, s.At(""))

	p.Set(func(r *http.Request) objtest.Fault { return objtest.Fault{Hang: true} })
	_, getErr := b.Get(t.Context(), "a", 0, -1)
	for op, err := range map[string]error{
		"put":    b.Put(t.Context(), "b", nil, objstore.Overwrite),
		"get":    getErr,
		"list":   b.List(t.Context(), "", "", func(objstore.Object) error { return nil }),
		"delete": b.Delete(t.Context(), "a"),
	} {
		if !errors.Is(err, objstore.ErrTemporary) || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("%s: got error %v", op, err)
		}
	}
	p.Set(func(r *http.Request) objtest.Fault { return objtest.Fault{CutAnswer: 1000, Hang: true} })
	if _, err := objstore.ReadAll(t.Context(), b, "a", 0, -1); !errors.Is(err, objstore.ErrTemporary) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("in the middle: got error %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	body, err := patient.Get(ended, "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Millisecond, end)
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) || errors.Is(err, objstore.ErrTemporary) {
		t.Errorf("got error %v, want the caller's", err)
	}
}

// TestOutage holds that who waits goes on by himself when the store is back, and that a killed server loses nothing it said yes to.
func TestOutage(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	failures := make(chan error, 1000)
	p, bare, b := through(t, s, objstore.RetryConfig{Failed: func(err error, _ time.Duration) {
		select {
		case failures <- err:
		default:
		}
	}})
	for name, outage := range map[string]struct{ begin, end func() }{
		"network": {func() { p.Down(true) }, func() { p.Down(false) }},
		"server":  {s.Kill, s.Start},
	} {
		t.Run(name, func(t *testing.T) {
			if err := b.Put(t.Context(), name+"/before", []byte("before"), objstore.Create); err != nil {
				t.Fatal(err)
			}
			outage.begin()
			var writer sync.WaitGroup
			writer.Go(func() {
				if err := b.Put(t.Context(), name+"/during", []byte("during"), objstore.Create); err != nil {
					t.Error(err)
				}
			})
			for range 3 {
				if err := <-failures; !errors.Is(err, objstore.ErrTemporary) {
					t.Errorf("got error %v", err)
				}
			}
			outage.end()
			writer.Wait()
			if have := objtest.Names(t, bare, name, ""); !slices.Equal(have, []string{name + "/before", name + "/during"}) {
				t.Errorf("there is %v", have)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	s := objtest.StartFake(t)
	p, bare, _ := through(t, s, objstore.RetryConfig{})
	for header, want := range map[string][2]time.Duration{
		"7":   {7 * time.Second, 7 * time.Second},
		"":    {0, 0},
		"-5":  {0, 0},
		"abc": {0, 0},
		time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  {30 * time.Second, time.Minute},
		time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): {0, 0},
	} {
		p.Set(func(*http.Request) objtest.Fault {
			return objtest.Fault{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {header}}}
		})
		err := bare.Put(t.Context(), "a", nil, objstore.Create)
		var said *objstore.Error
		if !errors.As(err, &said) || said.Kind != objstore.ErrTemporary || said.After < want[0] || said.After > want[1] {
			t.Errorf("%q: got %+v, want a pause of %v", header, said, want)
		}
		if !strings.Contains(err.Error(), "503 SlowDown: Made up by the proxy") {
			t.Errorf("got error %v", err)
		}
	}
}

// TestRequests holds that nothing is sent but what every store understands.
func TestRequests(t *testing.T) {
	s := objtest.StartVersity(t, objtest.VersityConfig{})
	p, bare, _ := through(t, s, objstore.RetryConfig{})
	body := objtest.Bytes(5000)
	sum, guard := sha256.Sum256(body), md5.Sum(body)
	var problems []string
	var mu sync.Mutex
	seen := map[string]int{}
	p.Set(func(r *http.Request) objtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method]++
		bad := func(text string, values ...any) {
			problems = append(problems, r.Method+": "+fmt.Sprintf(text, values...))
		}
		if r.ContentLength < 0 || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
			bad("length %d, encoding %v, trailer %v", r.ContentLength, r.TransferEncoding, r.Trailer)
		}
		for name, values := range r.Header {
			lower := strings.ToLower(name)
			if strings.HasPrefix(lower, "x-amz-checksum") || strings.HasPrefix(lower, "x-amz-sdk") || lower == "x-amz-trailer" || lower == "content-encoding" || lower == "accept-encoding" || strings.Contains(strings.Join(values, ""), "aws-chunked") {
				bad("header %s: %v", name, values)
			}
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			bad("is not signed")
		}
		if r.Method == http.MethodPut {
			if have := r.Header.Get("X-Amz-Content-Sha256"); have != hex.EncodeToString(sum[:]) {
				bad("sha256 %s", have)
			}
			if have := r.Header.Get("Content-Md5"); have != base64.StdEncoding.EncodeToString(guard[:]) {
				bad("md5 %s", have)
			}
			if want, have := map[bool]string{true: "*"}[strings.HasSuffix(r.URL.Path, "/created")], r.Header.Get("If-None-Match"); have != want {
				bad("%s: If-None-Match %q, want %q", r.URL.Path, have, want)
			}
		}
		return objtest.Fault{}
	})
	for name, mode := range map[string]objstore.Mode{"created": objstore.Create, "replaced": objstore.Overwrite} {
		if err := bare.Put(t.Context(), name, body, mode); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := objstore.ReadAll(t.Context(), bare, "created", 5, 50); err != nil {
		t.Error(err)
	}
	objtest.Names(t, bare, "", "")
	if err := bare.Delete(t.Context(), "created", "replaced"); err != nil {
		t.Error(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
	if seen["PUT"] != 2 || seen["GET"] < 2 || seen["POST"] != 1 {
		t.Errorf("requests: %v", seen)
	}
}

// TestUnconditional holds that a store is found out that does not know If-None-Match, whether it says so or not, and is used all the same.
func TestUnconditional(t *testing.T) {
	s := objtest.StartFake(t)
	for name, fault := range map[string]objtest.Fault{
		"ignores it": {Strip: "If-None-Match"},
		"says so":    {Status: 501, Code: "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			p := objtest.StartProxy(t, s.Endpoint)
			p.Set(func(r *http.Request) objtest.Fault {
				if r.Header.Get("If-None-Match") == "" {
					return objtest.Fault{}
				}
				return fault
			})
			cfg, n := s.Config(), 0
			cfg.Endpoint = p.Endpoint
			objtest.Conform(t, func(t *testing.T) objstore.Bucket {
				n++
				b := objtest.Open(t, cfg, s.At(fmt.Sprintf("%s/%d", strings.ReplaceAll(name, " ", "-"), n)))
				if can, err := b.Conditional(t.Context()); can || err != nil {
					t.Errorf("conditional: got %v, %v", can, err)
				}
				return b
			})
		})
	}
}

// TestDisorder holds that a store that begins every listing at the beginning is left, and not listed for ever.
func TestDisorder(t *testing.T) {
	const answer = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>` +
		`<Contents><Key>p/%s</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents><Contents><Key>p/%s</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents></ListBucketResult>`
	for names, after := range map[[2]string]string{{"a", "b"}: "a", {"b", "a"}: "", {"a", "a"}: ""} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, answer, names[0], names[1]) }))
		cfg := s3.Config{Endpoint: s.URL, Credentials: s3.Credentials{AccessKey: "a", SecretKey: "b"}}
		err := objtest.Open(t, cfg, objstore.Location{Bucket: "bucket", Prefix: "p"}).List(t.Context(), "", after, func(objstore.Object) error { return nil })
		if !errors.Is(err, objstore.ErrRefused) {
			t.Errorf("%v after %q: got error %v", names, after, err)
		}
		s.Close()
	}
}
