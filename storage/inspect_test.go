package storage_test

import (
	"testing"
	"time"

	"footfall/storage"
	"footfall/storage/schema"
)

// TestInspect holds that every byte is somewhere: of the file, of the days, of the columns.
func TestInspect(t *testing.T) {
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	s := openRelease(t, storage.Config{Dir: layRelease(t, "testdata/v0.1")}, now)
	in, err := s.Inspect(t.Context(), storage.Selection{Days: true, Columns: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := in.File
	if f.Size != f.Values+f.Pages+f.Free+f.Tail || f.Values <= 0 || f.Pages <= 0 {
		t.Errorf("file: %+v", f)
	}
	var values, journal, sealed int64
	for _, b := range in.Buckets {
		values += b.Keys + b.Values
	}
	if values != f.Values {
		t.Errorf("buckets hold %d bytes, the file %d", values, f.Values)
	}
	sums := map[schema.Site]*storage.Usage{}
	for _, d := range in.Days {
		if sums[d.Site] == nil {
			sums[d.Site] = &storage.Usage{}
		}
		u := sums[d.Site]
		u.Rows += d.Rows
		u.Events += d.Events
		u.Visits += d.Visits
		u.Visitors += d.Visitors
		u.Sealed += d.Sealed
		u.Journal += d.Journal
		journal += d.Journal
		sealed += d.Sealed
		if (d.Generation > 0) != (d.Sealed > 0) || (d.OpenRows > 0) != (d.Journal > 0) || d.Rows == 0 {
			t.Errorf("day: %+v", d)
		}
	}
	for _, site := range in.Sites {
		if site.Usage != *sums[site.ID] || int64(site.Events) != s.Count(site.ID) {
			t.Errorf("site: %+v, its days: %+v", site, *sums[site.ID])
		}
	}
	if b := in.Buckets[1]; b.Name != "journal" || journal != b.Keys+b.Values {
		t.Errorf("open days have %d bytes, the journal %+v", journal, b)
	}
	var columns int64
	for _, c := range in.Columns {
		columns += c.Bytes
		if c.Bytes < 0 || c.Streams == 0 && c.Column != "" {
			t.Errorf("column: %+v", c)
		}
	}
	if columns != sealed {
		t.Errorf("columns have %d bytes, sealed days %d", columns, sealed)
	}
}

// TestInspectOneDay asks for a part.
func TestInspectOneDay(t *testing.T) {
	now := time.Date(2025, 10, 6, 2, 0, 0, 0, time.UTC)
	s := openRelease(t, storage.Config{Dir: layRelease(t, "testdata/v0.1")}, now)
	long, err := schema.ParseDate("2025-09-26")
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.Inspect(t.Context(), storage.Selection{Site: 1, Date: &long, Days: true, Columns: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Sites) != 1 || len(in.Days) != 1 || in.Days[0].Rows != 16_401 || in.Days[0].Events != 1 {
		t.Fatalf("sites %+v, days %+v", in.Sites, in.Days)
	}
	if c := in.Columns[0]; c.Column != "engagement_ms" || c.Encodings["packed"] != 1 || c.Bytes < 4*16_401 {
		t.Errorf("the largest column: %+v", c)
	}
}
