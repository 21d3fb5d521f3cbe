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

	// MaxNames different event names are kept a day; further ones are counted as Other.
	MaxNames = 10000

	// Other is the name of events beyond MaxNames.
	Other = "(other)"
)
