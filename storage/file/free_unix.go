//go:build darwin || freebsd || linux

package file

import "syscall"

// diskFree returns how many bytes are free on the disk that holds path, for those who are not root. Nothing is known where ok is false.
func diskFree(path string) (free int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil || s.Blocks == 0 { // some file systems do not tell
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
