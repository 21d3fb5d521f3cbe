package crashfs

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// State is one thing that a crash may leave.
type State struct {
	Number int      // counts the states of a log
	Point  int      // the crash comes before this operation
	Marks  []string // what the program had said by then
	Hash   uint64   // two states with the same number hold the same

	disk *Disk
	fate fate
}

// String names the state and how it came about.
func (s *State) String() string {
	return fmt.Sprintf("state %d: crash before operation %d, %s", s.Number, s.Point, s.fate)
}

// Plan says which states of a log to look at.
type Plan struct {
	From  int // the first point; earlier ones are passed over
	Draws int // random draws at each point, beside losing all and keeping all
	Seed  uint64
}

// States goes through the states of a log, those that differ in content or in what was promised. A state is valid until the next one.
func (l *Log) States(plan Plan) iter.Seq[*State] {
	return func(yield func(*State) bool) {
		d, number, seen := newDisk(), 0, map[uint64]bool{}
		for point := 0; point <= len(l.Ops); point++ {
			// Marks change what must be there, not what is: the crash comes after all marks that follow an operation.
			if point >= max(l.First, plan.From) && (point == len(l.Ops) || l.Ops[point].Kind != Mark) {
				loose := d.looseOps()
				for k := range 2 + plan.Draws {
					if k > 0 && len(loose) == 0 {
						break
					}
					s := &State{Number: number, Point: point, Marks: d.marks, disk: d, fate: drawFate(plan.Seed, point, k, loose)}
					if s.Hash = s.hash(); seen[s.Hash] {
						continue
					}
					seen[s.Hash] = true
					if !yield(s) {
						return
					}
					number++
				}
			}
			if point < len(l.Ops) {
				d.apply(l.Ops[point])
			}
		}
	}
}

// looseOps returns the operations of which something may be lost.
func (d *Disk) looseOps() (ops []int) {
	for _, l := range d.loose {
		ops = append(ops, l.op)
	}
	for _, id := range slices.Sorted(maps.Keys(d.nodes)) {
		n := d.nodes[id]
		for i := range n.pages {
			for _, v := range n.pages[i].versions[1:] {
				ops = append(ops, v.op)
			}
		}
		if !n.dir {
			for _, s := range n.sizes[1:] {
				ops = append(ops, s.op)
			}
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// tree returns the names that are there.
func (s *State) tree() map[name]int {
	names := maps.Clone(s.disk.names)
	for _, l := range s.disk.loose {
		if !s.fate.arrived(l.op) {
			continue
		}
		for _, e := range l.entries {
			if e.Node == 0 {
				delete(names, name{e.Dir, e.Name})
			} else {
				names[name{e.Dir, e.Name}] = e.Node
			}
		}
	}
	return names
}

// hash takes what was written for what is there: which operation made each sector, and what was said.
func (s *State) hash() uint64 {
	h := mix(uint64(len(s.Marks)))
	names := s.tree()
	reached := map[int]bool{}
	for n, id := range names {
		reached[id] = true
		one := mix(uint64(n.dir), uint64(id))
		for _, c := range []byte(n.name) {
			one = mix(one, uint64(c))
		}
		h += one // in any order
	}
	for id := range reached {
		n := s.disk.nodes[id]
		if n.dir {
			continue
		}
		h += mix(uint64(id), uint64(n.sizes[s.fate.size(id, n.sizes)].bytes))
		for i := range n.pages {
			versions := n.pages[i].versions
			choice := s.fate.page(id, int64(i), versions)
			whole := true
			for _, c := range choice {
				whole = whole && c == choice[0]
			}
			if whole {
				h += mix(uint64(id), uint64(i), uint64(versions[choice[0]].op))
				continue
			}
			for sector, c := range choice {
				h += mix(uint64(id), uint64(i), uint64(sector), uint64(versions[c].op))
			}
		}
	}
	return h
}

// file returns the pages of a file, nil for zeros, and its length.
func (s *State) file(id int) (content [][]byte, length int64) {
	n := s.disk.nodes[id]
	length = n.sizes[s.fate.size(id, n.sizes)].bytes
	for i := range n.pages {
		if int64(i)*pageSize >= length {
			break
		}
		versions := n.pages[i].versions
		choice := s.fate.page(id, int64(i), versions)
		data := versions[choice[0]].data
		if choice != [sectors]int{choice[0], choice[0], choice[0], choice[0], choice[0], choice[0], choice[0], choice[0]} {
			data = make([]byte, pageSize)
			for sector, c := range choice {
				if from := versions[c].data; from != nil {
					at := sector * sectorSize
					copy(data[at:at+sectorSize], from[at:])
				}
			}
		}
		content = append(content, data)
	}
	return content, length
}

// Write lays the state into an empty directory. Files have mode 0600.
func (s *State) Write(dir string) error {
	names, paths := s.tree(), map[int]string{}
	if err := s.write(dir, root, names, paths); err != nil {
		return fmt.Errorf("write %v: %w", s, err)
	}
	return nil
}

func (s *State) write(path string, dir int, names map[name]int, paths map[int]string) error {
	for n, id := range names {
		if n.dir != dir {
			continue
		}
		to := filepath.Join(path, n.name)
		var err error
		switch {
		case s.disk.nodes[id].dir:
			if err = os.Mkdir(to, 0o700); err == nil {
				err = s.write(to, id, names, paths)
			}
		case paths[id] != "": // another name of the same file
			err = os.Link(paths[id], to)
		default:
			paths[id] = to
			err = s.writeFile(to, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *State) writeFile(path string, id int) error {
	content, length := s.file(id)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(length)
	var run []byte
	for i := 0; i <= len(content) && err == nil; i++ {
		if i < len(content) && content[i] != nil {
			run = append(run, content[i]...)
			continue
		}
		if len(run) > 0 {
			at := int64(i)*pageSize - int64(len(run))
			_, err = f.WriteAt(run[:min(int64(len(run)), length-at)], at)
			run = run[:0]
		}
	}
	return errors.Join(err, f.Close())
}

// Prelude returns a log that begins with the state: what a program finds that is started after the crash.
func (s *State) Prelude() *Log {
	l, names := &Log{}, s.tree()
	nodes := map[int]bool{}
	for n, id := range names {
		nodes[id] = true
		l.Ops = append(l.Ops, Op{Kind: Names, Entries: []Entry{{Dir: n.dir, Name: n.name, Node: id, IsDir: s.disk.nodes[id].dir}}})
	}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		if s.disk.nodes[id].dir {
			continue
		}
		content, length := s.file(id)
		for i, b := range content {
			if b != nil {
				l.Ops = append(l.Ops, Op{Kind: Write, Node: id, Off: int64(i) * pageSize, Data: b})
			}
		}
		l.Ops = append(l.Ops, Op{Kind: Resize, Node: id, Off: length})
	}
	l.Ops = append(l.Ops, Op{Kind: SyncAll})
	for _, m := range s.Marks {
		l.Ops = append(l.Ops, Op{Kind: Mark, Text: m})
	}
	l.First = len(l.Ops)
	return l
}
