package seal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// A key file is text. Empty lines and lines that begin with # are for people; one line is the key:
//
//	"footfall-key-1" and 56 characters: base32 (a-z, 2-7) of the key (32 bytes) and the first 3 bytes of
//	SHA-256("footfall-key-1" | key)
//
// A recovery key is 32 characters in groups of four: base32 in the digits and letters that are hard to confuse (no
// I, L, O, U) of 16 random bytes and the first 4 bytes of SHA-256("footfall-recovery-1" | those bytes). Small letters, any
// spacing, O for 0 and I or L for 1 are understood.
const (
	keyPrefix      = "footfall-key-1"
	recoveryPrefix = "footfall-recovery-1"
)

var (
	keyText      = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	recoveryText = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
)

// What callers tell apart.
var (
	// ErrNoKeyFile means that the key file, not the vault, does not exist.
	ErrNoKeyFile = errors.New("there is no key file")
	// ErrNotKey means that something else was given where a key was asked for.
	ErrNotKey = errors.New("this is not a Footfall key")
	// ErrNotPassphrase means that something else was given where a passphrase was asked for.
	ErrNotPassphrase = errors.New("this is no passphrase")
	// ErrKeyTypo means that it is a key with a wrong or missing character.
	ErrKeyTypo = errors.New("the key has a wrong character in it")
)

// NewKeyFile writes a new random key to path, readable by its owner only. It is an error (fs.ErrExist) if the path exists.
func NewKeyFile(path string) error {
	var key [32]byte
	rand.Read(key[:])
	defer clear(key[:])
	text := "# The key of a Footfall data directory. Whoever has it can read the data; without it nobody can.\n" +
		"# Keep a copy in another place.\n" + FormatKey(key) + "\n"
	if err := publish(path, 0o400, []byte(text)); err != nil {
		return fmt.Errorf("make key file: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// FormatKey returns the text form of a key.
func FormatKey(key [32]byte) string {
	sum := sha256.Sum256(append([]byte(keyPrefix), key[:]...))
	return keyPrefix + keyText.EncodeToString(append(key[:], sum[:3]...))
}

// ReadKey reads a key file, or a key given as text. It fails with [ErrNotKey] or [ErrKeyTypo].
func ReadKey(r io.Reader) (key [32]byte, err error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxKeyText+1))
	if err != nil {
		return key, fmt.Errorf("read key: %w", err)
	}
	if len(text) > MaxKeyText {
		return key, fmt.Errorf("%w: it is too long", ErrNotKey)
	}
	found := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if found != "" {
			return key, fmt.Errorf("%w: it has more than one line", ErrNotKey)
		}
		found = strings.ToLower(line)
	}
	if !strings.HasPrefix(found, keyPrefix) {
		return key, fmt.Errorf("%w: a key begins with %s", ErrNotKey, keyPrefix)
	}
	b, err := keyText.DecodeString(found[len(keyPrefix):])
	if err != nil || len(b) != 35 {
		return key, ErrKeyTypo
	}
	key = [32]byte(b)
	if FormatKey(key) != found {
		return [32]byte{}, ErrKeyTypo
	}
	return key, nil
}

// newRecovery returns a new recovery key as a person types it, and its secret.
func newRecovery() (text string, secret []byte) {
	secret = make([]byte, 16)
	rand.Read(secret)
	return formatRecovery(secret), secret
}

func formatRecovery(secret []byte) string {
	sum := sha256.Sum256(append([]byte(recoveryPrefix), secret...))
	s := recoveryText.EncodeToString(append(bytes.Clone(secret), sum[:4]...))
	groups := make([]string, 0, 8)
	for i := 0; i < len(s); i += 4 {
		groups = append(groups, s[i:i+4])
	}
	return strings.Join(groups, "-")
}

// CleanRecovery returns a recovery key, or a part of one, without what does not matter: spacing, small letters, letters for digits.
func CleanRecovery(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			r += 'A' - 'a'
		case r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r':
			return -1
		}
		switch r {
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, text)
}

func parseRecovery(text string) (secret []byte, err error) {
	if len(text) > MaxKeyText {
		return nil, fmt.Errorf("%w: it is too long", ErrNotKey)
	}
	s := CleanRecovery(text)
	b, err := recoveryText.DecodeString(s)
	if len(s) < 24 || len(s) > 40 {
		return nil, fmt.Errorf("%w: a recovery key has 8 groups of 4 characters", ErrNotKey)
	}
	if err != nil || len(b) != 20 {
		return nil, ErrKeyTypo
	}
	if sum := sha256.Sum256(append([]byte(recoveryPrefix), b[:16]...)); !bytes.Equal(sum[:4], b[16:]) {
		return nil, ErrKeyTypo
	}
	return b[:16], nil
}
