package api

import (
	"net/http"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage/verb"
)

// systemAnswer tells those who may change something how the server is doing beside counting.
type systemAnswer struct {
	Snapshots *snapshotsAnswer `json:"snapshots"` // null: none are streamed
	Siteless  sitelessAnswer   `json:"siteless"`
	Findings  []verb.Finding   `json:"findings"` // whether visits are counted for visitors, and databases of places
}

type snapshotsAnswer struct {
	State      string     `json:"state"`
	Restorable *time.Time `json:"restorable_to"`
	Settled    bool       `json:"settled"` // nothing has changed since
	Problem    string     `json:"problem"` // why somebody should look, empty if all is well
	Fenced     bool       `json:"fenced"`
	Proven     *time.Time `json:"proven"`  // the last drill that succeeded
	Seconds    float64    `json:"seconds"` // that the last drill took
	Failed     *time.Time `json:"failed"`  // the last drill, if it failed
}

func (a *API) system(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.auth.Caller(r).User(); !ok {
		a.fail(w, r, auth.ErrAnonymous)
		return
	}
	answer := systemAnswer{Siteless: a.describeSiteless(), Findings: []verb.Finding{}}
	for _, room := range a.watched {
		answer.Findings = append(answer.Findings, room.Examine(&verb.Context{Context: r.Context(), Now: a.now})...)
	}
	if a.snapshots != nil {
		s := a.snapshots.Summary()
		answer.Snapshots = &snapshotsAnswer{State: string(s.State), Restorable: known(s.Restorable), Settled: s.Settled, Problem: s.Late, Fenced: s.Fenced(),
			Proven: known(s.Proven), Seconds: s.Took.Seconds(), Failed: known(s.Failed)}
	}
	a.send(w, http.StatusOK, answer)
}

// examine answers what `footfall doctor` prints.
func (a *API) examine(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.auth.Caller(r).User(); !ok {
		a.fail(w, r, auth.ErrAnonymous)
		return
	}
	findings := []verb.Finding{}
	if a.doctor != nil {
		findings = a.doctor(r.Context())
	}
	a.send(w, http.StatusOK, map[string]any{"findings": findings})
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
