package snapshot

import (
	"encoding/binary"
	"math/bits"
	"time"

	"footfall/storage/seal"
)

// manifest is one stand, as a list of packs.
type manifest struct {
	commit uint64
	time   time.Time
	sums   []byte
	format int    // of the data file
	last   hash   // of the last pack of the epoch
	point  string // name that somebody gave it, or empty
	packs  []listed
}

// listed is a pack that a manifest names.
type listed struct {
	ID
	size    int64
	hash    hash
	entries int
	live    int
	bits    []byte // a bit for each entry that counts, or nil if all do
}

// counts tells whether entry i counts.
func (l *listed) counts(i int) bool { return l.bits == nil || l.bits[i/8]>>(i%8)&1 != 0 }

func (m *manifest) encode(name string, sealer *seal.Sealer) []byte {
	b := binary.AppendUvarint(nil, m.commit)
	b = binary.AppendUvarint(b, uint64(m.time.UnixMilli()))
	b = appendBytes(b, m.sums)
	b = binary.AppendUvarint(b, uint64(m.format))
	b = append(b, m.last[:]...)
	b = appendBytes(b, []byte(m.point))
	b = binary.AppendUvarint(b, uint64(len(m.packs)))
	for _, p := range m.packs {
		b = binary.AppendUvarint(b, uint64(p.Epoch))
		b = binary.AppendUvarint(b, p.Seq)
		b = binary.AppendUvarint(b, uint64(p.size))
		b = append(b, p.hash[:]...)
		b = binary.AppendUvarint(b, uint64(p.entries))
		b = binary.AppendUvarint(b, uint64(p.live))
		if p.live < p.entries {
			b = append(b, p.bits...)
		}
	}
	return sealer.Seal([]byte{'F', 'F', 'M', version}, b, place(name, typeManifest))
}

func decodeManifest(name string, b []byte, sealer *seal.Sealer) (*manifest, error) {
	if err := checkMagic(name, b, "FFM"); err != nil {
		return nil, err
	}
	plain, err := sealer.Open(nil, b[magicSize:], place(name, typeManifest))
	if err != nil {
		return nil, damaged(name, "it does not open with this key, at this name")
	}
	r := reader{b: plain}
	m := &manifest{commit: r.uvarint(), time: r.millis(), sums: r.bytes(), format: r.size(1 << 16)}
	copy(m.last[:], r.take(16))
	m.point = string(r.bytes())
	n := r.count(21)
	m.packs = make([]listed, 0, n)
	var before ID
	for range n {
		p := listed{ID: r.id(), size: int64(r.size(maxPack))}
		copy(p.hash[:], r.take(16))
		p.entries = r.size(maxHead)
		p.live = r.size(p.entries)
		if p.live < p.entries {
			p.bits = r.take((p.entries + 7) / 8)
			if !r.bad && ones(p.bits, p.entries) != p.live {
				return nil, damaged(name, "it miscounts the entries of pack %s", p.ID)
			}
		}
		if !r.bad && !before.Less(p.ID) {
			return nil, damaged(name, "its packs are not in order")
		}
		before = p.ID
		m.packs = append(m.packs, p)
	}
	if !r.ended() {
		return nil, damaged(name, "it cannot be read")
	}
	return m, nil
}

// ones counts the bits that are set among the first n; -1 if others are.
func ones(b []byte, n int) (set int) {
	for i, c := range b {
		if i == n/8 && c>>(n%8) != 0 {
			return -1
		}
		set += bits.OnesCount8(c)
	}
	return set
}
