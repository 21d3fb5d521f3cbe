package day_test

import (
	"bytes"
	"fmt"
	"time"

	"footfall/storage/day"
	"footfall/storage/schema"
)

// A journal value of one pageview, cut where its fields begin.
func ExampleOpen_Encode() {
	o := day.NewOpen(1, date, date.Start(time.UTC))
	row := day.Row{New: &day.NewVisit{Visitor: 7}, Event: day.Event{Time: date.Start(time.UTC).Unix() + 65, Name: "pageview", Hostname: "a.org", Pathname: "/", Interactive: true, ScrollDepth: day.NoScroll}}
	row.New.Attributes[schema.Country] = "DE"
	b := o.Encode([]day.Row{row})
	take := func(n int, what string) {
		fmt.Printf("%-30s % x\n", what, b[:n])
		b = b[n:]
	}
	take(1, "version")
	take(1, "dictionaries with new words")
	for id := range schema.NumAttributes {
		if id == int(schema.Country) {
			take(6, `country: 0 and up, 1 word "DE"`)
			continue
		}
		b = b[4:] // the other attributes: column, code 0, 1 word, ""
	}
	take(12, `name: "pageview"`)
	take(9, `hostname: "a.org"`)
	take(5, `page: "/"`)
	take(1, "property columns")
	take(1, "rows")
	take(1, "begins a visit, interactive")
	take(1, "visit")
	take(8, "visitor")
	take(schema.NumAttributes, "codes of the attributes")
	take(2, "65 seconds, zigzag")
	take(3, "name, hostname, page")
	fmt.Println(len(b), "bytes left")
	// Output:
	// version                        01
	// dictionaries with new words    15
	// country: 0 and up, 1 word "DE" 09 00 01 02 44 45
	// name: "pageview"               1e 00 01 08 70 61 67 65 76 69 65 77
	// hostname: "a.org"              1f 00 01 05 61 2e 6f 72 67
	// page: "/"                      20 00 01 01 2f
	// property columns               00
	// rows                           01
	// begins a visit, interactive    03
	// visit                          00
	// visitor                        00 00 00 00 00 00 00 07
	// codes of the attributes        00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
	// 65 seconds, zigzag             82 01
	// name, hostname, page           00 00 00
	// 0 bytes left
}

// A sealed day of two pageviews, cut where its fields and streams begin. So small a day keeps no totals.
func ExampleSeal() {
	o := day.NewOpen(1, date, date.Start(time.UTC))
	row := day.Row{New: &day.NewVisit{Visitor: 7}, Event: day.Event{Time: date.Start(time.UTC).Unix() + 65, Name: "pageview", Hostname: "a.org", Pathname: "/", Interactive: true, ScrollDepth: day.NoScroll}}
	row.New.Attributes[schema.Country] = "DE"
	next := day.Row{Event: row.Event}
	next.Event.Time += 5
	next.Event.Pathname = "/b"
	next.Event.Props = []day.Prop{{Key: "plan", Value: "pro"}}
	if err := o.Apply([]day.Row{row, next}); err != nil {
		fmt.Println(err)
	}
	header, chunks, err := day.Seal(o.View())
	if err != nil {
		fmt.Println(err)
	}
	show := func(b *[]byte, n int, what string) {
		fmt.Printf("%-38s % x\n", what, (*b)[:n])
		*b = (*b)[n:]
	}
	b := bytes.Clone(header)
	show(&b, 1, "version")
	show(&b, 4, "zone: UTC")
	show(&b, 5, "first instant")
	show(&b, 7, "visitors, visits, rows, events …")
	show(&b, 6, `property keys: "plan"`)
	show(&b, 1, "parts")
	show(&b, 3, "part 0: visitors, visits, rows")
	kinds := map[byte]string{1: "words", 2: "codes", 3: "rows", 4: "totals", 5: "hours", 6: "visitors", 7: "map"}
	type stream struct {
		name   string
		length int
	}
	var streams []stream
	for _, of := range []string{"the day", "part 0"} {
		n := int(b[0])
		show(&b, 1, "streams of "+of)
		for range n {
			id := schema.Columns[b[1]]
			name := kinds[b[0]] + " of " + id.Name
			streams = append(streams, stream{name, int(b[3])})
			size := 4
			if b[0] == 2 && id.Kind == schema.String {
				size = 6
			}
			show(&b, size, "  "+name)
		}
	}
	show(&b, 1, "chunks")
	show(&b, len(b), "  length")
	for _, s := range streams {
		show(&chunks[0], s.length, s.name)
	}
	// Output:
	// version                                02
	// zone: UTC                              03 55 54 43
	// first instant                          80 a0 f4 90 0d
	// visitors, visits, rows, events …       01 01 02 02 02 00 05
	// property keys: "plan"                  01 04 70 6c 61 6e
	// parts                                  01
	// part 0: visitors, visits, rows         01 01 02
	// streams of the day                     05
	//   words of country                     01 09 00 05
	//   words of name                        01 1e 00 0b
	//   words of hostname                    01 1f 00 08
	//   words of pathname                    01 20 00 07
	//   words of props                       01 26 00 06
	// streams of part 0                      0c
	//   codes of visitor_visits              02 1b 00 02
	//   codes of visit_rows                  02 1c 00 02
	//   codes of country                     02 09 00 02 00 00
	//   codes of name                        02 1e 00 02 00 00
	//   codes of hostname                    02 1f 00 02 00 00
	//   codes of pathname                    02 20 00 04 00 01
	//   codes of time                        02 1d 00 05
	//   codes of interactive                 02 21 00 02
	//   codes of scroll_depth                02 22 00 02
	//   codes of engagement_ms               02 23 00 02
	//   rows of props                        03 26 00 13
	//   codes of props                       02 26 00 02
	// chunks                                 01
	//   length                               53
	// words of country                       01 01 02 44 45
	// words of name                          01 01 08 70 61 67 65 76 69 65 77
	// words of hostname                      01 01 05 61 2e 6f 72 67
	// words of pathname                      01 02 01 02 2f 2f 62
	// words of props                         01 01 03 70 72 6f
	// codes of visitor_visits                01 01
	// codes of visit_rows                    01 02
	// codes of country                       01 00
	// codes of name                          01 00
	// codes of hostname                      01 00
	// codes of pathname                      02 01 00 02
	// codes of time                          02 06 05 3c 00
	// codes of interactive                   01 01
	// codes of scroll_depth                  01 00
	// codes of engagement_ms                 01 00
	// rows of props                          01 3a 30 00 00 01 00 00 00 00 00 00 00 10 00 00 00 01 00
	// codes of props                         01 00
}
