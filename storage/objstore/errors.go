package objstore

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What callers tell apart.
var (
	// ErrNotFound means that there is no object of this name.
	ErrNotFound = errors.New("there is no such object")
	// ErrExists means that the name holds other bytes, which were left as they are.
	ErrExists = errors.New("there is another object of this name")
	// ErrShort means that the object is shorter than what was asked for.
	ErrShort = errors.New("the object is shorter than what was asked for")
	// ErrDenied means that the credentials are wrong or have expired, or do not allow this. Trying again helps only after someone did something.
	ErrDenied = errors.New("access denied")
	// ErrTemporary means that the same may succeed later: the store is down, slow, full or asks for patience, or the network failed.
	ErrTemporary = errors.New("temporary failure")
	// ErrRefused means that the store does not take the request as it is, and will not later: a wrong bucket or region, or something it cannot do.
	ErrRefused = errors.New("refused")
)

// Error says what could not be done with which object, why, and what to do about it.
type Error struct {
	Op     string        // put, get, list, delete or probe
	Name   string        // of the object, or the prefix that was listed; may be empty
	Kind   error         // one of the errors above
	Err    error         // what was said by the store or the system; may be nil
	Advice string        // what to do, in a few words; may be empty
	After  time.Duration // how long the store asks to wait before another try; 0 if it does not say
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Name != "" {
		b.WriteString(" " + e.Name)
	}
	fmt.Fprintf(&b, ": %v", e.Kind)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap makes errors.Is see both the kind and what lies behind it.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Retained means that the store keeps the bytes of a deleted object: its bucket has an object lock.
type Retained struct {
	Name  string
	Until time.Time // zero if the store names no end (a legal hold)
}

func (e *Retained) Error() string {
	if e.Until.IsZero() {
		return fmt.Sprintf("delete %s: the bucket keeps its bytes (object lock) and names no end: remove the legal hold, or ask who runs the store", e.Name)
	}
	return fmt.Sprintf("delete %s: the bucket keeps its bytes until %s (object lock): delete it again after that", e.Name, e.Until.UTC().Format("2006-01-02 15:04 UTC"))
}
