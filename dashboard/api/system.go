package api

import (
	"net/http"
	"time"

	"footfall/dashboard/auth"
)

// systemAnswer tells those who may change something how the server is doing beside counting.
type systemAnswer struct {
	Snapshots *snapshotsAnswer `json:"snapshots"` // null: none are streamed
	Siteless  sitelessAnswer   `json:"siteless"`
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
	answer := systemAnswer{Siteless: a.siteless()}
	if a.snapshots != nil {
		s := a.snapshots.Summary()
		answer.Snapshots = &snapshotsAnswer{State: string(s.State), Restorable: known(s.Restorable), Settled: s.Settled, Problem: s.Late, Fenced: s.Fenced(),
			Proven: known(s.Proven), Seconds: s.Took.Seconds(), Failed: known(s.Failed)}
	}
	a.send(w, http.StatusOK, answer)
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
