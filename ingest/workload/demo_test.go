package workload_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/verb"
)

type noBar struct{}

func (noBar) Set(int64) {}
func (noBar) Close()    {}

func noProgress(string, int64) verb.Bar { return noBar{} }

func openStore(t *testing.T, now *time.Time) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Config{Dir: t.TempDir(), Create: true, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Check(context.Background(), func(_, _ int64) {}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFillEndsNowAndGoesOn(t *testing.T) {
	now := time.Date(2026, 11, 13, 15, 0, 0, 0, time.UTC)
	s := openStore(t, &now)
	g := workload.New(20_000, 1).ForDomain(workload.DemoDomain)
	n, err := g.Fill(t.Context(), s, table(t), now, noProgress)
	if err != nil || n < 15_000 {
		t.Fatalf("%d events, error %v", n, err)
	}
	site, ok := s.Accounts().SiteByDomain(workload.DemoDomain)
	if !ok {
		t.Fatal("there is no demo site")
	}
	first, last, _ := s.Span(site.ID)
	if first.String() != "2025-11-13" || last.String() != "2026-11-13" {
		t.Errorf("the traffic runs from %s to %s", first, last)
	}
	if got := s.Count(site.ID); got != int64(n) {
		t.Errorf("the site counts %d events, %d were added", got, n)
	}
	if again, err := g.Fill(t.Context(), s, table(t), now, noProgress); err != nil || again != 0 {
		t.Errorf("filled twice: %d events, error %v", again, err)
	}
	now = now.AddDate(0, 0, 3)
	if later, err := g.Fill(t.Context(), s, table(t), now, noProgress); err != nil || later == 0 {
		t.Errorf("three days later: %d events, error %v", later, err)
	}
	if _, last, _ := s.Span(site.ID); last.String() != "2026-11-16" {
		t.Errorf("three days later the traffic ends on %s", last)
	}
	if _, err := s.SetTimezone(t.Context(), site.ID, "Asia/Tokyo"); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 0, 3)
	if moved, err := g.Fill(t.Context(), s, table(t), now, noProgress); err != nil || moved != 0 {
		t.Errorf("after a move: %d events, error %v", moved, err)
	}
}

func TestInterruptedFillLeavesNothing(t *testing.T) {
	now := time.Date(2026, 11, 13, 15, 0, 0, 0, time.UTC)
	s := openStore(t, &now)
	ctx, cancel := context.WithCancel(t.Context())
	g := workload.New(20_000, 1)
	_, err := g.Fill(ctx, s, table(t), now, func(string, int64) verb.Bar { return cancelAt{20, cancel} })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want canceled", err)
	}
	site, _ := s.Accounts().SiteByDomain(workload.DemoDomain)
	if n := s.Count(site.ID); n != 0 {
		t.Errorf("%d events are there", n)
	}
	if n, err := g.Fill(t.Context(), s, table(t), now, noProgress); err != nil || n == 0 {
		t.Errorf("the next start: %d events, error %v", n, err)
	}
}

type cancelAt struct {
	done   int64
	cancel func()
}

func (c cancelAt) Set(done int64) {
	if done >= c.done {
		c.cancel()
	}
}
func (cancelAt) Close() {}

func TestClaim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	for range 2 {
		if err := workload.Claim(dir); err != nil {
			t.Error(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "footfall.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := workload.Claim(other); !errors.Is(err, workload.ErrNotDemo) {
		t.Errorf("a directory with data: %v", err)
	}
}
