package crashfs

import "slices"

const (
	pageSize   = 4096
	sectorSize = 512
	sectors    = pageSize / sectorSize
)

// Disk is the files at one moment, with all that a crash at that moment may choose from.
type Disk struct {
	at    int // number of operations so far
	nodes map[int]*node
	names map[name]int // those that are durable
	loose []looseNames // changes of names that are not, oldest first
	marks []string
}

type name struct {
	dir  int
	name string
}

type looseNames struct {
	op      int
	entries []Entry
}

// node is a file or, without content, a directory.
type node struct {
	dir   bool
	pages []page
	sizes []size // like the versions of a page
	dirty bool   // the newest size is written by the next sync
}

// page has versions: the first is on the disk, each of the others may be. The last is what readers see.
type page struct {
	versions []version
	dirty    bool // the newest version is written by the next sync; false after a sync that failed
}

type version struct {
	op   int
	data []byte // of a page; nil: zeros
}

type size struct {
	op    int
	bytes int64
}

func newDisk() *Disk {
	return &Disk{nodes: map[int]*node{root: {dir: true}}, names: map[name]int{}}
}

// apply makes the next operation.
func (d *Disk) apply(o Op) {
	d.at++
	switch o.Kind {
	case Write:
		d.nodes[o.Node].write(d.at, o.Off, o.Data)
	case Resize:
		d.nodes[o.Node].resize(d.at, o.Off)
	case Names:
		for _, e := range o.Entries {
			if e.Node != 0 && d.nodes[e.Node] == nil {
				d.nodes[e.Node] = &node{dir: e.IsDir, sizes: []size{{op: d.at}}}
			}
		}
		d.loose = append(d.loose, looseNames{d.at, o.Entries})
	case Sync:
		d.sync(o.Node, o.Failed)
	case SyncAll:
		for id := range d.nodes {
			d.sync(id, false)
		}
	case Mark:
		d.marks = append(d.marks, o.Text)
	}
}

func (d *Disk) sync(id int, failed bool) {
	n := d.nodes[id]
	if !n.dir {
		n.sync(failed)
		return
	}
	if failed {
		return // the names stay loose, as if nobody had asked
	}
	var rest []looseNames
	for _, l := range d.loose {
		if !slices.ContainsFunc(l.entries, func(e Entry) bool { return e.Dir == id }) {
			rest = append(rest, l)
			continue
		}
		for _, e := range l.entries {
			d.settle(e, rest)
		}
	}
	d.loose = slices.DeleteFunc(rest, func(l looseNames) bool { return len(l.entries) == 0 })
}

// settle makes an entry durable. What happened to the same name before has lost its meaning.
func (d *Disk) settle(e Entry, before []looseNames) {
	at := name{e.Dir, e.Name}
	for i := range before {
		before[i].entries = slices.DeleteFunc(slices.Clone(before[i].entries), func(old Entry) bool { return name{old.Dir, old.Name} == at })
	}
	if e.Node == 0 {
		delete(d.names, at)
	} else {
		d.names[at] = e.Node
	}
}

// size returns the length that readers see.
func (n *node) size() int64 { return n.sizes[len(n.sizes)-1].bytes }

func (n *node) write(op int, off int64, b []byte) {
	if end := off + int64(len(b)); end > n.size() {
		n.setSize(op, end)
	}
	for len(b) > 0 {
		at := off % pageSize
		k := min(int(pageSize-at), len(b))
		p := n.page(off / pageSize)
		p.put(op, at, b[:k])
		off, b = off+int64(k), b[k:]
	}
}

// page returns a page, making those that are missing.
func (n *node) page(index int64) *page {
	for int64(len(n.pages)) <= index {
		n.pages = append(n.pages, page{versions: []version{{}}})
	}
	return &n.pages[index]
}

func (p *page) newest() []byte { return p.versions[len(p.versions)-1].data }

func (p *page) put(op int, at int64, b []byte) {
	data := make([]byte, pageSize)
	copy(data, p.newest())
	copy(data[at:], b)
	p.versions = append(p.versions, version{op, data})
	p.dirty = true
}

func (n *node) resize(op int, bytes int64) {
	if bytes < n.size() {
		for i := bytes / pageSize; i < int64(len(n.pages)); i++ {
			p := &n.pages[i]
			if p.newest() == nil {
				continue
			}
			if at := bytes - i*pageSize; at > 0 {
				p.put(op, at, make([]byte, pageSize-at))
			} else {
				p.versions = append(p.versions, version{op: op})
				p.dirty = true
			}
		}
	}
	n.setSize(op, bytes)
}

func (n *node) setSize(op int, bytes int64) {
	n.sizes = append(n.sizes, size{op, bytes})
	n.dirty = true
}

func (n *node) sync(failed bool) {
	for i := range n.pages {
		p := &n.pages[i]
		if p.dirty && !failed {
			p.versions = p.versions[len(p.versions)-1:]
		}
		p.dirty = false
	}
	if n.dirty && !failed {
		n.sizes = n.sizes[len(n.sizes)-1:]
	}
	n.dirty = false
}

// read returns how many bytes of b it could fill with what readers see at off.
func (n *node) read(b []byte, off int64) int {
	b = b[:max(0, min(int64(len(b)), n.size()-off))]
	for done := 0; done < len(b); {
		index, at := (off+int64(done))/pageSize, (off+int64(done))%pageSize
		k := min(pageSize-int(at), len(b)-done)
		part := b[done : done+k]
		clear(part)
		if index < int64(len(n.pages)) && n.pages[index].newest() != nil {
			copy(part, n.pages[index].newest()[at:])
		}
		done += k
	}
	return len(b)
}
