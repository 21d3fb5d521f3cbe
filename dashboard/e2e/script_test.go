package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts of testdata: each verb with its help, what it does, each of its errors, and its exit codes.
//
// Beside testscript's own commands they have
//
//	serve DIR [flag ...]   start `footfall serve`, wait until it answers, set $URL, $ADDRESS and $SETUP
//	stop [-9]              end it with SIGTERM, which must end well, or kill it
//	code N command ...     run a command that must end with exit code N
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[slot{}] = &slot{}
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": scriptServe,
			"stop":  scriptStop,
			"code":  scriptCode,
		},
	})
}

// slot holds the server of one script.
type slot struct{ server *server }

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve DIR [flag ...]")
	}
	s, err := launch(environment(), "serve", ts.MkAbs(args[0]), args[1:]...)
	ts.Check(err)
	ts.Defer(s.Kill)
	ts.Setenv("URL", s.URL)
	ts.Setenv("ADDRESS", strings.TrimPrefix(s.URL, "http://"))
	ts.Setenv("SETUP", setupLink.FindString(s.Log()))
	ts.Value(slot{}).(*slot).server = s
}

func scriptStop(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(slot{}).(*slot).server
	if s == nil || neg {
		ts.Fatalf("usage: stop [-9], after serve")
	}
	if len(args) > 0 {
		s.Kill()
	} else if code := s.Stop(); code != 0 {
		ts.Fatalf("the server ended with exit code %d:\n%s", code, s.Log())
	}
	ts.Logf("[server]\n%s", s.Log())
}

func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [argument ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// TestEveryVerbHasHelp holds that each verb of the list tells what it is for and shows how it is used.
func TestEveryVerbHasHelp(t *testing.T) {
	_, list, _ := strings.Cut(mustFootfall(t, nil, "--help"), "\nCommands:\n")
	verbs := regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)  `).FindAllStringSubmatch(list, -1)
	if len(verbs) < 15 {
		t.Fatalf("found only %d verbs in\n%s", len(verbs), list)
	}
	for _, v := range verbs {
		help := mustFootfall(t, nil, append(strings.Fields(v[1]), "--help")...)
		for _, want := range []string{"Usage: footfall " + v[1], "\nExamples:\n", "footfall " + v[1], "--data=DIR"} {
			if !strings.Contains(help, want) {
				t.Errorf("the help of %s lacks %q", v[1], want)
			}
		}
	}
}
