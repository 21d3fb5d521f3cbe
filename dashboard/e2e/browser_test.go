package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/domstorage"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Limits of waiting in the browser, and how often it is looked at meanwhile.
const (
	personTime = 3 * time.Minute // all that one person does in one test
	changeTime = 30 * time.Second
	lookEvery  = 20 * time.Millisecond
)

// Sizes of the window: a laptop's and a small phone's.
const (
	wide   = 1280
	narrow = 360
	tall   = 800
)

// TestBrowser meets the binary as people do, in Chromium: its operator on the dashboard, visitors on websites that are
// counted. Hosts that end in .example are on this machine.
//
// With E2E_SCREENSHOTS=DIR in the environment each page is also written to DIR as PNG, wide and narrow, light and dark.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	c := startChromium(t)
	demo := startAside(t, "demo", t.TempDir())
	t.Run("first run", func(t *testing.T) { testFirstRun(t, c) })
	t.Run("demo", func(t *testing.T) { testDemoDashboard(t, c, demo(t)) })
	t.Run("rules", func(t *testing.T) { testRules(t, c) })
	t.Run("places", func(t *testing.T) { testPlaces(t, c) })
	t.Run("snapshots", func(t *testing.T) { testSnapshotNotice(t, c) })
	t.Run("paths", func(t *testing.T) { testPaths(t, c) })
	t.Run("counting", func(t *testing.T) { testCounting(t, c) })
	t.Run("packages", func(t *testing.T) { testPackages(t, c) })
	t.Run("next-plausible", func(t *testing.T) { testNext(t, c) })
}

// startAside is start, in parallel to what follows; the function it returns waits for the server.
func startAside(t *testing.T, verb, dir string) func(*testing.T) *server {
	type started struct {
		s   *server
		err error
	}
	ch := make(chan started, 1)
	go func() {
		s, err := launch(environment(), verb, dir)
		ch <- started{s, err}
	}()
	var got started
	wait := func() started {
		if got == (started{}) {
			got = <-ch
		}
		return got
	}
	t.Cleanup(func() {
		if s := wait().s; s != nil {
			s.Kill()
		}
	})
	return func(t *testing.T) *server {
		if got := wait(); got.err != nil {
			t.Fatal(got.err)
		}
		return got.s
	}
}

// chromium is a running browser. Each person has their own profile in it.
type chromium struct{ ctx context.Context }

func startChromium(t *testing.T) *chromium {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no browser was found: install Debian's package chromium (make chromium) or Google Chrome")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"),
		// Headless Chromium calls itself so, and is not counted for it. What a tab is told to call itself instead
		// (emulation) does not reach the requests of a page that is being left: only the browser as a whole can be told.
		chromedp.UserAgent(browsers[0]),
		// A browser of a person, not of a program: the tracking scripts count it without being asked to.
		chromedp.Flag("enable-automation", false), chromedp.Flag("disable-blink-features", "AutomationControlled"),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"))
	all, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(all)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &chromium{ctx}
}

// tab is one tab, and what was seen in it.
type tab struct {
	t   *testing.T
	ctx context.Context
	*witness
}

// person opens the tab of somebody with a new profile: no cookies, nothing stored.
func (c *chromium) person(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	w := &witness{}
	if err := chromedp.Listen(ctx, w.see); err != nil {
		t.Fatalf("listen to a tab: %v", err)
	}
	limited, cancelLimit := context.WithTimeout(ctx, personTime)
	t.Cleanup(cancelLimit)
	b := &tab{t, limited, w}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: sayViolations})
	if err == nil {
		_, err = chromedp.Call(ctx, domstorage.Enable, struct{}{})
	}
	if err != nil {
		t.Fatalf("prepare a tab: %v", err)
	}
	b.size(wide)
	return b
}

// do runs actions in the tab.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, changeTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b)
	}
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.do("open "+address, chromedp.Navigate(address))
}

func (b *tab) reload() {
	b.t.Helper()
	b.do("reload", chromedp.Reload())
}

// id is the selector of what the page's author marked for tests.
func id(name string) string { return `[data-testid="` + name + `"]` }

// click presses what a CSS selector finds, once it is there, with the mouse.
func (b *tab) click(css string) {
	b.t.Helper()
	b.do("click "+css, chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// fill types into an empty field.
func (b *tab) fill(css, text string) {
	b.t.Helper()
	b.do("fill "+css, chromedp.SendKeys(chromedp.CSS(css), text, chromedp.NodeVisible))
}

// press types keys wherever the focus is. Unlike chromedp.KeyEvent it sends a key and its character as one event, as a
// keyboard does: a page that takes the key for a shortcut keeps the character out of the field it opens.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.do("press "+keys, chromedp.Func(func(ctx context.Context, to *chromedp.Target) error {
		for _, r := range keys {
			events := kb.Encode(r)
			if at := slices.IndexFunc(events, func(e *input.DispatchKeyEventParams) bool { return e.Type == kb.KeyChar }); at > 0 {
				events[0].Type, events[0].Text, events[0].UnmodifiedText = kb.KeyDown, events[at].Text, events[at].UnmodifiedText
				events = slices.Delete(events, at, at+1)
			}
			for _, e := range events {
				if _, err := cdp.Call(ctx, to, input.DispatchKeyEvent, *e); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// words are what the expressions of until and eval are written with.
const words = `const $ = id => document.querySelector('[data-testid="' + id + '"]');
const $$ = id => [...document.querySelectorAll('[data-testid="' + id + '"]')];
const rows = panel => [...$("panel-" + panel).querySelectorAll('[data-testid=row]')].map(r => [r.dataset.name, r.dataset.value]);
const cards = (...names) => names.map(n => $("card-" + n).dataset.value);
const settled = () => $("dashboard").dataset.busy === "false";
const query = () => new URLSearchParams(location.search);
`

// eval returns the value of a JavaScript expression, which may be a promise.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	text, err := b.evaluate(expression)
	if err == nil {
		err = json.Unmarshal([]byte(text), &value)
	}
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, b)
	}
	return value
}

func (b *tab) evaluate(expression string) (string, error) {
	ctx, cancel := context.WithTimeout(b.ctx, changeTime)
	defer cancel()
	program := "(async () => {" + words + "return JSON.stringify(await (" + expression + ") ?? null)})()"
	return chromedp.Run(ctx, chromedp.Evaluate[string](program, chromedp.EvalAwaitPromise))
}

// until waits for a JavaScript expression to have a value. An exception is a value not there yet.
func (b *tab) until(expression string, want any) {
	b.t.Helper()
	wanted := asJSON(b.t, want)
	for deadline := time.Now().Add(changeTime); ; time.Sleep(lookEvery) {
		got, err := b.evaluate(expression)
		if err == nil && got == wanted {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s\n got %s %v\nwant %s\n%s", expression, got, err, wanted, b)
		}
	}
}

// same fails if a JavaScript expression has another value now.
func (b *tab) same(expression string, want any) {
	b.t.Helper()
	if got, wanted := asJSON(b.t, eval[any](b, expression)), asJSON(b.t, want); got != wanted {
		b.t.Errorf("%s\n got %s\nwant %s", expression, got, wanted)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false) // as JSON.stringify
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// String is what the tab shows, for messages.
func (b *tab) String() string {
	shown, err := b.evaluate(`location.href + "\n" + document.body.innerText.slice(0, 500)`)
	if err != nil {
		shown = err.Error()
	}
	var text string
	if json.Unmarshal([]byte(shown), &text) != nil {
		text = shown
	}
	return fmt.Sprintf("--- the tab shows ---\n%s\n--- and complains ---\n%s", text, strings.Join(b.complaints(), "\n"))
}

// size makes the window so wide; a narrow one is a phone's.
func (b *tab) size(width int64) {
	b.t.Helper()
	var options []chromedp.EmulateViewportOption
	if width == narrow {
		options = append(options, chromedp.EmulateMobile)
	}
	b.do("change the window", chromedp.EmulateViewport(width, tall, options...))
}

// colours sets what the system asks for, "light" or "dark".
func (b *tab) colours(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		b.t.Fatalf("set the colours: %v", err)
	}
}

// look holds that the page fits a phone, without scrolling sideways, and keeps pictures of it if they are asked for. The
// window is wide and light again afterwards.
func (b *tab) look(name string) {
	b.t.Helper()
	b.same(`void scrollTo(0, 0)`, nil)
	for _, width := range []int64{narrow, wide} {
		b.size(width)
		b.fits(name, width)
		b.picture(name, width, chromedp.FullScreenshot(100))
	}
	b.named(name)
}

// lookOver is look for what lies over the page; it is opened and shut in each window.
func (b *tab) lookOver(name string, open, shut func()) {
	b.t.Helper()
	for _, width := range []int64{narrow, wide} {
		b.size(width)
		open()
		b.fits(name, width)
		b.picture(name, width, chromedp.CaptureScreenshot())
		b.named(name)
		shut()
	}
}

func (b *tab) fits(name string, width int64) {
	b.t.Helper()
	// Two frames: the window has its size, and what is drawn by script has followed.
	b.same(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, true)
	if over := eval[int64](b, `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)`); over > width {
		b.t.Errorf("%s scrolls sideways: it is %d px wide in a window of %d", name, over, width)
	}
	if cut := eval[[]string](b, cutOff); len(cut) > 0 {
		b.t.Errorf("%s in a window of %d px cuts off %q", name, width, cut)
	}
}

// cutOff lists what sticks out of the window, where nothing around it can be scrolled.
const cutOff = `[...document.querySelectorAll("body *")].filter(e => {
	const box = e.getBoundingClientRect();
	if (!e.checkVisibility({ visibilityProperty: true }) || box.width < 2 || (box.left > -1 && box.right < innerWidth + 1)) return false;
	for (let p = e; p !== document.body; p = p.parentElement)
		if (getComputedStyle(p).overflowX !== "visible") return false;
	return true;
}).map(e => e.tagName + "." + e.getAttribute("class")).slice(0, 8)`

// controls are the roles of what is pressed or filled in; who does not see it must be told its name.
var controls = strings.Fields("button link textbox searchbox combobox checkbox tab menuitem menuitemradio dialog Date")

// named holds that every control has a name for screen readers, and that no two elements share an id.
func (b *tab) named(name string) {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		b.t.Fatalf("read the accessibility tree: %v", err)
	}
	var found int
	for _, node := range tree.Nodes {
		var role, label string
		if node.Ignored || node.Role == nil || json.Unmarshal(node.Role.Value, &role) != nil || !slices.Contains(controls, role) {
			continue
		}
		found++
		if node.Name == nil || json.Unmarshal(node.Name.Value, &label) != nil || strings.TrimSpace(label) == "" {
			b.t.Errorf("%s: a %s has no name", name, role)
		}
	}
	if found == 0 {
		b.t.Errorf("%s: no control was found", name)
	}
	b.same(`[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) < i)`, []string{})
}

// picture writes a picture of the page, light and dark, if pictures are asked for.
func (b *tab) picture(name string, width int64, take chromedp.Action[[]byte]) {
	b.t.Helper()
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.colours(scheme)
		b.same(`Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations < 9).map(a => a.finished)).then(() => 0)`, 0)
		shot, err := chromedp.Run(b.ctx, take)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), shot, 0o644)
		}
		if err != nil {
			b.t.Fatalf("picture of %s: %v", name, err)
		}
	}
	b.colours("light")
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Scheme + "://" + u.Host
}
