package objstore

import (
	"errors"
	"fmt"
	"strings"
)

// CheckName says what is wrong with the name of an object, or nil.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of an object is empty")
	case len(name) > MaxName:
		return fmt.Errorf("the name of an object has %d bytes, more than %d", len(name), MaxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return fmt.Errorf("the name %q has an empty part", name)
		case part[0] == '.':
			return fmt.Errorf("the name %q has a part that begins with a dot", name)
		case len(part) > maxPart:
			return fmt.Errorf("the name %q has a part of %d bytes, more than %d", name, len(part), maxPart)
		}
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r != '/' && !plain(r) }); i >= 0 {
		return fmt.Errorf("the name %q holds something else than a-z, 0-9, dot, hyphen, underscore and slash", name)
	}
	return nil
}

// checkPrefix accepts what can begin a name, or nothing.
func checkPrefix(prefix string) error {
	whole := prefix
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		whole += "x"
	}
	return CheckName(whole)
}

func plain(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_'
}

// Check returns the error of a call with arguments that no bucket takes, or nil. It is for those who implement [Bucket].
func Check(op, name string, body []byte) error {
	if err := CheckName(name); err != nil {
		return &Error{Op: op, Kind: ErrRefused, Err: err}
	}
	if len(body) > MaxObject {
		return &Error{Op: op, Name: name, Kind: ErrRefused, Err: fmt.Errorf("it has %d bytes, more than the %d of an object", len(body), MaxObject)}
	}
	return nil
}

// CheckRange is [Check] for Get, before the object is known.
func CheckRange(name string, offset int64) error {
	if err := Check("get", name, nil); err != nil {
		return err
	}
	if offset < 0 {
		return &Error{Op: "get", Name: name, Kind: ErrRefused, Err: fmt.Errorf("offset %d is negative", offset)}
	}
	return nil
}

// CheckSize returns the ErrShort of a Get of an object of size bytes, or nil.
func CheckSize(name string, offset, length, size int64) error {
	if offset > 0 && offset >= size || offset+max(length, 0) > size {
		return &Error{Op: "get", Name: name, Kind: ErrShort, Err: fmt.Errorf("it has %d bytes", size)}
	}
	return nil
}

// CheckList is [Check] for List.
func CheckList(prefix, after string) error {
	if err := checkPrefix(prefix); err != nil {
		return &Error{Op: "list", Kind: ErrRefused, Err: err}
	}
	if err := checkPrefix(after); err != nil {
		return &Error{Op: "list", Name: prefix, Kind: ErrRefused, Err: err}
	}
	return nil
}
