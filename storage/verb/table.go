package verb

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table prints cells in columns. A column whose title begins with ">" stands at the right, as numbers do.
type table struct {
	titles []string
	rows   [][]string
}

func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case int:
			row[i] = grouped(int64(c))
		case int64:
			row[i] = grouped(c)
		case float64:
			row[i] = fmt.Sprintf("%.3f", c)
		default:
			row[i] = fmt.Sprint(c)
		}
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) error {
	head := make([]string, len(t.titles))
	width := make([]int, len(t.titles))
	for i, title := range t.titles {
		head[i] = strings.TrimPrefix(title, ">")
	}
	all := append([][]string{head}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range all {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line += "  "
			}
			if strings.HasPrefix(t.titles[i], ">") {
				line += pad + cell
			} else {
				line += cell + pad
			}
		}
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// grouped writes a number with a comma between its thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
