// Package seal keeps what Footfall stores unreadable without a key.
package seal

import (
	"errors"
	"fmt"
	"io"

	"footfall/storage/schema"
)

var errTodo = errors.New("not built yet")

var (
	ErrDamaged      = errors.New("sealed value is damaged")
	ErrWrongKey     = errors.New("the key does not open the vault")
	ErrVaultDamaged = errors.New("the vault is damaged")
	ErrNoKey        = errors.New("no data key")
	ErrHasKey       = errors.New("the site has a data key already")
	ErrNoKeyFile    = errors.New("no key file")
	ErrNotKey       = errors.New("not a Footfall key")
	ErrKeyTypo      = errors.New("the key is mistyped")
	ErrBusy         = errors.New("too many passwords are being checked")
)

// ErrNewer says that a newer program wrote the vault.
type ErrNewer struct{ Have, Knows int }

func (e ErrNewer) Error() string {
	return fmt.Sprintf("the vault has format %d, this program knows formats up to %d", e.Have, e.Knows)
}

type Place struct {
	Bucket  byte
	Key     []byte
	Type    byte
	Version uint16
}

const Overhead = 1 + 24 + 16

type Sealer struct{}

func (s *Sealer) Seal(dst, plain []byte, at Place) []byte           { panic(errTodo) }
func (s *Sealer) Open(dst, sealed []byte, at Place) ([]byte, error) { return nil, errTodo }

type KeySource struct {
	File       string
	Passphrase []byte
	Recovery   string
	Raw        []byte
}

type Vault struct{}

type Kind uint8

type SlotInfo struct {
	Index int
	Kind  Kind
}

func CreateVault(path string, storeID [16]byte, key KeySource) (v *Vault, recoveryKey string, err error) {
	return nil, "", errTodo
}
func OpenVault(path string, key KeySource) (*Vault, error)                    { return nil, errTodo }
func (v *Vault) StoreID() [16]byte                                            { return [16]byte{} }
func (v *Vault) Rest() *Sealer                                                { return nil }
func (v *Vault) Site(site schema.Site) (*Sealer, error)                       { return nil, errTodo }
func (v *Vault) CreateSite(site schema.Site) error                            { return errTodo }
func (v *Vault) DestroySite(site schema.Site) error                           { return errTodo }
func (v *Vault) Salt(zone string, day schema.Date) (salt [32]byte, err error) { return salt, errTodo }
func (v *Vault) SweepSalts(today func(zone string) schema.Date) (destroyed int, err error) {
	return 0, errTodo
}
func (v *Vault) PurposeKey(name string) (key [32]byte) { return key }
func (v *Vault) Slots() []SlotInfo                     { return nil }
func (v *Vault) Notes() []string                       { return nil }
func (v *Vault) Check() error                          { return errTodo }
func (v *Vault) Close() error                          { return errTodo }

func NewKeyFile(path string) error                                      { return errTodo }
func ReadKey(r io.Reader) (key [32]byte, err error)                     { return key, errTodo }
func HashPassword(password string) (string, error)                      { return "", errTodo }
func VerifyPassword(hash, password string) (ok, rehash bool, err error) { return false, false, errTodo }
