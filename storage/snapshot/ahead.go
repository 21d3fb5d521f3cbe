package snapshot

import "context"

// inOrder calls do for each item, for readAhead of them at once, and use with what came of each, in their order. It ends with the first error of use. A bucket far
// away takes its time for an answer, but answers several at once.
func inOrder[T, R any](ctx context.Context, items []T, do func(context.Context, T) R, use func(T, R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]chan R, len(items))
	begun := 0
	for i := range items {
		for ; begun < min(len(items), i+readAhead); begun++ {
			c := make(chan R, 1)
			results[begun] = c
			go func(item T) { c <- do(ctx, item) }(items[begun])
		}
		if err := use(items[i], <-results[i]); err != nil {
			return err
		}
		results[i] = nil
	}
	return ctx.Err()
}
