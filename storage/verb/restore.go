package verb

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"footfall/storage"
	"footfall/storage/seal"
	"footfall/storage/snapshot"
)

// SnapshotRestore is the verb `snapshot restore`.
type SnapshotRestore struct {
	FromFlags
	To      string `required:"" help:"Directory to make. It must not exist, or be empty." placeholder:"DIR"`
	At      string `xor:"point" help:"The newest state not after this: '2026-01-31 14:00' by this machine's clock, 2026-01-31T14:00:00Z, or 90m for so long ago." placeholder:"TIME"`
	Point   string `xor:"point" help:"The point of this name, see footfall snapshot list." placeholder:"NAME"`
	DryRun  bool   `help:"Only tell what would be restored."`
	Salvage bool   `help:"Go on where an object is missing or damaged, and tell what is lost."`
}

// Alone reports that a restore is never a running server's business.
func (*SnapshotRestore) Alone() bool { return true }

// Help tells what is needed.
func (*SnapshotRestore) Help() string {
	return "Needs the bucket and one key that opens the data, nothing else: the key file, a passphrase or the recovery key (--key-file takes it too). Everything is verified; the directory has its name only when it is whole. " +
		"Data of sites that were removed since do not come back. Salts are in no snapshot: the day of the restore counts its visitors anew. " +
		"Exit code 3: restored, but not all of it (--salvage), or an older state than asked for. 10: nothing there. 12: the key opens nothing there. 13: damaged, see --salvage and --at."
}

// Run is for a server, which restores nothing.
func (*SnapshotRestore) Run(*Context) error {
	return Exit(ExitUsage, errors.New("a running server restores nothing: run the command beside it"))
}

// RunIdle restores.
func (v *SnapshotRestore) RunIdle(c *Context, _ string, key storage.Key) error {
	at, err := parseMoment(v.At, c.Now())
	if err != nil {
		return Exit(ExitUsage, err)
	}
	bucket, from, err := v.bucket(c)
	if err != nil {
		return err
	}
	if key.None() {
		return errNoKey
	}
	bar := c.job("restore", "Restoring, MiB", 20)
	defer bar.Close()
	done, err := storage.Restore(c.Context, bucket, key, snapshot.Restoring{Dir: v.To, At: at, Point: v.Point, Salvage: v.Salvage, Dry: v.DryRun, Progress: bar.Set, Log: c.Log})
	bar.Close()
	if errors.Is(err, snapshot.ErrDamaged) {
		return fmt.Errorf("%w. Restore an earlier state with --at or --point (footfall snapshot verify tells which are whole), or what is left with --salvage", err)
	} else if err != nil {
		return inBucket(from, err)
	}
	if c.JSON {
		err = c.line(map[string]any{"event": "done", "job": "restore", "dir": v.To, "dry_run": v.DryRun, "restored": done})
	} else {
		err = v.tell(c, from, &done)
	}
	switch {
	case err != nil:
		return err
	case len(done.Lost)+len(done.LostDays) > 0:
		return Exit(ExitPartial, errors.New("not everything could be restored: the list above says what is lost"))
	}
	return nil
}

// tell says what was restored, or would be.
func (v *SnapshotRestore) tell(c *Context, from string, done *storage.Restored) error {
	what := fmt.Sprintf("%s from %s", size(done.Bytes), plural(done.Packs, "pack", "packs"))
	if v.DryRun {
		_, err := fmt.Fprintf(c.Out, "would restore the state of %s: %s\n", moment(done.Point.Time), what)
		return err
	}
	fmt.Fprintf(c.Out, "restored %s to the state of %s: %s in %s\n", v.To, moment(done.Point.Time), what, done.Took.Round(10*time.Millisecond))
	if done.Behind > time.Minute {
		fmt.Fprintf(c.Out, "that is the newest before the time you asked for: %s earlier\n", ago(done.Behind))
	}
	t := &table{titles: []string{"  site", ">days", ">events"}}
	for _, site := range done.Sites {
		t.add("  "+site.Domain, site.Days, site.Events)
	}
	if err := t.print(c.Out); err != nil {
		return err
	}
	for _, site := range done.Gone {
		fmt.Fprintf(c.Out, "left out: %s, which was removed after that\n", site.Domain)
	}
	for _, site := range done.Emptied {
		fmt.Fprintf(c.Out, "left out: the data of %s from before it was reset\n", site.Domain)
	}
	for _, what := range done.Lost {
		fmt.Fprintf(c.Out, "lost: %s\n", what)
	}
	for _, day := range done.LostDays {
		fmt.Fprintf(c.Out, "lost: %s of site %d: %s\n", day.Date, day.Site, day.Why)
	}
	v.next(c, from)
	return nil
}

// next tells what is to be done before the server is started.
func (v *SnapshotRestore) next(c *Context, from string) {
	dir := v.To
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	fmt.Fprintf(c.Out, `
What comes next:
 1. The key is not in the snapshots. Put the key file to %s, or name it with --key-file at every start. If all you have is
    the recovery key, make a new key file: footfall key add --data %s --new-key-file FILE
 2. Look: footfall check --data %s
 3. Start: footfall serve --data %s
    To go on with the snapshots at %s, first make sure that the server before is gone for good, and say
    footfall snapshot adopt. Otherwise choose another place for --snapshot-to.
Salts are in no snapshot: the day under way counts its visitors anew from here, so they may count twice today. All other days are as they were.
`, filepath.Join(dir, "footfall.key"), dir, dir, dir, from)
}

// errNoKey is for what cannot be read without one.
var errNoKey = Exit(ExitKey, errors.New("no key is at hand: name the key file or a file with the recovery key with --key-file, or the passphrase with --passphrase-file"))

// inBucket says of an error of a bucket where that is, and gives it its exit code.
func inBucket(from string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, snapshot.ErrNothing):
		return Exit(ExitMissing, fmt.Errorf("%s: %w", from, err))
	case errors.Is(err, seal.ErrWrongKey):
		return Exit(ExitKey, fmt.Errorf("the key opens nothing at %s: %w: name the right one with --key-file or --passphrase-file", from, err))
	}
	return err
}

// momentForms are how people write a time.
var momentForms = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}

// parseMoment reads a time of the past, zero if there is none.
func parseMoment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, form := range momentForms {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, form := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(form, text); err == nil {
			y, m, d := now.In(time.Local).Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.Local), nil
		}
	}
	if back, err := time.ParseDuration(text); err == nil {
		return now.Add(-back.Abs()), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write '2026-01-31 14:00', 14:00 of today, 2026-01-31T14:00:00Z, or 90m for an hour and a half ago", text)
}

// moment writes a time for a person, by the clock of this machine.
func moment(t time.Time) string { return t.In(time.Local).Format("2006-01-02 15:04:05 MST") }

// size writes a number of bytes for a person.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return grouped(n>>10) + " KiB"
	case n < 10<<30:
		return grouped(n>>20) + " MiB"
	}
	return grouped(n>>30) + " GiB"
}
