package day

// maxSecond bounds a time within a day, in seconds from its begin: 24 hours, 26 between the westernmost and the easternmost zone for
// the first day after a change from the one to the other, and two for a change of clocks on that day.
const maxSecond = (24 + 26 + 2) * 3600

// What one site's day may hold of names that a visitor can make up. Beyond, a day costs everyone time: each name is a column or a
// set of its own.
const (
	// MaxPropKeys different property keys are kept a day; events keep their further properties off. A site uses a few
	// dozen. The header of a sealed day names each of them and has to fit one stored value.
	MaxPropKeys = 1000

	// MaxNames different event names are kept a day.
	MaxNames = 10000

	// MaxWords different values of any other column, or of one property, are kept a day. A very large site has 40,000 pages a day; one that
	// made up a page for every visit would otherwise cost all the others the memory of the machine.
	MaxWords = 100_000

	// MaxWordBytes is what the different values of all columns of a day may take in memory, in bytes: 100,000 pages with some room beside.
	// A thousand properties of 100,000 long values each would take a hundred gigabytes.
	MaxWordBytes = 24 << 20

	// Other is the word for all that a day has no room for.
	Other = "(other)"

	// fewWordBytes a day always has, however little memory is left for all days: its countries, browsers and the pages of a small site.
	fewWordBytes = 64 << 10
)
