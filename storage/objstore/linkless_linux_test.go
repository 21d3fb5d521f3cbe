package objstore_test

import (
	"os"
	"os/exec"
	"testing"

	"footfall/storage/objstore"
	"footfall/storage/objstore/objtest"
)

// TestDirWithoutLinks holds that a file system without hard links, as on many USB disks, is found out and does all but the one thing.
func TestDirWithoutLinks(t *testing.T) {
	const inside = "FOOTFALL_WITHOUT_LINKS"
	if os.Getenv(inside) != "" {
		objtest.Conform(t, func(t *testing.T) objstore.Bucket {
			b, _ := openDir(t)
			if can, err := b.Conditional(t.Context()); can || err != nil {
				t.Errorf("conditional: got %v, %v", can, err)
			}
			return b
		})
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed: install the package strace")
	}
	if out, err := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "inject=linkat:error=EPERM", "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
	cmd := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=linkat", "-e", "inject=linkat:error=EPERM", os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
