package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
