package verb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"footfall/storage"
	"footfall/storage/seal"
)

// KeyStatus is the verb `key status`.
type KeyStatus struct{}

// KeyAdd is the verb `key add`.
type KeyAdd struct {
	NewPassphrase     bool   `xor:"new" help:"A passphrase. It is asked for, or read from standard input."`
	NewPassphraseFile string `xor:"new" help:"The passphrase in this file, one line." placeholder:"FILE"`
	NewKeyFile        string `xor:"new" help:"The key in this file; if there is no such file, it is made with a new key." placeholder:"FILE"`
}

// KeyRemove is the verb `key remove`.
type KeyRemove struct {
	Slot int  `arg:"" help:"Number of the key's slot, see footfall key status."`
	Yes  bool `help:"Do it."`
}

// KeyRecovery is the verb `key recovery`.
type KeyRecovery struct{ conversation }

// KeyRotate is the verb `key rotate`.
type KeyRotate struct {
	conversation
	Yes bool `help:"Do it."`
}

// conversation marks a verb whose input is a person at a terminal, if there is one.
type conversation struct{}

// Converses does nothing: it is the mark.
func (conversation) Converses() {}

// Help tells what is shown.
func (*KeyStatus) Help() string {
	return "Lists the keys that open the data, and warns of what is wrong with them. No secret is shown. It needs no key: without one it shows what the vault says, " +
		"which nobody has proven then."
}

// Run lists the keys of the open store.
func (v *KeyStatus) Run(c *Context) error {
	status := c.Store.KeyStatus()
	return v.print(c, &status, true, "opened the data")
}

// RunIdle lists the keys of a data directory that nobody has open, without opening it.
func (v *KeyStatus) RunIdle(c *Context, dir string, key storage.Key) error {
	status, err := storage.ReadKeyStatus(dir, key)
	if status == nil {
		return err
	}
	if err != nil {
		fmt.Fprintf(c.Err, "note: %s: below is what the vault says, unproven\n", err)
	} else if key.None() {
		fmt.Fprintln(c.Err, "note: no key is at hand: below is what the vault says, unproven")
	}
	return v.print(c, status, status.Opener >= 0, "opens with the key at hand")
}

type slotJSON struct {
	Slot   int        `json:"slot"`
	Kind   string     `json:"kind"`
	Made   *time.Time `json:"made"`
	Opens  bool       `json:"opens"`
	Argon2 *argonJSON `json:"argon2id,omitempty"`
}

type argonJSON struct {
	Passes uint32 `json:"passes"`
	Memory uint32 `json:"memory_kib"`
	Lanes  uint8  `json:"lanes"`
	Weak   bool   `json:"weak"`
}

func (*KeyStatus) print(c *Context, status *storage.KeyStatus, proven bool, opener string) error {
	warnings := keyWarnings(status)
	if c.JSON {
		slots := []slotJSON{}
		for _, s := range status.Slots {
			slot := slotJSON{Slot: s.Index, Kind: strings.ReplaceAll(s.Kind.String(), " ", "_"), Made: known(s.Made), Opens: s.Index == status.Opener}
			if s.Kind == storage.Passphrase {
				slot.Argon2 = &argonJSON{s.Passes, s.Memory, s.Lanes, s.Weak}
			}
			slots = append(slots, slot)
		}
		return c.PrintJSON(map[string]any{"slots": slots, "master_key_made": known(status.Made), "proven": proven, "warnings": warnings})
	}
	t := &table{titles: []string{">slot", "key", "made", ""}}
	for _, s := range status.Slots {
		var notes []string
		if s.Kind == storage.Passphrase {
			notes = append(notes, fmt.Sprintf("argon2id: %d passes, %d MiB, lanes: %d", s.Passes, s.Memory>>10, s.Lanes))
		}
		if s.Index == status.Opener {
			notes = append(notes, opener)
		}
		t.add(s.Index, s.Kind, date(s.Made), strings.Join(notes, "; "))
	}
	if err := t.print(c.Out); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "master key made %s\n", date(status.Made))
	for _, w := range warnings {
		fmt.Fprintf(c.Err, "warning: %s\n", w)
	}
	return nil
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func date(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.Format(time.DateOnly)
}

func keyWarnings(status *storage.KeyStatus) []string {
	warnings := []string{}
	if status.Beside != "" {
		warnings = append(warnings, fmt.Sprintf("%s lies beside the data: whoever copies the directory can read them; move it elsewhere and name it with --key-file", status.Beside))
	}
	if !status.HasRecovery() {
		warnings = append(warnings, "there is no recovery key: if the other keys are lost, so are the data; make one with `footfall key recovery`")
	}
	for _, s := range status.Slots {
		if s.Weak {
			warnings = append(warnings, fmt.Sprintf("the passphrase in slot %d is guarded by less work than new ones are: remove it and add it again", s.Index))
		}
	}
	if status.OldStays != "" {
		warnings = append(warnings, "keys and salts that are destroyed in footfall.vault may stay readable on the disk: "+status.OldStays)
	}
	return warnings
}

// Help tells what becomes of the keys before.
func (*KeyAdd) Help() string {
	return "Makes another key open the data; those before it go on doing so. At most 8 keys do. It takes effect at once, also in a running server."
}

// Input returns what is to be read in the command's own process; nil is a passphrase that is asked for.
func (v *KeyAdd) Input() io.ReadCloser {
	switch {
	case v.NewPassphraseFile != "":
		return &keyFile{path: v.NewPassphraseFile}
	case v.NewKeyFile != "":
		return &keyFile{path: v.NewKeyFile, create: true}
	}
	return nil
}

// keyFile is a file that is opened, or made with a new key, when it is first read: not before the key can be added.
type keyFile struct {
	path   string
	create bool
	file   *os.File
}

func (f *keyFile) Read(p []byte) (n int, err error) {
	if f.file == nil {
		if f.file, err = os.Open(f.path); f.create && errors.Is(err, fs.ErrNotExist) {
			if err = seal.NewKeyFile(f.path); err == nil {
				f.file, err = os.Open(f.path)
			}
		}
		if err != nil {
			return 0, err
		}
	}
	return f.file.Read(p)
}

func (f *keyFile) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Run adds a key.
func (v *KeyAdd) Run(c *Context) error {
	if !v.NewPassphrase && v.NewPassphraseFile == "" && v.NewKeyFile == "" {
		return Exit(ExitUsage, errors.New("add which key? Say --new-passphrase, --new-passphrase-file or --new-key-file"))
	}
	text, err := io.ReadAll(io.LimitReader(c.In, seal.MaxKeyText+1))
	if err != nil {
		return fmt.Errorf("read new key: %w", err)
	}
	defer clear(text)
	key := storage.Key{}
	if v.NewKeyFile != "" {
		var raw [32]byte
		raw, err = seal.ReadKey(bytes.NewReader(text))
		key.Raw = raw[:]
	} else {
		key.Passphrase, err = seal.ReadPassphrase(bytes.NewReader(text))
	}
	if err != nil {
		return Exit(ExitUsage, fmt.Errorf("add key: %w", err))
	}
	defer clear(key.Raw)
	defer clear(key.Passphrase)
	slot, err := c.Store.AddKey(c.Context, CommandLine, key)
	if errors.Is(err, storage.ErrShortKey) {
		return Exit(ExitUsage, err)
	} else if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(map[string]int{"slot": slot})
	}
	what := "a passphrase"
	if v.NewKeyFile != "" {
		what = v.NewKeyFile
	}
	_, err = fmt.Fprintf(c.Out, "added %s as slot %d\n", what, slot)
	return err
}

// Help tells what a removed key can still do.
func (*KeyRemove) Help() string {
	return "Makes a key open the data no more; the last one cannot be removed. Whoever has that key and an older copy of footfall.vault still finds the master key in it: " +
		"footfall key rotate makes a new one."
}

// Run removes a key.
func (v *KeyRemove) Run(c *Context) error {
	status := c.Store.KeyStatus()
	var slot *storage.KeySlot
	for i := range status.Slots {
		if status.Slots[i].Index == v.Slot {
			slot = &status.Slots[i]
		}
	}
	switch {
	case slot == nil:
		return Exit(ExitMissing, fmt.Errorf("there is no key in slot %d: `footfall key status` shows them", v.Slot))
	case len(status.Slots) == 1:
		return fmt.Errorf("remove key: %w: add another first with `footfall key add`", storage.ErrLastKey)
	case !v.Yes:
		warning := fmt.Sprintf("slot %d, a %s, will open the data no more", slot.Index, slot.Kind)
		if slot.Kind == storage.RecoveryKey {
			warning += "; if the other keys are lost, nothing will"
		}
		if slot.Index == status.Opener {
			warning += "; it is the one that the data were opened with, so name another at the next start"
		}
		return Exit(ExitUsage, fmt.Errorf("%s: say --yes to do that", warning))
	}
	if err := c.Store.RemoveKey(c.Context, CommandLine, v.Slot); err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(map[string]int{"slot": v.Slot})
	}
	fmt.Fprintln(c.Err, "Whoever has that key and an older copy of footfall.vault can still open the data: `footfall key rotate` makes a new master key.")
	_, err := fmt.Fprintf(c.Out, "removed the %s of slot %d\n", slot.Kind, v.Slot)
	return err
}

// Help tells when the new key counts.
func (*KeyRecovery) Help() string {
	return "Makes a new recovery key and prints it, this once, on standard output. The one before it opens the data no more. At a terminal the new one counts only when two of its groups " +
		"were typed back."
}

// Run makes a new recovery key.
func (v *KeyRecovery) Run(c *Context) error {
	key, err := newRecovery(c)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := c.PrintJSON(map[string]string{"recovery_key": key}); err != nil {
			return err
		}
	}
	if err := c.Store.SetRecoveryKey(c.Context, CommandLine, key); err != nil {
		return fmt.Errorf("%w: the recovery key above opens nothing", err)
	}
	fmt.Fprintln(c.Err, "This recovery key counts from now on.")
	return nil
}

// newRecovery shows a new recovery key, and returns when it was written down. It opens nothing yet: of what is printed first and then made
// to count, nothing is lost whenever the process dies.
func newRecovery(c *Context) (string, error) {
	key := storage.NewRecoveryKey()
	if c.JSON {
		return key, nil // for the caller to print among the rest
	}
	if _, err := fmt.Fprintln(c.Out, key); err != nil || !c.Asks {
		return key, err
	}
	fmt.Fprintln(c.Err, "Write it down and keep it away from this machine. It is shown only now.")
	groups := strings.Split(key, "-")
	first := rand.IntN(len(groups) - 1)
	second := first + 1 + rand.IntN(len(groups)-1-first)
	in := bufio.NewReader(c.In)
	for range 3 {
		fmt.Fprintf(c.Err, "To show that you have, type its groups %d and %d: ", first+1, second+1)
		line, err := readLine(c, in)
		if err != nil {
			return "", fmt.Errorf("%w: nothing has changed, and the recovery key above opens nothing", err)
		}
		if seal.CleanRecovery(line) == groups[first]+groups[second] {
			return key, nil
		}
		fmt.Fprintln(c.Err, "These are others.")
	}
	return "", errors.New("the groups were not typed back: nothing has changed, and the recovery key above opens nothing")
}

// readLine reads a line that somebody types. After the context's end the read is left behind, since nothing ends it.
func readLine(c *Context, in *bufio.Reader) (string, error) {
	type typed struct {
		text string
		err  error
	}
	done := make(chan typed, 1)
	go func() {
		text, err := in.ReadString('\n')
		done <- typed{text, err}
	}()
	select {
	case <-c.Context.Done():
		return "", c.Context.Err()
	case t := <-done:
		return t.text, t.err
	}
}

// Help tells what a rotation is for and what it is not for.
func (*KeyRotate) Help() string {
	return "Makes a new master key. The one before it, which somebody with a removed key and an older copy of the vault can find, opens nothing any more in the vault of now. It keeps the " +
		"key that the data were opened with, makes and prints a new recovery key if there is one, and drops all other keys, which cannot be made anew without being there: add them again " +
		"with footfall key add. The data keys of the sites stay what they are and no data are written anew, so it takes no secret back: an older copy of the vault with a key of its time " +
		"still reads the sites of its time. It may be killed at any moment."
}

// Run makes a new master key.
func (v *KeyRotate) Run(c *Context) error {
	status := c.Store.KeyStatus()
	if status.Opener < 0 {
		return fmt.Errorf("rotate keys: %w: restart the server with it, or stop the server and name it with --key-file", storage.ErrOpenerRemoved)
	}
	plan, dropped, renew := rotation(&status)
	if !v.Yes {
		return Exit(ExitUsage, fmt.Errorf("rotating %s: say --yes to do that", plan))
	}
	key := ""
	if renew {
		var err error
		if key, err = newRecovery(c); err != nil {
			return err
		}
	}
	if c.JSON {
		if err := c.PrintJSON(map[string]any{"kept": status.Opener, "dropped": dropped, "recovery_key": key}); err != nil {
			return err
		}
	}
	if err := c.Store.RotateKeys(c.Context, CommandLine, key); err != nil {
		return fmt.Errorf("%w: `footfall key status` after the next start tells which master key is there", err)
	}
	fmt.Fprintf(c.Err, "The master key is a new one. This %s.\n", plan)
	return nil
}

// rotation tells what a rotation does to the slots: in words, which it drops, and whether there is a recovery key to be replaced.
func rotation(status *storage.KeyStatus) (plan string, dropped []int, renew bool) {
	kinds := map[int]seal.Kind{}
	for _, s := range status.Slots {
		kinds[s.Index] = s.Kind
	}
	kept := kinds[status.Opener]
	dropped = []int{}
	var names []string
	for _, s := range status.Slots {
		switch {
		case s.Index == status.Opener:
		case s.Kind == storage.RecoveryKey && kept != storage.RecoveryKey:
			renew = true
		default:
			dropped = append(dropped, s.Index)
			names = append(names, fmt.Sprintf("slot %d (%s)", s.Index, s.Kind))
		}
	}
	plan = fmt.Sprintf("keeps slot %d (%s)", status.Opener, kept)
	if renew {
		plan += ", makes a new recovery key"
	}
	if len(names) > 0 {
		plan += ", drops " + strings.Join(names, " and ") + ", to be added again with `footfall key add`"
	}
	return plan, dropped, renew
}
