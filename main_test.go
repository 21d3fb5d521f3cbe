package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "footfall"

// topLevel is everything that may stand at the top of the repository, beside names that begin with a dot.
var topLevel = strings.Fields(`main.go main_test.go go.mod go.sum Makefile LICENSE README.md CHANGELOG.md SECURITY.md docs ingest storage dashboard assets`)

// denied lists the arrows that must not be, each with its reason. The first name matches a package and those below it, unless
// it is in except; the second likewise what it imports, where a final = means that package alone and !tree leaves out that tree.
var denied = []struct {
	from, to string
	except   []string
	reason   string
}{
	{"ingest", "dashboard", nil, "those who write and those who read are strangers: what both need belongs in storage"},
	{"dashboard", "ingest", nil, "those who read and those who write are strangers: what both need belongs in storage"},
	{"storage", "ingest", nil, "arrows point down: storage must not know who writes"},
	{"storage", "dashboard", nil, "arrows point down: storage must not know who reads"},
	{"storage", "assets", nil, "storage shows nothing to browsers and needs no data set"},
	{"storage", "net/http", []string{"storage/objstore"}, "storage is used by a server, it is none: HTTP stays in ingest and dashboard"},
	{"storage/schema", module + "/", nil, "schema is the word list of all rooms and knows none of them"},
	{"storage/seal", "storage=", nil, "leaves do not know the tree"},
	{"storage/file", "storage=", nil, "leaves do not know the tree"},
	{"storage/column", "storage=", nil, "leaves do not know the tree"},
	{"storage/day", "storage=", nil, "leaves do not know the tree"},
	{"storage/query", "storage=", nil, "leaves do not know the tree"},
	{"storage/snapshot", "storage=", nil, "leaves do not know the tree"},
	{"storage/objstore", "storage!storage/objstore", nil, "a bucket keeps bytes that were sealed before they came, and knows no other room"},
	{"storage/objstore", "storage/objstore/s3", []string{"storage/objstore/objtest"}, "what a bucket is must not depend on one kind of it"},
	{"storage/file", "storage/day", nil, "the file keeps bytes; what they mean is others' business"},
	{"storage/file", "storage/seal", nil, "the file keeps bytes that were sealed before they came"},
	{"storage/query", "storage/file", nil, "a query sees days, wherever they are kept"},
	{"storage/query/naive", "storage/column", nil, "the model that the engine is compared with must not share its machinery"},
	{"ingest/wire", "net/http", nil, "wire decodes bytes, whoever brought them"},
	{"ingest/visitor", "net/http", nil, "an address comes in as a value; where it was found is decided once, at the door"},
	{"ingest/agent", "net/http", nil, "a User-Agent is a string"},
	{"ingest/geo", "net/http", nil, "an address is a value, and nothing is fetched"},
	{"ingest/source", "net/http", nil, "a referrer is a string"},
	{"ingest/shield", "net/http", nil, "shield judges values"},
	{"ingest/session", "net/http", nil, "visits are made of hits, whoever brought them"},
	{"assets", module + "/", nil, "assets are bytes for browsers"},
	{"ingest", "storage/seal", nil, "only storage holds keys"},
	{"ingest", "storage/file", nil, "rooms above reach the file through storage"},
	{"dashboard", "storage/file", nil, "rooms above reach the file through storage"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"/dashboard/e2e") {
				t.Errorf("%s imports %s: tests of the built binary are nobody's library", from, imported)
			}
			if imported == module+"/storage/file/crashfs" {
				t.Errorf("%s imports %s: it is there for tests", from, imported)
			}
			if imported == module+"/storage/objstore/objtest" {
				t.Errorf("%s imports %s: it is there for tests", from, imported)
			}
			if imported == module+"/ingest/visitor/visitortest" {
				t.Errorf("%s imports %s: it is there for tests", from, imported)
			}
			for _, d := range denied {
				if below(from, d.from) && reaches(imported, d.to) && !slices.ContainsFunc(d.except, func(e string) bool { return below(from, e) }) {
					t.Errorf("%s imports %s: %s", from, imported, d.reason)
				}
			}
		}
	}
}

func below(name, tree string) bool { return name == tree || strings.HasPrefix(name, tree+"/") }

func reaches(imported, to string) bool {
	if to == module+"/" {
		return strings.HasPrefix(imported, to)
	}
	if to, but, ok := strings.Cut(to, "!"); ok {
		return reaches(imported, to) && !reaches(imported, but)
	}
	if exact, ok := strings.CutSuffix(to, "="); ok {
		return imported == module+"/"+exact
	}
	return below(imported, to) || below(imported, module+"/"+to)
}

// TestOneModuleOnePackage holds that each library has one package that knows it, so that it can be replaced there.
func TestOneModuleOnePackage(t *testing.T) {
	modules := requirements(t)
	users := map[string][]string{}
	for _, p := range packages(t) {
		seen := map[string]bool{}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") {
				continue
			}
			m := ""
			for _, candidate := range modules {
				if below(imported, candidate) && len(candidate) > len(m) {
					m = candidate
				}
			}
			if m == "" {
				t.Errorf("%s imports %s, which is in no module of go.mod", p.ImportPath, imported)
			} else if !seen[m] {
				seen[m] = true
				users[m] = append(users[m], p.ImportPath)
			}
		}
	}
	for m, list := range users {
		if len(list) > 1 {
			t.Errorf("%s is imported by %s: one package of ours should wrap it for the others", m, strings.Join(list, ", "))
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(\S+\.\S+/\S+|\S+\.\S+) v\d`)

func requirements(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range requirement.FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	return list
}

// files returns the names of all files of the project, committed or about to be.
func files(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skip("this is no git work tree")
	}
	return strings.Fields(string(out))
}

func TestTopLevel(t *testing.T) {
	for _, name := range files(t) {
		first, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(first, ".") && !slices.Contains(topLevel, first) {
			t.Errorf("%s: the top level holds only %s", first, strings.Join(topLevel, ", "))
		}
	}
}

// TestFilesAreShort holds that a source file has at most 700 lines: beyond, a type or a package is missing.
func TestFilesAreShort(t *testing.T) {
	const limit = 700
	for _, name := range files(t) {
		if !slices.Contains([]string{".go", ".ts", ".tsx", ".mjs", ".css"}, path.Ext(name)) {
			continue
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) { // deleted, not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, more than %d: which type is missing?", name, n, limit)
		}
	}
}

var imported = regexp.MustCompile(`(?m)^\s*(?:import|export)\b[^"'\n]*["']([^"']+)["']`)

// TestTrackerStandsAlone holds that the script on other people's pages contains nobody's code but ours.
func TestTrackerStandsAlone(t *testing.T) {
	for _, name := range files(t) {
		if !strings.HasPrefix(name, "assets/tracker/") || strings.Contains(name, "/test") || path.Ext(name) != ".ts" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(m[1], "./") {
				t.Errorf("%s imports %s: the tracking script has no dependencies", name, m[1])
			}
		}
	}
}

// TestLockNamesNoAddresses holds that the lock file names packages and hashes, so that it works with any mirror.
func TestLockNamesNoAddresses(t *testing.T) {
	for _, name := range files(t) {
		if path.Base(name) != "package-lock.json" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(`"resolved"`)) {
			t.Errorf("%s records download addresses: run npm with --omit-lockfile-registry-resolved", name)
		}
	}
}
