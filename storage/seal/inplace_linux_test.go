package seal_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"footfall/storage/seal"
)

func TestMountOption(t *testing.T) {
	const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
36 22 8:2 / /srv rw,noatime shared:1 master:2 - ext4 /dev/sdb1 rw,data=journal
37 22 8:21 /with\040space /mnt rw - ext4 /dev/sdc1 rw,data=journalx
38
`
	for device, want := range map[string]bool{"8:1": false, "8:2": true, "8:21": false, "8:3": false} {
		if got := seal.HasMountOption(strings.NewReader(mounts), device, "data=journal"); got != want {
			t.Errorf("device %s: got %v", device, got)
		}
	}
}

// TestOldStays makes vaults on real file systems, where that is possible.
func TestOldStays(t *testing.T) {
	for name, c := range map[string]struct {
		mkfs    []string
		size    int64 // MiB: near the least that it accepts
		options string
		before  string // a command run in the empty file system
		want    string
	}{
		"ext4":             {[]string{"mkfs.ext4", "-q"}, 32, "loop", "", ""},
		"ext4 journaling":  {[]string{"mkfs.ext4", "-q"}, 32, "loop,data=journal", "", "data=journal"},
		"xfs":              {[]string{"mkfs.xfs", "-q"}, 320, "loop", "", ""},
		"btrfs":            {[]string{"mkfs.btrfs", "-q"}, 128, "loop", "", ""},
		"btrfs, forgotten": {[]string{"mkfs.btrfs", "-q"}, 128, "loop", "cp --reflink=never ../vault footfall.vault", "nodatacow"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mnt := mount(t, dir, c.mkfs, c.size, c.options)
			mustCreate(t, filepath.Join(dir, "vault"))
			path := filepath.Join(mnt, "footfall.vault")
			if c.before != "" {
				if out, err := inDir(mnt, c.before).CombinedOutput(); err != nil {
					t.Skipf("%s: %s", c.before, out)
				}
			}
			if _, err := os.Stat(path); err != nil {
				v, err := seal.CreateVault(path, storeID, raw, born)
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				rotateOnDisk(t, v, path, filepath.Join(dir, "image"))
			}
			got := seal.OldStays(path)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
	if got := seal.OldStays(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("of no file: %q", got)
	}
}

// rotateOnDisk holds that after a rotation nothing of what the vault held before is anywhere on the disk.
func rotateOnDisk(t *testing.T, v *seal.Vault, path, image string) {
	t.Helper()
	if strings.Contains(t.Name(), "journaling") {
		return // it is there
	}
	mustSalt(t, v, "Europe/Berlin", 100)
	old := mustReadFile(t, path)
	if err := v.Rotate("", born); err != nil {
		t.Fatal(err)
	}
	disk := mustReadFile(t, image)
	for what, at := range map[string]int{"key slot": 64 + 56, "data key": 2*seal.PageSize + 40, "salt": 3*seal.PageSize + 40} {
		if bytes.Contains(disk, old[at:at+16]) {
			t.Errorf("the disk holds an old %s", what)
		}
	}
	now := mustReadFile(t, path)
	if !bytes.Contains(disk, now[64+56:][:16]) {
		t.Error("the new key slot is not seen on the disk: the test sees nothing")
	}
}

// mount makes a file system in a file of dir and mounts it until the test ends.
func mount(t *testing.T, dir string, mkfs []string, size int64, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	if _, err := exec.LookPath(mkfs[0]); err != nil {
		t.Skip("no " + mkfs[0] + " here")
	}
	image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs[0], append(mkfs[1:], image)...).CombinedOutput(); err != nil {
		t.Skipf("%s: %s", mkfs[0], out)
	}
	if out, err := exec.Command("mount", "-o", options, image, mnt).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return mnt
}

func inDir(dir, command string) *exec.Cmd {
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	return cmd
}
