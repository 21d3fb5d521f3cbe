package seal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"footfall/storage/seal"
)

// The files in testdata/v1 were made once by version 1. They are never made again: what a version has written every later one reads.

var goldenPlace = seal.Place{Bucket: 4, Key: []byte{0, 0, 0, 7, 0, 0, 0x4f, 0xe6}, Type: 2, Version: 1}

func TestGolden(t *testing.T) {
	var recovery, salt, purpose, password string
	expected, err := os.Open("testdata/v1/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer expected.Close()
	if _, err := fmt.Fscanf(expected, "recovery %s\nsalt %s\npurpose %s\npassword %s\n", &recovery, &salt, &purpose, &password); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile("testdata/v1/footfall.vault")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "footfall.vault")
	if err := os.WriteFile(path, original, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]seal.KeySource{
		"key file":   {File: "testdata/v1/footfall.key"},
		"passphrase": {Passphrase: []byte("correct horse battery staple")},
		"recovery":   {Recovery: recovery},
	} {
		v := mustOpen(t, path, key)
		if len(v.Notes()) != 0 {
			t.Errorf("%s: %q", name, v.Notes())
		}
		if got := v.PurposeKey("golden"); fmt.Sprintf("%x", got) != purpose {
			t.Errorf("%s: purpose key %x", name, got)
		}
		if got := mustSalt(t, v, "Europe/Berlin", 20454); fmt.Sprintf("%x", got) != salt {
			t.Errorf("%s: salt %x", name, got)
		}
		if got, err := mustSite(t, v, 7).Open(nil, mustRead(t, "site7.sealed"), goldenPlace); string(got) != "a visit became a number" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := v.Rest().Open(nil, mustRead(t, "rest.sealed"), seal.Place{Bucket: 5, Key: []byte("k"), Type: 1, Version: 1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v.Close()
	}
	if ok, _, err := seal.VerifyPassword(password, "correct horse battery staple"); !ok {
		t.Errorf("password: %v", err)
	}
	if after := mustReadFile(t, path); string(after) != string(original) {
		t.Error("opening a whole vault changed it")
	}
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	return mustReadFile(t, filepath.Join("testdata/v1", name))
}

func mustReadFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What a sealed value looks like.
func ExampleSealer() {
	b, err := os.ReadFile("testdata/v1/site7.sealed")
	if err != nil {
		fmt.Println(err)
		return
	}
	n := len(b) - seal.Overhead
	fmt.Printf("%3d  algorithm   %x\n", 0, b[:1])
	fmt.Printf("%3d  nonce       %x\n", 1, b[1:25])
	fmt.Printf("%3d  ciphertext  %x\n", 25, b[25:25+n])
	fmt.Printf("%3d  tag         %x\n", 25+n, b[25+n:])
	// Output:
	//   0  algorithm   01
	//   1  nonce       61827ac68228cfc189eab555ad85e33386bee9385705e9c6
	//  25  ciphertext  98ba33708add4e818d9f128ece696848d8a2c0863af81d
	//  48  tag         e2011cbe03c244a7fc874237bf5f0b73
}
