package day

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
