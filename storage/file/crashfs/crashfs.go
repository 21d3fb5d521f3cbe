// Package crashfs tells what a power cut may leave of a program's files, so that tests can open each of these states and hold it
// against what the program had promised. [Record] runs a program on a small file system of its own (FUSE) that writes down every
// change, [Log.States] goes through the states, and [Explore] lets child processes judge them. It is used by tests only.
//
// # The model
//
// A crash may come between any two changes. What the program had synced is there. Of the rest the disk chooses, and it is free to choose
// badly:
//
//   - Each 512-byte sector of a page that was written since the last fsync of its file holds what it held before, or what any of the
//     writes since has left there, whatever other sectors hold. Kernels write back whenever they like and in any order [1], disks
//     reorder too, and only a sector is promised to be whole.
//   - The length of a file is the synced one or any since. What lies behind the data that arrived reads as zeros.
//   - Creating, linking, renaming and removing names lasts from the fsync of their directory on [2]. Until then each may have
//     happened or not, whatever became of others and of the content of the files. A rename is one step: ext4, XFS and btrfs
//     keep both of its names in one transaction [1].
//   - After an fsync that failed, the program goes on reading what it wrote, and no later fsync writes it: Linux marks the pages clean [3]. Each
//     of them may be on the disk or not until the program writes it again. This is why one failed fsync is not like one that was late.
//
// fdatasync counts as fsync: it may leave out times only. What file systems give beyond this, such as an fsync of a new file that also
// writes its name (ext4), is not relied on. There is no state in which synced bytes change: that is damage, not a crash.
//
// The choices are drawn from a seed: at each point everything is lost once, everything kept once, and the others are random draws of several
// kinds (see fate). So a state is known by its log, its point and its number, and comes again.
//
//	[1] Pillai et al., All File Systems Are Not Created Equal, OSDI 2014: which orders and which atomicity file systems keep.
//	[2] fsync(2): "does not necessarily ensure that the entry in the directory containing the file has also reached disk".
//	[3] Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020: pages are clean after the failure on ext4 and XFS.
package crashfs

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrUnsupported means that no file system can be mounted here.
var ErrUnsupported = errors.New("a file system cannot be mounted here: it takes Linux, /dev/fuse and root")

// Faults says what fails during a recording.
type Faults struct {
	Sync int // the how-manyth fsync, fdatasync or fsync of a directory is answered with EIO; 0: none
}

// Kind is what an [Op] does.
type Kind byte

// The kinds of operations.
const (
	Write   Kind = 1 + iota // Data at Off of Node
	Resize                  // Node has Off bytes
	Names                   // all of Entries at once
	Sync                    // of a file or directory Node
	SyncAll                 // of everything; only at the beginning of a log
	Mark                    // the program said Text
)

// Op is one step of a program, as the file system saw it.
type Op struct {
	Kind    Kind
	Node    int
	Off     int64
	Data    []byte
	Entries []Entry
	Failed  bool // Sync: it was answered with an error
	Text    string
}

// Entry says that a name in a directory means a node from now on, or nothing if Node is 0.
type Entry struct {
	Dir   int
	Name  string
	Node  int
	IsDir bool
}

// root is the number of the topmost directory.
const root = 1

// String describes the operation without its content.
func (o Op) String() string {
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write %d bytes at %d of %d", len(o.Data), o.Off, o.Node)
	case Resize:
		return fmt.Sprintf("resize %d to %d", o.Node, o.Off)
	case Names:
		s := "names"
		for _, e := range o.Entries {
			s += fmt.Sprintf(" %d/%s=%d", e.Dir, e.Name, e.Node)
		}
		return s
	case Sync:
		if o.Failed {
			return fmt.Sprintf("failed sync of %d", o.Node)
		}
		return fmt.Sprintf("sync %d", o.Node)
	case SyncAll:
		return "sync all"
	}
	return "mark " + o.Text
}

// Log is what happened, in order. The operations before First made what was there when the program began.
type Log struct {
	First int
	Ops   []Op
}

// Save writes the log into a file.
func (l *Log) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save log: %w", err)
	}
	defer f.Close()
	if err := gob.NewEncoder(f).Encode(l); err != nil {
		return fmt.Errorf("save log: %w", err)
	}
	return f.Close()
}

// Load reads what Save wrote.
func Load(path string) (*Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load log: %w", err)
	}
	defer f.Close()
	l := &Log{}
	if err := gob.NewDecoder(f).Decode(l); err != nil {
		return nil, fmt.Errorf("load log: %w", err)
	}
	return l, nil
}

// Marks returns what the program has said, the prelude included.
func (l *Log) Marks() (marks []string) {
	for _, o := range l.Ops {
		if o.Kind == Mark {
			marks = append(marks, o.Text)
		}
	}
	return marks
}

// Failure returns the number of the first operation that was answered with an error, or how many operations there are.
func (l *Log) Failure() int {
	for i, o := range l.Ops {
		if o.Failed {
			return i
		}
	}
	return len(l.Ops)
}

// Syncs returns how many syncs the program has asked for.
func (l *Log) Syncs() (n int) {
	for _, o := range l.Ops[l.First:] {
		if o.Kind == Sync {
			n++
		}
	}
	return n
}

// marksName is the file in the topmost directory that takes marks.
const marksName = "marks"

// Marker is how a program says what it has been promised, at the right place among its writes. It is safe for concurrent use.
type Marker struct{ f *os.File }

// OpenMarker returns the marker of the recorded file system that is mounted at dir.
func OpenMarker(dir string) (*Marker, error) {
	f, err := os.OpenFile(filepath.Join(dir, marksName), os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open marker: %w", err)
	}
	return &Marker{f}, nil
}

// Say adds a mark. A promise is to be marked after it was received, an attempt before it begins.
func (m *Marker) Say(format string, args ...any) {
	// One write is one mark. There is nobody to tell of an error: a test without its marks fails.
	_, _ = io.WriteString(m.f, fmt.Sprintf(format, args...))
}
