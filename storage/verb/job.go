package verb

import (
	"encoding/json"
	"sync"
	"time"
)

// job shows how far a long job has come: a bar at a terminal, with --json a line every second. Its methods may be called by many at once.
type job struct {
	c           *Context
	name, label string
	shift       int // bits by which numbers are smaller on the bar: 20 shows MiB

	mu   sync.Mutex // guards what follows
	bar  Bar
	said time.Time
}

// job begins to show a job. The label is for people, the name for programs.
func (c *Context) job(name, label string, shift int) *job {
	return &job{c: c, name: name, label: label, shift: shift, said: time.Now()}
}

// Set shows that done of total are done; a total below 0 is unknown.
func (j *job) Set(done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.c.JSON {
		if now := time.Now(); now.Sub(j.said) >= lineEvery {
			j.said = now
			_ = j.c.line(map[string]any{"event": "progress", "job": j.name, "done": done, "total": total}) // the end of the job fails as well
		}
		return
	}
	if j.bar == nil {
		shown := total
		if total > 0 {
			shown = max(1, total>>j.shift)
		}
		j.bar = j.c.Progress(j.label, shown)
	}
	j.bar.Set(done >> j.shift)
}

// Close removes the bar.
func (j *job) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.bar != nil {
		j.bar.Close()
		j.bar = nil
	}
}

// line writes v as JSON on one line to Out.
func (c *Context) line(v any) error {
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// lineEvery is how often a long job writes a line for programs: often enough to see that it lives.
const lineEvery = time.Second
