package verb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"footfall/storage/file"
)

// OpenOutput returns where the results of a verb go: to the file that it names with a method Output, else to stdout. finish is called with the error of the verb, and
// returns it, or its own: a file has its name only when it is whole. terminal tells whether stdout is one, where no bytes belong.
func OpenOutput(verb any, stdout io.Writer, terminal bool) (out io.Writer, finish func(error) error, err error) {
	finish = func(err error) error { return err }
	v, ok := verb.(interface{ Output() string })
	if !ok || v.Output() == "" {
		return stdout, finish, nil
	}
	path := v.Output()
	if path == "-" {
		if terminal {
			return nil, nil, Exit(ExitUsage, errors.New("what --to - writes is not for a terminal: send it into a file or another program"))
		}
		return stdout, finish, nil
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, nil, Exit(ExitUsage, fmt.Errorf("%s is there already: name another file, or remove it", path))
	}
	f, err := os.OpenFile(path+".partial", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil, Exit(ExitUsage, fmt.Errorf("%s.partial is there: another command writes it, or one was killed: remove it then", path))
	} else if err != nil {
		return nil, nil, err
	}
	return f, func(err error) error {
		if err == nil {
			err = f.Sync()
		}
		if errClose := f.Close(); err == nil {
			err = errClose
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			return errors.Join(err, os.Remove(f.Name()))
		}
		return file.SyncDir(filepath.Dir(path))
	}, nil
}
