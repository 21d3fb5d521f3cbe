package ingest_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"footfall/ingest"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/verb"
)

// The doctor over a real store: sites that count nothing, and one that counts the pages of others.
func TestDoctorLooksAtSites(t *testing.T) {
	ctx, now := context.Background(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	counted, clock := account.Site{}, func() time.Time { return now }
	store, err := storage.Open(ctx, storage.Config{Dir: t.TempDir(), Create: true, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	run := func(wantCode int, want ...string) {
		t.Helper()
		var out bytes.Buffer
		err := (&verb.Doctor{}).Run(&verb.Context{Context: ctx, Store: store, Now: clock, Out: &out, Err: &out, Idle: true})
		if verb.Code(err) != wantCode {
			t.Errorf("got exit code %d (%v), want %d", verb.Code(err), err, wantCode)
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("got\n%s\nwant %q in it", out.String(), w)
			}
		}
	}
	run(verb.ExitPartial, "there is no site yet", "unknown  server", "--key-file")
	for _, domain := range []string{"example.com", "quiet.example"} {
		if site, err := store.AddSite(ctx, domain, "Etc/UTC"); err != nil {
			t.Fatal(err)
		} else if domain == "example.com" {
			counted = site
		}
	}
	h, err := ingest.New(ingest.Config{Store: store, Trusted: netip.MustParsePrefix("127.0.0.0/8").Contains, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"https://example.com/", "https://www.example.com/", "https://blog.example.com/", "https://stolen.example.net/", "https://examplexcom.example/"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(`{"n":"pageview","u":"`+page+`","d":"example.com"}`))
		if rec.Code != 202 {
			t.Fatalf("%s: got %d", page, rec.Code)
		}
	}
	run(verb.ExitPartial, "40 % of the pageviews that example.com counted in 7 days are of pages elsewhere: examplexcom.example, stolen.example.net")
	if _, err := store.Accounts().AddRule(ctx, account.Rule{Site: counted.ID, Mode: account.ModeDrop, Kind: account.RuleHost, Value: "example.com"}); err != nil {
		t.Fatal(err)
	}
	run(verb.ExitPartial, "2 sites count visits to their own pages")
	// All from one place: who is dropped for that tells of it too.
	if _, err := store.Accounts().AddRule(ctx, account.Rule{Site: counted.ID, Mode: account.ModeDrop, Kind: account.RuleAddressRate, Value: "3"}); err != nil {
		t.Fatal(err)
	}
	h.ForgetAddresses()
	dropped := 0
	for range 12 {
		r, rec := request(pageview), httptest.NewRecorder()
		r.Header.Del("X-Forwarded-For")
		if h.ServeHTTP(rec, r); rec.Header().Get("X-Plausible-Dropped") != "" {
			dropped++
		}
	}
	if f := h.ExamineAddresses(nil)[0]; dropped == 0 || f.Level != verb.Problem || !strings.Contains(f.Text, "the last 12 events come from") {
		t.Errorf("%d dropped: got %+v", dropped, f)
	}
	now = now.Add(5 * 24 * time.Hour)
	run(verb.ExitPartial, "example.com had its last visit on 2026-11-20", "quiet.example never had a visit")
	now = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	run(verb.ExitFailed, "before this program was made")
}
