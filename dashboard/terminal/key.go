package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"footfall/storage"
	"footfall/storage/verb"
)

// passphraseVariable holds the passphrase itself. No flag does: other people of the machine see the arguments of a process.
const passphraseVariable = Prefix + "PASSPHRASE"

// credential is the name of the key among the credentials that systemd hands to a service.
const credential = "footfall.key"

// KeyFlags are the flags that name the key of the data.
type KeyFlags struct {
	KeyFile        string `help:"File of the key that opens the data, or of the recovery key (default DIR/footfall.key)." placeholder:"FILE"`
	PassphraseFile string `help:"File of the passphrase that opens the data, in one line." placeholder:"FILE"`
}

// KeyHelp tells where the key comes from.
const KeyHelp = `The key that opens the data is the first of: --key-file or --passphrase-file (a flag beats the environment beats --config), FOOTFALL_PASSPHRASE,
footfall.key of the systemd credentials, DIR/footfall.key, and what is typed when a terminal asks: a passphrase or the recovery key.`

// TakePassphrase returns the passphrase of the environment and removes it there, so that no child of this process inherits it.
// What the process was started with stays readable in /proc for its user and root.
func TakePassphrase() []byte {
	text := os.Getenv(passphraseVariable)
	_ = os.Unsetenv(passphraseVariable)
	if text == "" {
		return nil
	}
	return []byte(text)
}

// Key is the key of the data, and where it was found, in a few words; a storage.Key of none where it was not.
type Key struct {
	storage.Key
	Source string
	Warn   string // what is wrong with that place
}

// Find looks for the key of the data in dir, without asking anyone. passphrase is what TakePassphrase has returned, and c the command line with
// these flags.
func (f *KeyFlags) Find(c *Command, dir string, passphrase []byte) (Key, error) {
	file, phrase := f.KeyFile, f.PassphraseFile
	if file != "" && phrase != "" { // the one that was typed beats the one of the environment
		switch typed := c.Typed("key-file"); {
		case typed == c.Typed("passphrase-file"):
			return Key{}, verb.Exit(verb.ExitUsage, errors.New("both --key-file and --passphrase-file are given: leave one out"))
		case typed:
			phrase = ""
		default:
			file = ""
		}
	}
	switch {
	case file != "":
		return Key{storage.Key{File: file}, file, ""}, nil
	case phrase != "":
		return Key{storage.Key{PassphraseFile: phrase}, "passphrase in " + phrase, ""}, nil
	case passphrase != nil:
		return Key{storage.Key{Passphrase: passphrase}, "passphrase in " + passphraseVariable,
			"the passphrase comes from the environment, which other programs of this user can read: --passphrase-file is safer"}, nil
	}
	if credentials := os.Getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
		if path := filepath.Join(credentials, credential); exists(path) {
			return Key{storage.Key{File: path}, "systemd credential " + credential, ""}, nil
		}
	}
	if path := filepath.Join(dir, credential); exists(path) {
		return Key{storage.Key{File: path}, path, ""}, nil
	}
	return Key{}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// AskKey asks at the terminal in for a key of the data in dir, thrice at most. It returns none where that is of no use: in is no terminal,
// there are no data or no slot for something that a person types, or the answer is empty.
func AskKey(ctx context.Context, dir string, in *os.File, prompt io.Writer) (Key, error) {
	status, err := storage.ReadKeyStatus(dir, storage.Key{})
	if err != nil || !IsTerminal(in) {
		return Key{}, nil // opening the store says better what is wrong
	}
	question := ""
	for _, slot := range status.Slots {
		switch {
		case slot.Kind == storage.Passphrase:
			question = "Passphrase or recovery key: "
		case slot.Kind == storage.RecoveryKey && question == "":
			question = fmt.Sprintf("There is no %s. Recovery key: ", filepath.Join(dir, credential))
		}
	}
	if question == "" {
		return Key{}, nil
	}
	for range 3 {
		text, err := (&password{ctx: ctx, in: in, prompt: prompt}).ask(question)
		if err != nil || len(text) == 0 {
			return Key{}, err
		}
		key := Key{storage.Key{Typed: text}, "typed at a terminal", ""}
		if _, err = storage.ReadKeyStatus(dir, key.Key); !errors.Is(err, storage.ErrWrongKey) {
			return key, err
		}
		clear(text)
		fmt.Fprintln(prompt, "That opens nothing here.")
	}
	return Key{}, storage.ErrWrongKey
}

// AskAnyKey asks at the terminal in for a key of data that are elsewhere. It returns none where in is no terminal, or the answer is empty.
func AskAnyKey(ctx context.Context, in *os.File, prompt io.Writer) (Key, error) {
	if !IsTerminal(in) {
		return Key{}, nil
	}
	text, err := (&password{ctx: ctx, in: in, prompt: prompt}).ask("Passphrase or recovery key: ")
	if err != nil || len(text) == 0 {
		return Key{}, err
	}
	return Key{storage.Key{Typed: text}, "typed at a terminal", ""}, nil
}
