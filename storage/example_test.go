package storage_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"footfall/storage"
	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// What a store writes down, unsealed, but for accounts: a site with a sealed day, an open one, counts of what was dropped, and an import
// that has not ended.
func Example_entries() {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	dir, err := os.MkdirTemp("", "footfall-example-")
	fail(err)
	defer os.RemoveAll(dir)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	s, err := storage.Open(ctx, storage.Config{Dir: filepath.Join(dir, "data"), Create: true, Now: func() time.Time { return now }})
	fail(err)
	defer s.Close()
	site, err := s.AddSite(ctx, "example.org", "Etc/UTC")
	fail(err)
	view := func() {
		o, err := s.OpenDay(site.ID, schema.DateOf(now))
		fail(err)
		c, err := s.Append(o, pageview(now, 0, 1, true, "/"))
		fail(err)
		fail(c.Wait(ctx))
	}
	view()
	s.Dropped(site.ID, schema.DateOf(now), "bot", 3)
	now = now.AddDate(0, 0, 1)
	view()
	_, err = s.Maintain(ctx, now)
	fail(err)
	in, err := s.Import(site.ID)
	fail(err)
	defer in.Abort()
	days, err := site.Calendar()
	fail(err)
	midnight := days.Start(schema.DateOf(now) - 10)
	old := day.NewOpen(site.ID, schema.DateOf(midnight), midnight)
	fail(old.Apply([]day.Row{pageview(midnight, 0, 1, true, "/")}))
	fail(in.Add(ctx, old.View()))

	fail(s.EachPlain(ctx, func(b file.Bucket, key, plain []byte) {
		what := ""
		take := func(n int, name string) {
			what += fmt.Sprintf("  %s %x", name, plain[:n])
			plain = plain[n:]
		}
		bucket := map[file.Bucket]string{file.Meta: "Meta", file.Journal: "Journal", file.Catalog: "Catalog", file.Days: "Days"}[b]
		fmt.Printf("%-7s", bucket)
		for i := 0; i < len(key); i += 4 {
			fmt.Printf(" %x", key[i:min(i+4, len(key))])
		}
		fmt.Println()
		take(1, "version")
		switch {
		case b == file.Meta:
			take(4, "day")
			take(8, "since")
		case b == file.Journal:
			what += fmt.Sprintf("  and %d bytes, see day.Open.Encode", len(plain))
		case b == file.Days:
			what = "  a chunk, see day.Seal"
		case len(key) == 8:
			take(4, "generation")
			what += fmt.Sprintf("  header of version %d, see day.Seal", plain[0])
		case len(key) == 9:
			what += "  " + string(plain)
		case binary.BigEndian.Uint32(key) == 1<<32-1:
			take(4, "day")
			take(4, "generation")
		}
		fmt.Println(what)
	}))
	// Output:
	// Meta    02
	//   version 01  day 0000502b  since 0000000000000000
	// Journal 00000001 8000502b 00000000 00000000
	//   version 01  and 143 bytes, see day.Open.Encode
	// Catalog 00000001 8000502a
	//   version 01  generation 00000001  header of version 2, see day.Seal
	// Catalog 00000001 8000502a 01
	//   version 01  {"bot":3}
	// Catalog ffffffff 00000001 00000000
	//   version 01  day 80005021  generation 00000001
	// Days    00000001 80005021 00000001 00000000
	//   a chunk, see day.Seal
	// Days    00000001 8000502a 00000001 00000000
	//   a chunk, see day.Seal
}
