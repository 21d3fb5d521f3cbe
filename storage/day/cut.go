package day

import (
	"errors"
	"fmt"
	"slices"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Cut says what goes when rows of a view are deleted, and makes what stays. What stays is counted anew: entry and exit, duration and
// bounce of a visit follow from the rows it has left.
type Cut struct {
	Events     int // that count
	Engagement int
	Visits     int // of which nothing stays
	Visitors   int

	v      *View
	starts []uint32 // of visits in rows
	keep   []bool   // by row
	stays  int      // rows
}

// Cut returns what deleting the given rows does. With them go visits without an event that counts, visitors without a visit, and
// engagement that would come before the first event of its visit.
func (v *View) Cut(drop []bool) (*Cut, error) {
	starts, err := v.RowStarts()
	if err != nil {
		return nil, err
	}
	names, err := v.Text(schema.EventName)
	if err != nil {
		return nil, err
	}
	of, err := v.VisitorOf()
	if err != nil {
		return nil, err
	}
	if len(drop) != v.Rows {
		return nil, fmt.Errorf("cut %s: %w: %d rows, %d judged", v.Date, column.ErrCorrupt, v.Rows, len(drop))
	}
	engagement := names.Code(Engagement)
	c := &Cut{Visits: v.Visits, Visitors: v.Visitors, v: v, starts: starts, keep: make([]bool, v.Rows)}
	last := uint32(0) // 1 + the last visitor of whom something stays
	for visit := range v.Visits {
		begun := false
		for r := starts[visit]; r < starts[visit+1]; r++ {
			counts := names.Codes[r] != engagement
			switch c.keep[r] = !drop[r] && (counts || begun); {
			case c.keep[r]:
				begun = true
				c.stays++
			case counts:
				c.Events++
			default:
				c.Engagement++
			}
		}
		if begun {
			c.Visits--
			if last != of[visit]+1 {
				last = of[visit] + 1
				c.Visitors--
			}
		}
	}
	return c, nil
}

// Nothing reports whether no row goes.
func (c *Cut) Nothing() bool { return c.stays == c.v.Rows }

// Everything reports whether no row stays.
func (c *Cut) Everything() bool { return c.stays == 0 }

// Seal returns the header and chunks of a day that holds what stays, in parts of about so many rows.
func (c *Cut) Seal(rows int) (header []byte, chunks [][]byte, err error) {
	if c.Everything() {
		return nil, nil, errors.New("seal day: nothing to seal")
	}
	u := newUnordered()
	if err := u.add(c.v); err != nil {
		return nil, nil, fmt.Errorf("seal day: %w", err)
	}
	u.retain(c.keep)
	return u.compact(c.v, c.Counting()).seal(rows)
}

// Rows returns the number of rows of the view.
func (c *Cut) Rows() int64 { return int64(c.v.Rows) }

// Counting returns the number of events that stay, engagement left out.
func (c *Cut) Counting() int { return c.v.Counting - c.Events }

// retain takes out all rows but those to keep, and the visits and visitors that are left without any.
func (u *unordered) retain(keep []bool) {
	const gone = 1<<32 - 1
	number := func(n int) []uint32 {
		to := make([]uint32, n)
		for i := range to {
			to[i] = gone
		}
		return to
	}
	newRow, newVisit, newVisitor := number(len(u.visit)), number(len(u.visitor)), number(u.visitors)
	var rows, visits []uint32
	for r, k := range keep {
		if k {
			newRow[r] = uint32(len(rows))
			rows = append(rows, uint32(r))
			newVisit[u.visit[r]] = 0
		}
	}
	visitors := 0
	for old, visitor := range u.visitor {
		if newVisit[old] == gone {
			continue
		}
		newVisit[old] = uint32(len(visits))
		visits = append(visits, uint32(old))
		if newVisitor[visitor] == gone {
			newVisitor[visitor] = uint32(visitors)
			visitors++
		}
	}
	for _, n := range u.numbers {
		n.retain(rows)
	}
	for id, t := range u.texts {
		order := rows
		if schema.Columns[id].Level == schema.Visit {
			order = visits
		}
		t.codes.retain(order)
	}
	for key, s := range u.sparse {
		left := &SparseText{Dictionary: s.Dictionary}
		for i, r := range s.Rows {
			if newRow[r] != gone {
				left.Rows, left.Codes = append(left.Rows, newRow[r]), append(left.Codes, s.Codes[i])
			}
		}
		if u.sparse[key] = left; len(left.Rows) == 0 {
			delete(u.sparse, key)
		}
	}
	u.visit, u.visitor, u.visitors = pick(newVisit, pick(u.visit, rows)), pick(newVisitor, pick(u.visitor, visits)), visitors
}

// Kept calls fn for every row of the day that c, a cut of its view, keeps, in the order of time. Visits are numbered anew, visitors
// keep their ids, so that what is made of the rows can go on where this day ends. No row may have been added since the view was made.
func (o *Open) Kept(c *Cut, fn func(Row) error) error {
	o.mu.RLock()
	rows, ids := o.rowsLocked(), slices.Clip(o.visitors.ids)
	o.mu.RUnlock() // columns may come from the file: that takes its time, and locks of others
	if rows != c.v.Rows {
		panic("day: internal error: rows were added to a day that is being cut")
	}
	all, err := c.v.cells()
	if err != nil {
		return err
	}
	of, err := c.v.VisitorOf()
	if err != nil {
		return err
	}
	number := map[uint32]uint32{} // of a visit that has begun, in what is made
	for _, row := range all.inTime(c.starts) {
		if !c.keep[row.row] {
			continue
		}
		n, begun := number[row.visit]
		r := Row{Visit: n, Event: all.event(row.row)}
		if !begun {
			r.Visit = uint32(len(number))
			number[row.visit] = r.Visit
			r.New = &NewVisit{Visitor: ids[of[row.visit]], Attributes: all.attributes(row.visit)}
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}
