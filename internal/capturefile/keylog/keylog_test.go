package keylog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func secretOf(b byte) (s [SecretSize]byte) {
	for i := range s {
		s[i] = b
	}
	return s
}

func TestForm(t *testing.T) {
	for _, test := range []struct {
		entry Entry
		want  string
	}{
		{Entry{Side: Client, Handshake: true, Session: 0x1F, Secret: secretOf(0xAB)}, "CLIENT_HANDSHAKE_TRAFFIC_SECRET 000000000000001f "},
		{Entry{Side: Server, Handshake: true, Session: 1<<53 - 1, Secret: secretOf(0xAB)}, "SERVER_HANDSHAKE_TRAFFIC_SECRET 001fffffffffffff "},
		{Entry{Side: Client, Session: 1, Secret: secretOf(0xAB)}, "CLIENT_PATH_SECRET_0_0 0000000000000001 "},
		{Entry{Side: Server, Path: 3, Epoch: 17, Session: 1, Secret: secretOf(0xAB)}, "SERVER_PATH_SECRET_3_17 0000000000000001 "},
	} {
		want := test.want + strings.Repeat("ab", SecretSize)
		if got := test.entry.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := string(test.entry.Append([]byte("before\n"))); got != "before\n"+want+"\n" {
			t.Errorf("appended: got %q", got)
		}
	}
}

func entries() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		e := Entry{
			Side: rapid.SampledFrom([]Side{Client, Server}).Draw(t, "side"), Handshake: rapid.Bool().Draw(t, "handshake"),
			Session: rapid.Uint64().Draw(t, "session"),
		}
		if !e.Handshake {
			e.Path, e.Epoch = rapid.Uint16().Draw(t, "path"), rapid.Uint32().Draw(t, "epoch")
		}
		copy(e.Secret[:], rapid.SliceOfN(rapid.Byte(), SecretSize, SecretSize).Draw(t, "secret"))
		return e
	})
}

// TestParseInvertsAppend, with lines between that say nothing of XTMP.
func TestParseInvertsAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(entries()).Draw(t, "entries")
		noise := rapid.SampledFrom([]string{
			"", "\n", "\r\n", "# a comment\n", "CLIENT_RANDOM 00 11\n", "EXPORTER_SECRET 00 11\n",
			"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + strings.Repeat("0c", 32) + " 11\n", // of TLS
		})
		var text []byte
		for _, e := range want {
			text = append(text, noise.Draw(t, "noise")...)
			text = e.Append(text)
		}
		got, err := Parse(text)
		if err != nil || !cmp.Equal(got, append([]Entry(nil), want...)) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	})
}

func TestParseErrors(t *testing.T) {
	secret := strings.Repeat("ab", SecretSize)
	good := "CLIENT_PATH_SECRET_0_0 0000000000000001 " + secret
	for line, want := range map[string]string{
		"CLIENT_PATH_SECRET_0_0":                             "it is not three words with one space between them",
		"CLIENT_PATH_SECRET_0_0  0000000000000001 " + secret: "it is not three words with one space between them",
		good + " ":                           "it is not three words with one space between them",
		"CLIENT_PATH_SECRET_0_0 1 " + secret: "the context id is not a session_id in 16 hex digits",
		"CLIENT_PATH_SECRET_0_0 00000000000000zz " + secret: "the context id is not a session_id in 16 hex digits",
		"CLIENT_HANDSHAKE_TRAFFIC_SECRET 00 " + secret:      "the context id is not a session_id in 16 hex digits",
		good[:len(good)-2]: "the secret is not 96 hex digits",
		good + "00":        "the secret is not 96 hex digits",
		"CLIENT_PATH_SECRET_0 0000000000000001 " + secret:       "the label is not CLIENT_PATH_SECRET_<path>_<epoch>",
		"SERVER_PATH_SECRET_00_0 0000000000000001 " + secret:    "the label is not SERVER_PATH_SECRET_<path>_<epoch>",
		"SERVER_PATH_SECRET_0_-1 0000000000000001 " + secret:    "the label is not SERVER_PATH_SECRET_<path>_<epoch>",
		"SERVER_PATH_SECRET_65536_0 0000000000000001 " + secret: "the label is not SERVER_PATH_SECRET_<path>_<epoch>",
		"# " + strings.Repeat("x", maxLine):                     "it is longer than 4096 bytes",
	} {
		got, err := Parse([]byte(good + "\n\n" + line + "\n" + good + "\n"))
		var wrong *ParseError
		if !errors.As(err, &wrong) || wrong.Line != 3 || wrong.Reason != want || len(got) != 1 {
			t.Errorf("%.40s: got %d entries and %v, want line 3: %s", line, len(got), err, want)
		}
		if err != nil && strings.Contains(err.Error(), "abab") {
			t.Errorf("%v: it quotes a secret", err)
		}
	}
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil {
		t.Error("a key log beyond the bound was read")
	}
}

func TestCreateIsForTheOwnerAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.log")
	for n := range 2 {
		file, err := Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Write(Entry{Side: Client, Session: uint64(n)}.Append(nil))
		if err != nil || file.Close() != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(text); err != nil || len(got) != 2 || got[1].Session != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# key log\nCLIENT_PATH_SECRET_0_0 0000000000000001 " + strings.Repeat("ab", SecretSize) + "\n"))
	f.Add([]byte("CLIENT_HANDSHAKE_TRAFFIC_SECRET 0000000000000001 00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(text)
		var again []byte
		for _, e := range got {
			again = e.Append(again)
		}
		if back, errAgain := Parse(again); errAgain != nil || !cmp.Equal(back, got) {
			t.Errorf("%v, %v: what was read is not read again: %v", got, err, errAgain)
		}
	})
}
