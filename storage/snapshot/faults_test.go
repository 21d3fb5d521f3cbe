package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
	"footfall/storage/objstore/s3"
	"footfall/storage/snapshot"
)

// scaled is how long an outage lasts: in life ten minutes.
func scaled(long time.Duration) time.Duration {
	if os.Getenv("SOAK") != "" {
		return 150 * long
	}
	return long
}

// through opens the server's bucket as the program does, through the proxy.
func through(t *testing.T, s *objtest.Server, p *objtest.Proxy, credentials s3.Credentials) objstore.Bucket {
	t.Helper()
	cfg := s.Config()
	cfg.Endpoint, cfg.Credentials, cfg.Timeout = p.Endpoint, credentials, 300*time.Millisecond
	return objstore.Retry(objtest.Open(t, cfg, s.At("faults")), objstore.RetryConfig{Attempts: 3, Base: 20 * time.Millisecond, Cap: 200 * time.Millisecond})
}

// Whatever happens on the way to a real S3 server, nothing is missing afterwards and nothing is there twice.
func TestFaultsOnTheWay(t *testing.T) {
	server := objtest.StartVersity(t, objtest.VersityConfig{})
	proxy := objtest.StartProxy(t, server.Endpoint)
	direct := server.Open("faults")
	bucket := through(t, server, proxy, server.Config().Credentials)
	a := newAppliance(t, 8)
	a.work(t, 50)
	s, stop := a.stream(t, bucket)
	defer stop()
	await(t, s)

	sometimes := func(f objtest.Fault) func(*http.Request) objtest.Fault {
		return func(*http.Request) objtest.Fault {
			if rand.IntN(3) > 0 {
				return objtest.Fault{}
			}
			return f
		}
	}
	for name, rule := range map[string]func(*http.Request) objtest.Fault{
		"latency": func(*http.Request) objtest.Fault {
			return objtest.Fault{Delay: time.Duration(rand.IntN(200)) * time.Millisecond}
		},
		"resets":         sometimes(objtest.Fault{Reset: true}),
		"cut requests":   sometimes(objtest.Fault{CutRequest: 100}),
		"lost answers":   sometimes(objtest.Fault{DropAnswer: true}),
		"SlowDown":       sometimes(objtest.Fault{Status: 503, Code: "SlowDown"}),
		"internal error": sometimes(objtest.Fault{Status: 500, Code: "InternalError"}),
		"no answer":      sometimes(objtest.Fault{Hang: true}),
	} {
		t.Run(name, func(t *testing.T) {
			proxy.Set(rule)
			for range 5 {
				a.work(t, 5)
				time.Sleep(50 * time.Millisecond) // for a pack of its own
			}
			if _, err := s.Snapshot(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			proxy.Set(nil)
			a.work(t, 1)
			await(t, s)
			if got := a.restore(t, direct, snapshot.Restoring{}); got != a.commits {
				t.Errorf("restored commit %d of %d", got, a.commits)
			}
			noOneMissing(t, direct)
		})
	}
	t.Run("outage", func(t *testing.T) {
		proxy.Down(true)
		for end := time.Now().Add(scaled(4 * time.Second)); time.Now().Before(end); {
			a.work(t, 10)
			time.Sleep(20 * time.Millisecond)
		}
		if st := s.Status(); st.State != snapshot.Waiting || st.Error == "" {
			t.Errorf("%+v", st)
		}
		began := time.Now()
		proxy.Down(false)
		st := await(t, s)
		t.Logf("all there %v after the outage", time.Since(began).Round(time.Millisecond))
		if got := a.restore(t, direct, snapshot.Restoring{}); got != a.commits || st.Error != "" {
			t.Errorf("restored commit %d of %d; %+v", got, a.commits, st)
		}
		noOneMissing(t, direct)
	})
	t.Run("a body that breaks off while restoring", func(t *testing.T) {
		var cut atomic.Int64
		proxy.Set(func(r *http.Request) objtest.Fault {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/pack/") && rand.IntN(2) == 0 {
				cut.Add(1)
				return objtest.Fault{CutAnswer: int64(1 + rand.IntN(20_000))}
			}
			return objtest.Fault{}
		})
		defer proxy.Set(nil)
		if got := a.restore(t, bucket, snapshot.Restoring{}); got != a.commits || cut.Load() == 0 {
			t.Errorf("restored commit %d of %d; %d answers were cut", got, a.commits, cut.Load())
		}
	})
}

// Credentials expire and are renewed in the file, while the stream goes on.
func TestCredentialsExpire(t *testing.T) {
	server := objtest.StartVersity(t, objtest.VersityConfig{})
	proxy := objtest.StartProxy(t, server.Endpoint)
	a := newAppliance(t, 9)
	a.work(t, 20)
	file := t.TempDir() + "/credentials"
	write := func(secret string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = "+server.AccessKey+"\naws_secret_access_key = "+secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(server.SecretKey)
	s, stop := a.stream(t, through(t, server, proxy, s3.Credentials{File: file}))
	defer stop()
	await(t, s)
	old := server.SecretKey
	server.Kill()
	server.SecretKey = "another/secret"
	server.Start()
	a.work(t, 20)
	state(t, s, snapshot.Waiting)
	if st := s.Status(); strings.Contains(st.Error, old) || strings.Contains(st.Error, server.SecretKey) || !strings.Contains(st.Error, "denied") {
		t.Errorf("it says %q", st.Error)
	}
	write(server.SecretKey)
	await(t, s)
	if got := a.restore(t, server.Open("faults"), snapshot.Restoring{}); got != a.commits {
		t.Errorf("restored commit %d of %d", got, a.commits)
	}
}

// noOneMissing sees to it that the packs of each epoch have all numbers, once.
func noOneMissing(t *testing.T, b objstore.Bucket) {
	t.Helper()
	next := map[string]int{}
	for _, name := range objtest.Names(t, b, "v1/pack/", "") {
		epoch, number, _ := strings.Cut(strings.TrimPrefix(name, "v1/pack/"), "-")
		next[epoch]++
		if want := fmt.Sprintf("%012x", next[epoch]); number != want {
			t.Fatalf("pack %s of epoch %s, want %s", number, epoch, want)
		}
	}
}
