package file

import "syscall"

// networkKinds are file systems of other machines, by their types as of statfs(2).
var networkKinds = map[uint32]string{
	0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x517b: "SMB", 0x00c36400: "Ceph", 0x5346414f: "AFS", 0x6b414653: "AFS", 0x0bd00bd0: "Lustre",
}

// networkKind returns what kind of network file system holds path, "" if none is known to. One in FUSE, such as sshfs, is not told from a local one.
func networkKind(path string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return ""
	}
	return networkKinds[uint32(s.Type)]
}
