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
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Colorful reports whether text on f may be coloured: it is a terminal, and neither NO_COLOR nor TERM=dumb says otherwise.
func Colorful(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(f)
}

// ErrNoTerminal is returned where a question cannot be asked.
var ErrNoTerminal = errors.New("standard input is not a terminal")

// ErrMismatch is returned if a new password was not typed the same twice.
var ErrMismatch = errors.New("the two passwords differ: try again")

// Password asks for a password on in, without showing it, and for a new one twice. It returns ErrNoTerminal if
// in is no terminal.
func Password(in *os.File, prompt io.Writer, question string, isNew bool) (string, error) {
	if !IsTerminal(in) {
		return "", ErrNoTerminal
	}
	first, err := hidden(in, prompt, question+": ")
	if err != nil || !isNew {
		return string(first), err
	}
	second, err := hidden(in, prompt, "again: ")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(first, second) {
		return "", ErrMismatch
	}
	return string(first), nil
}

func hidden(in *os.File, prompt io.Writer, question string) ([]byte, error) {
	fmt.Fprint(prompt, question)
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(prompt)
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	return text, nil
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
