package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

// The files in testdata/v1 and testdata/v2 were made once by programs of these formats. They are never made again: what a version has
// written every later one reads.

var goldenPlace = seal.Place{Bucket: 4, Key: []byte{0, 0, 0, 7, 0, 0, 0x4f, 0xe6}, Type: 2, Version: 1}

// golden is a vault of an old format and what must be found in it.
type golden struct {
	dir, path                         string // of the original; of a copy
	recovery, salt, purpose, password string
	day                               schema.Date
	keys                              map[string]seal.KeySource
}

func openGolden(t *testing.T, version int) *golden {
	t.Helper()
	g := &golden{dir: fmt.Sprintf("testdata/v%d", version), path: filepath.Join(t.TempDir(), "footfall.vault"), day: map[int]schema.Date{1: 20454, 2: 20777}[version]}
	expected, err := os.Open(filepath.Join(g.dir, "expected.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer expected.Close()
	if _, err := fmt.Fscanf(expected, "recovery %s\nsalt %s\npurpose %s\npassword %s\n", &g.recovery, &g.salt, &g.purpose, &g.password); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.path, g.read(t, "footfall.vault"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.keys = map[string]seal.KeySource{
		"key file":   {File: filepath.Join(g.dir, "footfall.key")},
		"passphrase": {Passphrase: []byte("correct horse battery staple")},
		"recovery":   {Recovery: g.recovery},
	}
	return g
}

func (g *golden) read(t testing.TB, name string) []byte {
	t.Helper()
	return mustReadFile(t, filepath.Join(g.dir, name))
}

// holds checks what the vault holds.
func (g *golden) holds(t *testing.T, name string, v *seal.Vault) {
	t.Helper()
	if len(v.Notes()) != 0 {
		t.Errorf("%s: %q", name, v.Notes())
	}
	if got := mustSalt(t, v, "Europe/Berlin", g.day); fmt.Sprintf("%x", got) != g.salt {
		t.Errorf("%s: salt %x", name, got)
	}
	if got, err := mustSite(t, v, 7).Open(nil, g.read(t, "site7.sealed"), goldenPlace); string(got) != "a visit became a number" {
		t.Errorf("%s: %q, %v", name, got, err)
	}
	if _, err := v.Rest().Open(nil, g.read(t, "rest.sealed"), seal.Place{Bucket: 5, Key: []byte("k"), Type: 1, Version: 1}); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := v.Check(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestGolden(t *testing.T) {
	made := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	for version, want := range map[int]string{
		1: fmt.Sprint([]time.Time{{}, {}, {}}),
		2: fmt.Sprint([]time.Time{made, made.Add(2 * time.Hour), made.Add(3 * time.Hour)}),
	} {
		g := openGolden(t, version)
		for name, key := range g.keys {
			name = fmt.Sprintf("format %d, %s", version, name)
			v := mustOpen(t, g.path, key)
			if got := v.PurposeKey("golden"); fmt.Sprintf("%x", got) != g.purpose {
				t.Errorf("%s: purpose key %x", name, got)
			}
			g.holds(t, name, v)
			var times []time.Time
			for _, slot := range v.Outline().Slots() {
				times = append(times, slot.Made)
			}
			if got := fmt.Sprint(times); got != want {
				t.Errorf("%s: slots made %s, want %s", name, got, want)
			}
			v.Close()
		}
		if ok, _, err := seal.VerifyPassword(g.password, "correct horse battery staple"); !ok {
			t.Errorf("password: %v", err)
		}
		if after := mustReadFile(t, g.path); !bytes.Equal(after, g.read(t, "footfall.vault")) {
			t.Errorf("opening a whole vault of format %d changed it", version)
		}
	}
}

// TestGoldenGoesOn changes a vault of each old format with each of its keys. It is one of the newest format then, and holds the same.
func TestGoldenGoesOn(t *testing.T) {
	for version := 1; version <= seal.Format; version++ {
		for opener := range openGolden(t, version).keys {
			g, name := openGolden(t, version), fmt.Sprintf("format %d, %s", version, opener)
			v := mustOpen(t, g.path, g.keys[opener])
			if err := v.Rotate("", born); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			g.holds(t, name, v)
			v.Close()
			if image := mustReadFile(t, g.path); image[9] != seal.Format {
				t.Errorf("%s: it has format %d now", name, image[9])
			}
			for other, key := range g.keys {
				v, err := seal.OpenVault(g.path, key)
				if other == opener && err == nil {
					g.holds(t, name+", opened again", v)
					v.Close()
				} else if other == opener || !errors.Is(err, seal.ErrWrongKey) {
					t.Errorf("%s: then with the %s: %v", name, other, err)
				}
			}
		}
	}
}

// testdata/keyring1 is what the vault in testdata/v2 exported when keyrings and site keys had format 1. Their bytes come from what is sealed alone, so
// that vault must export the same for as long as this program writes format 1; and what was exported opens for ever.
func TestGoldenKeyring(t *testing.T) {
	g := openGolden(t, 2)
	const name = "4d0af9a48d8a23dd2301647155fe9078"
	want := bucket{mustReadFile(t, "testdata/keyring1/keyring"), []seal.SiteKey{{Site: 7, Object: mustReadFile(t, "testdata/keyring1/"+name)}}}
	if _, err := hex.Decode(want.sites[0].Name[:], []byte(name)); err != nil {
		t.Fatal(err)
	}
	if !export(t, mustOpen(t, g.path, g.keys["key file"])).equal(want) {
		t.Error("the export of a vault is another one than it was")
	}
	for key, source := range g.keys {
		k := want.open(t, source)
		if got, err := k.Snapshots().Open(nil, mustReadFile(t, "testdata/keyring1/pack.sealed"), goldenPlace); string(got) != "a pack of the first format" {
			t.Errorf("%s: %q, %v", key, got, err)
		}
		r := *g
		r.path = want.restore(t, source)
		v := mustOpen(t, r.path, source)
		salt := mustSalt(t, v, "Europe/Berlin", g.day)
		if r.salt = fmt.Sprintf("%x", salt); r.salt == g.salt {
			t.Errorf("%s: the salt left its vault", key)
		}
		if got := v.PurposeKey("golden"); fmt.Sprintf("%x", got) != g.purpose {
			t.Errorf("%s: purpose key %x", key, got)
		}
		r.holds(t, key, v)
		v.Close()
	}
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

// What a keyring looks like, with its first key slot.
func ExampleVault_Keyring() {
	b, err := os.ReadFile("testdata/keyring1/keyring")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range []struct {
		at, size int
		name     string
	}{
		{0, 8, "magic"}, {8, 2, "format"}, {10, 16, "store id"}, {26, 8, "master key made"}, {34, 4, "zero"},
		{64, 1, "slot 0: a key file"}, {65, 1, "algorithm"}, {80, 16, "salt"}, {96, 24, "nonce"}, {120, 48, "sealed master key"}, {168, 8, "made"},
		{64 + 128, 1, "slot 1: a recovery key"}, {64 + 256, 1, "slot 2: a passphrase"}, {64 + 384, 1, "slot 3: none"},
		{1088, 1, "data key: algorithm"}, {1089, 24, "nonce"}, {1113, 32, "sealed data key"}, {1145, 16, "tag"}, {1161, 32, "MAC"}, {1193, 32, "checksum"},
	} {
		fmt.Printf("%4d  %-22s  %x\n", field.at, field.name, b[field.at:field.at+field.size])
	}
	fmt.Println(len(b))
	// Output:
	//    0  magic                   46464b4559524e47
	//    8  format                  0001
	//   10  store id                676f6c64656e2076657273696f6e2032
	//   26  master key made         000000006b002128
	//   34  zero                    00000000
	//   64  slot 0: a key file      01
	//   65  algorithm               01
	//   80  salt                    46fea128fb1677e86f673f9924fc8572
	//   96  nonce                   606d07e7d24479339aa4ea11f00fa898d2a758f27b344296
	//  120  sealed master key       d022c71b497cc6ee02d6482c4c003f91e859ecb84f4e7214f4a9d53b83e4d62053f90714ee6cc5c5c4af3a888fdb8a0f
	//  168  made                    000000006b000508
	//  192  slot 1: a recovery key  03
	//  320  slot 2: a passphrase    02
	//  448  slot 3: none            00
	// 1088  data key: algorithm     01
	// 1089  nonce                   903dd31d53c08cc6ce754f7134a9bf89120b324ca631b02b
	// 1113  sealed data key         7d092e5aef4d904bc5f8047b49244a1bd65dcb528890172c87a090c2b35e087c
	// 1145  tag                     b00a47de304fb40203ea62d474be0877
	// 1161  MAC                     e09f68839c519f1a5e28a8acaed122726f235de3d8e5e33517eaea7b4f5776cc
	// 1193  checksum                b208232b544fde0654ee4314eb7ed9d10af019ca552f865b73dd36289e4d5200
	// 1225
}

// What the object of a site key looks like.
func ExampleVault_SiteKeys() {
	b, err := os.ReadFile("testdata/keyring1/4d0af9a48d8a23dd2301647155fe9078")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range []struct {
		at, size int
		name     string
	}{
		{0, 1, "version"}, {1, 1, "algorithm"}, {2, 16, "nonce: name"}, {18, 8, "nonce: zero"}, {26, 36, "sealed site and key"}, {62, 16, "tag"},
	} {
		fmt.Printf("%2d  %-19s  %x\n", field.at, field.name, b[field.at:field.at+field.size])
	}
	// Output:
	//  0  version              01
	//  1  algorithm            01
	//  2  nonce: name          4d0af9a48d8a23dd2301647155fe9078
	// 18  nonce: zero          0000000000000000
	// 26  sealed site and key  cefb3d1efd02ab3249d5c132ff460b664016db657fcaeb86df7a40250e39c1ecae443bf3
	// 62  tag                  e1de33cd89a0dd07e8f1059fc8490fbb
}

// What the header of a vault looks like, and its first key slot.
func ExampleVault() {
	b, err := os.ReadFile("testdata/v2/footfall.vault")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range []struct {
		at, size int
		name     string
	}{
		{0, 8, "magic"}, {8, 2, "format"}, {10, 8, "generation"}, {18, 16, "store id"}, {34, 4, "pages"}, {38, 8, "master key made"},
		{64, 1, "slot 0: a key file"}, {65, 1, "algorithm"}, {80, 16, "salt"}, {96, 24, "nonce"}, {120, 48, "sealed master key"}, {168, 8, "made"},
		{64 + 128, 1, "slot 1: a recovery key"}, {64 + 256, 1, "slot 2: a passphrase"}, {64 + 258, 4, "passes"}, {64 + 262, 4, "KiB"}, {64 + 266, 1, "lanes"},
		{1088, 4, "use of 16 pages"}, {4032, 32, "MAC"}, {4064, 32, "checksum"},
	} {
		fmt.Printf("%4d  %-22s  %x\n", field.at, field.name, b[field.at:field.at+field.size])
	}
	// Output:
	//    0  magic                   46465641554c5400
	//    8  format                  0002
	//   10  generation              0000000000000006
	//   18  store id                676f6c64656e2076657273696f6e2032
	//   34  pages                   00000010
	//   38  master key made         000000006b002128
	//   64  slot 0: a key file      01
	//   65  algorithm               01
	//   80  salt                    46fea128fb1677e86f673f9924fc8572
	//   96  nonce                   606d07e7d24479339aa4ea11f00fa898d2a758f27b344296
	//  120  sealed master key       d022c71b497cc6ee02d6482c4c003f91e859ecb84f4e7214f4a9d53b83e4d62053f90714ee6cc5c5c4af3a888fdb8a0f
	//  168  made                    000000006b000508
	//  192  slot 1: a recovery key  03
	//  320  slot 2: a passphrase    02
	//  322  passes                  00000003
	//  326  KiB                     00010000
	//  330  lanes                   01
	// 1088  use of 16 pages         100a0000
	// 4032  MAC                     b64ab00b177f67f1c2d4b99e694a8f332a6a71f2546c4f79212ef88014e2f577
	// 4064  checksum                a5b15d7f717c83955e343d287516ba3b1dd4d0f029667f82263521a5384c7d66
}

// What a page of a vault looks like that holds a data key.
func ExampleVault_page() {
	b, err := os.ReadFile("testdata/v2/footfall.vault")
	if err != nil {
		fmt.Println(err)
		return
	}
	for page := 2; page < len(b)/4096; page++ {
		if p := b[page*4096:]; p[1] == 2 {
			fmt.Printf("page %d\n", page)
			for _, field := range []struct {
				at, size int
				name     string
			}{
				{0, 1, "version"}, {1, 1, "type: a data key"}, {2, 2, "length of payload"}, {4, 4, "number of the page"}, {8, 1, "payload: algorithm"},
				{9, 24, "nonce"}, {33, 36, "sealed site and key"}, {69, 16, "tag"}, {85, 4, "zero"}, {4064, 32, "checksum"},
			} {
				fmt.Printf("%4d  %-18s  %x\n", field.at, field.name, p[field.at:field.at+field.size])
			}
			return
		}
	}
	// Output:
	// page 4
	//    0  version             01
	//    1  type: a data key    02
	//    2  length of payload   004d
	//    4  number of the page  00000004
	//    8  payload: algorithm  01
	//    9  nonce               f4afe650ff4bf668398a4159b3150bb79c4ef4318a2bde1b
	//   33  sealed site and key  ab9101e4e69e9222d2a89bffe26134006ac347cb138857ec202baf2a35147f8afe8a94bf
	//   69  tag                 d5ccacb101cff102d9c2e22ad2351b47
	//   85  zero                00000000
	// 4064  checksum            7003dbaf109189a00261db51f09b2ab3eb28818c1f787888ecf6eab66bdad77e
}
