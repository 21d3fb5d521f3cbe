package terminal_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"footfall/dashboard/terminal"
)

type verbs struct {
	Data   string `help:"Data directory." default:"./data"`
	Config string `help:"File of settings."`
	Things struct {
		Add thing `cmd:"" help:"Add a thing."`
	} `cmd:"" help:"Things."`
	Load struct {
		File string   `arg:"" help:"What to read."`
		From []string `help:"Where from."`
		Pass string   `secret:"" help:"Secret."`
	} `cmd:"" help:"Load a file."`
}

type thing struct {
	Name string `arg:"" help:"Its name."`
	Size int    `help:"Its size."`
}

func (t *thing) Run(to *bytes.Buffer) error {
	to.WriteString(t.Name)
	return nil
}

func grammar() (*terminal.Grammar, *verbs, *bytes.Buffer) {
	v, out := &verbs{}, &bytes.Buffer{}
	return &terminal.Grammar{Name: "toolx", Help: "A tool.", Verbs: v, Out: out, Err: out}, v, out
}

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings")
	write(t, file, "# where\ndata = \"/file\"\n\nfrom = a,b\nsize=3\n")
	for _, c := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"default", nil, nil, "./data"},
		{"file", []string{"--config", file}, nil, "/file"},
		{"file by environment", nil, []string{"FOOTFALL_CONFIG", file}, "/file"},
		{"environment beats file", []string{"--config=" + file}, []string{"FOOTFALL_DATA", "/env"}, "/env"},
		{"flag beats environment", []string{"--config", file, "--data", "/flag"}, []string{"FOOTFALL_DATA", "/env"}, "/flag"},
	} {
		g, v, _ := grammar()
		if _, err := g.Parse(append([]string{"things", "add", "x"}, c.args...), env(c.env...)); err != nil || v.Data != c.want {
			t.Errorf("%s: data is %q, error %v, want %q", c.name, v.Data, err, c.want)
		}
	}
	g, v, _ := grammar()
	if _, err := g.Parse([]string{"load", "f", "--config", file}, env()); err != nil || strings.Join(v.Load.From, "|") != "a|b" {
		t.Errorf("a list from the file: %q, %v", v.Load.From, err)
	}
}

func TestSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, "hush\n")
	g, v, _ := grammar()
	if _, err := g.Parse([]string{"load", "f"}, env("FOOTFALL_PASS_FILE", file)); err != nil || v.Load.Pass != "hush" {
		t.Errorf("secret %q, error %v", v.Load.Pass, err)
	}
	g, _, _ = grammar()
	if _, err := g.Parse([]string{"load", "f"}, env("FOOTFALL_PASS_FILE", file, "FOOTFALL_PASS", "x")); err == nil {
		t.Error("a secret given twice was accepted")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, "dta = x\n")
	broken := filepath.Join(t.TempDir(), "broken")
	write(t, broken, "data\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"things", "add", "x", "--sise", "1"}, "see `toolx things add --help`"},
		{[]string{"things", "add"}, "see `toolx things add --help`"},
		{[]string{"thing"}, "see `toolx --help`"},
		{[]string{"things", "add", "x", "--config", bad}, `did you mean "data"?`},
		{[]string{"things", "add", "x", "--config", broken}, "line 1: want key = value"},
		{[]string{"things", "add", "x", "--config", bad + "-none"}, "no such file"},
	} {
		g, _, _ := grammar()
		if _, err := g.Parse(c.args, env()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.args, err, c.want)
		}
	}
}

func TestJSONSettings(t *testing.T) {
	s, err := terminal.ParseSettings(strings.NewReader(`{"trusted_proxy": ["a", "b"], "json": true, "n": 12}`))
	if err != nil || s["trusted-proxy"] != "a,b" || s["json"] != "true" || s["n"] != "12" {
		t.Errorf("got %v, %v", s, err)
	}
	for _, bad := range []string{`{`, `{"a": {}}`, `{"a": [[]]}`, `{"a-b": 1, "a_b": 2}`} {
		if _, err := terminal.ParseSettings(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestHelpAndRun(t *testing.T) {
	g, _, out := grammar()
	if _, err := g.Parse([]string{"load", "--help"}, env()); !errors.Is(err, terminal.ErrHelp) {
		t.Errorf("error %v, want ErrHelp", err)
	}
	for _, want := range []string{"Load a file.", "FOOTFALL_FROM", "FOOTFALL_PASS_FILE", "<file>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, out)
		}
	}
	g, _, _ = grammar()
	c, err := g.Parse([]string{"things", "add", "x"}, env())
	if err != nil {
		t.Fatal(err)
	}
	var ran bytes.Buffer
	if err := c.Run(&ran); err != nil || ran.String() != "x" || c.Path != "things add" || c.File() != "" {
		t.Errorf("ran %q, path %q, error %v", &ran, c.Path, err)
	}
	g, _, _ = grammar()
	if c, err := g.Parse([]string{"load", "some/file"}, env()); err != nil || c.File() != "some/file" {
		t.Errorf("file of load: %v, %v", c, err)
	}
}

func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	g, _, _ := grammar()
	var script bytes.Buffer
	if err := g.Complete(&script, "bash"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ typed, want string }{
		{"toolx th", "things"},
		{"toolx --data d things a", "add"},
		{"toolx things add --si", "--size"},
		{"toolx load --fr", "--from"},
	} {
		words := strings.Fields(c.typed)
		ask := script.String() + "\nCOMP_WORDS=(" + c.typed + ")\nCOMP_CWORD=" + string(rune('0'+len(words)-1)) + "\n_toolx\necho \"${COMPREPLY[@]}\"\n"
		got, err := exec.Command(bash, "-c", ask).CombinedOutput()
		if err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("%q completes to %q (%v), want %q", c.typed, got, err, c.want)
		}
	}
}

func TestOtherShells(t *testing.T) {
	for _, shell := range []string{"zsh", "fish"} {
		g, _, _ := grammar()
		var script bytes.Buffer
		if err := g.Complete(&script, shell); err != nil || !strings.Contains(script.String(), "size") {
			t.Errorf("%s: %v\n%s", shell, err, &script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "script")
		write(t, file, script.String())
		if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s refuses its script: %s", shell, out)
		}
	}
	g, _, _ := grammar()
	if err := g.Complete(&bytes.Buffer{}, "tcsh"); err == nil {
		t.Error("an unknown shell was accepted")
	}
}

func TestNilBarIsSilent(t *testing.T) {
	var b *terminal.Bar
	b.Set(1)
	b.Close()
}

func TestPasswordWithoutTerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, "from a file\n")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, "from a file\n"},
		{[]string{"FOOTFALL_PASSWORD", "from env"}, "from env"},
		{[]string{"FOOTFALL_PASSWORD_FILE", file}, "from a file"},
	} {
		got, err := io.ReadAll(terminal.NewPassword(t.Context(), f, io.Discard, "Password", env(c.env...)))
		if err != nil || string(got) != c.want {
			t.Errorf("%v: password %q, error %v, want %q", c.env, got, err, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("data = x\n# remark\nlisten=:80\n")
	f.Add(`{"data": "x", "trusted_proxy": ["10.0.0.0/8"], "n": 1e3, "json": true}`)
	f.Add("= \"\n'")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := terminal.ParseSettings(strings.NewReader(text))
		for key := range settings {
			if strings.ContainsAny(key, "_ABC\n") && err == nil {
				t.Errorf("the key %q is not in the form of a flag", key)
			}
		}
	})
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ script, event, want string }{
		{"/assets/app.js", "/assets/e", ""},
		{"/a.js", "/_x-1/y.z/e", ""},
		{"assets/app.js", "", "want a path of letters"},
		{"/assets//app.js", "", "want a path of letters"},
		{"/../app.js", "", "want a path of letters"},
		{"/assets/app.js?x", "", "want a path of letters"},
		{"/assets/{x}.js", "", "want a path of letters"},
		{"/assets/app.mjs", "", "ends in .js"},
		{"/assets/.js", "", "want a path of letters"},
		{"/assets/app.min.js", "", "no other dot"},
		{"/js/app.js", "", "/js is the dashboard's own"},
		{"/api/app.js", "", "/api is the dashboard's own"},
		{"/app/app.js", "", "/app is the dashboard's own"},
		{"", "/", "want a path of letters"},
		{"", "/api/event", "/api is the dashboard's own"},
		{"", "/login", "/login is the dashboard's own"},
		{"", "/pixel.gif", "without a dot"},
	} {
		l := terminal.Listening{}
		if c.script != "" {
			l.ScriptPath = []string{"/ok.js", c.script}
		}
		if c.event != "" {
			l.EventPath = []string{c.event}
		}
		err := l.CheckPaths()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %q", c.script, c.event, err, c.want)
		}
	}
}
