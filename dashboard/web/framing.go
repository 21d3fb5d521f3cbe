package web

import (
	"bytes"
	"errors"
)

// A request is clear when whoever reads it, a proxy before us too, finds the same end of it. net/http is more generous: it takes a length beside
// chunks, lengths that are given twice, chunks in HTTP/1.0, lines that end with a bare LF, folded lines, and an absolute target that
// contradicts Host; a handler sees nothing of it. What a proxy reads otherwise can hide a second request from it. So heads are judged
// before net/http sees them. What it refuses itself, such as a space before a colon, is not looked at again here.

// errUnclear makes net/http answer 400 and close the connection. Nothing behind the request is read.
var errUnclear = errors.New("the end of the request is not clear")

// chunked in the place of a length says that only the chunks tell where the body ends.
const chunked = -1

// frame is where a request ends: the bytes of its head, the empty line included, and those of its body.
type frame struct {
	head int
	body int64 // or chunked
}

// judge reads the head of the request that b begins with. A frame without a head is of one that goes on behind b.
func judge(b []byte) (frame, error) {
	line, at, err := nextLine(b, 0)
	if at == 0 || err != nil {
		return frame{}, err
	}
	target, modern, ok := requestLine(line)
	if !ok {
		return frame{}, errUnclear
	}
	var (
		body      int64
		host      []byte
		hosts     int
		hasLength bool
		inChunks  bool
	)
	for {
		before := at
		line, at, err = nextLine(b, at)
		switch {
		case err != nil:
			return frame{}, err
		case at == before:
			return frame{}, nil
		case len(line) == 0:
			if hasLength && inChunks || inChunks && !modern || hosts > 1 || !isLocal(target, host) {
				return frame{}, errUnclear
			}
			if inChunks {
				body = chunked
			}
			return frame{at, body}, nil
		case line[0] == ' ' || line[0] == '\t':
			return frame{}, errUnclear
		}
		if c := line[0] | 0x20; c != 'h' && c != 'c' && c != 't' {
			continue // as of most fields
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case isName(name, "host"):
			host = bytes.Trim(value, " \t")
			hosts++
		case isName(name, "content-length"):
			n, ok := length(bytes.Trim(value, " \t"))
			if !ok || hasLength {
				return frame{}, errUnclear
			}
			body, hasLength = n, true
		case isName(name, "transfer-encoding"):
			if inChunks {
				return frame{}, errUnclear
			}
			inChunks = true // net/http refuses every other coding
		}
	}
}

// mayEnd reports whether there is an empty line in b, whatever ends the lines. What follows the first of a head has no part in how it is judged.
func mayEnd(b []byte) bool {
	return bytes.Contains(b, []byte("\n\r\n")) || bytes.Contains(b, []byte("\n\n"))
}

// nextLine returns the line that begins at from, without its end, and where the next begins: at from while the line goes on behind b.
func nextLine(b []byte, from int) (line []byte, next int, err error) {
	n := bytes.IndexByte(b[from:], '\n')
	if n < 0 {
		return nil, from, nil
	}
	line = b[from : from+n]
	if n == 0 || bytes.IndexByte(line, '\r') != n-1 {
		return nil, from, errUnclear
	}
	return line[:n-1], from + n + 1, nil
}

// requestLine takes the first line of a head apart. modern is HTTP/1.1.
func requestLine(line []byte) (target []byte, modern, ok bool) {
	method := bytes.IndexByte(line, ' ')
	version := bytes.LastIndexByte(line, ' ')
	if method <= 0 || version <= method+1 {
		return nil, false, false
	}
	target = line[method+1 : version]
	switch string(line[version+1:]) {
	case "HTTP/1.1":
		modern = true
	case "HTTP/1.0":
	default:
		return nil, false, false
	}
	if string(line[:method]) == "CONNECT" {
		target = []byte("/") // an authority; whatever it is, the answer is that it is not served
	}
	return target, modern, true
}

// isLocal reports whether a target is a path here, or an URL on the host that the request names.
func isLocal(target, host []byte) bool {
	if target[0] == '/' || target[0] == '*' { // which net/http takes from OPTIONS only
		return true
	}
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
		return false
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return len(rest) > 0 && bytes.EqualFold(rest, host)
}

// isName compares the name of a header field with one in lower case.
func isName(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

// length reads a Content-Length: digits, no more than an int64 holds in any case.
func length(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
