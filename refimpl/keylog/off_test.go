//go:build !keylog

package keylog

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOff(t *testing.T) {
	t.Setenv("XTMP_KEYLOGFILE", filepath.Join(t.TempDir(), "keys"))
	if hook, file, err := Open(); hook != nil || file != "" || err != nil {
		t.Errorf("Open returns %q, %v", file, err)
	}
}

// The command of an ordinary build contains no writer, and one with the tag does,
// by which we know that this test would see it.
func TestAbsence(t *testing.T) {
	if testing.Short() {
		t.Skip("builds commands")
	}
	for tags, want := range map[string]bool{"": false, "keylog": true} {
		binary := filepath.Join(t.TempDir(), "command")
		command(t, "build", "-tags", tags, "-buildvcs=false", "-o", binary, "github.com/bpci/xtmp/cmd/bpi-xtmp")
		symbols := command(t, "tool", "nm", binary)
		if !bytes.Contains(symbols, []byte("xtmp/refimpl/client.(*Session).")) {
			t.Fatal("the command has no symbols to look at")
		}
		if got := bytes.Contains(symbols, []byte("refimpl/keylog.(*writer)")); got != want {
			t.Errorf("with the tags %q, the writer is there: %v", tags, got)
		}
		code, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(code, []byte("XTMP_KEYLOGFILE")); got != want {
			t.Errorf("with the tags %q, the variable is there: %v", tags, got)
		}
	}
}

// With the tag, the tests of the writer pass.
func TestOn(t *testing.T) {
	out := command(t, "test", "-tags", "keylog", "-v", "-run", "^TestWriter$", ".")
	if !strings.Contains(string(out), "--- PASS: TestWriter") {
		t.Errorf("go test says:\n%s", out)
	}
}

func command(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}
