package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"footfall/storage/schema"
)

// Vault holds what must be able to die: data keys and the salts of the day. It is safe for concurrent use within one process;
// that no second process has it open is for the caller to guarantee (the lock of the data file does).
//
// After a failed write nothing more is written until the vault is opened again, since nobody knows what the disk
// holds; keys and salts that were there go on working.
type Vault struct {
	mu     sync.Mutex // guards all below
	dev    device
	header header
	ring   *ring
	opener opener

	rest      *Sealer
	restPage  uint32
	away      *snapshotKeys
	sites     map[schema.Site]siteKey
	salts     map[string]*zoneSalt
	emptySalt []uint32         // pages for salts that hold none
	damaged   map[uint32]error // pages of data keys that could not be read

	notes  []string
	broken error
	closed bool
}

type siteKey struct {
	page   uint32
	sealer *Sealer
}

type zoneSalt struct {
	page uint32
	day  schema.Date
	salt [32]byte
}

// CreateVault makes a vault for a store, with a slot for the given key, which cannot be a recovery key; see
// [Vault.SetRecovery]. It is an error (fs.ErrExist) if the path exists. The file appears under its name only when it is whole.
func CreateVault(path string, storeID [16]byte, key KeySource, now time.Time) (*Vault, error) {
	slot, kek, err := newSlot(key, now)
	if err != nil {
		return nil, fmt.Errorf("create vault: %w", err)
	}
	defer clear(kek)
	h := header{format: Format, generation: 1, store: storeID, made: now.Unix()}
	keys := newRing(storeID)
	defer keys.destroy()
	slot.wrap(kek, storeID, &keys.master)
	h.slots[0] = slot
	var rest [32]byte
	rand.Read(rest[:])
	content := newImage(h, keys, [][]byte{encodeDataKey(0, &rest)})
	clear(rest[:])
	if key.File != "" { // its name must last as long as what it opens, whoever has made it
		if err := syncDir(filepath.Dir(key.File)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("create vault: key file: %w", err)
		}
	}
	if err := publish(path, 0o600, content); err != nil {
		return nil, fmt.Errorf("create vault: %w", err)
	}
	return OpenVault(path, key)
}

// newImage makes the image of a vault that holds these data keys, as encodeDataKey made them, which it clears, and nothing else.
func newImage(h header, keys *ring, plains [][]byte) []byte {
	h.pages = uint32(2+len(plains)+growPages-1) / growPages * growPages
	for i := range plains {
		h.setUse(uint32(2+i), useData)
	}
	first := h.encode(keys.mac)
	image := make([]byte, 0, h.pages*pageSize)
	image = append(append(image, first...), first...)
	for i, plain := range plains {
		image = append(image, keys.dataPage(uint32(2+i), plain)...)
	}
	for page := uint32(2 + len(plains)); page < h.pages; page++ {
		image = append(image, encodePage(page, useFree, nil)...)
	}
	return image
}

// publish makes a durable file that must not exist yet and is never seen half written.
func publish(path string, mode fs.FileMode, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	writeInPlace(tmp)
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	// A link fails where the name exists, also when two processes create at once. Some file systems have no links.
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		if err := os.Rename(tmp.Name(), path); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

// OpenVault opens a vault and finishes what a crash has interrupted (see [Vault.Notes]). Errors: fs.ErrNotExist if there is no
// vault, [ErrWrongKey], [ErrVaultDamaged], [ErrNewer]; [ErrNoKeyFile], [ErrNotKey], [ErrKeyTypo] for the key itself.
func OpenVault(path string, key KeySource) (*Vault, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	// Whoever gave the file its name may have died before the name was durable, or have seen the fsync fail.
	if err := syncDir(filepath.Dir(path)); err != nil {
		f.Close()
		return nil, fmt.Errorf("open vault %s: %w", path, err)
	}
	v, err := openDevice(diskFile{f}, key)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open vault %s: %w", path, err)
	}
	return v, nil
}

func openDevice(dev device, key KeySource) (*Vault, error) {
	s, err := key.read()
	if err != nil {
		return nil, err
	}
	defer clear(s.value)
	v := &Vault{dev: dev, sites: map[schema.Site]siteKey{}, salts: map[string]*zoneSalt{}, damaged: map[uint32]error{}}
	pages, err := v.readHeader()
	if err != nil {
		return nil, err
	}
	newest := v.newest(pages)
	if v.ring, v.opener, err = v.header.unlock(s, newest); err != nil {
		return nil, err
	}
	if err := v.load(); err != nil {
		return nil, err
	}
	for i, p := range pages {
		if !bytes.Equal(p, newest) {
			v.notes = append(v.notes, fmt.Sprintf("header copy %d was out of date or damaged and was written again", i))
		}
	}
	return v, v.settle(newest)
}

// settle makes the disk hold what was read. A process that was killed, or that saw an fsync fail, may have left pages that the
// operating system shows and the disk has not, or only in part, and no fsync brings what was not written again. So all that may be amiss is
// written again, bytes that are what they were: first the header, which has proved right only now, copy by copy, since either may be the one
// that is whole; then, when no header names them any more, the pages that must hold nothing, and the salts.
func (v *Vault) settle(header []byte) error {
	for i := range uint32(2) {
		if err := v.write(i, header); err != nil {
			return err
		}
	}
	salts := map[uint32]bool{}
	for _, s := range v.salts {
		salts[s.page] = true
	}
	for page := uint32(2); page < v.header.pages; page++ {
		use := v.header.useOf(page)
		if use == useData {
			continue
		}
		b := v.readOrZero(page)
		if !salts[page] {
			if kind, _, err := decodePage(page, b); err != nil || kind != useFree {
				v.notes = append(v.notes, fmt.Sprintf("slot %d held the rest of something that a crash interrupted and was wiped", page))
				b = encodePage(page, useFree, nil)
			}
		}
		if err := v.writeUnsynced(page, b); err != nil {
			return err
		}
	}
	return v.sync()
}

// readHeader reads both copies and takes the newer valid one.
func (v *Vault) readHeader() (pages [2][]byte, err error) {
	found := false
	for i := range pages {
		pages[i] = v.readOrZero(uint32(i))
		h, err := decodeHeader(pages[i])
		var newer ErrNewer
		if errors.As(err, &newer) {
			return pages, newer
		}
		if err == nil && (!found || h.generation > v.header.generation) {
			v.header, found = h, true
		}
	}
	if !found {
		return pages, fmt.Errorf("%w: no copy of its header is valid; is it a Footfall vault?", ErrVaultDamaged)
	}
	// One byte of the last page is enough to know that the file was not cut.
	last := [1]byte{}
	if _, err := v.dev.ReadAt(last[:], int64(v.header.pages)*pageSize-1); err != nil {
		return pages, fmt.Errorf("%w: it should have %d pages and was cut short", ErrVaultDamaged, v.header.pages)
	}
	return pages, nil
}

// newest returns the copy that readHeader took.
func (v *Vault) newest(pages [2][]byte) []byte {
	if h, err := decodeHeader(pages[0]); err != nil || h.generation != v.header.generation {
		return pages[1]
	}
	return pages[0]
}

// load reads all pages behind the header.
func (v *Vault) load() error {
	for page := uint32(2); page < v.header.pages; page++ {
		b := v.readOrZero(page)
		switch v.header.useOf(page) {
		case useData:
			if err := v.loadData(page, b); err != nil {
				v.damaged[page] = err
				v.notes = append(v.notes, fmt.Sprintf("the data key in slot %d is damaged", page))
			}
		case useSalt:
			v.loadSalt(page, b)
		}
	}
	if v.rest == nil {
		for page, err := range v.damaged {
			return fmt.Errorf("%w: the data key in slot %d: %w", ErrVaultDamaged, page, err)
		}
		return fmt.Errorf("%w: the main data key is missing", ErrVaultDamaged)
	}
	return nil
}

func (v *Vault) loadData(page uint32, b []byte) error {
	plain, err := openPage(page, b, useData, v.ring.data)
	if err != nil {
		return err
	}
	defer clear(plain)
	if len(plain) != dataKeySize {
		return errPage
	}
	site := siteOf(plain)
	_, twice := v.sites[site]
	if twice || site == 0 && v.rest != nil {
		return fmt.Errorf("there are two keys for site %d", site)
	}
	sealer := newSealer(v.header.store, plain[4:])
	if site == 0 {
		v.rest, v.restPage, v.away = sealer, page, deriveSnapshotKeys(v.header.store, plain[4:])
	} else {
		v.sites[site] = siteKey{page, sealer}
	}
	return nil
}

func openPage(page uint32, b []byte, want byte, with *Sealer) ([]byte, error) {
	kind, payload, err := decodePage(page, b)
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, errPage
	}
	plain, err := with.Open(nil, payload, pagePlace(page, kind))
	if err != nil {
		return nil, errPage // ErrDamaged speaks of the data
	}
	return plain, nil
}

func (v *Vault) read(page uint32) ([]byte, error) {
	b := make([]byte, pageSize)
	if _, err := v.dev.ReadAt(b, int64(page)*pageSize); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrVaultDamaged, page, err)
	}
	return b, nil
}

// readOrZero returns zeros, which are no valid page, where the disk cannot read one: it then counts as damaged like any other.
func (v *Vault) readOrZero(page uint32) []byte {
	b, err := v.read(page)
	if err != nil {
		return make([]byte, pageSize)
	}
	return b
}

// usable returns why nothing can be written, or nil.
func (v *Vault) usable() error {
	if v.closed {
		return ErrClosed
	}
	if v.broken != nil {
		return fmt.Errorf("the vault is not written to any more, since a write failed before: %w", v.broken)
	}
	return nil
}

func (v *Vault) writeUnsynced(page uint32, b []byte) error {
	if _, err := v.dev.WriteAt(b, int64(page)*pageSize); err != nil {
		v.broken = err
		return fmt.Errorf("write vault page %d: %w", page, err)
	}
	return nil
}

func (v *Vault) sync() error {
	if err := v.dev.Sync(); err != nil {
		v.broken = err
		return fmt.Errorf("sync vault: %w", err)
	}
	return nil
}

func (v *Vault) write(page uint32, b []byte) error {
	if err := v.writeUnsynced(page, b); err != nil {
		return err
	}
	return v.sync()
}

// writeHeader makes h the header: both copies, one after the other.
func (v *Vault) writeHeader(h header) error { return v.writeHeaderFor(h, v.ring) }

func (v *Vault) writeHeaderFor(h header, keys *ring) error {
	h.format = Format
	h.generation++
	b := h.encode(keys.mac)
	for i := range uint32(2) {
		if err := v.write(i, b); err != nil {
			return err
		}
	}
	v.header = h
	return nil
}

// StoreID returns the id of the store the vault belongs to.
func (v *Vault) StoreID() [16]byte { return v.header.store } // never changes

// PurposeKey derives a key from the master key. The same name gives the same key until [Vault.Rotate].
func (v *Vault) PurposeKey(name string) (key [32]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		panic("seal: internal error: PurposeKey of a closed vault") // a key of zeros would be worse
	}
	copy(key[:], derive(v.ring.master[:], nil, "purpose "+name))
	return key
}

// Notes returns what OpenVault found amiss and how it mended it, one sentence each, for the log.
func (v *Vault) Notes() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.notes)
}

// Close forgets all keys and salts and closes the file. Sealers handed out go on working. It may be called more than once.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	v.ring.destroy()
	v.opener.forget()
	v.away.forget()
	for _, s := range v.salts {
		clear(s.salt[:])
	}
	clear(v.salts)
	return v.dev.Close()
}
