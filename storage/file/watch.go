package file

import (
	"slices"
	"sync"
)

// watchers are told of every commit which keys it has set or removed.
type watchers struct {
	mu  sync.Mutex
	all []watcher // replaced, never changed
}

// watcher is told on the committing goroutine, between the commit and the next. The changes are lent.
type watcher interface{ add([]change) }

// join makes w know every commit that cannot be read yet when join returns.
func (ws *watchers) join(w watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.all = append(slices.Clip(ws.all), w)
}

func (ws *watchers) leave(w watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.all = slices.DeleteFunc(slices.Clone(ws.all), func(other watcher) bool { return other == w })
}

func (ws *watchers) tell(changes []change) {
	ws.mu.Lock()
	all := ws.all
	ws.mu.Unlock()
	for _, w := range all {
		w.add(changes)
	}
}
