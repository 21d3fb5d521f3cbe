package terminal

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// redraw is how often a bar is drawn at most: often enough to look alive, seldom enough to cost nothing.
const redraw = 100 * time.Millisecond

// Bar shows how far a job has come. A nil *Bar shows nothing.
type Bar struct{ bar *progressbar.ProgressBar }

// NewBar draws a bar on w, which is a terminal. A total below 0 is unknown and spins.
func NewBar(w io.Writer, color bool, label string, total int64) *Bar {
	theme := progressbar.ThemeASCII
	if color {
		theme = progressbar.ThemeUnicode
	}
	return &Bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(label),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(redraw),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionClearOnFinish(),
	)}
}

// Set shows that done of the total are done.
func (b *Bar) Set(done int64) {
	if b != nil {
		_ = b.bar.Set64(done) // a bar that cannot be drawn stops no work
	}
}

// Close removes the bar.
func (b *Bar) Close() {
	if b != nil {
		_ = b.bar.Finish()
		_ = b.bar.Exit()
	}
}
