//go:build !linux

package crashfs

// Record returns ErrUnsupported.
func Record(string, *Log, Faults, func() error) (*Log, error) { return nil, ErrUnsupported }
