//go:build unix

package file_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/storage/file"
)

func ignoreFileSizeSignal() { signal.Ignore(syscall.SIGXFSZ) }

func deadline(t *testing.T) time.Time {
	if d, ok := t.Deadline(); ok {
		return d.Add(-time.Second)
	}
	return time.Now().Add(5 * time.Minute)
}

// TestKill kills a process that commits, again and again, and counts what it had acknowledged.
func TestKill(t *testing.T) {
	if path := os.Getenv("FILE_TEST_KILL"); path != "" {
		writeUntilKilled(path, false)
		return
	}
	path := filepath.Join(t.TempDir(), "footfall.db")
	mustCreate(t, file.Config{Path: path}).Close()
	acked := map[uint64]bool{}
	rounds := 8
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		for n := range killedChild(t, "TestKill", path) {
			acked[n] = true
		}
		db := mustOpen(t, path)
		found := map[uint64]bool{}
		db.Scan(context.Background(), file.Journal, nil, func(k, v []byte) error {
			n := binary.BigEndian.Uint64(k)
			if found[n] || len(v) != int(n%900) {
				t.Errorf("number %d: twice %v, %d bytes", n, found[n], len(v))
			}
			found[n] = true
			return nil
		})
		for n := range acked {
			if !found[n] {
				t.Errorf("number %d was acknowledged and is gone", n)
			}
		}
		db.Close()
		mustCheck(t, path)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d acknowledged in %d rounds", len(acked), rounds)
}

// killedChild returns the numbers that a child acknowledged before it was killed at a random moment.
func killedChild(t *testing.T, test, path string) map[uint64]bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), "FILE_TEST_KILL="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killAfter := 1 + rand.IntN(1500)
	acked := map[uint64]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n uint64
		if _, err := fmt.Sscanf(lines.Text(), "acked %d.", &n); err == nil {
			acked[n] = true
		}
		if len(acked) == killAfter {
			cmd.Process.Kill()
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if len(acked) == 0 {
		t.Fatal("the child did nothing")
	}
	return acked
}

func writeUntilKilled(path string, compact bool) {
	db, err := file.Open(file.Config{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if compact {
		go func() {
			for {
				if _, err := db.Compact(context.Background(), nil); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}()
	}
	first := uint64(0)
	db.Scan(context.Background(), file.Journal, nil, func(k, _ []byte) error {
		first = binary.BigEndian.Uint64(k) + 1
		return nil
	})
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			for n := first + w; ; n += 8 {
				err := db.Commit(context.Background(), func(tx *file.Tx) error {
					return tx.Put(file.Journal, number(n), make([]byte, n%900))
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString(fmt.Sprintf("acked %d.\n", n)) // one write, so that lines stay whole
			}
		})
	}
	wg.Wait()
}
