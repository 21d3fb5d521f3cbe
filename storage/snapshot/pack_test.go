package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/storage/file"
	"footfall/storage/seal"
)

func drawPack(t *rapid.T) *builder {
	p := &builder{head: head{commit: rapid.Uint64().Draw(t, "commit"), time: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")).UTC(),
		settled: rapid.Bool().Draw(t, "settled"), gathered: rapid.Bool().Draw(t, "gathered")}}
	copy(p.prev[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "prev"))
	if p.settled {
		p.sums = rapid.SliceOfN(rapid.Byte(), 1, 150).Draw(t, "sums")
	}
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		key := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "key")
		if rapid.Bool().Draw(t, "gone") {
			p.add(file.Days, key, nil)
		} else {
			p.add(file.Journal, key, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "value"))
		}
	}
	return p
}

func TestPackRoundTrip(t *testing.T) {
	sealer := seal.Ephemeral()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPack(t)
		b := p.finish("v1/pack/1", sealer)
		h, values, err := openPack("v1/pack/1", b, sealer)
		if err != nil {
			t.Fatal(err)
		}
		want := p.head
		want.entries = append([]entry{}, want.entries...)
		if !reflect.DeepEqual(*h, want) || !bytes.Equal(bytes.Join(values, nil), p.body) {
			t.Fatalf("got %+v\nwant %+v", h, want)
		}
		if _, _, err := openPack("v1/pack/2", b, sealer); !errors.Is(err, ErrDamaged) {
			t.Fatalf("under another name: %v", err)
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		bad := bytes.Clone(b)
		bad[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, err := openPack("v1/pack/1", bad, sealer); err == nil {
			t.Fatalf("byte %d of %d flipped: no error", at, len(b))
		}
		if _, _, err := openPack("v1/pack/1", b[:at], sealer); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", at, len(b))
		}
	})
}

func TestManifestRoundTrip(t *testing.T) {
	sealer := seal.Ephemeral()
	rapid.Check(t, func(t *rapid.T) {
		m := &manifest{commit: rapid.Uint64().Draw(t, "commit"), time: time.UnixMilli(1e12).UTC(), sums: []byte("sums"), format: 2,
			point: rapid.StringN(0, 10, 20).Draw(t, "point"), packs: []listed{}}
		for i := range rapid.IntRange(0, 5).Draw(t, "packs") {
			l := listed{ID: ID{1, uint64(i + 1)}, size: 1000, entries: rapid.IntRange(1, 40).Draw(t, "entries")}
			l.bits = make([]byte, (l.entries+7)/8)
			for e := range l.entries {
				if rapid.Bool().Draw(t, "live") {
					l.bits[e/8] |= 1 << (e % 8)
					l.live++
				}
			}
			if l.live == l.entries {
				l.bits = nil
			}
			m.packs = append(m.packs, l)
		}
		b := m.encode("v1/manifest/1", sealer)
		got, err := decodeManifest("v1/manifest/1", b, sealer)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, m)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1
		if _, err := decodeManifest("v1/manifest/1", b, sealer); err == nil {
			t.Fatal("a flipped bit: no error")
		}
	})
}

// FuzzHead reads heads that a thief of the key may have made.
func FuzzHead(f *testing.F) {
	sealer := seal.Ephemeral()
	p := &builder{}
	p.add(file.Days, []byte("k"), []byte("value of some bytes"))
	p.add(file.Days, []byte("l"), nil)
	f.Add(p.head.encode(), int64(19))
	f.Fuzz(func(t *testing.T, plain []byte, more int64) {
		sealed := sealer.Seal(nil, plain, place("x", typePack))
		b := fmt.Appendf(nil, "FFP\x01%c%c%c%c%s", 0, 0, byte(len(sealed)>>8), byte(len(sealed)), sealed)
		if h, err := decodeHead("x", b, int64(len(b))+more&0xffff, sealer); err == nil && len(plain) < 33+len(h.entries) {
			t.Errorf("%d entries of %d bytes", len(h.entries), len(plain))
		}
	})
}

// FuzzManifest does the same with manifests.
func FuzzManifest(f *testing.F) {
	sealer := seal.Ephemeral()
	m := &manifest{packs: []listed{{ID: ID{1, 1}, entries: 9, live: 1, bits: []byte{1, 0}}}}
	plain, err := sealer.Open(nil, m.encode("x", sealer)[magicSize:], place("x", typeManifest))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, err := decodeManifest("x", sealer.Seal([]byte("FFM\x01"), plain, place("x", typeManifest)), sealer)
		if err != nil {
			return
		}
		again, err := decodeManifest("x", got.encode("x", sealer), sealer)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v is read back as %+v, %v", got, again, err)
		}
	})
}
