package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"footfall/storage/objstore"
)

func siteName(name [16]byte) string { return fmt.Sprintf("%s%x", prefixSites, name) }

// putKeys uploads the keyring, and makes the bucket hold the site keys that the vault holds, and no others.
func (w *session) putKeys(ctx context.Context) error {
	w.keys = map[string]bool{}
	err := w.cfg.Bucket.List(ctx, prefixSites, "", func(o objstore.Object) error {
		if _, ours := siteID(o.Name); ours {
			w.keys[o.Name] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the keys that are there: %w", err)
	}
	return w.exportKeys(ctx)
}

// syncKeys does the same if the vault has changed since, and tries again now and then to delete what could not be deleted.
func (w *session) syncKeys(ctx context.Context) error {
	changed := w.cfg.Vault.Generation() != w.keysGen
	if !changed && (len(w.undeleted) == 0 || time.Now().Before(w.shredAt)) {
		return nil
	}
	if err := w.fence(ctx); err != nil {
		return err
	}
	if changed {
		return w.exportKeys(ctx)
	}
	w.shred(ctx)
	return nil
}

func (w *session) exportKeys(ctx context.Context) error {
	generation := w.cfg.Vault.Generation()
	ring, err := w.cfg.Vault.Keyring()
	if err != nil {
		return err
	}
	sites, err := w.cfg.Vault.SiteKeys()
	if err != nil {
		return err
	}
	if err := w.put(ctx, nameKeyring, ring, objstore.Overwrite); err != nil {
		return err
	}
	old := w.keys
	w.keys = map[string]bool{}
	for _, k := range sites {
		name := siteName(k.Name)
		if !old[name] {
			if err := w.put(ctx, name, k.Object, objstore.Overwrite); err != nil {
				return err
			}
		}
		w.keys[name] = true
		delete(old, name)
	}
	if err := w.put(ctx, nameRoll, encodeRoll(slices.Sorted(maps.Keys(w.keys)), generation, w.sealer), objstore.Overwrite); err != nil {
		return err
	}
	w.undeleted, w.shredPause = old, firstPause
	w.shred(ctx)
	maps.Copy(w.keys, w.undeleted)
	w.keysGen = generation
	w.set(func(st *Status) { st.keys = generation })
	return nil
}

// shred deletes the keys of sites that are gone. That it fails must keep nothing else from the bucket: some credentials do not allow it.
func (w *session) shred(ctx context.Context) {
	list := slices.Sorted(maps.Keys(w.undeleted))
	if len(list) == 0 {
		return
	}
	err := w.cfg.Bucket.Delete(ctx, list...)
	kept, err := retained(err)
	if len(kept) > 0 {
		w.cfg.Log.Error("the bucket keeps keys of removed sites", "keys", strings.Join(kept, "; "))
		w.set(func(st *Status) { st.Kept = append(st.Kept, kept...) })
	}
	if err != nil {
		err = fmt.Errorf("delete the keys of removed sites: %w", err)
		if w.shredPause == firstPause {
			w.cfg.Log.Error("removed sites can be restored yet: this is tried again", "error", err)
		}
		w.shredAt, w.shredPause = time.Now().Add(w.shredPause), min(2*w.shredPause, lastEpoch)
		w.set(func(st *Status) { st.undeleted, st.Error = err.Error(), err.Error() })
		return
	}
	for _, name := range list {
		delete(w.keys, name)
	}
	w.undeleted = nil
	w.set(func(st *Status) { st.undeleted, st.Error = "", "" })
	w.cfg.Log.Info("the keys of removed sites were deleted from the snapshots", "keys", len(list)-len(kept))
}

// retained parts from err what says that an object is kept by an object lock.
func retained(err error) (kept []string, rest error) {
	if err == nil {
		return nil, nil
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		if one := new(objstore.Retained); !errors.As(err, &one) {
			return nil, err
		}
		var errs []error
		for _, e := range list.Unwrap() {
			k, e := retained(e)
			kept, errs = append(kept, k...), append(errs, e)
		}
		return kept, errors.Join(errs...)
	}
	if one := new(objstore.Retained); errors.As(err, &one) {
		return []string{one.Error()}, nil
	}
	return nil, err
}
