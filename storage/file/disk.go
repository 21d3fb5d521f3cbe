package file

import "fmt"

// Disk tells of the disk that holds a directory.
type Disk struct {
	Free    int64  // bytes, for those who are not root
	Network string // what kind of file system it is, if it is on another machine; "" if it is on this one, or not known
}

// DiskOf looks at the disk of a directory. It is an error where the system does not tell how much is free.
func DiskOf(dir string) (Disk, error) {
	free, ok := diskFree(dir)
	if !ok {
		return Disk{}, fmt.Errorf("disk of %s: the system does not tell", dir)
	}
	return Disk{Free: free, Network: networkKind(dir)}, nil
}
