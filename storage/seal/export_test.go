package seal

import "crypto/sha256"

// Device is the seam for faults.
type Device = device

// OpenDevice opens a vault on any device.
func OpenDevice(dev Device, key KeySource) (*Vault, error) { return openDevice(dev, key) }

// ParseRecovery reads a recovery key.
func ParseRecovery(text string) ([]byte, error) { return parseRecovery(text) }

// Layout that tests point into.
const (
	PageSize        = pageSize
	SumOffset       = sumOffset
	GrowPages       = growPages
	PasswordsInside = passwordsAtOnce + passwordsWaiting
)

// FixSum makes the checksum of a page right.
func FixSum(page []byte) {
	sum := sha256.Sum256(page[:sumOffset])
	copy(page[sumOffset:], sum[:])
}
