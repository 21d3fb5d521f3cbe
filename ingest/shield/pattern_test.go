package shield_test

import (
	"strings"
	"testing"
	"time"

	"footfall/ingest/shield"
)

// naive matches as one would say it.
func naive(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return naive(pattern[1:], s) || s != "" && naive(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && naive(pattern[1:], s[1:])
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"/", "/", true}, {"/", "/a", false}, {"/*", "/", true}, {"/**", "/a/b", true}, {"/*/x", "/a/b/x", true}, {"/*/x", "/x", false},
		{"/a*a", "/a", false}, {"/a*a", "/aa", true}, {"/a*b*", "/acbd", true}, {"/a*b*b", "/ab", false}, {"*", "", true}, {"/a**b", "/ab", true},
		{"/é*", "/écrire", true}, {"*.example.org", "example.org", false},
	} {
		if got := shield.Match(c.pattern, c.s); got != c.want || naive(c.pattern, c.s) != c.want {
			t.Errorf("%q, %q: got %v, naively %v, want %v", c.pattern, c.s, got, naive(c.pattern, c.s), c.want)
		}
	}
}

// TestPatternsDoNotBlowUp matches what takes a matcher that goes back 2^40 steps.
func TestPatternsDoNotBlowUp(t *testing.T) {
	done := make(chan bool, 1)
	go func() { done <- shield.Match("/"+strings.Repeat("a*", 120)+"b", "/"+strings.Repeat("a", 2000)) }()
	select {
	case got := <-done:
		if got {
			t.Error("it matches")
		}
	case <-time.After(time.Minute):
		t.Fatal("it is still at it")
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("/a*b**c", "/axxbc")
	f.Add("*", "")
	f.Add("a*a", "a")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 16 {
			return // naively it takes for ever
		}
		if got, want := shield.Match(pattern, s), naive(pattern, s); got != want {
			t.Errorf("%q, %q: got %v, want %v", pattern, s, got, want)
		}
	})
}
