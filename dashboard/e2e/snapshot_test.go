package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/objstore/objtest"
	"footfall/storage/seal"
)

// depot is a place for snapshots as its user has set it up: a file of settings.
type depot struct {
	url     string
	config  string // path of the settings
	objects string // directory in which the objects lie
}

func newDepot(t *testing.T, url, objects string, settings ...string) depot {
	t.Helper()
	d := depot{url: url, objects: objects, config: filepath.Join(t.TempDir(), "footfall.conf")}
	text := strings.Join(append(settings, "snapshot-to = "+url), "\n")
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func dirDepot(t *testing.T) depot {
	t.Helper()
	dir := t.TempDir()
	return newDepot(t, "file://"+dir, dir)
}

func s3Depot(t *testing.T) depot {
	t.Helper()
	s := objtest.StartVersity(t, objtest.VersityConfig{TLS: true})
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(secret, fmt.Appendf(nil, "access_key = %s\nsecret_key = %s\n", s.AccessKey, s.SecretKey), 0o600); err != nil {
		t.Fatal(err)
	}
	return newDepot(t, s.At("house/one").String(), s.Dir, "snapshot_endpoint = "+s.Endpoint, "snapshot-credentials = "+secret, "snapshot-ca = "+s.CAFile,
		"snapshot-region = us-east-1", "snapshot-path-style = true")
}

// snap runs a snapshot verb, and returns what it printed.
func (d depot) snap(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	args = append(append([]string{"snapshot"}, args...), "--config", d.config)
	out, remarks, code := footfall(t, nil, args...)
	if code != want {
		t.Fatalf("footfall %v: exit code %d, want %d\n%s%s", args, code, want, out, remarks)
	}
	return out, remarks
}

// keyAway moves the key out of the data directory, as everybody should, and returns where it is.
func keyAway(t *testing.T, dir string) string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "the.key")
	if err := os.Rename(filepath.Join(dir, "footfall.key"), key); err != nil {
		t.Fatal(err)
	}
	return key
}

var streaming = regexp.MustCompile(`(?s)restorable up to \d\d:\d\d:\d\d, \d+ s ago.*state     streaming`)

// awaitStatus asks for the status until it matches, and does something before each time.
func awaitStatus(t *testing.T, dir string, re *regexp.Regexp, do ...func()) {
	t.Helper()
	out := ""
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, f := range do {
			f()
		}
		var remarks string
		out, remarks, _ = footfall(t, nil, "snapshot", "status", "--data", dir)
		if out += remarks; re.MatchString(out) {
			return
		}
	}
	t.Fatalf("the status is\n%s", out)
}

// TestSnapshots is the life of a house with snapshots: events, a point with a name, more events, kill -9, and a restore with nothing but the bucket and a key. Then the
// copy takes over, and the old house stops.
func TestSnapshots(t *testing.T) {
	for name, place := range map[string]func(*testing.T) depot{"directory": dirDepot, "S3": s3Depot} {
		t.Run(name, func(t *testing.T) { snapshotLife(t, place(t)) })
	}
}

func snapshotLife(t *testing.T, d depot) {
	const half, whole = 1000, 2000
	dir, token, date := crashStore(t)
	mustFootfall(t, strings.NewReader(canaryPassword+"\n"), "user", "add", canaryEmail, "--data", dir)
	key := keyAway(t, dir)
	l := newLedger(whole)
	s := start(t, "serve", dir, "--key-file", key, "--config", d.config)
	l.flood(s.URL, func(n int) {
		if n == half {
			if out, _ := d.snap(t, 0, "create", "halfway", "--data", dir); !strings.Contains(out, `made the point "halfway"`) {
				t.Errorf("create says %q", out)
			}
		}
	})
	awaitStatus(t, dir, streaming)
	var status struct {
		Settled bool      `json:"settled"`
		To      time.Time `json:"restorable_to"`
	}
	for deadline := time.Now().Add(startTime); !status.Settled && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, _ := d.snap(t, 0, "status", "--json", "--data", dir)
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			t.Fatalf("status %q: %v", out, err)
		}
	}
	s.Kill()
	if !strings.Contains(s.Log(), "one key file is all that opens the snapshots") {
		t.Errorf("the server warns of nothing:\n%s", s.Log())
	}

	// The machine is gone. Only the key is here.
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	list, _ := d.snap(t, 0, "list", "--json", "--from", d.url, "--key-file", key)
	if !strings.Contains(list, `"name": "halfway"`) {
		t.Errorf("list says %s", list)
	}
	restored, early := filepath.Join(t.TempDir(), "restored"), filepath.Join(t.TempDir(), "early")
	if out, _ := d.snap(t, 0, "restore", "--from", d.url, "--to", restored, "--key-file", key, "--dry-run"); !strings.Contains(out, "would restore") {
		t.Errorf("the dry run says %q", out)
	}
	if _, err := os.Stat(restored); err == nil {
		t.Error("a dry run has made the directory")
	}
	out, _ := d.snap(t, 0, "restore", "--from", d.url, "--to", restored, "--key-file", key)
	for _, want := range []string{"restored " + restored, "footfall snapshot adopt", "--key-file", "counts its visitors anew"} {
		if !strings.Contains(out, want) {
			t.Errorf("restore does not say %q:\n%s", want, out)
		}
	}
	d.snap(t, 0, "restore", "--from", d.url, "--to", early, "--key-file", key, "--point", "halfway", "--json")
	d.snapRefusals(t, restored, key)

	there := func(house string) map[int]bool {
		copyFile(t, key, filepath.Join(house, "footfall.key"))
		mustCheck(t, house)
		return l.recount(t, exportOf(t, house, crashSite))
	}
	copyFile(t, key, filepath.Join(early, "footfall.key"))
	if n := len(exportOf(t, early, crashSite)); n < half-crashSenders || n >= whole {
		t.Errorf("the point of half the events has %d", n)
	}
	all := there(restored)
	if _, acked := l.count(); len(all) < acked {
		t.Errorf("%d of %d acknowledged events were restored", len(all), acked)
	}
	s = start(t, "serve", restored)
	agree(t, s.URL, token, date, all)
	s.Stop()

	snapshotFences(t, d, away, restored, key)
	d.nothingReadable(t, away, token, key)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// snapRefusals are what a restore refuses.
func (d depot) snapRefusals(t *testing.T, restored, key string) {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other")
	mustFootfall(t, nil, "site", "add", "x.example", "--data", other)
	target := filepath.Join(t.TempDir(), "target")
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{1, "is not empty", []string{"--from", d.url, "--to", restored, "--key-file", key}},
		{12, "--key-file", []string{"--from", d.url, "--to", target, "--key-file", filepath.Join(other, "footfall.key")}},
		{12, "no key is at hand", []string{"--from", d.url, "--to", target, "--data", t.TempDir()}},
		{10, "nothing was streamed", []string{"--from", "file://" + t.TempDir(), "--to", target, "--key-file", key}},
		{10, "no point has the name", []string{"--from", d.url, "--to", target, "--key-file", key, "--point", "nobody"}},
		{10, "later time", []string{"--from", d.url, "--to", target, "--key-file", key, "--at", "2001-01-01T00:00:00Z"}},
		{2, "is no time", []string{"--from", d.url, "--to", target, "--key-file", key, "--at", "yesterday"}},
		{2, "http:", []string{"--from", "http://x.example/y", "--to", target, "--key-file", key}},
	} {
		if _, remarks := d.snap(t, c.code, append([]string{"restore"}, c.args...)...); !strings.Contains(remarks, c.says) {
			t.Errorf("restore %v says %q, want %q", c.args, remarks, c.says)
		}
		if _, err := os.Stat(target); err == nil {
			t.Fatalf("restore %v has made the directory", c.args)
		}
	}
}

// snapshotFences holds that of two instances one streams, whichever was told to last.
func snapshotFences(t *testing.T, d depot, before, after, key string) {
	t.Helper()
	fenced := regexp.MustCompile(`another instance streams`)
	old := start(t, "serve", before, "--key-file", key, "--config", d.config)
	awaitStatus(t, before, streaming)
	s := start(t, "serve", after, "--key-file", key, "--config", d.config)
	awaitStatus(t, after, fenced)
	d.snap(t, 14, "status", "--data", after)
	d.snap(t, 14, "create", "never", "--data", after)
	d.snap(t, 10, "adopt", "--data", before)
	d.snap(t, 0, "adopt", "--data", after)
	awaitStatus(t, after, streaming)
	awaitStatus(t, before, fenced, func() { // who has nothing to upload needs not know
		if !send(old.URL, crashSite, "/from-the-old-one", firefox) {
			t.Error("a server without snapshots counts no visits")
		}
	})
	if old.Stop() != 0 || s.Stop() != 0 {
		t.Error("a server ended with an error")
	}
}

// nothingReadable holds that no object tells what is in it.
func (d depot) nothingReadable(t *testing.T, dir, token, key string) {
	t.Helper()
	n := &needles{}
	for _, text := range []string{crashSite, eventPath(1234), "from-the-old-one", "signup", "halfway", token, "recount", eventAddress(7), canaryEmail, canaryPassword, browsers[0]} {
		n.text(text)
	}
	for what, secret := range secretsOf(t, dir, key) {
		n.encoded(what, "raw", secret)
	}
	all := files(t, d.objects)
	if len(all) < 8 {
		t.Errorf("only %d objects are there", len(all))
	}
	for path, content := range all {
		scan(t, n, "an object", content)
		scan(t, n, "the name of an object", []byte(path))
	}
}

// secretsOf returns the key and today's salt of a house.
func secretsOf(t *testing.T, dir, key string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := seal.ReadKey(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.Context(), storage.Config{Dir: dir, Key: storage.Key{File: key}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	site := store.Accounts().Sites()[0]
	calendar, err := site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	salt, err := store.Salt(site, calendar.Date(time.Now().Unix()))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	return map[string][]byte{"key": raw[:], "key file": []byte(lines[len(lines)-1]), "salt": salt[:]}
}
