package file

import (
	"errors"
	"os"
	"syscall"
)

const growsHere = true

// errNoPromise means that the file system gives no blocks ahead.
var errNoPromise = errors.New("no blocks ahead here")

// allocate gives size bytes of the file from offset on blocks of their own, and makes it longer where it ends before. Where there is a
// hole it is filled; what was written stays.
func allocate(f *os.File, from, size int64) error {
	for {
		switch err := syscall.Fallocate(int(f.Fd()), 0, from, size); err {
		case syscall.EINTR:
		case syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EPERM: // the last one where a sandbox forbids the call
			return errNoPromise
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
}

// File systems that write each block to a new place, whatever they promise: their types, as of statfs(2).
const (
	btrfs    = 0x9123683e
	zfs      = 0x2fc12fc1
	bcachefs = 0xca451a4e
	nilfs    = 0x3434
)

// keepsBlocks tells whether a block that a file has can be written again on a full disk.
func keepsBlocks(f *os.File) bool {
	var s syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &s); err != nil {
		return false
	}
	switch uint32(s.Type) {
	case btrfs, zfs, bcachefs, nilfs:
		return false
	}
	return true
}

// unmapped tells the system that size bytes of the mapping at base are not needed for now.
func unmapped(base uintptr, size int64) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, base, uintptr(size), syscall.MADV_DONTNEED)
}
