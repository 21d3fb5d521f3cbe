package crashfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Record mounts a file system with the content at the end of start (nil: empty) on the empty directory dir, calls run, and returns start and what
// was done since. run must leave no process behind that uses the file system, and must not touch it from this
// process itself, except through Marker: a page fault that waits for a server in the same process can stop both.
func Record(dir string, start *Log, faults Faults, run func() error) (*Log, error) {
	if start == nil {
		start = &Log{}
	}
	r := &recorder{log: &Log{First: len(start.Ops)}, disk: newDisk(), names: map[name]int{}, links: map[int]int{}, faults: faults, next: root + 1}
	for _, o := range start.Ops {
		r.do(o)
	}
	top := &dirNode{r: r}
	day := 24 * time.Hour // nobody else changes anything: the kernel may remember for long
	server, err := fs.Mount(dir, top, &fs.Options{
		EntryTimeout: &day, AttrTimeout: &day, NullPermissions: true,
		OnAdd:             func(ctx context.Context) { top.grow(ctx, root) },
		RootStableAttr:    &fs.StableAttr{Ino: root},
		FirstAutomaticIno: 1 << 40,
		MountOptions:      fuse.MountOptions{DirectMount: true, FsName: "crashfs", Name: "crashfs", MaxWrite: 1 << 20},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	err = run()
	for range 100 { // the last process may not have let go yet
		if e := server.Unmount(); e == nil {
			return r.log, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = syscall.Unmount(dir, syscall.MNT_DETACH)
	return nil, errors.Join(err, errors.New("record: the file system stays in use"))
}

// recorder puts all operations into one order.
type recorder struct {
	mu     sync.Mutex // guards all below
	log    *Log
	disk   *Disk
	names  map[name]int // as the program sees them
	links  map[int]int  // how many of them a node has
	next   int          // the number of the next node
	syncs  int
	faults Faults
}

// do records an operation and makes it.
func (r *recorder) do(o Op) {
	r.log.Ops = append(r.log.Ops, o)
	r.disk.apply(o)
	for _, e := range o.Entries {
		at := name{e.Dir, e.Name}
		r.links[r.names[at]]--
		r.links[e.Node]++
		r.names[at] = e.Node
		r.next = max(r.next, e.Node+1)
	}
}

func (r *recorder) sync(node int) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncs++
	failed := r.syncs == r.faults.Sync
	r.do(Op{Kind: Sync, Node: node, Failed: failed})
	if failed {
		return syscall.EIO
	}
	return 0
}

// rename records a change of names.
func (r *recorder) rename(entries ...Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do(Op{Kind: Names, Entries: entries})
}

// create makes a node with a name and returns its number.
func (r *recorder) create(dir int, name string, isDir bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.next
	r.do(Op{Kind: Names, Entries: []Entry{{Dir: dir, Name: name, Node: id, IsDir: isDir}}})
	return id
}

// dirNode is a directory. The tree of names is go-fuse's.
type dirNode struct {
	fs.Inode
	r *recorder
}

// number returns which node of the log an inode is.
func number(n fs.InodeEmbedder) int { return int(n.EmbeddedInode().StableAttr().Ino) }

// grow makes the inodes of what the log began with.
func (d *dirNode) grow(ctx context.Context, dir int) {
	made := map[int]*fs.Inode{}
	var fill func(at *fs.Inode, dir int)
	fill = func(at *fs.Inode, dir int) {
		for n, id := range d.r.names {
			if n.dir != dir || id == 0 {
				continue
			}
			if made[id] == nil {
				made[id] = d.inode(ctx, id, d.r.disk.nodes[id].dir)
			}
			at.AddChild(n.name, made[id], false)
			if made[id].IsDir() {
				fill(made[id], id)
			}
		}
	}
	fill(d.EmbeddedInode(), dir)
	d.AddChild(marksName, d.NewPersistentInode(ctx, &markNode{r: d.r}, fs.StableAttr{Mode: fuse.S_IFREG}), false)
}

func (d *dirNode) inode(ctx context.Context, id int, isDir bool) *fs.Inode {
	if isDir {
		return d.NewPersistentInode(ctx, &dirNode{r: d.r}, fs.StableAttr{Mode: fuse.S_IFDIR, Ino: uint64(id)})
	}
	return d.NewPersistentInode(ctx, &fileNode{r: d.r}, fs.StableAttr{Mode: fuse.S_IFREG, Ino: uint64(id)})
}

func (d *dirNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Nlink = fuse.S_IFDIR|0o700, 2
	out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	return 0
}

func (d *dirNode) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n := d.inode(ctx, d.r.create(number(d), name, false), false)
	n.Operations().(*fileNode).attr(&out.Attr)
	return n, nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (d *dirNode) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	out.Mode = fuse.S_IFDIR | 0o700
	return d.inode(ctx, d.r.create(number(d), name, true), true), 0
}

func (d *dirNode) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, ok := target.(*fileNode)
	if !ok {
		return nil, syscall.EPERM
	}
	d.r.rename(Entry{Dir: number(d), Name: name, Node: number(f)})
	f.attr(&out.Attr)
	return f.EmbeddedInode(), 0
}

func (d *dirNode) Unlink(_ context.Context, name string) syscall.Errno {
	d.r.rename(Entry{Dir: number(d), Name: name})
	return 0
}

func (d *dirNode) Rmdir(_ context.Context, name string) syscall.Errno {
	if len(d.GetChild(name).Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	d.r.rename(Entry{Dir: number(d), Name: name})
	return 0
}

func (d *dirNode) Rename(_ context.Context, old string, to fs.InodeEmbedder, name string, flags uint32) syscall.Errno {
	moved := d.GetChild(old)
	there := to.EmbeddedInode().GetChild(name)
	const noReplace = 1
	switch {
	case flags&^noReplace != 0:
		return syscall.EINVAL
	case flags&noReplace != 0 && there != nil:
		return syscall.EEXIST
	case moved == there:
		return 0
	}
	d.r.rename(Entry{Dir: number(d), Name: old}, Entry{Dir: number(to), Name: name, Node: number(moved), IsDir: moved.IsDir()})
	return 0
}

func (d *dirNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return d.r.sync(number(d))
}

func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const free = 1 << 30 / pageSize
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks, out.Bfree, out.Bavail = 2*free, free, free
	out.Files, out.Ffree = 1<<20, 1<<20
	return 0
}

// fileNode is a file. Its content is the recorder's.
type fileNode struct {
	fs.Inode
	r *recorder
}

func (f *fileNode) attr(out *fuse.Attr) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	out.Mode, out.Nlink, out.Blksize = fuse.S_IFREG|0o600, uint32(f.r.links[number(f)]), pageSize
	out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	n := f.r.disk.nodes[number(f)]
	out.Size = uint64(n.size())
	for i := range n.pages {
		if n.pages[i].newest() != nil {
			out.Blocks += pageSize / 512
		}
	}
}

func (f *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.attr(&out.Attr)
	return 0
}

func (f *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		f.r.mu.Lock()
		f.r.do(Op{Kind: Resize, Node: number(f), Off: int64(size)})
		f.r.mu.Unlock()
	}
	f.attr(&out.Attr)
	return 0
}

func (f *fileNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (f *fileNode) Read(_ context.Context, _ fs.FileHandle, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	return fuse.ReadResultData(b[:f.r.disk.nodes[number(f)].read(b, off)]), 0
}

func (f *fileNode) Write(_ context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	f.r.do(Op{Kind: Write, Node: number(f), Off: off, Data: append([]byte(nil), b...)})
	return uint32(len(b)), 0
}

// Allocate is fallocate: reserved blocks read as zeros, a hole is zeros written.
func (f *fileNode) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	const keepSize, punchHole = 1, 2
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	now := f.r.disk.nodes[number(f)].size()
	switch mode {
	case 0:
		if end := int64(off + size); end > now {
			f.r.do(Op{Kind: Resize, Node: number(f), Off: end})
		}
	case keepSize:
	case keepSize | punchHole:
		if end := min(int64(off+size), now); int64(off) < end {
			f.r.do(Op{Kind: Write, Node: number(f), Off: int64(off), Data: make([]byte, end-int64(off))})
		}
	default:
		return syscall.EOPNOTSUPP
	}
	return 0
}

func (f *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return f.r.sync(number(f))
}

func (f *fileNode) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// markNode takes what the program says.
type markNode struct {
	fs.Inode
	r *recorder
}

func (m *markNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Nlink = fuse.S_IFREG|0o600, 1
	return 0
}

func (m *markNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (m *markNode) Write(_ context.Context, _ fs.FileHandle, b []byte, _ int64) (uint32, syscall.Errno) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	m.r.do(Op{Kind: Mark, Text: string(b)})
	return uint32(len(b)), 0
}
