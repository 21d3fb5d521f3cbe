package column

import "fmt"

// Names of the encodings, for those who look at what a column costs.
var (
	numbersNames = map[byte]string{encSame: "same", encPacked: "packed", encRuns: "runs", encPlanes: "planes", encZRuns: "zruns"}
	bytesNames   = map[byte]string{encPlain: "plain", encZstd: "zstd"}
)

// NumbersEncoding names the encoding of a list of numbers by its first bytes.
func NumbersEncoding(src []byte) string { return encodingName(numbersNames, src) }

// WordsEncoding names the encoding of a dictionary by its first bytes.
func WordsEncoding(src []byte) string { return encodingName(bytesNames, src) }

// RowsEncoding names the encoding of a set of rows by its first bytes.
func RowsEncoding(src []byte) string { return encodingName(bytesNames, src) }

func encodingName(names map[byte]string, src []byte) string {
	if len(src) == 0 {
		return "nothing"
	}
	if name, ok := names[src[0]]; ok {
		return name
	}
	return fmt.Sprintf("unknown %d", src[0])
}
