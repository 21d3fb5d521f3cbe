package ingest

import "sync"

// inOrder does jobs on several goroutines and hands their results on in the order of the jobs. next returns the jobs one after the other,
// ok = false at their end; it is called on one goroutine, work on each of workers, with its number, and collect on the caller's. At most
// ahead jobs wait or are under way. When collect returns false, no more jobs are begun; inOrder returns when nothing is under way.
func inOrder[Job, Result any](workers, ahead int, next func() (job Job, ok bool), work func(worker int, job Job) Result, collect func(Result) bool) {
	type task struct {
		job  Job
		done chan Result
	}
	begun, ordered, stop := make(chan task), make(chan task, ahead), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(begun)
		defer close(ordered)
		for job, ok := next(); ok; job, ok = next() {
			t := task{job, make(chan Result, 1)}
			select {
			case <-stop:
				return
			case ordered <- t:
			}
			begun <- t
		}
	})
	for worker := range workers {
		group.Go(func() {
			for t := range begun {
				t.done <- work(worker, t.job)
			}
		})
	}
	for t := range ordered {
		if !collect(<-t.done) {
			close(stop)
			break
		}
	}
	for range ordered { // what is under way ends; nobody asks for it
	}
	group.Wait()
}
