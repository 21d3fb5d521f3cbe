package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"footfall/dashboard/admin"
	"footfall/storage/verb"
)

func listen(t *testing.T, path string, run func(context.Context, *admin.Session) error) {
	t.Helper()
	s, err := admin.Listen(admin.Config{Path: path, Run: run, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
}

func socket(t *testing.T) string { return filepath.Join(t.TempDir(), admin.Socket) }

func TestRoundTrip(t *testing.T) {
	path := socket(t)
	listen(t, path, func(_ context.Context, s *admin.Session) error {
		fmt.Fprint(s.Err, s.Args, s.Settings)
		if _, err := io.Copy(s.Out, s.In); err != nil {
			return err
		}
		return verb.Exit(verb.ExitPartial, errors.New("some were left out"))
	})
	want := strings.Repeat("0123456789", 100_000) // many pieces
	var out, remarks bytes.Buffer
	err := admin.Call(t.Context(), path, []string{"a", "b"}, map[string]string{"k": "v"}, admin.Streams{
		In: iotest.OneByteReader(strings.NewReader(want[:1000])), Out: io.Discard, Err: io.Discard,
	})
	if verb.Code(err) != verb.ExitPartial {
		t.Errorf("first call: %v", err)
	}
	err = admin.Call(t.Context(), path, []string{"a", "b"}, map[string]string{"k": "v"}, admin.Streams{
		In: strings.NewReader(want), Out: &out, Err: &remarks,
	})
	if verb.Code(err) != verb.ExitPartial || err.Error() != "some were left out" {
		t.Errorf("error %v, code %d", err, verb.Code(err))
	}
	if out.String() != want || remarks.String() != "[a b] map[k:v]" {
		t.Errorf("got %d bytes of output, want %d; remarks %q", out.Len(), len(want), &remarks)
	}
}

func TestNoInputIsEmpty(t *testing.T) {
	path := socket(t)
	listen(t, path, func(_ context.Context, s *admin.Session) error {
		got, err := io.ReadAll(s.In)
		if len(got) > 0 {
			t.Errorf("got %q", got)
		}
		return err
	})
	if err := admin.Call(t.Context(), path, nil, nil, admin.Streams{Out: io.Discard, Err: io.Discard}); err != nil {
		t.Error(err)
	}
}

func TestBrokenInputFailsTheVerb(t *testing.T) {
	path := socket(t)
	listen(t, path, func(_ context.Context, s *admin.Session) error {
		_, err := io.ReadAll(s.In)
		return err
	})
	err := admin.Call(t.Context(), path, nil, nil, admin.Streams{In: iotest.ErrReader(errors.New("disk gone")), Out: io.Discard, Err: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("error %v, want one with the reason", err)
	}
}

func TestDisconnectCancels(t *testing.T) {
	path := socket(t)
	started, cancelled := make(chan struct{}), make(chan struct{})
	listen(t, path, func(ctx context.Context, _ *admin.Session) error {
		close(started)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if err := admin.Call(ctx, path, nil, nil, admin.Streams{Out: io.Discard, Err: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	<-cancelled
}

func TestStoppingServerEndsVerbs(t *testing.T) {
	path := socket(t)
	started := make(chan struct{})
	s, err := admin.Listen(admin.Config{Path: path, Logger: slog.New(slog.DiscardHandler), Run: func(ctx context.Context, _ *admin.Session) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		done <- admin.Call(t.Context(), path, nil, nil, admin.Streams{Out: io.Discard, Err: io.Discard})
	}()
	<-started
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "server stopped") {
		t.Errorf("error %v, want one that says the server stopped", err)
	}
}

func TestStaleAndMissingSockets(t *testing.T) {
	path := socket(t)
	streams := admin.Streams{Out: io.Discard, Err: io.Discard}
	if err := admin.Call(t.Context(), path, nil, nil, streams); !errors.Is(err, admin.ErrNoServer) {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := admin.Call(t.Context(), path, nil, nil, streams); !errors.Is(err, admin.ErrNoServer) {
		t.Errorf("stale socket: %v", err)
	}
	listen(t, path, func(context.Context, *admin.Session) error { return nil })
	if err := admin.Call(t.Context(), path, nil, nil, streams); err != nil {
		t.Errorf("after the stale socket was replaced: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v, want 0600", info.Mode(), err)
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, admin.Socket)
	listen(t, path, func(context.Context, *admin.Session) error { return nil })
	if err := admin.Call(t.Context(), path, nil, nil, admin.Streams{Out: io.Discard, Err: io.Discard}); err != nil {
		t.Error(err)
	}
}

type recorder struct {
	label  string
	total  int64
	done   []int64
	closed bool
}

func (r *recorder) Set(done int64) { r.done = append(r.done, done) }
func (r *recorder) Close()         { r.closed = true }

func TestBars(t *testing.T) {
	path := socket(t)
	listen(t, path, func(_ context.Context, s *admin.Session) error {
		b := s.Bars("counting", 10)
		for i := range 11 {
			b.Set(int64(i))
		}
		b.Close()
		s.Bars("left open", -1)
		return nil
	})
	var bars []*recorder
	err := admin.Call(t.Context(), path, nil, nil, admin.Streams{Out: io.Discard, Err: io.Discard, Bars: func(label string, total int64) verb.Bar {
		bars = append(bars, &recorder{label: label, total: total})
		return bars[len(bars)-1]
	}})
	if err != nil || len(bars) != 2 {
		t.Fatalf("%d bars, error %v", len(bars), err)
	}
	if b := bars[0]; b.label != "counting" || b.total != 10 || b.done[len(b.done)-1] != 10 || !b.closed {
		t.Errorf("bar %+v", b)
	}
	if b := bars[1]; b.total != -1 || !b.closed {
		t.Errorf("bar left open %+v", b)
	}
}

func TestOtherVersionIsRefused(t *testing.T) {
	path := socket(t)
	listen(t, path, func(context.Context, *admin.Session) error { return nil })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := admin.WriteFrame(conn, admin.KindRequest, []byte(`{"version":99}`)); err != nil {
		t.Fatal(err)
	}
	_, payload, err := admin.ReadFrame(conn)
	if err != nil || !strings.Contains(string(payload), "version 99") {
		t.Errorf("answer %q, error %v", payload, err)
	}
}

func FuzzFrame(f *testing.F) {
	var good bytes.Buffer
	_ = admin.WriteFrame(&good, admin.KindRequest, []byte(`{"version":1,"args":["site","list"]}`))
	f.Add(good.Bytes())
	f.Add([]byte{3, 0, 0, 0, 0})
	f.Add([]byte{8, 255, 255, 255, 255})
	f.Add([]byte{9, 0, 0, 0, 1, 7})
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		for {
			before := len(text) - r.Len()
			kind, payload, err := admin.ReadFrame(r)
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := admin.WriteFrame(&again, kind, payload); err != nil || !bytes.Equal(again.Bytes(), text[before:len(text)-r.Len()]) {
				t.Fatalf("frame %x was read as %d %x", text[before:], kind, payload)
			}
		}
	})
}
