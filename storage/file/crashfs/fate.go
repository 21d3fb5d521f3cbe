package crashfs

import (
	"fmt"
	"slices"
)

// fate chooses what a crash leaves of everything that was not synced. Each choice is a function of the seed and of what is
// chosen for, so that it does not depend on the order of asking.
type fate struct {
	kind fateKind
	seed uint64
	cut  int // ordered: the operation in the midst of which the disk stopped
}

type fateKind int

const (
	lost    fateKind = iota // nothing arrived
	kept                    // everything arrived
	ordered                 // everything up to one operation, and that one in part
	some                    // a random set of operations
	pages                   // every page has a random one of its versions
	torn                    // every sector has a random one of its versions
	numFates
)

func (f fate) String() string {
	switch f.kind {
	case lost:
		return "nothing arrived"
	case kept:
		return "everything arrived"
	case ordered:
		return fmt.Sprintf("everything arrived until the midst of operation %d (seed %#x)", f.cut, f.seed)
	case some:
		return fmt.Sprintf("a random set of operations arrived (seed %#x)", f.seed)
	case pages:
		return fmt.Sprintf("random pages arrived (seed %#x)", f.seed)
	}
	return fmt.Sprintf("random sectors arrived (seed %#x)", f.seed)
}

// drawFate returns the choice of a number at a point: first nothing, then everything, then random ones. The loose operations are
// those of which something may be lost.
func drawFate(seed uint64, point, number int, loose []int) fate {
	if number < 2 {
		return fate{kind: fateKind(number)}
	}
	f := fate{seed: mix(seed, uint64(point), uint64(number))}
	f.kind = ordered + fateKind(mix(f.seed, 1)%uint64(numFates-ordered))
	f.cut = loose[mix(f.seed, 2)%uint64(len(loose))]
	return f
}

// arrived tells whether an operation reached the disk, where it did so as a whole.
func (f fate) arrived(op int) bool {
	switch f.kind {
	case lost:
		return false
	case kept:
		return true
	case ordered:
		return op < f.cut || op == f.cut && mix(f.seed, 3)&1 == 0
	}
	// Some draws lose nearly everything, some nearly nothing.
	odds := []uint64{128, 24, 232}[mix(f.seed, 4)%3]
	return mix(f.seed, 5, uint64(op))%256 < odds
}

// last returns the index of the newest of n versions, made by the operations op(i), that arrived.
func (f fate) last(n int, op func(int) int) int {
	i := n - 1
	for i > 0 && !f.arrived(op(i)) {
		i--
	}
	return i
}

// page returns which version each sector of a page holds.
func (f fate) page(node int, index int64, versions []version) (choice [sectors]int) {
	n := len(versions)
	if n == 1 || f.kind == lost {
		return choice
	}
	switch f.kind {
	case pages, torn:
		for s := range choice {
			which := uint64(0)
			if f.kind == torn {
				which = uint64(s)
			}
			choice[s] = int(mix(f.seed, 6, uint64(node), uint64(index), which) % uint64(n))
		}
	case ordered:
		// The pages of the operation that was cut off arrived up to a random one, and of that one some sectors.
		whole := f.last(n, func(i int) int { return versions[i].op })
		part := slices.IndexFunc(versions, func(v version) bool { return v.op == f.cut })
		tear := mix(f.seed, 7, uint64(node), uint64(index)) % (sectors + 1)
		for s := range choice {
			choice[s] = whole
			if part > 0 {
				choice[s] = part - 1
				if uint64(s) < tear {
					choice[s] = part
				}
			}
		}
	default:
		whole := f.last(n, func(i int) int { return versions[i].op })
		for s := range choice {
			choice[s] = whole
		}
	}
	return choice
}

// size returns which length a file has.
func (f fate) size(node int, sizes []size) int {
	if f.kind == pages || f.kind == torn {
		return int(mix(f.seed, 8, uint64(node)) % uint64(len(sizes)))
	}
	return f.last(len(sizes), func(i int) int { return sizes[i].op })
}

// mix makes one random-looking number of several (splitmix64).
func mix(numbers ...uint64) (h uint64) {
	for _, n := range numbers {
		h += 0x9e3779b97f4a7c15 + n
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
