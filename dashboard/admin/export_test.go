package admin

// What the tests of malformed and foreign frames need.
const KindRequest = request

var (
	WriteFrame = writeFrame
	ReadFrame  = readFrame
)
