package e2e_test

import (
	"net/http"
	"testing"
)

// TestOldForms sends what scripts of other years send, which hang about in caches, in themes and in copies that nobody
// updates. None of their keys is an error, and those that have lost their meaning change nothing.
func TestOldForms(t *testing.T) {
	s := start(t, "serve", t.TempDir())
	zone, _ := noon()
	mustFootfall(t, nil, "site", "add", "old.example", "--timezone", zone, "--data", s.Dir)
	bodies := []string{
		// plausible.js and p.js until 2023: the width of the window, and the referrer of the first visit of all.
		`{"n":"pageview","u":"https://old.example/2020","d":"old.example","r":"https://www.google.com/","w":1440}`,
		`{"name":"pageview","url":"https://www.old.example/2019/","domain":"www.old.example","referrer":null,"source":null,"screen_width":1440,"initial_referrer":"https://t.co/x","initial_source":"Twitter"}`,
		`{"n":"Signup","u":"https://old.example/2021","d":"old.example","r":null,"w":390,"h":0,"p":"{\"plan\":\"pro\",\"seats\":3}"}`,
		// 2023 to 2025: no version; meta as text beside props as an object, and the hash as a number.
		`{"n":"pageview","u":"https://old.example/2023#/inbox?token=x","d":"old.example","r":null,"h":1}`,
		`{"n":"Download","u":"https://old.example/2023","d":"old.example","r":null,"m":"{\"file\":\"a.pdf\"}"}`,
		`{"n":"Order","u":"https://old.example/2023","d":"old.example","r":null,"p":{"gift":true},"$":"{\"amount\":12.5,\"currency\":\"EUR\"}"}`,
		`{"n":404,"u":"https://old.example/2023/none","d":"old.example","r":null,"p":{}}`,
		// The end of 2024: leaving a page was an event of its own.
		`{"n":"pageleave","u":"https://old.example/2024","d":"old.example","sd":55,"v":6}`,
		// The next: attention.
		`{"n":"engagement","u":"https://old.example/2025","d":"old.example","sd":55,"e":4200,"p":{"theme":"dark"},"v":18}`,
	}
	for _, body := range bodies {
		if status, err := postEvent(http.DefaultClient, s.URL, "", browsers[0], body); err != nil || status != http.StatusAccepted {
			t.Errorf("%s: status %d, %v", body, status, err)
		}
	}
	events := untilStored(t, s, "old.example", "pageview /2020", "pageview /2019/", "Signup /2021 plan=pro seats=3", "pageview /2023#/inbox",
		"Download /2023 file=a.pdf", "Order /2023 gift=true 12.5 EUR", "404 /2023/none path=/2023/none", "pageleave /2024")
	for _, e := range events {
		if e.Hostname != "old.example" || e.Source != "Google" || e.Referrer != "google.com" || e.Device != "Desktop" || e.Visitor != events[0].Visitor {
			t.Errorf("stored: %#v", e)
		}
	}
	depth, engaged := attention(t, s, "old.example", "/2025", func(_ int, engaged int64) bool { return engaged > 0 })
	if depth != 55 || engaged != 4200 {
		t.Errorf("attention: %d %%, %d ms", depth, engaged)
	}
}
