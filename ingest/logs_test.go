package ingest_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"footfall/ingest"
	"footfall/storage"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

const (
	logFirefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	logPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	logGoogle  = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
)

// combined returns a line of a log.
func combined(at time.Time, addr, request string, status int, referrer, agent string) string {
	return fmt.Sprintf("%s - - [%s] %q %d 512 %q %q\n", addr, at.Format("02/Jan/2006:15:04:05 -0700"), request, status, referrer, agent)
}

// importLogs imports files at a time.
func importLogs(t rapidOrTest, s *storage.Store, now time.Time, cmd *ingest.Import, stdin io.Reader) (out, notes string, err error) {
	return importLogsWith(context.Background(), t, s, func() time.Time { return now }, cmd, stdin)
}

func importLogsWith(ctx context.Context, t rapidOrTest, s *storage.Store, now func() time.Time, cmd *ingest.Import, stdin io.Reader) (out, notes string, err error) {
	t.Helper()
	if cmd.Site == "" {
		cmd.Site = "example.com"
	}
	if cmd.Format == "" {
		cmd.Format = "combined"
	}
	in, err := cmd.Open(ctx, stdin)
	if err != nil {
		return "", "", err
	}
	defer in.Close()
	var o, e bytes.Buffer
	err = cmd.Run(&verb.Context{
		Context: ctx, Store: s, Now: now, In: in, Out: &o, Err: &e,
		Log: slog.New(slog.DiscardHandler), Progress: func(string, int64) verb.Bar { return noBar{} },
	})
	return o.String(), e.String(), err
}

// exported returns the events of a site, without the visitors' numbers, sorted.
func exported(t rapidOrTest, s *storage.Store) []string {
	t.Helper()
	var r run
	if err := r.do(s, nil, &ingest.Export{Site: "example.com"}); err != nil {
		t.Fatal(err)
	}
	zone, _ := time.LoadLocation("Europe/Berlin")
	return groups(t, r.out.String(), zone)
}

func writeFile(t rapidOrTest, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestImportLog(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Europe/Berlin")
	day := noon.AddDate(0, 0, -3)
	log := combined(day, "203.0.113.9", "GET /pricing?utm_source=newsletter&x=secret HTTP/2.0", 200, "https://www.google.com/search?q=secret", logFirefox) +
		combined(day.Add(time.Minute), "203.0.113.9", "GET /docs HTTP/2.0", 304, "https://example.com/pricing", logFirefox) +
		combined(day.Add(time.Minute), "203.0.113.9", "GET /app.css HTTP/2.0", 200, "-", logFirefox) +
		combined(day.Add(time.Hour), "203.0.113.9", "GET / HTTP/2.0", 200, "-", logFirefox) +
		combined(day, "203.0.113.9", "GET / HTTP/2.0", 200, "-", logPhone) +
		combined(day, "203.0.113.9", "POST /api/event HTTP/2.0", 202, "-", logPhone) +
		combined(day, "203.0.113.9", "GET /wp-login.php HTTP/2.0", 404, "-", logPhone) +
		combined(day, "66.249.66.1", "GET / HTTP/2.0", 200, "-", logGoogle) +
		combined(day, "203.0.113.9", `\x16\x03`, 400, "-", "-") +
		"\n203.0.113.77 - frank [oops] \"GET /secret\"\n" +
		combined(noon, "203.0.113.9", "GET / HTTP/2.0", 200, "-", logPhone)
	out, notes, err := importLogs(t, s, noon, &ingest.Import{Files: []string{"-"}}, strings.NewReader(log))
	if verb.Code(err) != verb.ExitPartial || err.Error() != "import: 1 of 10 lines were left out, the rest is stored" {
		t.Errorf("got %v", err)
	}
	want := "lines     10\nevents    4\nvisits    3\nvisitors  2\ndays      1\nrejected  1\nknown     0\nwaiting   1\n" +
		"skipped   1: images, scripts, feeds and other files; --assets counts them\n" +
		"skipped   1: answers that show no page; --status says which count\n" +
		"skipped   1: requests other than GET\n" +
		"skipped   1: no request that a server understands\n" +
		"dropped   1: the User-Agent is that of a robot\n"
	if out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	wantNotes := "standard input: line 11, column 23: want a time such as 10/Oct/2000:13:55:36 -0700 and a bracket; the line is like 9.9.9.9 - a [a] \"a /a\"\n" +
		"1 lines are of days that are not over and wait for the next import: see --follow and --unfinished\n"
	if notes != wantNotes {
		t.Errorf("got\n%swant\n%s", notes, wantNotes)
	}
	all := strings.Join(exported(t, s), "\n")
	for _, want := range []string{`"pathname":"/pricing"`, `"utm_source":"newsletter"`, `"browser":"Firefox"`, `"os":"iOS"`, `"hostname":"example.com"`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	if strings.Contains(all, "secret") || strings.Contains(all, "203.0.113") {
		t.Errorf("kept too much: %s", all)
	}
	if got := s.DropCounts(site, 0, schema.DateOf(noon)); len(got) != 1 || got["bot"][schema.DateOf(day)] != 1 {
		t.Errorf("dropped: %v", got)
	}
}

func TestImportLogFilters(t *testing.T) {
	day := noon.AddDate(0, 0, -3)
	line := func(host, request string, status int) string {
		return host + " " + combined(day, "203.0.113.9", request, status, "-", logFirefox)
	}
	log := line("example.com:443", "GET / HTTP/1.1", 200) + line("www.example.com", "GET /a.pdf HTTP/1.1", 200) + line("shop.example.com", "GET / HTTP/1.1", 200) +
		line("EXAMPLE.com", "GET /gone HTTP/1.1", 410)
	for _, c := range []struct {
		flags ingest.LogFlags
		want  int
		err   string
	}{
		{ingest.LogFlags{}, 1, ""},
		{ingest.LogFlags{Assets: true}, 2, ""},
		{ingest.LogFlags{Host: []string{"*"}}, 2, ""},
		{ingest.LogFlags{Host: []string{"example.com", "Shop.example.com"}, Status: []string{"200", "4XX"}}, 3, ""},
		{ingest.LogFlags{Status: []string{"20"}}, 0, `--status "20": want a status such as 404, or a class such as 2xx`},
		{ingest.LogFlags{Follow: true, Every: time.Hour}, 0, "standard input cannot be followed: name the log"},
		{ingest.LogFlags{Follow: true, Every: time.Hour, Unfinished: true}, 0, "--follow and --unfinished do not go together: --follow stores each day when it is over, so that nobody is counted twice"},
	} {
		s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
		site := mustSite(t, s, "example.com", "Etc/UTC")
		_, _, err := importLogs(t, s, noon, &ingest.Import{Format: "vhost", Files: []string{"-"}, LogFlags: c.flags}, strings.NewReader(log))
		if c.err != "" && (err == nil || err.Error() != c.err || verb.Code(err) != verb.ExitUsage) || c.err == "" && err != nil || int(s.Count(site)) != c.want {
			t.Errorf("%+v: got %d events, %v", c.flags, s.Count(site), err)
		}
		mustClose(t, s)
	}
}

// drawLog draws the log of some days, one text for each hour.
func drawLog(t *rapid.T, from time.Time, hours int) []string {
	agents := []string{logFirefox, logPhone, logGoogle, "-"}
	out := make([]string, hours)
	for h := range out {
		var times []int
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			times = append(times, rapid.IntRange(0, 3599).Draw(t, "second"))
		}
		slices.Sort(times)
		for _, second := range times {
			at := from.Add(time.Duration(h)*time.Hour + time.Duration(second)*time.Second)
			line := combined(at, fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 3).Draw(t, "addr")), fmt.Sprintf("GET /%d HTTP/1.1", rapid.IntRange(0, 3).Draw(t, "page")),
				200, "-", rapid.SampledFrom(agents).Draw(t, "agent"))
			if rapid.IntRange(0, 20).Draw(t, "bad") == 0 {
				line = fmt.Sprintf("garbage %d\n", at.Unix())
			}
			out[h] += line
		}
	}
	return out
}

// A log that is imported as it grows, whenever somebody likes, is rotated, packed and torn off in the middle of lines, while imports are
// called off half way, gives what it gives when it is imported whole at the end.
func TestImportLogInPieces(t *testing.T) {
	from := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "footfall")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		hours := drawLog(t, from, rapid.IntRange(1, 30).Draw(t, "hours"))
		end := from.Add(time.Duration(len(hours))*time.Hour + 48*time.Hour)

		whole := mustOpen(t, filepath.Join(root, "whole"), func() time.Time { return end })
		defer mustClose(t, whole)
		mustSite(t, whole, "example.com", "Europe/Berlin")
		if _, notes, err := importLogs(t, whole, end, &ingest.Import{Files: []string{"-"}}, strings.NewReader(strings.Join(hours, ""))); err != nil && verb.Code(err) != verb.ExitPartial {
			t.Fatal(err, notes)
		}

		dir := filepath.Join(root, "pieces")
		s := mustOpen(t, dir, func() time.Time { return end })
		defer func() { mustClose(t, s) }()
		mustSite(t, s, "example.com", "Europe/Berlin")
		current, files, content, unfinished := filepath.Join(root, "access.log"), []string{}, "", ""
		writeFile(t, current, "")
		importAll := func(now time.Time) {
			cmd := &ingest.Import{Files: append(rapid.Permutation(files).Draw(t, "order"), current)}
			if rapid.Bool().Draw(t, "killed") {
				ctx, cancel := context.WithCancel(context.Background())
				looks := rapid.IntRange(0, 12).Draw(t, "looks")
				_, _, err := importLogsWith(&countedContext{ctx, cancel, looks}, t, s, func() time.Time { return now }, cmd, nil)
				cancel()
				if err != nil && verb.Code(err) != verb.ExitPartial && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				mustClose(t, s)
				s = mustOpen(t, dir, func() time.Time { return end })
				return
			}
			if _, _, err := importLogs(t, s, now, cmd, nil); err != nil && verb.Code(err) != verb.ExitPartial {
				t.Fatal(err)
			}
		}
		for h, text := range hours {
			now := from.Add(time.Duration(h+1) * time.Hour)
			content += unfinished + text
			unfinished = ""
			if i := rapid.IntRange(0, 30).Draw(t, "torn"); i < len(text) {
				content, unfinished = content[:len(content)-i], content[len(content)-i:]
			}
			writeFile(t, current, content)
			if rapid.IntRange(0, 11).Draw(t, "import") == 0 {
				importAll(now)
			}
			if unfinished == "" && rapid.IntRange(0, 12).Draw(t, "rotate") == 0 {
				old := filepath.Join(root, fmt.Sprintf("access.log.%d", h))
				if rapid.Bool().Draw(t, "pack") {
					var b bytes.Buffer
					w := gzip.NewWriter(&b)
					_, err := w.Write([]byte(content))
					if err := errors.Join(err, w.Close()); err != nil {
						t.Fatal(err)
					}
					old += ".gz"
					writeFile(t, old, b.String())
				} else {
					writeFile(t, old, content)
				}
				files, content = append(files, old), ""
				writeFile(t, current, content)
			}
		}
		writeFile(t, current, content+unfinished)
		if _, _, err := importLogs(t, s, end, &ingest.Import{Files: append(files, current)}, nil); err != nil && verb.Code(err) != verb.ExitPartial {
			t.Fatal(err)
		}
		if got, want := exported(t, s), exported(t, whole); !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		before := exported(t, s)
		if out, _, err := importLogs(t, s, end, &ingest.Import{Files: append(files, current)}, nil); err != nil || !strings.Contains(out, "events    0\n") {
			t.Fatalf("again: %s, %v", out, err)
		}
		if !slices.Equal(before, exported(t, s)) {
			t.Fatal("an import of what is known changed something")
		}
	})
}

// countedContext ends after some looks at it.
type countedContext struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (c *countedContext) Err() error {
	if c.left--; c.left < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// A log that is not the one that was read before is not counted.
func TestImportLogChanged(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Etc/UTC")
	var lines []string
	for i := range 200 {
		lines = append(lines, combined(noon.AddDate(0, 0, -3).Add(time.Duration(i)*time.Second), "203.0.113.9", "GET / HTTP/2.0", 200, "-", logFirefox))
	}
	do := func(lines []string) error {
		_, _, err := importLogs(t, s, noon, &ingest.Import{Files: []string{"-"}}, strings.NewReader(strings.Join(lines, "")))
		return err
	}
	if err := do(lines[:150]); err != nil {
		t.Fatal(err)
	}
	if err := do(lines[:140]); err == nil || !strings.Contains(err.Error(), "was it cut?") {
		t.Errorf("got %v", err)
	}
	if err := do(append(slices.Delete(slices.Clone(lines), 100, 101), lines...)); err == nil || !strings.Contains(err.Error(), "was it changed?") {
		t.Errorf("got %v", err)
	}
	if n := s.Count(site); n != 150 {
		t.Errorf("got %d events", n)
	}
	if err := do(lines); err != nil || s.Count(site) != 200 {
		t.Errorf("got %d events, %v", s.Count(site), err)
	}
	// A site that was reset has nothing, so everything counts again.
	if err := s.ResetSite(context.Background(), site, "test"); err != nil {
		t.Fatal(err)
	}
	if err := do(lines); err != nil || s.Count(site) != 200 {
		t.Errorf("after a reset: got %d events, %v", s.Count(site), err)
	}
}

// A log that is followed while it is rotated away under its reader is counted to its end, each day when it is over.
func TestImportLogFollow(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	site := mustSite(t, s, "example.com", "Etc/UTC")
	path := filepath.Join(t.TempDir(), "access.log")
	day := noon.AddDate(0, 0, -3)
	writeFile(t, path, combined(day, "203.0.113.9", "GET /a HTTP/2.0", 200, "-", logFirefox))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	passes := 0
	now := func() time.Time { // is asked in each pass
		if n := int(s.Count(site)); n > passes {
			switch passes = n; n {
			case 1:
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
				}
				fmt.Fprint(f, combined(day.Add(time.Second), "203.0.113.9", "GET /b HTTP/2.0", 200, "-", logFirefox))
				f.Close()
				if err := os.Rename(path, path+".1"); err != nil {
					t.Error(err)
				}
				writeFile(t, path, combined(day.Add(time.Hour), "203.0.113.9", "GET /c HTTP/2.0", 200, "-", logFirefox))
			case 3:
				cancel()
			}
		}
		return noon
	}
	cmd := &ingest.Import{Files: []string{path}, LogFlags: ingest.LogFlags{Follow: true, Every: time.Millisecond}}
	if _, notes, err := importLogsWith(ctx, t, s, now, cmd, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v: %s", err, notes)
	}
	if n := s.Count(site); n != 3 {
		t.Errorf("got %d events", n)
	}
	if _, _, err := importLogs(t, s, noon, &ingest.Import{Files: []string{filepath.Join(t.TempDir(), "nowhere")}}, nil); !strings.Contains(err.Error(), "nowhere: no such file") {
		t.Errorf("got %v", err)
	}
}

// A request in a log and the same request to the live endpoint become the same event, but for what only one of them knows.
func TestImportLogAsLive(t *testing.T) {
	s := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, s)
	mustSite(t, s, "example.com", "Europe/Berlin")
	handler := mustHandler(t, s, func() time.Time { return noon })
	var log strings.Builder
	n := 0
	for _, agent := range []string{logFirefox, logPhone, logGoogle, "curl/8.5.0", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36"} {
		for _, referrer := range []string{"", "https://www.google.com/search?q=x", "https://chatgpt.com/", "https://example.com/inside", "nonsense"} {
			for _, target := range []string{"/", "/a%20b/?utm_source=newsletter&utm_medium=email", "/?gclid=1", "/x?ref=hn", "/%C3%BC "} {
				n++
				target = strings.TrimSpace(target)
				addr := fmt.Sprintf("8.8.%d.%d", n/200, n%200)
				r := httptest.NewRequest("POST", "/api/event", strings.NewReader(fmt.Sprintf(`{"n":"pageview","d":"example.com","u":%q,"r":%q}`, "https://example.com"+target, referrer)))
				r.Header.Set("User-Agent", agent)
				r.Header.Set("X-Forwarded-For", addr)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != 202 {
					t.Fatal(w.Code, w.Body)
				}
				log.WriteString(combined(noon, addr, "GET "+target+" HTTP/1.1", 200, cmp.Or(referrer, "-"), agent))
			}
		}
	}
	live := exported(t, s)
	again := mustOpen(t, t.TempDir(), func() time.Time { return noon })
	defer mustClose(t, again)
	mustSite(t, again, "example.com", "Europe/Berlin")
	if _, notes, err := importLogs(t, again, noon.AddDate(0, 0, 2), &ingest.Import{Files: []string{"-"}}, strings.NewReader(log.String())); err != nil {
		t.Fatal(err, notes)
	}
	if d := gocmp.Diff(live, exported(t, again)); d != "" || len(live) != n*4/5 {
		t.Errorf("%d visitors: %s", len(live), d)
	}
}
