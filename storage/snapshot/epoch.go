package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"footfall/storage/file"
	"footfall/storage/objstore"
)

// instanceName is the file that names the instance: 32 hexadecimal digits, a space, and a number that a copy of the directory does not have.
const instanceName = "footfall.instance"

// Streamed reports whether snapshots of a data directory, or of the one it was copied from, were ever streamed.
func Streamed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, instanceName))
	return err == nil
}

// instance returns who we are. A copy of a data directory is somebody else.
func instance(dir string) (id [16]byte, err error) {
	path := filepath.Join(dir, instanceName)
	mark := markOf(dir)
	text, err := os.ReadFile(path)
	if err == nil {
		name, of, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		if b, err := hex.DecodeString(name); err == nil && len(b) == 16 && of == mark {
			return [16]byte(b), nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("read the name of this instance: %w", err)
	}
	rand.Read(id[:])
	if err := writeInstance(path, id, mark); err != nil {
		return id, fmt.Errorf("write the name of this instance: %w", err)
	}
	return id, nil
}

func writeInstance(path string, id [16]byte, mark string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%x %s\n", id, mark)
	err = errors.Join(err, f.Sync(), f.Close()) // whoever wakes up without a name is fenced
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, path), file.SyncDir(filepath.Dir(path)))
}

// markOf tells a directory from its copies.
func markOf(dir string) string {
	info, err := os.Stat(filepath.Join(dir, "footfall.vault")) // which is never replaced
	if err != nil {
		return "0"
	}
	return strconv.FormatUint(inode(info), 10)
}

// claimed is what a claim says, sealed.
type claimed struct {
	instance [16]byte
	run      [16]byte // random: no two claims are the same bytes
	time     time.Time
}

func (c *claimed) encode() []byte {
	b := append([]byte{version}, c.instance[:]...)
	b = append(b, c.run[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(c.time.Unix()))
}

// claim returns the claim of an epoch.
func (s *source) claim(ctx context.Context, epoch uint32) (c claimed, err error) {
	name := epochName(epoch)
	b, err := s.read(ctx, name, 0, -1)
	if err != nil {
		return c, err
	}
	plain, err := s.sealer.Open(nil, b, place(name, typeClaim))
	if err != nil || len(plain) != 41 || plain[0] != version {
		return c, ErrForeign
	}
	copy(c.instance[:], plain[1:])
	copy(c.run[:], plain[17:])
	c.time = time.Unix(int64(binary.BigEndian.Uint64(plain[33:])), 0).UTC()
	return c, nil
}

func (s *Stream) readClaim(ctx context.Context, epoch uint32) (claimed, error) {
	return (&source{s.cfg.Bucket, s.sealer}).claim(ctx, epoch)
}

// newestEpoch returns the newest epoch that is claimed, 0 if none is.
func newestEpoch(ctx context.Context, b objstore.Bucket) (epoch uint32, err error) {
	err = listClaims(ctx, b, func(n uint32, _ int64) { epoch = max(epoch, n) })
	return epoch, err
}

// listClaims calls fn for each epoch that is claimed, oldest first, with the size of its claim.
func listClaims(ctx context.Context, b objstore.Bucket, fn func(epoch uint32, size int64)) error {
	return b.List(ctx, prefixEpoch, "", func(o objstore.Object) error {
		if n, err := strconv.ParseUint(strings.TrimPrefix(o.Name, prefixEpoch), 16, 32); err == nil {
			fn(uint32(n), o.Size)
		}
		return nil
	})
}

// claim claims the next epoch, if the newest one is ours or we have been told to adopt.
func (s *Stream) claim(ctx context.Context) (uint32, error) {
	id, err := instance(s.cfg.Dir)
	if err != nil {
		return 0, err
	}
	newest, err := newestEpoch(ctx, s.cfg.Bucket)
	if err != nil {
		return 0, err
	}
	if newest > 0 {
		c, err := s.readClaim(ctx, newest)
		if err != nil {
			return 0, err
		}
		if c.instance != id && !s.adopting.Load() {
			return 0, fmt.Errorf("%w since %s: if this is the one to go on, say `footfall snapshot adopt`; if it is a copy, give it another prefix", ErrFenced, c.time.Format(time.RFC3339))
		}
		if err := s.behind(ctx); err != nil && !s.adopting.Load() {
			return 0, err
		}
	}
	mine := claimed{instance: id, time: s.cfg.Now()}
	rand.Read(mine.run[:])
	name := epochName(newest + 1)
	body := s.sealer.Seal(nil, mine.encode(), place(name, typeClaim))
	if err := s.cfg.Bucket.Put(ctx, name, body, objstore.Create); errors.Is(err, objstore.ErrExists) {
		if c, errRead := s.readClaim(ctx, newest+1); errRead == nil && c.instance == id {
			return 0, fmt.Errorf("claim an epoch: an earlier try was heard late, and the next one follows it: %w", err)
		}
		return 0, fmt.Errorf("%w: it has just begun", ErrFenced)
	} else if err != nil {
		return 0, fmt.Errorf("claim an epoch: %w", err)
	}
	if sure, err := s.cfg.Bucket.Conditional(ctx); err != nil {
		return 0, err
	} else if !sure {
		select {
		case <-time.After(claimPause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		back, err := (&source{s.cfg.Bucket, s.sealer}).read(ctx, name, 0, -1)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(back, body) {
			return 0, fmt.Errorf("%w: it has just begun", ErrFenced)
		}
	}
	s.adopting.Store(false)
	return newest + 1, nil
}

// behind returns an error if the bucket has keys of a later time than the vault, as where an older image of the machine was put back: what it does not
// know would be deleted, and nothing that was streamed since could be read any more.
func (s *Stream) behind(ctx context.Context) error {
	_, generation, err := (&source{s.cfg.Bucket, s.sealer}).roll(ctx)
	switch {
	case errors.Is(err, objstore.ErrNotFound), errors.Is(err, ErrDamaged): // it will be written anew
		return nil
	case err != nil:
		return err
	case generation > s.cfg.Vault.Generation():
		return fmt.Errorf("%w: it has newer keys than this one, which seems to be an older copy put back: restore from there what is missing here, "+
			"or say `footfall snapshot adopt` to go on with this one and lose what it has no keys of", ErrFenced)
	}
	return nil
}

// glance looks before every second pack or so whether somebody has claimed the next epoch. It is for what does no harm if somebody has: two epochs never
// write packs to one name.
func (w *session) glance(ctx context.Context) error {
	if now := time.Now(); now.Sub(w.fenced) >= 2*w.pause() {
		c, err := w.readClaim(ctx, w.epoch+1)
		if err == nil {
			return fmt.Errorf("%w since %s: this one stops", ErrFenced, c.time.Format(time.RFC3339))
		} else if errors.Is(err, objstore.ErrNotFound) {
			w.fenced = now
		}
	}
	return nil
}

// fence returns nil only if nobody has claimed a later epoch, however long it takes to find out: a machine may have slept for weeks, in which
// others have come and gone and the claim of the next epoch was pruned. It comes before whatever could do harm.
func (w *session) fence(ctx context.Context) error {
	newest := uint32(0)
	err := w.insist(ctx, func() (err error) {
		newest, err = newestEpoch(ctx, w.cfg.Bucket)
		return err
	})
	if err != nil {
		return err
	}
	w.fenced = time.Now()
	return w.latest(newest)
}

// unfenced is fence for tasks beside the stream: it does not insist.
func (w *session) unfenced(ctx context.Context) error {
	newest, err := newestEpoch(ctx, w.cfg.Bucket)
	if err != nil {
		return err
	}
	return w.latest(newest)
}

func (w *session) latest(epoch uint32) error {
	if epoch > w.epoch {
		return fmt.Errorf("%w: it is at epoch %d, this one was %d and stops", ErrFenced, epoch, w.epoch)
	}
	return nil
}
