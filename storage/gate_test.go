package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"footfall/storage"
	"footfall/storage/schema"
)

// TestGateTakesTurns has one site queue many queries before another one comes: the other one is next but one.
func TestGateTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g storage.Gate
		for range storage.MaxQueries {
			if err := storage.Enter(&g, t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		var order []schema.Site // one runs at a time from here on
		wait := func(site schema.Site) {
			go func() {
				if err := storage.Enter(&g, t.Context(), site); err != nil {
					t.Error(err)
				}
				order = append(order, site)
				storage.Leave(&g)
			}()
			synctest.Wait()
		}
		for _, site := range []schema.Site{1, 1, 1, 2, 1, 3} {
			wait(site)
		}
		gone, leave := context.WithCancel(t.Context())
		go func() {
			if err := storage.Enter(&g, gone, 4); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was given up", err)
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		storage.Leave(&g)
		synctest.Wait()
		if want := []schema.Site{1, 2, 3, 1, 1, 1}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		storage.Leave(&g) // all places are free again
		for range storage.MaxQueries {
			if err := storage.Enter(&g, t.Context(), 5); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestGateRefuses fills the places of one site, and then all.
func TestGateRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g storage.Gate
		for range storage.MaxQueries {
			if err := storage.Enter(&g, t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		for site := range schema.Site(storage.MaxWaitingQueries / storage.MaxWaitingOfSite) {
			if err := storage.Enter(&g, canceled(t), site); !errors.Is(err, context.Canceled) {
				t.Fatalf("site %d: %v, want a place in the line", site, err)
			}
			for range storage.MaxWaitingOfSite {
				go storage.Enter(&g, ctx, site)
			}
			synctest.Wait()
			if err := storage.Enter(&g, ctx, site); !errors.Is(err, storage.ErrBusy) {
				t.Fatalf("site %d: %v, want ErrBusy", site, err)
			}
		}
		if err := storage.Enter(&g, ctx, 99); !errors.Is(err, storage.ErrBusy) {
			t.Fatalf("another site: %v, want ErrBusy", err)
		}
		cancel()
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
