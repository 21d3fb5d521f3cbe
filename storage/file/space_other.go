//go:build !linux

package file

import (
	"errors"
	"os"
	"runtime"
)

// growsHere is false where a mapped file has the length of its mapping.
const growsHere = runtime.GOOS != "windows"

var errNoPromise = errors.New("no blocks ahead here")

func allocate(*os.File, int64, int64) error { return errNoPromise }

func keepsBlocks(*os.File) bool { return false }

func unmapped(uintptr, int64) {}
