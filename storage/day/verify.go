package day

import (
	"fmt"
	"slices"
	"time"

	"footfall/storage/column"
	"footfall/storage/schema"
)

// Verify decodes every column of the day and counts again what the day says it has counted: totals, hours, sets and the summary. It
// returns the first difference. Of the columns that not every count needs it holds one at a time.
func (v *View) Verify() error {
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.Date, err)
	}
	for _, check := range []func(*time.Location) error{v.verifyDirectory, v.verifyNumbers, v.verifySummary, v.verifyHours, v.verifyTotals, v.verifyTexts, v.verifyProps, v.verifySets} {
		if err := check(zone); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) differs(what string, stored, counted any) error {
	return fmt.Errorf("verify %s: %w: %s: stored %v, counted %v", v.Date, column.ErrCorrupt, what, stored, counted)
}

// forget lets go of a column that can be read again.
func (v *View) forget(key columnKey) {
	if v.allParts() == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.numbers, key.id)
	delete(v.texts, key.id)
	delete(v.ends, key.id)
	delete(v.sparse, key)
}

// verifyDirectory holds that every stream is one that reading asks for, and is there once: a column whose stream has another name would
// be empty without a word.
func (v *View) verifyDirectory(*time.Location) error {
	if v.source == nil {
		return nil
	}
	for i, t := range v.source.streams {
		if i > 0 && v.source.streams[i-1].streamID == t.streamID {
			return v.differs("streams of one name", 1, 2)
		}
		if int(t.id) >= len(schema.Columns) || !v.source.asksFor(v, t.streamID) {
			return v.differs("a stream", fmt.Sprintf("kind %d, column %d, index %d, part %d", t.kind, t.id, t.index, t.part), "nobody asks for it")
		}
	}
	return nil
}

func (s *sealed) asksFor(v *View, t streamID) bool {
	c := schema.Columns[t.id]
	of := t // another stream of the same column
	has := func(kind byte, part int32) bool {
		of.kind, of.part = kind, part
		_, ok := s.find(of)
		return ok
	}
	switch index := int(t.index); {
	case t.kind == kindMap:
		of.index = 0
		return t.part == ofDay && c.Kind == schema.String && index < len(schema.Columns) && has(kindWords, ofDay) && !has(kindCodes, 0)
	case t.id == schema.EventProps && index >= len(v.Props):
		return false
	case t.kind == kindSet:
		return t.part == ofDay && t.id == schema.EventName
	case t.id != schema.EventProps && index != 0:
		return false
	}
	switch t.kind {
	case kindWords:
		return t.part == ofDay && (c.Kind == schema.String || c.Kind == schema.Sparse)
	case kindHours:
		return t.part == ofDay && t.id == schema.EventTime
	case kindTotals:
		of.id = wordsOf(t.id)
		return t.part == ofDay && c.API != "" && has(kindWords, ofDay)
	case kindRows:
		return t.part != ofDay && c.Kind == schema.Sparse && has(kindWords, ofDay) && has(kindCodes, t.part)
	case kindCodes:
		switch c.Kind {
		case schema.String:
			return t.part != ofDay && has(kindWords, ofDay)
		case schema.Sparse:
			return t.part != ofDay && has(kindWords, ofDay) && has(kindRows, t.part)
		}
		return t.part != ofDay && c.Kind == schema.Number
	}
	return false
}

func (v *View) verifyNumbers(*time.Location) error {
	for id, most := range map[schema.ID]uint32{schema.EventTime: maxSecond, schema.EventInteractive: 1, schema.EventScrollDepth: 101, schema.EventEngagement: 1<<32 - 1} {
		n, err := v.Numbers(id)
		if err != nil {
			return err
		}
		if len(n) != v.Rows {
			return v.differs("rows of "+schema.Columns[id].Name, v.Rows, len(n))
		}
		if len(n) > 0 && slices.Max(n) > most {
			return v.differs("greatest "+schema.Columns[id].Name, slices.Max(n), most)
		}
		if id == schema.EventScrollDepth || id == schema.EventEngagement { // nothing follows from these
			v.forget(columnKey{id: id})
		}
	}
	names, err := v.Text(schema.EventName)
	if err != nil {
		return err
	}
	counting, engagement := 0, names.Code(Engagement)
	for _, c := range names.Codes {
		counting += int(bit(c != engagement))
	}
	if counting != v.Counting {
		return v.differs("events", v.Counting, counting)
	}
	return nil
}

// verifyTexts looks at the columns that have no totals too.
func (v *View) verifyTexts(*time.Location) error {
	for _, id := range storedTexts {
		t, err := v.Text(id)
		if err != nil {
			return err
		}
		n := v.Rows
		if schema.Columns[id].Level == schema.Visit {
			n = v.Visits
		}
		if err := v.verifyCodes(schema.Columns[id].Name, t.Words, t.Codes, n); err != nil {
			return err
		}
		if err := v.verifyRanges(id, t.Codes); err != nil {
			return err
		}
		if id != schema.EventName {
			v.forget(columnKey{id: id})
		}
	}
	return nil
}

// verifyCodes holds that there are n codes, a word for each, and no word twice: it would be two groups of an answer.
func (v *View) verifyCodes(name string, words []string, codes []uint32, n int) error {
	if len(codes) != n {
		return v.differs("values of "+name, n, len(codes))
	}
	if len(codes) > 0 && int(slices.Max(codes)) >= len(words) {
		return v.differs("words of "+name, slices.Max(codes), len(words))
	}
	seen := make(map[string]bool, len(words))
	for _, w := range words {
		seen[w] = true
	}
	if len(seen) != len(words) {
		return v.differs("different words of "+name, len(words), len(seen))
	}
	return nil
}

// verifyRanges holds that the codes of each part lie where the header says: a query skips the parts where its words are not.
func (v *View) verifyRanges(id schema.ID, codes []uint32) error {
	if v.source == nil {
		return nil
	}
	for i, p := range v.source.parts {
		n := p.rows
		if schema.Columns[id].Level == schema.Visit {
			n = p.visits
		}
		t, ok := v.source.find(streamID{part: int32(i), kind: kindCodes, id: id})
		if ok && t.low <= t.high && n > 0 {
			stored, counted := [2]uint32{t.low, t.high}, [2]uint32{slices.Min(codes[:n]), slices.Max(codes[:n])}
			if stored != counted {
				return v.differs("range of "+schema.Columns[id].Name, stored, counted)
			}
		}
		codes = codes[n:]
	}
	return nil
}

func (v *View) verifySparse(name string, s *SparseText) error {
	for i, r := range s.Rows {
		if int(r) >= v.Rows || i > 0 && r <= s.Rows[i-1] {
			return v.differs("rows of "+name, "ascending", s.Rows[i])
		}
	}
	return v.verifyCodes(name, s.Words, s.Codes, len(s.Rows))
}

func (v *View) verifySummary(*time.Location) error {
	stored, err := v.Summary()
	if err != nil {
		return err
	}
	counted := Summary{Visitors: uint64(v.Visitors), Visits: uint64(v.Visits), Events: uint64(v.Counting)}
	for id, sum := range map[schema.ID]*uint64{schema.VisitPageviews: &counted.Pageviews, schema.VisitBounce: &counted.Bounces, schema.VisitDuration: &counted.Duration} {
		n, err := v.Numbers(id)
		if err != nil {
			return err
		}
		for _, x := range n {
			*sum += uint64(x)
		}
	}
	if stored != counted {
		return v.differs("summary", stored, counted)
	}
	return nil
}

func (v *View) verifyHours(zone *time.Location) error {
	stored, err := v.Hours()
	if err != nil || stored == nil {
		return err
	}
	counted, err := v.countHours(zone)
	if err != nil {
		return err
	}
	for i, l := range counted.lists() {
		if s := *stored.lists()[i]; !slices.Equal(s, *l) {
			return v.differs("hours", s, *l)
		}
	}
	if !slices.Equal(stored.EndDurations, counted.EndDurations) {
		return v.differs("hours", stored.EndDurations, counted.EndDurations)
	}
	return nil
}

func (v *View) verifyTotals(*time.Location) error {
	for i := range schema.Columns {
		id := schema.ID(i)
		if schema.Columns[id].API == "" || id == schema.EventProps {
			continue
		}
		stored, err := v.Totals(id)
		if err != nil {
			return err
		}
		counted, err := v.countTotals(id)
		if err != nil {
			return err
		}
		if err := v.compareTotals(schema.Columns[id].Name, stored, counted, isVisitTotal(id)); err != nil {
			return err
		}
		if id != schema.EventName {
			v.forget(columnKey{id: id})
		}
	}
	return nil
}

func (v *View) verifyProps(*time.Location) error {
	amount, currency, err := v.Revenue()
	if err != nil {
		return err
	}
	for _, s := range []*SparseText{amount, currency} {
		if err := v.verifySparse("revenue", s); err != nil {
			return err
		}
	}
	if !slices.Equal(amount.Rows, currency.Rows) {
		return v.differs("rows of revenue", len(amount.Rows), len(currency.Rows))
	}
	for i, key := range v.Props {
		if i > 0 && v.Props[i-1] >= key {
			return v.differs("order of properties", i-1, i)
		}
		stored, err := v.PropTotals(key)
		if err != nil {
			return err
		}
		s, err := v.Prop(key)
		if err != nil {
			return err
		}
		if err := v.verifySparse("a property", s); err != nil {
			return err
		}
		counted, err := v.countRows(s.Dense(v.Rows))
		if err != nil {
			return err
		}
		if err := v.compareTotals("a property", stored, counted, false); err != nil {
			return err
		}
		v.forget(propKey(key))
	}
	return nil
}

func (v *View) compareTotals(name string, stored, counted *Totals, ofVisits bool) error {
	if stored == nil {
		return nil
	}
	if !slices.Equal(stored.Words, counted.Words) {
		return v.differs("words of "+name, len(stored.Words), len(counted.Words))
	}
	lists := stored.lists()
	if !ofVisits {
		lists = lists[:rowLists]
	}
	for i, l := range lists {
		if !slices.Equal(*l, *counted.lists()[i]) {
			return v.differs("totals of "+name, *l, *counted.lists()[i])
		}
	}
	if ofVisits && !slices.Equal(stored.Durations, counted.Durations) {
		return v.differs("durations of "+name, stored.Durations, counted.Durations)
	}
	return nil
}

func (v *View) verifySets(*time.Location) error {
	names, err := v.Text(schema.EventName)
	if err != nil {
		return err
	}
	counted, err := v.visitorsByName()
	if err != nil {
		return err
	}
	for code, name := range names.Words {
		stored, ok, err := v.VisitorsWith(name)
		if err != nil {
			return err
		}
		if ok && !slices.Equal(stored.Slice(), counted[code]) {
			return v.differs("visitors of an event", stored.Len(), len(counted[code]))
		}
	}
	return nil
}
