package seal

import (
	"io"
	"os"
)

// device is the file of a vault. WriteAt of one page may be torn by a crash; what was written before Sync returned
// nil is on the disk; a failed WriteAt or Sync leaves it unknown what is there.
type device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// diskFile is a device on a real disk.
type diskFile struct{ *os.File }

// Sync makes the content durable. Times need not be, since no page is ever found by them.
func (f diskFile) Sync() error { return fdatasync(f.File) }
