//go:build linux

package file_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"footfall/storage/file/crashfs"
)

// TestCrashStatesAreSeen holds that the search would find what it looks for: programs that use bbolt as it must not be used lose what they
// acknowledged, and are caught.
func TestCrashStatesAreSeen(t *testing.T) {
	if crashfs.IsChild() {
		if err := crashfs.Judge(carelessJudge); err != nil {
			t.Fatal(err)
		}
		return
	}
	if s := os.Getenv("FILE_TEST_CARELESS"); s != "" {
		var way, dir string
		if _, err := fmt.Sscan(s, &way, &dir); err != nil {
			t.Fatal(err)
		}
		carelessProgram(t, dir, way)
		return
	}
	// No fsync; one for data and meta page together, which do not arrive in order; going on after one that failed in the midst of the work.
	for way, first := range map[string]int{"unsynced": 0, "once": 0, "on": 40} {
		t.Run(way, func(t *testing.T) {
			for sync := first; sync <= first+20; sync++ {
				log := recordProgram(t, nil, crashfs.Faults{Sync: sync}, "TestCrashStatesAreSeen", "FILE_TEST_CARELESS="+way)
				if verdict := exploreCrash(t, log, crashfs.Plan{Draws: 2, Seed: 1}, "TestCrashStatesAreSeen"); len(verdict.Bad) > 0 {
					t.Logf("%d of %d states are bad", len(verdict.Bad), verdict.States)
					return
				}
			}
			t.Error("no state is bad")
		})
	}
}

// carelessProgram commits values of ever other sizes to a few keys, in one of those ways.
func carelessProgram(t *testing.T, dir, way string) {
	say, err := crashfs.OpenMarker(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(dir, crashName), 0o600, &bolt.Options{NoFreelistSync: true, NoSync: way != "on"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			size := rand.New(rand.NewPCG(uint64(n), 0)).IntN(9000)
			return errors.Join(b.Put([]byte{byte(n % 5)}, make([]byte, size)), b.Put([]byte("last"), []byte{byte(n)}))
		})
		if way == "once" {
			err = errors.Join(err, db.Sync())
		}
		if err == nil {
			say.Say("ack %d", n)
		}
	}
	_ = db.Close()
}

func carelessJudge(s *crashfs.State, dir string) error {
	acked := -1
	for _, m := range s.Marks {
		fmt.Sscanf(m, "ack %d", &acked)
	}
	db, err := bolt.Open(filepath.Join(dir, crashName), 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("b"))
		if acked < 0 && b == nil {
			return nil
		}
		if b == nil || len(b.Get([]byte("last"))) != 1 {
			return fmt.Errorf("%d was acknowledged and there is nothing", acked)
		}
		if last := int(b.Get([]byte("last"))[0]); last < acked {
			return fmt.Errorf("%d was acknowledged and %d is there", acked, last)
		}
		for err := range tx.Check() {
			return err
		}
		return nil
	})
}
