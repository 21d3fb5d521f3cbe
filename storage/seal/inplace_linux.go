package seal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// Numbers of linux/magic.h and of each file system's own header.
const (
	fsBtrfs    = 0x9123683e
	fsZFS      = 0x2fc12fc1
	fsBcachefs = 0xca451a4e
	fsF2FS     = 0xf2f52010
	fsNilfs    = 0x3434
	fsExt      = 0xef53
	fsOverlay  = 0x794c7630
	fsNFS      = 0x6969
	fsCIFS     = 0xff534d42
	fsSMB2     = 0xfe534d42
)

// Flags of a file in linux/fs.h.
const (
	flagNoCopy  = 0x00800000 // changed blocks stay where they are (btrfs)
	flagJournal = 0x00004000 // content is journaled too (ext4)
)

// OldStays says why what is overwritten in the file at path may stay readable on its disk, or returns "" where nothing speaks for
// that. It is a guess: nothing tells of snapshots below the file system, nor of what a flash disk keeps.
func OldStays(path string) string {
	var fs syscall.Statfs_t
	if syscall.Statfs(path, &fs) != nil {
		return ""
	}
	switch uint32(fs.Type) {
	case fsBtrfs:
		if fileFlags(path)&flagNoCopy != 0 {
			return ""
		}
		return "btrfs writes what changes to another place, and the file has not the attribute nodatacow (chattr +C), which only an empty file can be given"
	case fsZFS, fsBcachefs, fsF2FS, fsNilfs:
		return "its file system writes what changes to another place"
	case fsExt:
		if fileFlags(path)&flagJournal != 0 || journalsContent(path) {
			return "its file system is mounted with data=journal, so the journal holds what was written before"
		}
	case fsOverlay:
		return "it is in a container's own layer, and what lies below that cannot be seen from here: put it on a volume"
	case fsNFS, fsCIFS, fsSMB2:
		return "it is on another machine, and how that one stores it cannot be seen from here"
	}
	return ""
}

// writeInPlace asks the file system to overwrite an empty file in place for good, where it would not by itself.
func writeInPlace(f *os.File) {
	var fs syscall.Statfs_t
	if syscall.Fstatfs(int(f.Fd()), &fs) != nil || uint32(fs.Type) != fsBtrfs {
		return
	}
	if flags, ok := ioctlFlags(f, ioctlGet, 0); ok {
		ioctlFlags(f, ioctlSet, flags|flagNoCopy) // if it is refused, OldStays tells
	}
}

// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: their size field is that of a C long, although an int is meant.
const (
	ioctlGet = 2<<30 | unsafe.Sizeof(uintptr(0))<<16 | 'f'<<8 | 1
	ioctlSet = 1<<30 | unsafe.Sizeof(uintptr(0))<<16 | 'f'<<8 | 2
)

func fileFlags(path string) int32 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	flags, _ := ioctlFlags(f, ioctlGet, 0)
	return flags
}

func ioctlFlags(f *os.File, request uintptr, flags int32) (int32, bool) {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&flags)))
	return flags, errno == 0
}

// journalsContent reports whether the file system of path is mounted with data=journal.
func journalsContent(path string) bool {
	var file syscall.Stat_t
	if syscall.Stat(path, &file) != nil {
		return false
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer mounts.Close()
	dev := uint64(file.Dev)
	major, minor := dev>>8&0xfff|dev>>32&^0xfff, dev&0xff|dev>>12&^0xff
	return hasMountOption(mounts, fmt.Sprintf("%d:%d", major, minor), "data=journal")
}

// hasMountOption looks for an option of the file system on a device in lines such as
//
//	36 25 8:1 / /srv rw,noatime shared:1 - ext4 /dev/sda1 rw,data=journal
func hasMountOption(mountinfo io.Reader, device, option string) bool {
	for lines := bufio.NewScanner(mountinfo); lines.Scan(); {
		mount, fs, ok := strings.Cut(lines.Text(), " - ")
		fields, rest := strings.Fields(mount), strings.Fields(fs)
		if !ok || len(fields) < 3 || fields[2] != device || len(rest) < 3 {
			continue
		}
		for o := range strings.SplitSeq(rest[2], ",") {
			if o == option {
				return true
			}
		}
	}
	return false
}
