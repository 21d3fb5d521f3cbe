package terminal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"footfall/dashboard/terminal"
)

// TestFindKey holds the order in which places are looked at for the key.
func TestFindKey(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	here, there := filepath.Join(dir, "footfall.key"), filepath.Join(credentials, "footfall.key")
	for _, step := range []struct {
		name    string
		before  func()
		args    []string
		env     []string
		phrase  string
		source  string // "" is none, "!" an error
		warning bool
	}{
		{name: "nothing"},
		{name: "directory", before: func() { write(t, here, "x") }, source: here},
		{name: "credential without a key", before: func() { t.Setenv("CREDENTIALS_DIRECTORY", credentials) }, source: here},
		{name: "credential", before: func() { write(t, there, "x") }, source: "systemd credential footfall.key"},
		{name: "environment", phrase: "p", source: "passphrase in FOOTFALL_PASSPHRASE", warning: true},
		{name: "passphrase file", phrase: "p", args: []string{"--passphrase-file", "pf"}, source: "passphrase in pf"},
		{name: "key file", phrase: "p", args: []string{"--key-file=kf"}, source: "kf"},
		{name: "flag against environment", args: []string{"--key-file=kf"}, env: []string{"FOOTFALL_PASSPHRASE_FILE", "pf"}, source: "kf"},
		{name: "environment against flag", args: []string{"--passphrase-file", "pf"}, env: []string{"FOOTFALL_KEY_FILE", "kf"}, source: "passphrase in pf"},
		{name: "the same as in the environment", args: []string{"--key-file=kf"}, env: []string{"FOOTFALL_KEY_FILE", "kf", "FOOTFALL_PASSPHRASE_FILE", "pf"}, source: "kf"},
		{name: "two flags", args: []string{"--key-file=kf", "--passphrase-file=pf"}, source: "!"},
		{name: "two variables", env: []string{"FOOTFALL_KEY_FILE", "kf", "FOOTFALL_PASSPHRASE_FILE", "pf"}, source: "!"},
	} {
		if step.before != nil {
			step.before()
		}
		v := &struct {
			terminal.KeyFlags
			Do struct{} `cmd:"" help:"Do."`
		}{}
		g := &terminal.Grammar{Name: "toolx", Verbs: v, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}
		c, err := g.Parse(append([]string{"do"}, step.args...), env(step.env...))
		if err != nil {
			t.Fatal(err)
		}
		var phrase []byte
		if step.phrase != "" {
			phrase = []byte(step.phrase)
		}
		key, err := v.Find(c, dir, phrase)
		if (err != nil) != (step.source == "!") || err == nil && (key.Source != step.source || key.None() != (step.source == "") || (key.Warn != "") != step.warning) {
			t.Errorf("%s: got %q, warning %q, %v", step.name, key.Source, key.Warn, err)
		}
	}
}

func TestTakePassphrase(t *testing.T) {
	t.Setenv("FOOTFALL_PASSPHRASE", "hush")
	if got := terminal.TakePassphrase(); string(got) != "hush" {
		t.Errorf("got %q", got)
	}
	if _, there := os.LookupEnv("FOOTFALL_PASSPHRASE"); there {
		t.Error("it is still in the environment, for every child to read")
	}
	if got := terminal.TakePassphrase(); got != nil {
		t.Errorf("got %q", got)
	}
}
