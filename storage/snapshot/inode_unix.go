//go:build unix

package snapshot

import (
	"io/fs"
	"syscall"
)

// inode returns the number of a file, which no other on the disk has.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
