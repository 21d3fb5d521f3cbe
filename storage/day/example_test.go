package day_test

import (
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

// The beginning of a sealed day's header.
func ExampleSeal() {
	o := day.NewOpen(1, date, date.Start(time.UTC))
	row := day.Row{New: &day.NewVisit{Visitor: 7}, Event: day.Event{Time: date.Start(time.UTC).Unix() + 65, Name: "pageview", Hostname: "a.org", Pathname: "/", Interactive: true, ScrollDepth: day.NoScroll}}
	if err := o.Apply([]day.Row{row}); err != nil {
		fmt.Println(err)
	}
	b, chunks, err := day.Seal(o.View())
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("version      % x\n", b[:1])
	fmt.Printf("zone         % x\n", b[1:5])
	fmt.Printf("midnight     % x\n", b[5:10])
	fmt.Printf("counts       % x\n", b[10:17])
	fmt.Printf("properties   % x\n", b[17:18])
	fmt.Printf("parts        % x\n", b[18:19])
	fmt.Printf("first part   % x\n", b[19:22])
	fmt.Printf("streams      % x\n", b[22:23])
	fmt.Printf("first stream % x\n", b[23:27])
	fmt.Println(len(chunks), "chunk")
	// Output:
	// version      02
	// zone         03 55 54 43
	// midnight     80 a0 f4 90 0d
	// counts       01 01 01 01 01 01 00
	// properties   00
	// parts        01
	// first part   01 01 01
	// streams      03
	// first stream 01 1e 00 0b
	// 1 chunk
}
