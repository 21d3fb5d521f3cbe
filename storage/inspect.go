package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"footfall/storage/day"
	"footfall/storage/file"
	"footfall/storage/schema"
)

// Selection says what Inspect looks at more closely.
type Selection struct {
	Site    schema.Site  // 0: every site
	Date    *schema.Date // nil: every day
	Days    bool         // describe each day
	Columns bool         // add up the columns of the sealed days, for which all their bytes are read
}

// Inspection is what a store holds and what it costs in bytes.
type Inspection struct {
	File    FileUse     `json:"file"`
	Buckets []BucketUse `json:"buckets"`
	Sites   []SiteUse   `json:"sites"`
	Days    []DayUse    `json:"days,omitempty"`
	Columns []ColumnUse `json:"columns,omitempty"`
}

// FileUse is the size of the data file and what it is made of: Size = Values + Pages + Free + Tail.
type FileUse struct {
	Size   int64 `json:"size"`
	Values int64 `json:"values"` // keys and values of all buckets
	Pages  int64 `json:"pages"`  // what the pages they lie on take beyond that
	Free   int64 `json:"free"`   // pages that held something and can again
	Tail   int64 `json:"tail"`   // behind the last page ever used
}

// BucketUse is what a bucket of the data file holds.
type BucketUse struct {
	Name    string `json:"name"`
	Entries int64  `json:"entries"`
	Keys    int64  `json:"key_bytes"`
	Values  int64  `json:"value_bytes"`
}

// SiteUse is what a site holds.
type SiteUse struct {
	ID     schema.Site `json:"id"`
	Domain string      `json:"domain"`
	First  string      `json:"first,omitempty"` // day, of those that hold events
	Last   string      `json:"last,omitempty"`
	Days   int         `json:"days"`
	Usage
}

// DayUse is what a day of a site holds. A day may have a sealed and an open part.
type DayUse struct {
	Site       schema.Site `json:"site"`
	Date       string      `json:"date"`
	Zone       string      `json:"timezone,omitempty"` // in which the day was sealed
	Generation uint32      `json:"generation,omitempty"`
	Chunks     int         `json:"chunks,omitempty"`
	OpenRows   int         `json:"open_rows,omitempty"`
	Damaged    bool        `json:"damaged,omitempty"` // and so not counted
	Usage
}

// Usage is what is counted for days and for sites.
type Usage struct {
	Rows     int   `json:"rows"`   // events, engagement included
	Events   int   `json:"events"` // events, engagement left out
	Visits   int   `json:"visits"`
	Visitors int   `json:"visitors"`
	Sealed   int64 `json:"sealed_bytes"`  // keys and values of sealed days
	Journal  int64 `json:"journal_bytes"` // keys and values of open days
	Folded   int64 `json:"folded_values"` // that count as day.Other, since their day had too many different ones
}

// Bytes is what all of it takes.
func (u *Usage) Bytes() int64 { return u.Sealed + u.Journal }

func (u *Usage) add(o *Usage) {
	u.Rows += o.Rows
	u.Events += o.Events
	u.Visits += o.Visits
	u.Visitors += o.Visitors
	u.Sealed += o.Sealed
	u.Journal += o.Journal
	u.Folded += o.Folded
}

// ColumnUse is what the streams of one kind and column take, in the sealed days that were selected. The last ones are what sealing
// and the headers of days add, so that the bytes of all are the bytes of the days.
type ColumnUse struct {
	Stream    string         `json:"stream"` // see day.Stream
	Column    string         `json:"column,omitempty"`
	Encodings map[string]int `json:"encodings,omitempty"` // number of streams
	Streams   int            `json:"streams"`
	Bytes     int64          `json:"bytes"`
	PerEvent  float64        `json:"bytes_per_event"`
}

// Inspect describes what is stored. It reads days one after the other and holds none of them; events come in meanwhile. progress may be nil.
func (s *Store) Inspect(ctx context.Context, ask Selection, progress func(done, total int64)) (*Inspection, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	in := &inspector{s: s, ask: ask, days: map[dayKey]*DayUse{}, header: map[dayKey]int64{}, columns: map[[2]string]*ColumnUse{}}
	if err := in.sizes(ctx); err != nil {
		return nil, fmt.Errorf("inspect: %w", dataError(err))
	}
	days := s.allDays()
	for i, k := range days {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := dataError(retryStale(ctx, func() error { return in.day(k) }))
		if d := in.days[k]; errors.Is(err, ErrDamaged) && d != nil {
			d.Damaged = true
		} else if err != nil {
			return nil, fmt.Errorf("inspect site %d: %s: %w", k.site, k.date, err)
		}
		progress(int64(i+1), int64(len(days)))
	}
	return in.result(), nil
}

type inspector struct {
	s       *Store
	ask     Selection
	buckets []BucketUse
	days    map[dayKey]*DayUse
	header  map[dayKey]int64 // bytes of the catalog's entry
	columns map[[2]string]*ColumnUse
	events  int   // of the sealed days in columns
	streams int64 // bytes in columns
	headers int64 // bytes of their catalog entries
	sealed  int64 // bytes of their keys and values
}

func (in *inspector) of(key []byte) *DayUse {
	k := dayKeyOf(key)
	d := in.days[k]
	if d == nil {
		d = &DayUse{Site: k.site, Date: k.date.String()}
		in.days[k] = d
	}
	return d
}

// sizes adds up what the buckets hold, and what of it belongs to which day.
func (in *inspector) sizes(ctx context.Context) error {
	names := map[file.Bucket]string{file.Meta: "meta", file.Journal: "journal", file.Catalog: "catalog", file.Days: "days", file.Accounts: "accounts", file.Audit: "audit"}
	for b := file.Meta; b <= file.Audit; b++ {
		use := BucketUse{Name: names[b]}
		err := in.s.db.Sizes(ctx, b, nil, func(key []byte, size int) error {
			use.Entries++
			use.Keys += int64(len(key))
			use.Values += int64(size)
			switch bytes := int64(len(key) + size); {
			case b == file.Journal && (len(key) == 16 || isLayer(key)):
				in.of(key).Journal += bytes
			case b == file.Days && len(key) == 16:
				in.of(key).Sealed += bytes
			case b == file.Catalog && len(key) == 8:
				in.of(key).Sealed += bytes
				in.header[dayKeyOf(key)] = bytes
			}
			return nil
		})
		if err != nil {
			return err
		}
		in.buckets = append(in.buckets, use)
	}
	return nil
}

// selected tells whether a day is one of those that were asked for.
func (in *inspector) selected(k dayKey) bool {
	return (in.ask.Site == 0 || in.ask.Site == k.site) && (in.ask.Date == nil || *in.ask.Date == k.date)
}

// day counts what a day holds.
func (in *inspector) day(k dayKey) error {
	in.s.mu.RLock()
	e, sealed := in.s.catalog[k.site][k.date]
	open, damaged := in.s.days[k], in.s.damaged[k]
	in.s.mu.RUnlock()
	d := in.days[k]
	if d == nil { // it began after the sizes were read
		return nil
	}
	if damaged != nil {
		return damaged
	}
	counted := *d
	for _, n := range in.s.Folded(k.site, k.date, k.date) {
		counted.Folded += n
	}
	if sealed {
		v, err := in.s.readSealed(k, e)
		if err != nil {
			return err
		}
		counted.Zone, counted.Generation, counted.Chunks = v.Zone, e.generation, v.Chunks()
		counted.Rows, counted.Events, counted.Visits, counted.Visitors = v.Rows, v.Counting, v.Visits, v.Visitors
		if in.ask.Columns && in.selected(k) {
			if err := in.addColumns(k, v); err != nil {
				return err
			}
			in.sealed += d.Sealed
		}
	}
	if open != nil {
		visitors, visits := open.open.Counts()
		counted.OpenRows = open.open.Rows()
		counted.add(&Usage{Rows: counted.OpenRows, Events: open.open.Counting(), Visits: visits, Visitors: visitors})
	}
	*d = counted
	return nil
}

func (in *inspector) addColumns(k dayKey, v *day.View) error {
	streams, err := v.Streams()
	if err != nil {
		return err
	}
	in.headers += in.header[k]
	in.events += v.Counting
	for _, st := range streams {
		name := schema.Columns[st.Column].Name
		if st.Prop != "" {
			name = "props." + st.Prop
		}
		c := in.columns[[2]string{st.Kind, name}]
		if c == nil {
			c = &ColumnUse{Stream: st.Kind, Column: name, Encodings: map[string]int{}}
			in.columns[[2]string{st.Kind, name}] = c
		}
		c.Encodings[st.Encoding]++
		c.Streams++
		c.Bytes += int64(st.Bytes)
		in.streams += int64(st.Bytes)
	}
	return nil
}

func (in *inspector) result() *Inspection {
	out := &Inspection{Buckets: in.buckets}
	stats := in.s.db.Stats()
	out.File = FileUse{Size: stats.Size, Free: stats.Free, Tail: stats.Tail}
	for _, b := range in.buckets {
		out.File.Values += b.Keys + b.Values
	}
	out.File.Pages = max(0, stats.Size-stats.Free-stats.Tail-out.File.Values)
	out.Sites = in.sites()
	if in.ask.Days {
		for k, d := range in.days {
			if in.selected(k) {
				out.Days = append(out.Days, *d)
			}
		}
		slices.SortFunc(out.Days, func(a, b DayUse) int {
			return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Date, b.Date))
		})
	}
	if in.ask.Columns {
		out.Columns = in.sorted()
	}
	return out
}

// sites adds up the days of each site that was asked for.
func (in *inspector) sites() []SiteUse {
	sites := map[schema.Site]*SiteUse{}
	for _, site := range in.s.book.Sites() {
		if in.ask.Site == 0 || in.ask.Site == site.ID {
			sites[site.ID] = &SiteUse{ID: site.ID, Domain: site.Domain}
		}
	}
	for k, d := range in.days {
		u := sites[k.site]
		if u == nil {
			continue
		}
		u.Usage.add(&d.Usage)
		if d.Rows == 0 {
			continue
		}
		u.Days++
		if u.First == "" || d.Date < u.First {
			u.First = d.Date
		}
		u.Last = max(u.Last, d.Date)
	}
	out := make([]SiteUse, 0, len(sites))
	for _, u := range sites {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b SiteUse) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// sorted returns the columns, the largest first, and behind them what is not a stream.
func (in *inspector) sorted() []ColumnUse {
	var out []ColumnUse
	for _, c := range in.columns {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b ColumnUse) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Column, b.Column))
	})
	out = append(out, ColumnUse{Stream: "headers", Bytes: in.headers}, ColumnUse{Stream: "sealing and keys", Bytes: in.sealed - in.headers - in.streams})
	for i := range out {
		if in.events > 0 {
			out[i].PerEvent = float64(out[i].Bytes) / float64(in.events)
		}
	}
	return out
}
