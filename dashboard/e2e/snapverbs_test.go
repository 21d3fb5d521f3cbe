package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// metric returns the value of a metric, as text.
func metric(t *testing.T, s *server, name string) string {
	t.Helper()
	_, after, _ := strings.Cut(s.Log(), "metrics ")
	for line := range strings.Lines(string(fetch(t, strings.Fields(after)[0]))) {
		if value, ok := strings.CutPrefix(line, "footfall_"+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "none"
}

// TestSnapshotVerbs goes through the verbs on a running server, and with the bucket and a key alone.
func TestSnapshotVerbs(t *testing.T) {
	d := dirDepot(t)
	dir, _, _ := crashStore(t)
	mustFootfall(t, nil, "site", "add", "gone.example", "--data", dir)
	s := start(t, "serve", dir, "--config", d.config, "--metrics-listen", "127.0.0.1:0")
	alone := []string{"--from", d.url, "--key-file", filepath.Join(dir, "footfall.key")}
	if !send(s.URL, crashSite, "/one", firefox) || !send(s.URL, "gone.example", "/two", firefox) {
		t.Fatal("no event was taken")
	}
	awaitStatus(t, dir, regexp.MustCompile(`never proven yet`))
	if out, _ := d.snap(t, 0, "drill", "--data", dir); !strings.Contains(out, "proven: the state of") || !strings.Contains(out, "2 sites, 2 days, 2 events") {
		t.Errorf("drill says %q", out)
	}
	awaitStatus(t, dir, regexp.MustCompile(`; last proven \w+ \d\d:\d\d in \d+ s`))
	if out, _ := d.snap(t, 0, append([]string{"status"}, alone...)...); !strings.Contains(out, "last proven") {
		t.Errorf("the status of the bucket alone is %q", out)
	}
	for name, want := range map[string]string{"snapshot_drill_success": "1", "snapshot_late": "0", `snapshot_state{state="streaming"}`: "1", `snapshot_state{state="fenced"}`: "0"} {
		if got := metric(t, s, name); got != want {
			t.Errorf("metric %s is %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"snapshot_uploaded_bytes_total", `snapshot_requests_total{kind="put"}`, "snapshot_drill_seconds"} {
		if got := metric(t, s, name); got == "0" || got == "none" {
			t.Errorf("metric %s is %s", name, got)
		}
	}
	mustFootfall(t, nil, "healthcheck", "--snapshots", "--data", dir)

	d.snap(t, 0, "create", "kept", "--data", dir)
	if out, _ := d.snap(t, 0, "prune", "--dry-run", "--data", dir); !strings.Contains(out, "kept 2 points, would delete 0 objects") {
		t.Errorf("prune says %q", out)
	}
	d.snap(t, 0, append([]string{"prune", "--json"}, alone...)...)
	d.snap(t, 0, "prune", "--point", "kept", "--data", dir)
	if out, _ := d.snap(t, 0, "list", "--data", dir); strings.Contains(out, "kept") {
		t.Errorf("a name that was dropped is listed: %s", out)
	}
	d.snap(t, 10, "prune", "--point", "kept", "--data", dir)
	d.snap(t, 2, append([]string{"prune", "--point", "kept"}, alone...)...)

	if out, _ := d.snap(t, 0, "cost", "--data", dir); !strings.Contains(out, "class A") {
		t.Errorf("cost says %q", out)
	}
	d.snap(t, 0, append([]string{"cost", "--json"}, alone...)...)
	d.snap(t, 0, "create", "both", "--data", dir)
	removed, _, _ := footfall(t, nil, "site", "remove", "gone.example", "--yes", "--json", "--data", dir)
	var told struct {
		Snapshots map[string]any `json:"snapshots"`
	}
	if err := json.Unmarshal([]byte(removed), &told); err != nil || len(told.Snapshots) > 0 {
		t.Errorf("after the removal of a site, its key in the bucket: %s (%v)", removed, err)
	}
	target := filepath.Join(t.TempDir(), "restored")
	out, _ := d.snap(t, 0, append([]string{"restore", "--point", "both", "--to", target}, alone...)...)
	if !strings.Contains(out, "left out: gone.example") {
		t.Errorf("restore says %s", out)
	}
	copyFile(t, filepath.Join(dir, "footfall.key"), filepath.Join(target, "footfall.key"))
	if sites := mustFootfall(t, nil, "site", "list", "--data", target); strings.Contains(sites, "gone.example") || !strings.Contains(sites, crashSite) {
		t.Errorf("restored sites: %s", sites)
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}

	// Nobody runs: the verbs stream for as long as they take.
	d.snap(t, 0, "create", "idle", "--data", dir)
	d.snap(t, 0, "drill", "--data", dir)
	d.snap(t, 10, "adopt", "--data", dir)
	d.snap(t, 14, "create", "fenced", "--data", target)
	d.snap(t, 0, "adopt", "--data", target)
	d.snap(t, 0, "create", "mine", "--data", target)
	d.snap(t, 14, "create", "not mine any more", "--data", dir)
	if out, _ := d.snap(t, 0, append([]string{"list", "--json"}, alone...)...); !strings.Contains(out, `"mine"`) || strings.Contains(out, `"fenced"`) {
		t.Errorf("list says %s", out)
	}
}

// TestServeWithoutBucket holds that a bucket that is not there, and comes later, keeps nobody from counting.
func TestServeWithoutBucket(t *testing.T) {
	place := filepath.Join(t.TempDir(), "not", "mounted")
	d := newDepot(t, "file://"+place, place)
	dir, _, _ := crashStore(t)
	s := start(t, "serve", dir, "--config", d.config)
	if !send(s.URL, crashSite, "/one", firefox) {
		t.Error("no event was taken")
	}
	awaitStatus(t, dir, regexp.MustCompile(`(?s)nothing can be restored yet; never proven yet.*state     waiting.*does not exist`))
	mustFootfall(t, nil, "healthcheck", "--snapshots", "--data", dir) // not for so long that anybody need look
	if err := os.MkdirAll(place, 0o700); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, dir, streaming)
	if strings.Count(s.Log(), "level=ERROR") > 4 {
		t.Errorf("the log says too much:\n%s", s.Log())
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.Log())
	}
	if _, remarks, code := footfall(t, nil, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--snapshot-to", "ftp://x/y"); code != 2 || !strings.Contains(remarks, "s3://bucket/prefix") {
		t.Errorf("an address that cannot be meant: exit code %d, %s", code, remarks)
	}
	plain := start(t, "serve", dir)
	if _, remarks, code := footfall(t, nil, "healthcheck", "--snapshots", "--data", dir); code != 1 || !strings.Contains(remarks, "streams no snapshots") {
		t.Errorf("healthcheck of a server without snapshots: exit code %d, %s", code, remarks)
	}
	d.snap(t, 10, "status", "--data", dir)
	plain.Stop()
}

// TestSnapshotFile writes everything into one file, beside a server that streams nowhere, and restores it from there.
func TestSnapshotFile(t *testing.T) {
	dir, _, _ := crashStore(t)
	s := start(t, "serve", dir)
	if !send(s.URL, crashSite, "/one", firefox) {
		t.Fatal("no event was taken")
	}
	where := t.TempDir()
	file, key := filepath.Join(where, "all.tar"), filepath.Join(dir, "footfall.key")
	mustFootfall(t, nil, "snapshot", "create", "by-hand", "--to", file, "--data", dir)
	if _, remarks, code := footfall(t, nil, "snapshot", "create", "--to", file, "--data", dir); code != 2 || !strings.Contains(remarks, "is there already") {
		t.Errorf("a second one into the same file: exit code %d, %s", code, remarks)
	}
	s.Stop()
	piped := mustFootfall(t, nil, "snapshot", "create", "--to", "-", "--data", dir)
	if err := os.WriteFile(filepath.Join(where, "piped.tar"), []byte(piped), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"all.tar", "piped.tar"} {
		from, to := filepath.Join(where, name), filepath.Join(where, "restored from "+name)
		if out := mustFootfall(t, nil, "snapshot", "verify", "--from", from, "--key-file", key, "--read-data"); !strings.HasSuffix(out, "ok\n") {
			t.Errorf("verify says %q", out)
		}
		mustFootfall(t, nil, "snapshot", "restore", "--from", from, "--to", to, "--key-file", key)
		copyFile(t, key, filepath.Join(to, "footfall.key"))
		if out := pageviews(t, to, crashSite); !strings.Contains(out, `"metrics":[1]`) {
			t.Errorf("%s holds %s", name, out)
		}
	}
	if list := mustFootfall(t, nil, "snapshot", "list", "--from", file, "--key-file", key); !strings.Contains(list, "by-hand") {
		t.Errorf("list says %s", list)
	}
	if left, _ := filepath.Glob(filepath.Join(where, "*.partial")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestSnapshotDamaged holds that a flipped bit is found, refused by name, and gone round where that is asked for.
func TestSnapshotDamaged(t *testing.T) {
	d := dirDepot(t)
	dir, _, _ := crashStore(t)
	alone := []string{"--from", d.url, "--key-file", filepath.Join(dir, "footfall.key")}
	d.snap(t, 0, "create", "empty", "--data", dir)
	s := start(t, "serve", dir, "--config", d.config)
	if !send(s.URL, crashSite, "/one", firefox) {
		t.Fatal("no event was taken")
	}
	d.snap(t, 0, "create", "full", "--data", dir)
	s.Stop()
	if out, _ := d.snap(t, 0, append([]string{"verify", "--read-data"}, alone...)...); !strings.HasSuffix(out, "ok\n") {
		t.Errorf("verify says %q", out)
	}
	packs, err := filepath.Glob(filepath.Join(d.objects, "v1", "pack", "*"))
	if err != nil || len(packs) < 2 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	pack := "" // the largest of the server's: the event is in it
	for _, p := range packs {
		if filepath.Base(p) > "00000002" && (pack == "" || size(p) > size(pack)) {
			pack = p
		}
	}
	content, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-3] ^= 4
	if err := os.WriteFile(pack, content, 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(pack)
	if out, remarks := d.snap(t, 13, append([]string{"verify", "--read-data"}, alone...)...); !strings.Contains(out, name) || !strings.Contains(out, "spoils:") || !strings.Contains(remarks, name) {
		t.Errorf("verify says %s%s", out, remarks)
	}
	to := filepath.Join(t.TempDir(), "to")
	if _, remarks := d.snap(t, 13, append([]string{"restore", "--to", to}, alone...)...); !strings.Contains(remarks, name) || !strings.Contains(remarks, "--salvage") {
		t.Errorf("restore says %s", remarks)
	}
	d.snap(t, 0, append([]string{"restore", "--to", to + "-early", "--point", "empty"}, alone...)...)
	if out, _ := d.snap(t, 3, append([]string{"restore", "--to", to, "--salvage"}, alone...)...); !strings.Contains(out, "lost: ") || !strings.Contains(out, name) {
		t.Errorf("salvage says %s", out)
	}
}
