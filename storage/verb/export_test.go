package verb

// What depends on the status alone.
var (
	KeyWarnings = keyWarnings
	Rotation    = rotation
)
