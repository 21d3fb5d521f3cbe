package verb_test

import (
	"fmt"
	"strings"
	"testing"

	"footfall/storage"
	"footfall/storage/verb"
)

func TestKeyWarnings(t *testing.T) {
	file := storage.KeySlot{Index: 0, Kind: storage.KeyFile}
	recovery := storage.KeySlot{Index: 1, Kind: storage.RecoveryKey}
	for name, c := range map[string]struct {
		status storage.KeyStatus
		want   []string // a piece of each
	}{
		"all well":        {storage.KeyStatus{Slots: []storage.KeySlot{file, recovery}}, nil},
		"no recovery key": {storage.KeyStatus{Slots: []storage.KeySlot{file}}, []string{"footfall key recovery"}},
		"weak":            {storage.KeyStatus{Slots: []storage.KeySlot{recovery, {Index: 5, Kind: storage.Passphrase, Weak: true}}}, []string{"slot 5"}},
		"beside":          {storage.KeyStatus{Slots: []storage.KeySlot{file, recovery}, Beside: "d/footfall.key"}, []string{"d/footfall.key lies beside the data"}},
		"everything":      {storage.KeyStatus{Beside: "x", OldStays: "of the disk"}, []string{"x lies", "no recovery key", "stay readable on the disk: of the disk"}},
	} {
		got := verb.KeyWarnings(&c.status)
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.Contains(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestRotationPlan(t *testing.T) {
	slots := []storage.KeySlot{{Index: 0, Kind: storage.KeyFile}, {Index: 1, Kind: storage.RecoveryKey}, {Index: 4, Kind: storage.Passphrase}}
	for opener, want := range map[int]string{
		0: "keeps slot 0 (key file), makes a new recovery key, drops slot 4 (passphrase), to be added again with `footfall key add`; [4] true",
		1: "keeps slot 1 (recovery key), drops slot 0 (key file) and slot 4 (passphrase), to be added again with `footfall key add`; [0 4] false",
		4: "keeps slot 4 (passphrase), makes a new recovery key, drops slot 0 (key file), to be added again with `footfall key add`; [0] true",
	} {
		plan, dropped, renew := verb.Rotation(&storage.KeyStatus{Slots: slots, Opener: opener})
		if got := fmt.Sprintf("%s; %v %v", plan, dropped, renew); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	plan, dropped, renew := verb.Rotation(&storage.KeyStatus{Slots: slots[:1]})
	if plan != "keeps slot 0 (key file)" || len(dropped) > 0 || renew {
		t.Errorf("got %s, %v, %v", plan, dropped, renew)
	}
}
