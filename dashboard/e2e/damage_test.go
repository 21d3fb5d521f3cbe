package e2e_test

import (
	"bytes"
	"context"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	damagePage    = 4096
	damageWorkers = 2
	damageLimit   = 20 * time.Second // of one command on a small store: longer is a hang
	exitDamaged   = 13
)

// wound is one way to damage a store: what becomes of one of its files.
type wound struct {
	file string
	what string
	to   []byte // nil: the file is gone
}

// patient is a store that is damaged again and again: its files, what commands are asked, and what they say when all is well.
type patient struct {
	files    map[string][]byte
	commands []damageCommand
	token    string // for the Stats API
	span     string // the dates of all events, as a field of a query
}

type damageCommand struct {
	args  []string
	stdin string
	want  string
}

// damageStore makes a small store with sealed days, an open day, two sites, a person and a token. end ends the server.
func damageStore(t *testing.T, end func(*server)) *patient {
	t.Helper()
	zone, date := noon()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	for site, sizes := range map[string][]int{"example.org": {1500, 40, 90}, "shop.example": {60, 300}} {
		mustFootfall(t, nil, "site", "add", site, "--timezone", zone, "--data", dir)
		var lines strings.Builder
		for day, events := range sizes {
			for n := range events {
				fmt.Fprintf(&lines, `{"time":"2026-02-0%dT%02d:%02d:%02dZ","name":%q,"visitor":"v%d","hostname":%q,"pathname":"/p%d","country":%q,"source":%q,`+
					`"browser":%q,"props":{"plan":"p%d","n":"%d"},"scroll_depth":%d}`+"\n", day+2, 10+n%8, rng.IntN(60), rng.IntN(60),
					[]string{"pageview", "pageview", "signup"}[n%3], rng.IntN(events/3+1), site, rng.IntN(40), []string{"DE", "FR", "US"}[rng.IntN(3)],
					[]string{"Google", "", "Bing"}[rng.IntN(3)], []string{"Firefox", "Chrome"}[rng.IntN(2)], rng.IntN(5), n, rng.IntN(101))
			}
		}
		mustFootfall(t, strings.NewReader(lines.String()), "import", "--site", site, "--format", "ndjson", "-", "--data", dir)
	}
	mustFootfall(t, strings.NewReader("a password of some length\n"), "user", "add", "ana@example.org", "--data", dir)
	p := &patient{files: map[string][]byte{}, token: addToken(t, dir, "reports")}
	s := start(t, "serve", dir)
	client := oneConnection()
	for n := range 120 {
		site := []string{"example.org", "shop.example"}[n%2]
		body := fmt.Sprintf(`{"n":"pageview","u":"https://%s/live/%d","d":%q,"r":"https://www.google.com/","p":{"plan":"p%d"}}`, site, n%9, site, n%5)
		if status, err := postEvent(client, s.URL, fmt.Sprintf("198.51.100.%d", n%13), browsers[n%len(browsers)], body); err != nil || status != 202 {
			t.Fatalf("event %d: %d, %v", n, status, err)
		}
	}
	client.CloseIdleConnections()
	end(s)

	for _, name := range []string{"footfall.db", "footfall.vault", "footfall.key"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		p.files[name] = content
	}
	// What lies behind the last page in use is nothing but zeros; the file may end there.
	p.files["footfall.db"] = bytes.TrimRight(p.files["footfall.db"], "\x00")
	p.files["footfall.db"] = append(p.files["footfall.db"], make([]byte, -len(p.files["footfall.db"])&(damagePage-1))...)

	p.span = fmt.Sprintf(`"date_range":["2026-01-01",%q]`, date)
	p.commands = []damageCommand{
		{args: []string{"check"}},
		{args: []string{"query", "--site", "example.org", "-"}, stdin: `{"metrics":["visitors","visits","pageviews","events","bounce_rate","visit_duration"],` + p.span + `}`},
		{args: []string{"query", "--site", "example.org", "-"}, stdin: `{"metrics":["visitors","events"],"dimensions":["event:page","visit:source"],` +
			`"filters":[["is","visit:browser",["Firefox"]],["is","event:props:plan",["p1","p2"]]],` + p.span + `}`},
		{args: []string{"query", "--site", "shop.example", "-"}, stdin: `{"metrics":["visitors","visits","pageviews"],"dimensions":["time:day","visit:country"],` + p.span + `}`},
		{args: []string{"export", "--site", "example.org", "--format", "ndjson"}},
		{args: []string{"export", "--site", "shop.example", "--format", "ndjson"}},
		{args: []string{"site", "list", "--json"}},
		{args: []string{"user", "list", "--json"}},
	}
	whole := t.TempDir()
	p.lay(t, whole, nil)
	for i := range p.commands {
		c := &p.commands[i]
		out, stderr, code, err := c.run(whole)
		if err != nil || code != 0 || len(out) == 0 {
			t.Fatalf("%v on the whole store: exit code %d, %v\n%s", c.args, code, err, stderr)
		}
		c.want = out
	}
	if out := p.commands[0].want; out != "ok\n" {
		t.Fatalf("check of the whole store says %q", out)
	}
	return p
}

// lay writes the store into dir, damaged if w is not nil.
func (p *patient) lay(t *testing.T, dir string, w *wound) {
	t.Helper()
	old, err := os.ReadDir(dir)
	for _, e := range old {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	for name, content := range p.files {
		mode := os.FileMode(0o600)
		if name == "footfall.key" {
			mode = 0o400
		}
		if w != nil && w.file == name {
			if content = w.to; content == nil {
				continue
			}
		}
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, mode))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (c *damageCommand) run(dir string) (stdout, stderr string, code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), damageLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(c.args, "--data", dir)...)
	var out, remarks bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment(), strings.NewReader(c.stdin), &out, &remarks
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", remarks.String(), 0, errors.New("it hangs")
	}
	if err != nil && cmd.ProcessState == nil {
		return "", "", 0, err
	}
	return out.String(), remarks.String(), cmd.ProcessState.ExitCode(), nil
}

// treat runs every command on the damaged store and returns what is wrong with their answers, and how many gave one.
func (p *patient) treat(t *testing.T, dir string, w *wound) (wrong []string, answers int) {
	t.Helper()
	p.lay(t, dir, w)
	sound := false
	for i := range p.commands {
		c := &p.commands[i]
		out, stderr, code, err := c.run(dir)
		note := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%s: %s; exit code %d, it said %s", strings.Join(c.args, " "), fmt.Sprintf(format, args...), code, brief(stderr)))
		}
		switch {
		case err != nil:
			note("%v", err)
		case strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic:"):
			note("it panicked")
		case code == 0 && out != c.want:
			note("a wrong answer: %s, not %s", brief(out), brief(c.want))
		case code == 0:
			answers++
			sound = sound || i == 0
		case w.to == nil && code == 10: // the file is not there, and that is said
		case code != exitDamaged || !complaint.MatchString(stderr):
			note("neither an answer nor damage")
		case sound:
			note("check found nothing")
		}
	}
	for name, content := range p.files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); name != w.file && (err != nil || !bytes.Equal(got, content)) {
			wrong = append(wrong, fmt.Sprintf("reading has changed %s (%v)", name, err))
		}
	}
	return wrong, answers
}

// complaint is how a command says that the data are damaged, for people or for programs.
var complaint = regexp.MustCompile(`(?m)^footfall: .*damaged|^\{"code":13,"error":".*damaged.*"\}$`)

func brief(s string) string {
	if len(s) > 400 {
		s = s[:400] + "..."
	}
	return strconv.Quote(s)
}

// surgeon makes wounds.
type surgeon struct {
	rng   *rand.Rand
	files map[string][]byte
}

// flip changes one bit of n bytes at off.
func (s *surgeon) flip(file, what string, off, n int) wound {
	b := bytes.Clone(s.files[file])
	at, bit := off+s.rng.IntN(n), s.rng.IntN(8)
	b[at] ^= 1 << bit
	return wound{file, fmt.Sprintf("bit %d of byte %d of %s (page %d, offset %d), %s", bit, at, file, at/damagePage, at%damagePage, what), b}
}

// kind tells what a page of the data file is.
func (s *surgeon) kind(page int) string {
	b := s.files["footfall.db"][page*damagePage:]
	if encoding.NativeEndian.Uint64(b) != uint64(page) {
		return "inside or nothing"
	}
	kinds := map[uint16]string{1: "branch", 2: "leaf", 4: "meta"}
	if k := kinds[encoding.NativeEndian.Uint16(b[8:])]; k != "" {
		return k
	}
	return "unknown"
}

// everywhere makes one wound in each field of each header.
func (s *surgeon) everywhere() (list []wound) {
	type field struct {
		name   string
		off, n int
	}
	metas := []field{{"page id", 0, 8}, {"page flags", 8, 2}, {"count", 10, 2}, {"overflow", 12, 4}, {"magic", 16, 4}, {"version", 20, 4}, {"page size", 24, 4},
		{"flags", 28, 4}, {"root", 32, 8}, {"sequence", 40, 8}, {"freelist", 48, 8}, {"high", 56, 8}, {"transaction", 64, 8}, {"checksum", 72, 8}}
	for page := range len(s.files["footfall.db"]) / damagePage {
		fields := metas
		if page > 1 { // one of the header, one of the first elements
			fields = []field{metas[s.rng.IntN(4)], {"first elements", 16, 64}}
		}
		for _, f := range fields {
			list = append(list, s.flip("footfall.db", s.kind(page)+" page, "+f.name, page*damagePage+f.off, f.n))
		}
	}
	list = append(list, s.fewer()...)
	headers := []field{{"magic", 0, 8}, {"version", 8, 2}, {"generation", 10, 8}, {"store id", 18, 16}, {"pages", 34, 4}, {"key slot 0", 64, 104},
		{"key slot 1", 192, 104}, {"use", 1088, 4}, {"MAC", 4032, 32}, {"sum", 4064, 32}}
	pages := []field{{"version", 0, 1}, {"type", 1, 1}, {"length", 2, 2}, {"number", 4, 4}, {"payload", 8, 80}, {"sum", 4064, 32}}
	for page := range len(s.files["footfall.vault"]) / damagePage {
		fields, kind := pages, s.files["footfall.vault"][page*damagePage+1]
		if page < 2 {
			fields = headers
		} else if kind == 0 {
			fields = pages[s.rng.IntN(len(pages)):][:1]
		}
		for _, f := range fields {
			list = append(list, s.flip("footfall.vault", fmt.Sprintf("%s of a page of type %d", f.name, kind), page*damagePage+f.off, f.n))
		}
	}
	for _, file := range []string{"footfall.db", "footfall.vault"} {
		list = append(list, wound{file, file + " is empty", []byte{}}, wound{file, file + " is gone", nil})
	}
	return list
}

// fewer makes every wound by which a page of the tree forgets entries: nothing in bbolt would notice.
func (s *surgeon) fewer() (list []wound) {
	data := s.files["footfall.db"]
	for page := range len(data) / damagePage {
		if kind := s.kind(page); kind != "leaf" && kind != "branch" {
			continue
		}
		at := page*damagePage + 10
		count := encoding.NativeEndian.Uint16(data[at:])
		for bit := range 16 {
			if lower := count &^ (1 << bit); lower != count {
				b := bytes.Clone(data)
				encoding.NativeEndian.PutUint16(b[at:], lower)
				list = append(list, wound{"footfall.db", fmt.Sprintf("page %d has %d entries, not %d", page, lower, count), b})
			}
		}
	}
	return list
}

// anywhere makes a random wound.
func (s *surgeon) anywhere() wound {
	file := "footfall.db"
	if s.rng.IntN(4) == 0 {
		file = "footfall.vault"
	}
	whole := s.files[file]
	pages := len(whole) / damagePage
	b := bytes.Clone(whole)
	switch k := s.rng.IntN(20); {
	case k < 10:
		return s.flip(file, "anywhere", 0, len(b))
	case k < 13:
		return s.flip(file, "beginning of a page", s.rng.IntN(pages)*damagePage, 128)
	case k < 15:
		at, n := s.rng.IntN(len(b)-64), 2+s.rng.IntN(62)
		for i := range n {
			b[at+i] = byte(s.rng.Uint32())
		}
		return wound{file, fmt.Sprintf("%d random bytes at %d of %s", n, at, file), b}
	case k < 17:
		page := s.rng.IntN(pages)
		clear(b[page*damagePage : (page+1)*damagePage])
		return wound{file, fmt.Sprintf("page %d of %s zeroed", page, file), b}
	case k < 19:
		from, to := s.rng.IntN(pages), s.rng.IntN(pages)
		copy(b[to*damagePage:(to+1)*damagePage], whole[from*damagePage:])
		what := "over"
		if k == 18 {
			copy(b[from*damagePage:(from+1)*damagePage], whole[to*damagePage:])
			what = "swapped with"
		}
		return wound{file, fmt.Sprintf("page %d %s page %d of %s", from, what, to, file), b}
	default:
		size := s.rng.IntN(len(b))
		if s.rng.IntN(2) == 0 {
			size = size / damagePage * damagePage
		}
		return wound{file, fmt.Sprintf("%s cut from %d to %d", file, len(b), size), b[:size]}
	}
}

// TestDamage damages a small store in hundreds of ways. Every command must give the right answer or say that the data are damaged:
// never a wrong number, a panic or a hang. E2E_DAMAGE_CASES is the number of random wounds, E2E_DAMAGE_SEED repeats a run as far as
// random keys allow; a store that was answered wrongly is kept.
func TestDamage(t *testing.T) {
	p := damageStore(t, func(s *server) {
		if code := s.Stop(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, s.Log())
		}
	})
	s, cases := newSurgeon(t, p)
	p.operate(t, append(s.everywhere(), s.random(cases)...))
}

// newSurgeon returns a surgeon, and how many random wounds are wanted.
func newSurgeon(t *testing.T, p *patient) (*surgeon, int) {
	t.Helper()
	seed, cases := uint64(time.Now().UnixNano()), 200
	if testing.Short() {
		cases = 20
	}
	if text := os.Getenv("E2E_DAMAGE_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	if text := os.Getenv("E2E_DAMAGE_CASES"); text != "" {
		cases, _ = strconv.Atoi(text)
	}
	t.Logf("seed %d, %d pages of data, %d of the vault", seed, len(p.files["footfall.db"])/damagePage, len(p.files["footfall.vault"])/damagePage)
	return &surgeon{rand.New(rand.NewPCG(seed, 0)), p.files}, cases
}

func (s *surgeon) random(n int) (list []wound) {
	for len(list) < n {
		if w := s.anywhere(); !bytes.Equal(w.to, s.files[w.file]) {
			list = append(list, w)
		}
	}
	return list
}

// operate tries all wounds, a few at a time.
func (p *patient) operate(t *testing.T, wounds []wound) {
	t.Helper()
	began := time.Now()
	var next, answered, given atomic.Int64
	var workers sync.WaitGroup
	for range damageWorkers {
		dir := t.TempDir()
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(wounds) {
					return
				}
				w := &wounds[i]
				wrong, answers := p.treat(t, dir, w)
				given.Add(int64(answers))
				if answers == len(p.commands) {
					answered.Add(1)
				}
				if len(wrong) > 0 {
					kept, err := os.MkdirTemp("", "footfall-damaged-")
					if err == nil {
						p.lay(t, kept, w)
					}
					t.Errorf("%s (kept in %s, %v):\n  %s", w.what, kept, err, strings.Join(wrong, "\n  "))
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d wounds: %d did not matter, %d of %d commands gave the right answer; %v", len(wounds), answered.Load(), given.Load(),
		len(wounds)*len(p.commands), time.Since(began).Round(time.Second))
}

// TestDamageAfterKill damages the two meta pages of a data file whose server was killed. bbolt takes the older page where the newer one is
// not valid, and that must not take the last acknowledged events away.
func TestDamageAfterKill(t *testing.T) {
	p := damageStore(t, (*server).Kill)
	s, _ := newSurgeon(t, p)
	p.operate(t, s.everywhere()[:28])
}

// TestServeDamaged starts servers on damaged stores. One that starts gives the right answer over HTTP or an error, and goes on counting
// or refuses events; one that does not says why.
func TestServeDamaged(t *testing.T) {
	p := damageStore(t, (*server).Kill)
	s, _ := newSurgeon(t, p)
	query := `{"site_id":"example.org","metrics":["visitors","visits","pageviews","events"],"dimensions":["visit:browser"],` +
		`"filters":[["is","visit:country",["DE"]]],` + p.span + `}`
	dir := t.TempDir()
	want, started := "", 0
	for i, w := range append([]wound{{file: "footfall.db", what: "nothing", to: p.files["footfall.db"]}}, s.random(20)...) {
		p.lay(t, dir, &w)
		srv, err := launch(environment(), "serve", dir)
		if err != nil {
			if said := err.Error(); i == 0 || !complaint.MatchString(said) || strings.Contains(said, "goroutine ") {
				t.Errorf("%s: %s", w.what, said)
			}
			continue
		}
		started++
		status, answer := post(t, srv.URL, p.token, query)
		switch {
		case i == 0:
			want = answer
			if status != http.StatusOK {
				t.Fatalf("the whole store answers %d: %s", status, answer)
			}
		case status == http.StatusOK && answer != want, status != http.StatusOK && status != http.StatusInternalServerError:
			t.Errorf("%s: answered %d, %s, not %s", w.what, status, brief(answer), brief(want))
		}
		status, err = postEvent(oneConnection(), srv.URL, "198.51.100.7", browsers[0], `{"n":"pageview","u":"https://example.org/","d":"example.org"}`)
		if err != nil || status != http.StatusAccepted && status != http.StatusServiceUnavailable {
			t.Errorf("%s: an event is answered %d, %v", w.what, status, err)
		}
		if code := srv.Stop(); code != 0 || strings.Contains(srv.Log(), "goroutine ") {
			t.Errorf("%s: exit code %d\n%s", w.what, code, srv.Log())
		}
	}
	t.Logf("%d servers started", started)
}
