package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

// bbolt's page format, as far as the walk needs it. Numbers are in the byte order of the machine.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader  = 16 // id u64 | flags u16 | count u16 | overflow u32
	elementSize = 16 // branch: pos u32 | ksize u32 | page u64; leaf: flags u32 | pos u32 | ksize u32 | vsize u32
	metaSize    = 64 // magic, version, pageSize, flags u32 | root, sequence, freelist, high, txid, checksum u64
	bucketSize  = 16 // root page u64 | sequence u64; an inline page follows where root is 0

	flagBranch = 1
	flagLeaf   = 2

	elementBucket = 1
	noFreelist    = ^uint64(0)
)

var native = binary.NativeEndian

// damaged makes an error that is ErrDamaged and says where.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// meta is one of the two meta pages: which tree is the current one.
type meta struct {
	root, high, txid uint64
}

// readMeta returns the meta page at index 0 or 1, or false if it is not one that this package wrote.
func readMeta(r io.ReaderAt, index int64) (meta, bool, error) {
	var b [pageHeader + metaSize]byte
	if _, err := r.ReadAt(b[:], index*pageSize); err == io.EOF {
		return meta{}, false, nil
	} else if err != nil {
		return meta{}, false, fmt.Errorf("%w: read meta page %d: %w", ErrDamaged, index, err)
	}
	m := b[pageHeader:]
	ok := native.Uint32(m) == boltMagic && native.Uint32(m[4:]) == boltVersion && native.Uint32(m[8:]) == pageSize &&
		native.Uint64(m[32:]) == noFreelist && native.Uint64(m[56:]) == metaSum(m)
	return decodeMeta(m), ok, nil
}

func decodeMeta(b []byte) meta {
	return meta{root: native.Uint64(b[16:]), high: native.Uint64(b[40:]), txid: native.Uint64(b[48:])}
}

func metaSum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b[:56])
	return h.Sum64()
}

// newestMeta returns the meta page that bbolt would use, the valid one of the later transaction, if that is the newest there was.
func newestMeta(r io.ReaderAt) (meta, error) {
	m0, ok0, err := readMeta(r, 0)
	if err != nil {
		return meta{}, err
	}
	m1, ok1, err := readMeta(r, 1)
	if err != nil {
		return meta{}, err
	}
	switch {
	case ok0 && ok1 && m1.txid > m0.txid:
		return m1, nil
	case ok0 && ok1:
		return m0, nil
	case ok0:
		return m0, m0.mayStandFor(r, 1)
	case ok1:
		return m1, m1.mayStandFor(r, 0)
	}
	return meta{}, damaged("neither meta page is valid; is it a Footfall data file?")
}

// mayStandFor returns an error if the meta page at index, which is not valid, may be newer than m and lead to another tree. bbolt would
// take m without a word, and the last commit, which someone was told is on the disk, would be gone. A commit that was cut off leaves no
// such page: what counts of it lies in one sector. After a clean close both pages lead to the same tree.
func (m meta) mayStandFor(r io.ReaderAt, index int64) error {
	var b [metaSize]byte
	if _, err := r.ReadAt(b[:], index*pageSize+pageHeader); err != nil {
		return fmt.Errorf("%w: read meta page %d: %w", ErrDamaged, index, err)
	}
	mend(b[:])
	other := decodeMeta(b[:])
	if other.root == m.root || other.txid+1 == m.txid {
		return nil
	}
	return damaged("meta page %d is not valid and may have been the newer one: the last commit would be lost", index)
}

// mend turns back the one bit that makes the checksum of a meta page wrong, if it is one bit.
func mend(b []byte) {
	for i := range metaSize * 8 {
		b[i/8] ^= 1 << (i % 8)
		if native.Uint64(b[56:]) == metaSum(b) {
			return
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// walker reads a bbolt tree with plain reads and believes no number in it. What it accepts bbolt can open, read
// and rebuild its freelist from without a panic and without end.
type walker struct {
	ctx    context.Context
	r      io.ReaderAt
	high   uint64   // pages from here on are not part of the file
	seen   []uint64 // a bit a page: each page has one parent
	newest int      // format that is understood

	sums   Sums
	own    map[string][]byte // this package's entries of Meta
	id     [16]byte
	format int
}

// walk checks the tree under m, of a format up to newest, and returns the sums over its keys and this package's own entries.
func walk(ctx context.Context, r io.ReaderAt, size int64, m meta, newest int) (*walker, error) {
	w := &walker{ctx: ctx, r: r, high: m.high, newest: newest, own: map[string][]byte{}}
	if m.high < 3 || m.high > uint64(size)/pageSize {
		return nil, damaged("the file has %d bytes, it should have %d pages of %d: it was cut short", size, m.high, pageSize)
	}
	w.seen = make([]uint64, m.high/64+1)
	w.seen[0] = 3 // the meta pages

	tops, stranger := map[Bucket][]byte{}, false
	err := w.tree(m.root, func(key, value []byte, bucket bool) error {
		if !bucket || len(key) != 1 || !Bucket(key[0]).valid() || len(value) < bucketSize {
			stranger = true // a newer format may have more buckets
			return nil
		}
		tops[Bucket(key[0])] = bytes.Clone(value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for b := Meta; b <= Audit; b++ { // Meta first: it tells whether the rest can be understood
		value, ok := tops[b]
		if !ok {
			return nil, damaged("bucket %d is missing", b)
		}
		if err := w.bucket(b, value); err != nil {
			return nil, fmt.Errorf("bucket %d: %w", b, err)
		}
		if b == Meta {
			if w.id, w.format, err = decodeFormat(w.own[string(keyFormat)], w.newest); err != nil {
				return nil, err
			}
			if stranger {
				return nil, damaged("the root holds something that is not one of its buckets")
			}
		}
	}
	return w, nil
}

// used returns how many bytes of pages the tree has, the meta pages included.
func (w *walker) used() (size int64) {
	for _, word := range w.seen {
		size += int64(bits.OnesCount64(word)) * pageSize
	}
	return size
}

func (w *walker) bucket(b Bucket, value []byte) error {
	visit := func(key, value []byte, bucket bool) error {
		if bucket {
			return damaged("an entry claims to be a bucket")
		}
		if b == Meta && key[0] == 0 {
			w.own[string(key)] = bytes.Clone(value)
			return nil
		}
		w.sums.flip(b, key, 1)
		return nil
	}
	if root := native.Uint64(value); root != 0 {
		return w.tree(root, visit)
	}
	inline := value[bucketSize:]
	p := page{r: bytes.NewReader(inline), size: int64(len(inline)), buf: inline}
	if err := p.read(); err != nil {
		return err
	}
	if p.flags != flagLeaf {
		return damaged("an inline bucket is not a leaf")
	}
	_, err := p.leaf(nil, nil, visit)
	return err
}

// visitFunc gets each element of a leaf; value is nil where it is longer than smallValue.
type visitFunc func(key, value []byte, bucket bool) error

func (w *walker) tree(root uint64, visit visitFunc) error {
	_, err := w.node(root, nil, nil, 0, visit)
	return err
}

// node checks the subtree of a page, whose keys must lie in [low, high), and returns its last key.
func (w *walker) node(id uint64, low, high []byte, depth int, visit visitFunc) (last []byte, err error) {
	if depth > maxDepth {
		return nil, damaged("page %d lies %d levels deep", id, depth)
	}
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	p, err := w.load(id)
	if err != nil {
		return nil, err
	}
	if p.flags == flagLeaf {
		last, err = p.leaf(low, high, visit)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		return last, nil
	}
	keys, children, err := p.branch()
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	last = low
	for i, key := range keys {
		if last != nil && bytes.Compare(key, last) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return nil, damaged("page %d: branch key %d is out of order", id, i)
		}
		end := high
		if i+1 < len(keys) {
			end = keys[i+1]
		}
		got, err := w.node(children[i], key, end, depth+1, visit)
		if err != nil {
			return nil, err
		}
		if got != nil {
			last = got
		}
	}
	return last, nil
}

// load reads the beginning of page id and marks all it covers as used.
func (w *walker) load(id uint64) (*page, error) {
	if id < 2 || id >= w.high {
		return nil, damaged("page %d does not exist", id)
	}
	head := make([]byte, pageSize)
	if _, err := w.r.ReadAt(head, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrDamaged, id, err)
	}
	overflow := uint64(native.Uint32(head[12:]))
	if got := native.Uint64(head); got != id {
		return nil, damaged("page %d says that it is page %d", id, got)
	}
	if overflow >= w.high-id {
		return nil, damaged("page %d runs over the end of the file", id)
	}
	for i := id; i <= id+overflow; i++ {
		if w.seen[i/64]>>(i%64)&1 == 1 {
			return nil, damaged("page %d is used twice", i)
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	size := int64(overflow+1) * pageSize
	p := &page{r: io.NewSectionReader(w.r, int64(id)*pageSize, size), size: size, buf: head}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return p, nil
}

// page is a page with its overflow pages. Only its beginning is in memory: values, and keys behind them, are read
// when they are needed, so that a walk does not read the columns of every day.
type page struct {
	r     io.ReaderAt
	size  int64
	buf   []byte // from offset 0: at least the table of elements, after read
	flags uint16
	count int
}

// read decodes the header and gets the rest of the table of elements.
func (p *page) read() error {
	if len(p.buf) < pageHeader {
		return damaged("a page is shorter than its header")
	}
	p.flags, p.count = native.Uint16(p.buf[8:]), int(native.Uint16(p.buf[10:]))
	if p.flags != flagBranch && p.flags != flagLeaf {
		return damaged("a page is neither branch nor leaf (%#x)", p.flags)
	}
	table := int64(pageHeader + p.count*elementSize)
	if table > p.size {
		return damaged("a page has more elements than room")
	}
	if table > int64(len(p.buf)) {
		p.buf = make([]byte, table)
		if _, err := p.r.ReadAt(p.buf, 0); err != nil {
			return fmt.Errorf("%w: read page: %w", ErrDamaged, err)
		}
	}
	return nil
}

// bytes returns n bytes at off of the page, or an error if they are not inside it, behind its table of elements.
func (p *page) bytes(off, n int64) ([]byte, error) {
	if off < int64(pageHeader+p.count*elementSize) || n > p.size-off {
		return nil, damaged("an element points outside its page")
	}
	if off+n <= int64(len(p.buf)) {
		return p.buf[off : off+n : off+n], nil
	}
	b := make([]byte, n)
	if _, err := p.r.ReadAt(b, off); err != nil {
		return nil, fmt.Errorf("%w: read page: %w", ErrDamaged, err)
	}
	return b, nil
}

// smallValue is the longest value the walk reads: buckets with an inline page, which bbolt keeps to about a quarter
// page, and this package's own records are shorter.
const smallValue = pageSize / 2

func (p *page) leaf(low, high []byte, visit visitFunc) (last []byte, err error) {
	last = low
	for i := range p.count {
		at := int64(pageHeader + i*elementSize)
		e := p.buf[at:]
		flags, off := native.Uint32(e), at+int64(native.Uint32(e[4:]))
		ksize, vsize := int64(native.Uint32(e[8:])), int64(native.Uint32(e[12:]))
		if ksize == 0 || ksize > MaxKey || flags > elementBucket || off+ksize > p.size || vsize > p.size-off-ksize {
			return nil, damaged("element %d points outside its page", i)
		}
		key, err := p.bytes(off, ksize)
		if err != nil {
			return nil, err
		}
		if c := bytes.Compare(key, last); last != nil && (c < 0 || c == 0 && i > 0) || high != nil && bytes.Compare(key, high) >= 0 {
			return nil, damaged("element %d is out of order", i)
		}
		var value []byte
		if vsize <= smallValue {
			if value, err = p.bytes(off+ksize, vsize); err != nil {
				return nil, err
			}
		}
		if err := visit(key, value, flags == elementBucket); err != nil {
			return nil, err
		}
		last = key
	}
	return last, nil
}

func (p *page) branch() (keys [][]byte, children []uint64, err error) {
	if p.count == 0 {
		return nil, nil, damaged("a branch has no children")
	}
	for i := range p.count {
		at := int64(pageHeader + i*elementSize)
		e := p.buf[at:]
		ksize := int64(native.Uint32(e[4:]))
		if ksize > MaxKey {
			return nil, nil, damaged("branch key %d is too long", i)
		}
		key, err := p.bytes(at+int64(native.Uint32(e)), ksize)
		if err != nil {
			return nil, nil, err
		}
		if i > 0 && bytes.Compare(key, keys[i-1]) <= 0 {
			return nil, nil, damaged("branch key %d is out of order", i)
		}
		keys, children = append(keys, key), append(children, native.Uint64(e[8:]))
	}
	return keys, children, nil
}
