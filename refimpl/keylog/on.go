//go:build keylog

package keylog

import (
	"fmt"
	"os"
)

// Variable is the variable of the environment that names the file.
const Variable = "XTMP_KEYLOGFILE"

// Open opens the file that XTMP_KEYLOGFILE names, for appending; if there is
// none, it is made for its owner alone. It returns its Hook and its name, which
// the caller tells the user: that secrets leave the process should be no secret.
// Without the variable it returns nothing. The error is a *fs.PathError, or says
// that others may read the file.
func Open() (hook Hook, file string, err error) {
	if file = os.Getenv(Variable); file == "" {
		return nil, "", nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", Variable, err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%s: %s has mode %04o: take it away from others with chmod 600", Variable, file, info.Mode().Perm())
	}
	if err != nil {
		_ = f.Close()
		return nil, "", err
	}
	return (&writer{f}).write, file, nil
}

// writer appends lines. It stays open as long as the process lives.
type writer struct{ file *os.File }

// write appends a line in one write, so that those of several goroutines and
// processes stay whole. Nobody could act on a failure: the capture is unreadable
// then, the session is not.
func (w *writer) write(label string, sessionID uint64, secret []byte) {
	line := fmt.Appendf(nil, "%s %016x %x\n", label, sessionID, secret)
	_, _ = w.file.Write(line)
	clear(line)
}
