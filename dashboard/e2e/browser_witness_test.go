package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/domstorage"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// sayViolations makes what the Content-Security-Policy forbids an error on the console.
const sayViolations = `addEventListener("securitypolicyviolation", e => console.error("policy violation:", e.violatedDirective, e.blockedURI), true)`

// witness remembers what a tab asked the network for, what it complained about, and what it wrote to the device.
type witness struct {
	mu       sync.Mutex // guards all below
	requests []*request
	byID     map[network.RequestID]*request
	errors   []string
	stored   []string
}

type request struct {
	method, url string
	event       string // name of the event it brings
	status      int64  // 0 until it is answered
	dropped     bool   // the answer says the event was not counted
}

// see takes the browser's events, in order.
func (w *witness) see(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		r := &request{method: ev.Request.Method, url: ev.Request.URL}
		var body []byte
		for _, part := range ev.Request.PostDataEntries {
			body = append(body, part.Bytes...)
		}
		var event struct {
			Name string `json:"n"`
		}
		if json.Unmarshal(body, &event) == nil {
			r.event = event.Name
		}
		w.requests = append(w.requests, r)
		if w.byID == nil {
			w.byID = map[network.RequestID]*request{}
		}
		w.byID[ev.RequestID] = r
	case *network.EventResponseReceived:
		if r := w.byID[ev.RequestID]; r != nil {
			r.status = ev.Response.Status
			for name := range ev.Response.Headers {
				r.dropped = r.dropped || strings.EqualFold(name, "X-Plausible-Dropped")
			}
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" || ev.Type == "assert" {
			var parts []string
			for _, a := range ev.Args {
				parts = append(parts, string(a.Value)+a.Description)
			}
			w.errors = append(w.errors, "console: "+strings.Join(parts, " "))
		}
	case *runtime.EventExceptionThrown:
		w.errors = append(w.errors, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *log.EventEntryAdded:
		if ev.Entry.Level == "error" || ev.Entry.Level == "warning" {
			w.errors = append(w.errors, fmt.Sprintf("browser: %s %s", ev.Entry.Text, ev.Entry.URL))
		}
	case *domstorage.EventDomStorageItemAdded:
		w.stored = append(w.stored, ev.Key)
	case *domstorage.EventDomStorageItemUpdated:
		w.stored = append(w.stored, ev.Key)
	}
}

func (w *witness) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errors)
}

// writes are the keys that were written to localStorage and sessionStorage.
func (w *witness) writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.stored)
}

// forgive forgets the complaints that contain text, which must be among them: they were provoked.
func (w *witness) forgive(t *testing.T, text string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.errors)
	w.errors = slices.DeleteFunc(w.errors, func(e string) bool { return strings.Contains(e, text) })
	if len(w.errors) == before {
		t.Errorf("no complaint contains %q: %q", text, w.errors)
	}
}

// counted is how many events of a name the server has taken and not dropped.
func (w *witness) counted(name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.event == name && r.status == http.StatusAccepted && !r.dropped {
			n++
		}
	}
	return n
}

// quiet fails if the page complained, or asked anything of an origin not listed. It looks at all the tab did.
func (b *tab) quiet(origins ...string) {
	b.t.Helper()
	for _, e := range b.complaints() {
		b.t.Errorf("the page complains: %s", e)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if !slices.Contains(origins, originOf(r.url)) && !strings.HasPrefix(r.url, "data:") && r.url != "about:blank" {
			b.t.Errorf("the page asked %s, which is not its own", r.url)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen: the witness is blind")
	}
}

// leftNothing fails if the device holds or held anything by the pages that were open.
func (b *tab) leftNothing() {
	b.t.Helper()
	for _, c := range b.cookies(b.visited()...) {
		b.t.Errorf("cookie %s of %s", c.Name, c.Domain)
	}
	b.same(`[document.cookie, localStorage.length, sessionStorage.length, indexedDB.databases().then(d => d.length)].reduce(
		async (all, one) => [...await all, await one], [])`, []any{"", 0, 0, 0})
	if keys := b.writes(); len(keys) > 0 {
		b.t.Errorf("written to the device: %q", keys)
	}
}

// cookies are those that the browser would send to some addresses.
func (b *tab) cookies(addresses ...string) []*network.Cookie {
	b.t.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: addresses})
	if err != nil {
		b.t.Fatalf("read the cookies: %v", err)
	}
	return got.Cookies
}

// visited lists everything the tab asked for.
func (w *witness) visited() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if strings.HasPrefix(r.url, "http") {
			list = append(list, r.url)
		}
	}
	return list
}
