package verb

// What depends on the status alone.
var (
	KeyWarnings = keyWarnings
	Rotation    = rotation
)

// What the tests of words look at.
var (
	ParseMoment = parseMoment
	Restorable  = restorable
	Proven      = proven
)

// Portion is what --read-data says.
type Portion = portion
