package e2e_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// screen is the binary at a terminal of its own, where somebody types.
type screen struct {
	*transcript
	keys *os.File
	cmd  *exec.Cmd
	done chan struct{}
}

// atTerminal runs the binary at a new terminal.
func atTerminal(t *testing.T, args ...string) *screen {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	t.Cleanup(func() { keys.Close() })
	var number, unlock uint32
	for request, value := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keys.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Skip("no terminals here:", errno)
		}
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	defer tty.Close()
	s := &screen{&transcript{}, keys, exec.Command(binary, args...), make(chan struct{})}
	s.cmd.Env = append(environment(), "NO_COLOR=1")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	go func() { _, _ = io.Copy(s.transcript, keys) }() // ends with the last who has the terminal open
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	return s
}

// sees waits until the terminal shows what matches.
func (s *screen) sees(t *testing.T, pattern string) string {
	t.Helper()
	// The process may end before its last words are read here: await looks once more then, so it is given no end to see.
	found := s.await(regexp.MustCompile(pattern), nil, startTime)
	if found == "" {
		t.Fatalf("the terminal does not show %q but:\n%s", pattern, s)
	}
	return found
}

func (s *screen) types(line string) { fmt.Fprintln(s.keys, line) }

func (s *screen) ends(t *testing.T, code int) {
	t.Helper()
	<-s.done
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d:\n%s", got, code, s)
	}
}

const recoveryKey = `([0-9A-Z]{4}-){7}[0-9A-Z]{4}`

// typesBack reads the recovery key from the terminal and types the groups that are asked for.
func (s *screen) typesBack(t *testing.T) (key string) {
	t.Helper()
	key = s.sees(t, recoveryKey)
	question := s.sees(t, `type its groups \d and \d: `)
	groups, numbers := strings.Split(key, "-"), regexp.MustCompile(`\d`).FindAllString(question, -1)
	answer := ""
	for _, n := range numbers {
		i, _ := strconv.Atoi(n)
		answer += " " + strings.ToLower(groups[i-1])
	}
	s.types(answer)
	return key
}

// TestKeysAtATerminal goes through what a person is shown and asked: at an idle directory and in a running server.
func TestKeysAtATerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := atTerminal(t, "site", "add", "example.org", "--data", dir)
	first := s.sees(t, recoveryKey)
	s.ends(t, 0)
	if !opensWith(t, dir, first) {
		t.Error("the recovery key of the first start opens nothing")
	}
	for _, running := range []bool{false, true} {
		if running {
			start(t, "serve", dir, "--quiet")
		}
		s = atTerminal(t, "key", "recovery", "--data", dir)
		s.sees(t, `type its groups`)
		s.types("0000 1111")
		s.sees(t, `These are others`)
		s.types("\x04") // the end of input
		s.ends(t, 1)
		s.sees(t, `nothing has changed`)
		if !opensWith(t, dir, first) && !running {
			t.Error("a recovery key that nobody wrote down has taken the place of another")
		}
		s = atTerminal(t, "key", "recovery", "--data", dir)
		s.typesBack(t)
		s.ends(t, 0)

		s = atTerminal(t, "key", "add", "--new-passphrase", "--data", dir)
		s.sees(t, `New passphrase: `)
		s.types("correct horse battery staple")
		s.sees(t, `Again: `)
		s.types("correct horse battery staple")
		s.ends(t, 0)
		s.sees(t, `added a passphrase as slot 2`)
		if strings.Contains(s.String(), "horse") {
			t.Error("the passphrase was shown")
		}
		s = atTerminal(t, "key", "rotate", "--yes", "--data", dir)
		s.typesBack(t)
		s.ends(t, 0)
	}
	s = atTerminal(t, "key", "recovery", "--data", dir)
	s.sees(t, `type its groups`)
	_ = s.cmd.Process.Signal(os.Interrupt)
	s.ends(t, 130)
}

// TestPassphraseAtATerminal starts a server that nobody but a person can open.
func TestPassphraseAtATerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFootfall(t, nil, "site", "add", "example.org", "--data", dir, "--passphrase-file", file)
	s := atTerminal(t, "serve", "--data", dir, "--listen", "127.0.0.1:0")
	s.sees(t, `Passphrase or recovery key: `)
	s.types("wrong horse")
	s.sees(t, `That opens nothing here`)
	s.types("correct horse battery staple")
	s.sees(t, `key +typed at a terminal`)
	s.sees(t, `set up +http`)
	if strings.Contains(s.String(), "horse") {
		t.Error("the passphrase was shown")
	}
	mustCheck(t, dir) // in the server: nobody is asked
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.ends(t, 0)

	s = atTerminal(t, "check", "--data", dir)
	s.sees(t, `Passphrase or recovery key: `)
	_ = s.cmd.Process.Signal(os.Interrupt)
	s.ends(t, 130)
}
