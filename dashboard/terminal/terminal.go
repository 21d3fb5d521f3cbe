// Package terminal is what a person at a terminal meets: the grammar of the command line with its help and shell
// completion, settings from the environment and a file, progress, password prompts and the banner. It alone knows the command-line
// library; a verb is a plain struct with tags and a method Run, which needs no import.
//
// A setting is a flag's value. It is taken from the first of: the flag, the environment, the file named by --config, the
// default. The flag --base-url is FOOTFALL_BASE_URL in the environment and base-url (or base_url) in the file; a secret may also
// stand in a file of its own, named by FOOTFALL_..._FILE.
//
// Results go to standard output, everything else to standard error. Colour, bars and questions appear only where a
// terminal is.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Colorful reports whether text on f may be coloured: it is a terminal, and neither NO_COLOR nor TERM=dumb says otherwise.
func Colorful(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(f)
}

// errMismatch says that a new password was not typed the same twice.
var errMismatch = errors.New("the two passwords differ: try again")

// password is a new password as a stream of one line, asked for when it is first read.
type password struct {
	ctx      context.Context // ends the question
	in       *os.File
	prompt   io.Writer
	question string
	getenv   func(string) (string, bool)
	answer   io.Reader

	mu     sync.Mutex  // guards hidden
	hidden *term.State // of the terminal before it stopped to show what is typed; nil if it shows it
}

// NoVariables is for NewPassword where no variable of the environment may hold the answer.
func NoVariables(string) (string, bool) { return "", false }

// NewPassword returns a reader of a new password, to be read to its end: from FOOTFALL_PASSWORD or the file FOOTFALL_PASSWORD_FILE
// names, typed twice and unseen if in is a terminal, else as in holds it. Nothing is asked before the first Read. Close leaves the
// terminal as it was, even in the midst of a question.
func NewPassword(ctx context.Context, in *os.File, prompt io.Writer, question string, getenv func(string) (string, bool)) io.ReadCloser {
	return &password{ctx: ctx, in: in, prompt: prompt, question: question, getenv: getenv}
}

func (p *password) Read(b []byte) (int, error) {
	if p.answer == nil {
		given, ok, err := secret(p.getenv, Prefix+"PASSWORD")
		switch {
		case err != nil:
			return 0, err
		case ok:
			p.answer = strings.NewReader(given)
		case !IsTerminal(p.in):
			p.answer = p.in
		default:
			if given, err = p.twice(); err != nil {
				return 0, err
			}
			p.answer = strings.NewReader(given)
		}
	}
	return p.answer.Read(b)
}

func (p *password) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hidden == nil {
		return nil
	}
	err := term.Restore(int(p.in.Fd()), p.hidden)
	p.hidden = nil
	return err
}

func (p *password) twice() (string, error) {
	first, err := p.ask(p.question + ": ")
	if err != nil {
		return "", err
	}
	second, err := p.ask("Again: ")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(first, second) {
		return "", errMismatch
	}
	return string(first), nil
}

func (p *password) ask(question string) ([]byte, error) {
	state, err := term.GetState(int(p.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	p.mu.Lock()
	p.hidden = state
	p.mu.Unlock()
	defer p.Close()
	defer fmt.Fprintln(p.prompt)
	fmt.Fprint(p.prompt, question)
	type typed struct {
		text []byte
		err  error
	}
	// A read of a terminal cannot be interrupted: after the context's end it is left behind, and the process is about to end.
	done := make(chan typed, 1)
	go func() {
		text, err := term.ReadPassword(int(p.in.Fd()))
		done <- typed{text, err}
	}()
	select {
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	case t := <-done:
		if t.err != nil {
			return nil, fmt.Errorf("read password: %w", t.err)
		}
		return t.text, nil
	}
}

// Line is one line of a banner.
type Line struct{ Name, Value string }

// Banner writes a title and aligned lines under it. Lines without a value are left out.
func Banner(w io.Writer, color bool, title string, lines []Line) {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.Name))
	}
	var b strings.Builder
	b.WriteString(bold(color, title) + "\n")
	for _, l := range lines {
		if l.Value != "" {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, l.Name, l.Value)
		}
	}
	io.WriteString(w, b.String())
}

// Notice writes text set apart, for what a person must not miss.
func Notice(w io.Writer, color bool, title, text string) {
	var b strings.Builder
	b.WriteString("\n" + bold(color, title) + "\n")
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	if !strings.HasSuffix(text, "\n") {
		b.WriteString("\n")
	}
	b.WriteString("\n")
	io.WriteString(w, b.String())
}

func bold(color bool, s string) string {
	if !color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}
