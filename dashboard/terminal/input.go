package terminal

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"footfall/storage/verb"
)

// Input opens what the verb reads: a file, standard input, or a password that is asked for. talks says that somebody at the terminal can
// answer questions.
func (c *Command) Input(ctx context.Context, stdin, stderr *os.File, talks bool) (io.ReadCloser, error) {
	switch v := c.Verb().(type) {
	case interface{ AsksPassword() string }:
		return NewPassword(ctx, stdin, stderr, v.AsksPassword(), os.LookupEnv), nil
	case interface{ Input() io.ReadCloser }:
		if in := v.Input(); in != nil {
			return in, nil
		}
		return NewPassword(ctx, stdin, stderr, "New passphrase", NoVariables), nil
	case interface {
		Open(context.Context, io.Reader) (io.ReadCloser, error)
	}:
		return v.Open(ctx, stdin)
	case interface{ Converses() }:
		if talks {
			return stdin, nil
		}
	}
	switch path := c.File(); path {
	case "":
		return io.NopCloser(strings.NewReader("")), nil
	case "-":
		return stdin, nil
	default:
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, verb.Exit(verb.ExitMissing, err)
		}
		return f, err
	}
}
