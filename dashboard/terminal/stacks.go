package terminal

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// DumpOnQuit makes SIGQUIT and SIGABRT, which watchdogs send to a program that hangs, end the process with the stacks of its goroutines on out, without the
// arguments of calls. Go's own dump has them, and those of a request can be the address of a visitor: it would stand in the system's log.
func DumpOnQuit(out io.Writer) {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT, syscall.SIGABRT)
	go func() {
		got := <-quit
		_, _ = io.WriteString(out, "footfall: "+got.String()+"\n\n")
		_, _ = out.Write(withoutArguments(stacks()))
		os.Exit(2) // as Go's own dump does
	}()
}

// stacks returns the stacks of all goroutines, up to maxStacks.
func stacks() []byte {
	for size := firstStacks; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size || size >= maxStacks {
			return b[:n]
		}
	}
}

// withoutArguments takes the arguments off the calls of a stack trace. A call is a line of its own, with the place in the next, which is indented.
func withoutArguments(trace []byte) []byte {
	out := make([]byte, 0, len(trace))
	for line := range bytes.Lines(trace) {
		isCall := line[0] != '\t' && !bytes.HasPrefix(line, []byte("goroutine ")) && !bytes.HasPrefix(line, []byte("created by "))
		if at := bytes.LastIndexByte(line, '('); isCall && at >= 0 {
			line = append(line[:at:at], "(…)\n"...)
		}
		out = append(out, line...)
	}
	return out
}
