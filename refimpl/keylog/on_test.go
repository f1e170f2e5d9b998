//go:build keylog

package keylog

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	reader "github.com/bpci/xtmp/internal/capturefile/keylog"
)

func TestWriter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	t.Setenv(Variable, file)
	secret := bytes.Repeat([]byte{0xa5}, reader.SecretSize)
	var wg sync.WaitGroup
	for i := range uint64(20) { // each opens it, as processes do
		hook, name, err := Open()
		if err != nil || name != file {
			t.Fatal(name, err)
		}
		wg.Go(func() { hook("CLIENT_PATH_SECRET_0_7", i, secret) })
	}
	wg.Wait()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "CLIENT_PATH_SECRET_0_7 000000000000000f " + strings.Repeat("a5", 48) + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("%s lacks %s", text, want)
	}
	if lines, err := reader.Parse(text); err != nil || len(lines) != 20 || lines[0].Epoch != 7 {
		t.Errorf("read %v, %v", lines, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(); err == nil || !strings.Contains(err.Error(), "has mode 0640") {
		t.Errorf("a file for the group: %v", err)
	}
	t.Setenv(Variable, filepath.Join(file, "below"))
	if _, _, err := Open(); err == nil {
		t.Error("a file that cannot be")
	}
	t.Setenv(Variable, "")
	if hook, name, err := Open(); hook != nil || name != "" || err != nil {
		t.Errorf("without the variable: %q, %v", name, err)
	}
}
