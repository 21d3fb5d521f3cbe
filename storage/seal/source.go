package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/crypto/argon2"
)

// KeySource says which key opens a vault. Exactly one field is set.
type KeySource struct {
	File           string // path of a key file, see NewKeyFile, or of a file that holds a recovery key
	PassphraseFile string // path of a file with a passphrase, see ReadPassphrase
	Passphrase     []byte
	Recovery       string // as it was printed, or as a person typed it
	Typed          []byte // by a person who was asked for a passphrase or the recovery key
	Raw            []byte // 32 bytes: the content of a key file
}

// None reports whether no key is named.
func (k *KeySource) None() bool {
	return k.File == "" && k.PassphraseFile == "" && k.Passphrase == nil && k.Recovery == "" && k.Typed == nil && k.Raw == nil
}

// secret is a key that was read and not yet tried.
type secret struct {
	kind  Kind
	value []byte
}

func (k KeySource) read() (secret, error) {
	set := 0
	for _, is := range []bool{k.File != "", k.PassphraseFile != "", k.Passphrase != nil, k.Recovery != "", k.Typed != nil, k.Raw != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return secret{}, fmt.Errorf("%d keys were given, want one", set)
	}
	switch {
	case k.File != "":
		return readKeyFile(k.File)
	case k.Recovery != "":
		value, err := parseRecovery(k.Recovery)
		if err != nil {
			return secret{}, fmt.Errorf("read recovery key: %w", err)
		}
		return secret{Recovery, value}, nil
	case k.Raw != nil:
		if len(k.Raw) != 32 {
			return secret{}, fmt.Errorf("%w: it has %d bytes, a key has 32", ErrNotKey, len(k.Raw))
		}
		return secret{KeyFile, bytes.Clone(k.Raw)}, nil
	case k.PassphraseFile != "":
		return readPassphraseFile(k.PassphraseFile)
	case k.Typed != nil:
		// Four of its bytes are a checksum, so no passphrase is taken for a recovery key.
		if value, err := parseRecovery(string(k.Typed)); err == nil {
			return secret{Recovery, value}, nil
		}
		return passphraseOf(k.Typed)
	}
	return passphraseOf(k.Passphrase)
}

func passphraseOf(text []byte) (secret, error) {
	if len(text) == 0 || len(text) > maxPassword {
		return secret{}, fmt.Errorf("%w: it has 1 to %d bytes", ErrNotPassphrase, maxPassword)
	}
	return secret{Passphrase, bytes.Clone(text)}, nil
}

// ReadPassphrase reads a passphrase from a file: its one line. It fails with [ErrNotPassphrase].
func ReadPassphrase(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxKeyText+1))
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	line := bytes.TrimRight(text, "\r\n")
	switch {
	case bytes.ContainsAny(line, "\r\n"): // nobody could type it
		return nil, fmt.Errorf("%w: it is one line, and here are more", ErrNotPassphrase)
	case len(line) == 0 || len(line) > maxPassword:
		return nil, fmt.Errorf("%w: it has 1 to %d bytes", ErrNotPassphrase, maxPassword)
	}
	return line, nil
}

func readPassphraseFile(path string) (secret, error) {
	f, err := openKey("passphrase", path)
	if err != nil {
		return secret{}, err
	}
	defer f.Close()
	text, err := ReadPassphrase(f)
	if err != nil {
		return secret{}, fmt.Errorf("passphrase file %s: %w", path, err)
	}
	return secret{Passphrase, text}, nil
}

func openKey(what, path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Not wrapped: fs.ErrNotExist from OpenVault means that there is no vault.
		return nil, fmt.Errorf("%w: %s", ErrNoKeyFile, path)
	} else if err != nil {
		return nil, fmt.Errorf("read %s file: %w", what, err)
	}
	return f, nil
}

func readKeyFile(path string) (secret, error) {
	f, err := openKey("key", path)
	if err != nil {
		return secret{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxKeyText+1))
	if err != nil {
		return secret{}, fmt.Errorf("read key file: %w", err)
	}
	defer clear(text)
	key, err := ReadKey(bytes.NewReader(text))
	if errors.Is(err, ErrNotKey) {
		// Whoever has lost the key file has the recovery key, and wants to give it in the same way.
		if value, err := parseRecovery(string(text)); err == nil {
			return secret{Recovery, value}, nil
		} else if errors.Is(err, ErrKeyTypo) {
			return secret{}, fmt.Errorf("key file %s: if this is the recovery key, %w (a passphrase is no key file)", path, err)
		}
	}
	if err != nil {
		return secret{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return secret{KeyFile, key[:]}, nil
}

// key returns the key that opens slot, if it is the right secret.
func (s secret) key(slot *keySlot) []byte {
	switch s.kind {
	case Passphrase:
		return argon2.IDKey(s.value, slot.salt[:], slot.passes, slot.memory, slot.lanes, 32)
	case Recovery:
		return derive(s.value, slot.salt[:], "recovery key")
	}
	return derive(s.value, slot.salt[:], "key file")
}
