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
	File       string // path of a key file, see NewKeyFile, or of a file that holds a recovery key
	Passphrase []byte
	Recovery   string // as it was printed, or as a person typed it
	Raw        []byte // 32 bytes: the content of a key file
}

// secret is a key that was read and not yet tried.
type secret struct {
	kind  Kind
	value []byte
}

func (k KeySource) read() (secret, error) {
	set := 0
	for _, is := range []bool{k.File != "", k.Passphrase != nil, k.Recovery != "", k.Raw != nil} {
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
	}
	if len(k.Passphrase) == 0 || len(k.Passphrase) > maxPassword {
		return secret{}, fmt.Errorf("a passphrase has 1 to %d bytes", maxPassword)
	}
	return secret{Passphrase, bytes.Clone(k.Passphrase)}, nil
}

func readKeyFile(path string) (secret, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Not wrapped: fs.ErrNotExist from OpenVault means that there is no vault.
		return secret{}, fmt.Errorf("%w: %s", ErrNoKeyFile, path)
	} else if err != nil {
		return secret{}, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyText+1))
	if err != nil {
		return secret{}, fmt.Errorf("read key file: %w", err)
	}
	key, err := ReadKey(bytes.NewReader(text))
	if errors.Is(err, ErrNotKey) {
		// Whoever has lost the key file has the recovery key, and wants to give it in the same way.
		if value, err := parseRecovery(string(text)); err == nil || errors.Is(err, ErrKeyTypo) {
			return secret{Recovery, value}, err
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
