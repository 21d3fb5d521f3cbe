package seal

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// What callers tell apart.
var (
	// ErrBusy means that as many passwords wait to be hashed as may wait. Try again in some seconds.
	ErrBusy = errors.New("too many passwords are being checked")
	// ErrBadHash means that a stored password hash is not one that HashPassword made.
	ErrBadHash = errors.New("this is not a password hash")
	// ErrPasswordLength means that a password is longer than 1024 bytes.
	ErrPasswordLength = errors.New("the password is too long")
)

// hashing bounds the memory of password hashes for the whole process, which is what it must be bounded for.
var hashing = gate{running: make(chan struct{}, passwordsAtOnce)}

// gate lets some in, some wait, and turns the others away.
type gate struct {
	running chan struct{}
	inside  atomic.Int64 // running and waiting
}

func (g *gate) do(fn func()) error {
	defer g.inside.Add(-1)
	if g.inside.Add(1) > passwordsAtOnce+passwordsWaiting {
		return ErrBusy
	}
	g.running <- struct{}{}
	defer func() { <-g.running }()
	fn()
	return nil
}

// HashPassword returns the argon2id hash of a password in PHC form: "$argon2id$v=19$m=19456,t=2,p=1$salt$hash". It
// takes about 60 ms; at most two run at once and 16 wait, others get [ErrBusy].
func HashPassword(password string) (string, error) {
	if len(password) > maxPassword {
		return "", ErrPasswordLength
	}
	var salt [16]byte
	rand.Read(salt[:])
	var hash []byte
	err := hashing.do(func() {
		hash = argon2.IDKey([]byte(password), salt[:], passwordPasses, passwordMemory, passwordLanes, 32)
	})
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, passwordMemory, passwordPasses, passwordLanes,
		enc.EncodeToString(salt[:]), enc.EncodeToString(hash)), nil
}

// VerifyPassword tells whether password is the one that was hashed, in the same time whichever part differs, and whether the
// hash should be made anew since its parameters are not today's. It fails with [ErrBadHash], [ErrBusy].
func VerifyPassword(hash, password string) (ok, rehash bool, err error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	if len(password) > maxPassword {
		return false, false, nil // such a password was never hashed
	}
	var got []byte
	err = hashing.do(func() {
		got = argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.lanes, uint32(len(p.hash)))
	})
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, p.hash) == 1
	rehash = p.passes != passwordPasses || p.memory != passwordMemory || p.lanes != passwordLanes || len(p.hash) != 32
	return ok, ok && rehash, nil
}

type phc struct {
	passes, memory uint32
	lanes          uint8
	salt, hash     []byte
}

func parsePHC(s string) (p phc, err error) {
	part := strings.Split(s, "$")
	if len(s) > 512 || len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, ErrBadHash
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil ||
		part[3] != fmt.Sprintf("m=%d,t=%d,p=%d", p.memory, p.passes, p.lanes) || !argonAllowed(p.passes, p.memory, p.lanes) {
		return p, ErrBadHash
	}
	enc := base64.RawStdEncoding.Strict()
	salt, err1 := enc.DecodeString(part[4])
	hash, err2 := enc.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(hash) < 16 || len(hash) > 64 {
		return p, ErrBadHash
	}
	p.salt, p.hash = salt, hash
	return p, nil
}
