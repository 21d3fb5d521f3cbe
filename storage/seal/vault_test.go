package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/storage/schema"
	"footfall/storage/seal"
)

func TestVaultReopen(t *testing.T) {
	v, path := newVault(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	one := mustSite(t, v, 1).Seal(nil, []byte("one"), place)
	rest := v.Rest().Seal(nil, []byte("rest"), place)
	salt := mustSalt(t, v, "Europe/Berlin", 20_000)
	purpose := v.PurposeKey("cookies")
	if purpose == v.PurposeKey("other") || purpose == [32]byte{} {
		t.Error("purpose keys are not apart")
	}
	if err := errors.Join(v.Close(), v.Close()); err != nil {
		t.Fatal(err)
	}

	v = mustOpen(t, path, raw)
	if len(v.Notes()) != 0 || v.StoreID() != storeID || v.PurposeKey("cookies") != purpose {
		t.Errorf("notes %q, store %x", v.Notes(), v.StoreID())
	}
	if got, err := mustSite(t, v, 1).Open(nil, one, place); string(got) != "one" {
		t.Error(err)
	}
	if got, err := v.Rest().Open(nil, rest, place); string(got) != "rest" {
		t.Error(err)
	}
	if mustSalt(t, v, "Europe/Berlin", 20_000) != salt {
		t.Error("the salt of the day did not outlive a restart")
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

func TestVaultRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "footfall.vault")
	if _, err := seal.OpenVault(path, raw); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no vault: %v", err)
	}
	mustCreate(t, path)
	if _, err := seal.CreateVault(path, storeID, raw, born); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a vault: %v", err)
	}
	if left, _ := filepath.Glob(path + ".new-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	for name, c := range map[string]struct {
		key  seal.KeySource
		want error
	}{
		"wrong key":           {seal.KeySource{Raw: bytes.Repeat([]byte{8}, 32)}, seal.ErrWrongKey},
		"no passphrase slot":  {seal.KeySource{Passphrase: []byte("hello")}, seal.ErrWrongKey},
		"short key":           {seal.KeySource{Raw: rawKey[:31]}, seal.ErrNotKey},
		"no key file":         {seal.KeySource{File: filepath.Join(dir, "none")}, seal.ErrNoKeyFile},
		"a vault as key file": {seal.KeySource{File: path}, seal.ErrNotKey},
		"no recovery key":     {seal.KeySource{Recovery: "hello"}, seal.ErrNotKey},
	} {
		_, err := seal.OpenVault(path, c.key)
		if !errors.Is(err, c.want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, key := range []seal.KeySource{{}, {Raw: rawKey, Recovery: "x"}, {Passphrase: []byte{}}} {
		if _, err := seal.OpenVault(path, key); err == nil {
			t.Errorf("opened with %+v", key)
		}
	}
	for name, content := range map[string]string{"empty": "", "text": "hello", "zeros": string(make([]byte, 70_000))} {
		bad := filepath.Join(dir, name)
		os.WriteFile(bad, []byte(content), 0o600)
		if _, err := seal.OpenVault(bad, raw); !errors.Is(err, seal.ErrVaultDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSiteKeys(t *testing.T) {
	v, path := newVault(t)
	s := mustSite(t, v, 1)
	sealed := s.Seal(nil, []byte("one"), place)
	if err := v.CreateSite(1); !errors.Is(err, seal.ErrHasKey) {
		t.Errorf("create twice: %v", err)
	}
	if v.CreateSite(0) == nil {
		t.Error("site 0 is the rest")
	}
	before, _ := os.ReadFile(path)
	if err := v.DestroySite(1); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(path)
	noneLeft(t, before, after)
	if _, err := v.Site(1); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("a destroyed key: %v", err)
	}
	if err := v.DestroySite(1); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("destroy twice: %v", err)
	}
	if _, err := s.Open(nil, sealed, place); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("a sealer with a destroyed key: %v", err)
	}
	s.Seal(nil, []byte("too late"), place)
	if err := v.CreateSite(1); err != nil { // numbers are not given twice, but if one were, the data would stay closed
		t.Fatal(err)
	}
	if _, err := mustSite(t, v, 1).Open(nil, sealed, place); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("the old value under the new key: %v", err)
	}
}

// noneLeft fails if a sealed payload that was overwritten between two images of a vault is still somewhere in the later one.
func noneLeft(t *testing.T, before, after []byte) {
	t.Helper()
	gone := 0
	for page := 2; page < len(before)/seal.PageSize; page++ {
		old := before[page*seal.PageSize:][:seal.PageSize]
		if old[1] == 0 || bytes.Equal(old, after[page*seal.PageSize:][:seal.PageSize]) {
			continue
		}
		gone++
		n := int(old[2])<<8 | int(old[3])
		for i := 8; i+16 <= 8+n; i++ {
			if bytes.Contains(after, old[i:i+16]) {
				t.Errorf("bytes %d to %d of what slot %d held are still in the file", i, i+16, page)
				break
			}
		}
	}
	if gone == 0 {
		t.Error("nothing was overwritten")
	}
}

func TestManySitesGrowTheVault(t *testing.T) {
	v, path := newVault(t)
	const sites = 100
	sealed := map[schema.Site][]byte{}
	for i := schema.Site(3); i <= sites; i++ {
		if err := v.CreateSite(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := schema.Site(1); i <= sites; i++ {
		sealed[i] = mustSite(t, v, i).Seal(nil, []byte(fmt.Sprint(i)), place)
		mustSalt(t, v, fmt.Sprintf("Zone/%d", i), 5)
	}
	size := fileSize(t, path)
	for range 5 { // slots that became free are used again
		for i := schema.Site(1); i <= 10; i++ {
			if err := errors.Join(v.DestroySite(1000*i), v.CreateSite(1000*i)); !errors.Is(err, seal.ErrNoKey) {
				t.Fatal(err)
			}
			if err := v.DestroySite(1000 * i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := fileSize(t, path); got > size+seal.GrowPages*seal.PageSize {
		t.Errorf("the vault grew from %d to %d", size, got)
	}
	v.Close()
	v = mustOpen(t, path, raw)
	for i := schema.Site(1); i <= sites; i++ {
		if got, err := mustSite(t, v, i).Open(nil, sealed[i], place); string(got) != fmt.Sprint(i) {
			t.Errorf("site %d: %q, %v", i, got, err)
		}
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestKeyText(t *testing.T) {
	key := [32]byte{1, 2, 3, 250}
	text := seal.FormatKey(key)
	for _, s := range []string{text, "\n# a comment\n" + text + "\n", "  " + strings.ToUpper(text) + "\r\n"} {
		if got, err := seal.ReadKey(strings.NewReader(s)); got != key {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "hello", text + "\n" + text, strings.Repeat("#\n", 9999) + text, "footfall-key-2" + text[14:], text[1:]} {
		if _, err := seal.ReadKey(strings.NewReader(s)); !errors.Is(err, seal.ErrNotKey) {
			t.Errorf("%.40q: %v", s, err)
		}
	}
	for i := len("footfall-key-1"); i < len(text); i++ {
		for _, c := range []byte("a7z0 ") {
			if c == text[i] || c == ' ' && i == len(text)-1 {
				continue
			}
			bad := text[:i] + string(c) + text[i+1:]
			if _, err := seal.ReadKey(strings.NewReader(bad)); !errors.Is(err, seal.ErrKeyTypo) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := seal.ReadKey(strings.NewReader(text[:i])); !errors.Is(err, seal.ErrKeyTypo) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzReadKey(f *testing.F) {
	f.Add(seal.FormatKey([32]byte{1}))
	f.Add("# c\nfootfall-key-1aaaa")
	f.Add("0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := seal.ReadKey(strings.NewReader(text))
		if err == nil && !strings.Contains(strings.ToLower(text), seal.FormatKey(key)) {
			t.Errorf("%q was read as another key", text)
		}
		if err != nil && !errors.Is(err, seal.ErrNotKey) && !errors.Is(err, seal.ErrKeyTypo) {
			t.Error(err)
		}
		if phrase, err := seal.ReadPassphrase(strings.NewReader(text)); err == nil && !strings.HasPrefix(text, string(phrase)) || err != nil && !errors.Is(err, seal.ErrNotPassphrase) {
			t.Errorf("passphrase %q, %v", phrase, err)
		}
		if _, err := seal.ParseRecovery(text); err != nil && !errors.Is(err, seal.ErrNotKey) && !errors.Is(err, seal.ErrKeyTypo) {
			t.Error(err)
		}
	})
}
