package snapshot

import (
	"fmt"
	"regexp"
	"strconv"
)

// Names of objects.
const (
	nameKeyring    = "v1/keyring"
	nameRoll       = "v1/roll"
	nameDrill      = "v1/drill"
	nameLow        = "v1/low"
	prefixSites    = "v1/sites/"
	prefixEpoch    = "v1/epoch/"
	prefixPack     = "v1/pack/"
	prefixManifest = "v1/manifest/"
)

// ID is the number of a pack or of a manifest: packs of an epoch count from 1, and a manifest has that of the last pack it knows.
type ID struct {
	Epoch uint32
	Seq   uint64
}

// Less tells whether a is older than b.
func (a ID) Less(b ID) bool { return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Seq < b.Seq }

func (a ID) String() string   { return fmt.Sprintf("%08x-%012x", a.Epoch, a.Seq) }
func (a ID) pack() string     { return prefixPack + a.String() }
func (a ID) manifest() string { return prefixManifest + a.String() }

// MarshalText writes a number as names of objects do.
func (a ID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads it.
func (a *ID) UnmarshalText(text []byte) error {
	id, ok := parseID("", string(text))
	if !ok {
		return fmt.Errorf("%q is no number of a pack or manifest", text)
	}
	*a = id
	return nil
}

func epochName(epoch uint32) string { return fmt.Sprintf("%s%08x", prefixEpoch, epoch) }

var idText = regexp.MustCompile(`^([0-9a-f]{8})-([0-9a-f]{12})$`)

// parseID reads what follows prefix in name; ok is false for names that are none of ours.
func parseID(prefix, name string) (id ID, ok bool) {
	if len(name) < len(prefix) || name[:len(prefix)] != prefix {
		return id, false
	}
	m := idText.FindStringSubmatch(name[len(prefix):])
	if m == nil {
		return id, false
	}
	epoch, _ := strconv.ParseUint(m[1], 16, 32)
	seq, _ := strconv.ParseUint(m[2], 16, 64)
	return ID{uint32(epoch), seq}, true
}
