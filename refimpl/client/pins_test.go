package client

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/refimpl/security"
)

// fingerprints and keys of the tests' identities, as a pin file writes them.
func pinOf(t *testing.T, seed byte) (fingerprint, key string) {
	t.Helper()
	id := identity(t, seed)
	return id.Fingerprint().String(), base64.StdEncoding.EncodeToString(id.Key())
}

func TestPinFile(t *testing.T) {
	one, key := pinOf(t, 1)
	two, _ := pinOf(t, 2)
	text := "# servers\n" +
		"\n" +
		" \t # indented\n" +
		"bpci.example.com:8090 1 " + one + "\r\n" +
		"  BPCI.Example.com:8090\t1\t" + strings.ToUpper(two) + "   # the next key, from May\n" +
		"[2001:db8::1]:8090 1 " + one + " " + key + " #note\n" +
		"192.0.2.1:1 2 " + one + " # kind 2"
	pins, err := ParsePins("known_servers", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t, 1)
	for _, test := range []struct {
		endpoint string
		want     []Pin
	}{
		{"bpci.example.com:8090", []Pin{{Kind: 1, Fingerprint: id.Fingerprint()}, {Kind: 1, Fingerprint: identity(t, 2).Fingerprint()}}},
		{"BPCI.EXAMPLE.COM:8090", []Pin{{Kind: 1, Fingerprint: id.Fingerprint()}, {Kind: 1, Fingerprint: identity(t, 2).Fingerprint()}}},
		{"[2001:DB8::1]:8090", []Pin{{Kind: 1, Fingerprint: id.Fingerprint(), Key: id.Key()}}},
		{"192.0.2.1:1", []Pin{{Kind: 2, Fingerprint: id.Fingerprint()}}},
		{"bpci.example.com:8091", nil},
		{"bpci.example.com", nil},
		{"192.0.2.1:8090", nil},
		{"", nil},
	} {
		if diff := cmp.Diff(test.want, pins.For(test.endpoint)); diff != "" {
			t.Errorf("For(%q) (-want +got):\n%s", test.endpoint, diff)
		}
	}
}

// The case of ASCII letters does not matter, that of others does: the Kelvin
// sign is no k.
func TestPinHostCase(t *testing.T) {
	one, _ := pinOf(t, 1)
	pins, err := ParsePins("f", []byte("\u212aelvin.example:1 1 "+one))
	if err != nil {
		t.Fatal(err)
	}
	if len(pins.For("kelvin.example:1")) != 0 || len(pins.For("\u212aELVIN.example:1")) != 1 {
		t.Error("the host is folded beyond ASCII")
	}
}

func TestPinFileMistakes(t *testing.T) {
	one, key := pinOf(t, 1)
	two, _ := pinOf(t, 2)
	reKey := func(change func(key []byte) []byte) string {
		return base64.StdEncoding.EncodeToString(change(identity(t, 1).Key()))
	}
	smallOrder := append([]byte{1}, make([]byte, 32)...) // y = 0
	smallOrder[1] = 1                                    // y = 1: the neutral element
	const form = "a pin is: host:port kind fingerprint [base64 key] [# note]"
	for _, test := range []struct {
		line   string
		column int // where the caret stands; 0: where the next field would
		reason string
	}{
		{"host:1", 0, form},
		{"host:1 1", 0, form},
		{"  host:1\t1   # note", 12, form},
		{"host:1 1 " + one + " " + key + " more", 10 + 64 + 1 + 44 + 1, form},
		{"host 1 " + one, 1, "not host:port"},
		{"   host 1 " + one, 4, "not host:port"},
		{"host: 1 " + one, 1, "not host:port"},
		{":1 1 " + one, 1, "not host:port"},
		{"host:http 1 " + one, 1, "not host:port"},
		{"host:0 1 " + one, 1, "not host:port"},
		{"host:01 1 " + one, 1, "not host:port"},
		{"host:65536 1 " + one, 1, "not host:port"},
		{"::1:8090 1 " + one, 1, "not host:port"},
		{"[host]:1 1 " + one, 1, "not host:port"},
		{"[192.0.2.1]:1 1 " + one, 1, "not host:port"},
		{"\ufeffhost:1 1 " + one, 1, "not host:port"},
		{"h\xffst:1 1 " + one, 1, "not host:port"},
		{"host:1 3 " + one, 8, "the kind is 1 or 2"},
		{"host:1 0 " + one, 8, "the kind is 1 or 2"},
		{"host:1 01 " + one, 8, "the kind is 1 or 2"},
		{"host:1 ed25519 " + one, 8, "the kind is 1 or 2"},
		{"host:1 1 " + one[1:], 10, `"` + one[1:] + `" is not a fingerprint: 64 hexadecimal digits`},
		{"host:1 1 " + one + "0", 10, `"` + one + `0" is not a fingerprint: 64 hexadecimal digits`},
		{"host:1 1 g" + one[1:], 10, `"g` + one[1:] + `" is not a fingerprint: 64 hexadecimal digits`},
		{"host:1 1 " + one + "#note", 10, `"` + one + `#note" is not a fingerprint: 64 hexadecimal digits`},
		{"host:1 1 " + one + " !", 75, "the key is not base64 with padding"},
		{"host:1 1 " + one + " AQ", 75, "the key is not base64 with padding"},
		{"host:1 1 " + one + " AR==", 75, "the key is not base64 with padding"}, // stray bits
		{"host:1 2 " + one + " " + key, 75, "the key is of another kind than the line says"},
		{"host:1 1 " + one + " " + reKey(func(k []byte) []byte { k[0] = 2; return k }), 75, "the key is of another kind than the line says"},
		{"host:1 1 " + one + " " + reKey(func(k []byte) []byte { return k[:32] }), 75, "the key is malformed, of small order, or not canonical"},
		{"host:1 1 " + one + " " + base64.StdEncoding.EncodeToString(smallOrder), 75, "the key is malformed, of small order, or not canonical"},
		{"host:1 1 " + two + " " + key, 75, "the key does not hash to the fingerprint of its line"},
		{
			"host:1 2 " + one + " " + base64.StdEncoding.EncodeToString(append([]byte{2}, make([]byte, 1984)...)), 75,
			"the key is malformed, of small order, or not canonical",
		},
	} {
		column := test.column
		if column == 0 {
			column = len(test.line) + 2
		}
		want := &PinFileError{File: "known_servers", Line: 3, Column: column, Text: test.line, Reason: test.reason}
		pins, err := ParsePins("known_servers", []byte("# one\n\n"+test.line+"\r\nhost:2 1 "+one+"\n"))
		var got *PinFileError
		if !errors.As(err, &got) {
			t.Errorf("%q is accepted", test.line)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.line, diff)
		}
		if len(pins.lines) != 0 {
			t.Errorf("%q: other lines of the file are used", test.line)
		}
	}
}

func TestPinFileErrorText(t *testing.T) {
	_, err := ParsePins("known_servers", []byte("\n\tw\u00fcrfel:1\t9 00\n"))
	want := "known_servers:2:12: the kind is 1 or 2\n" +
		"  \tw\u00fcrfel:1\t9 00\n" +
		"  \t        \t^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadPins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_servers")
	if _, err := LoadPins(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if pins, err := LoadPins(file); err != nil || len(pins.lines) != 0 {
		t.Errorf("an empty file: %v, %v", pins, err)
	}
	if err := os.WriteFile(file, []byte("host:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var bad *PinFileError
	if _, err := LoadPins(file); !errors.As(err, &bad) || bad.File != file {
		t.Errorf("a bad file: %v", err)
	}
}

// What is recorded is read back, whatever state the file was left in.
func TestAppendPin(t *testing.T) {
	one, _ := pinOf(t, 1)
	for _, before := range []string{"", "# mine\n", "host:1 1 " + one + "\n", "host:1 1 " + one, "host:1 1 " + one + "\r\n", "# no newline"} {
		file := filepath.Join(t.TempDir(), "known_servers")
		if before != "" {
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var want []Pin
		for seed := byte(3); seed < 5; seed++ {
			id := identity(t, seed)
			met := Identity{Kind: id.Kind(), Fingerprint: id.Fingerprint(), Key: id.Key()}
			if err := AppendPin(file, "New.example:8090", met); err != nil {
				t.Fatal(err)
			}
			want = append(want, Pin{Kind: met.Kind, Fingerprint: met.Fingerprint, Key: met.Key})
		}
		pins, err := LoadPins(file)
		if err != nil {
			t.Errorf("after %q: %v", before, err)
			continue
		}
		if diff := cmp.Diff(want, pins.For("new.example:8090")); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", before, diff)
		}
		if n, was := len(pins.For("host:1")), strings.Count(before, "host:1"); n != was {
			t.Errorf("after %q: %d of %d earlier pins are left", before, n, was)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file has mode %v, %v", info.Mode(), err)
		}
	}
	file := filepath.Join(t.TempDir(), "known_servers")
	if err := AppendPin(file, "no-port", Identity{}); err == nil {
		t.Error("an endpoint without port is recorded")
	}
	if err := AppendPin(filepath.Join(file, "x"), "host:1", Identity{}); err == nil {
		t.Error("a file that cannot exist is written")
	}
}

func TestParseFingerprint(t *testing.T) {
	want := identity(t, 1).Fingerprint()
	got, err := ParseFingerprint(strings.ToUpper(want.String()))
	if err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "00", want.String() + "00", strings.Repeat("x", 64)} {
		if _, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// No text makes the parser panic, and what it accepts it reads back from what
// it writes.
func FuzzParsePins(f *testing.F) {
	key := security.FingerprintOf(make([]byte, 33))
	f.Add("host:1 1 " + hex.EncodeToString(key[:]))
	f.Add("# note\n\n[::1]:8090\t2 " + hex.EncodeToString(key[:]) + " AAAA # x\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		pins, err := ParsePins("f", []byte(text))
		if err != nil {
			if s := err.Error(); utf8.ValidString(text) && !utf8.ValidString(s) {
				t.Errorf("the error is no text: %q", s)
			}
			return
		}
		for _, l := range pins.lines {
			line := FormatPin(l.endpoint, Identity{Kind: l.pin.Kind, Fingerprint: l.pin.Fingerprint, Key: l.pin.Key})
			again, err := ParsePins("f", []byte(line))
			if err != nil || len(again.lines) != 1 || !cmp.Equal(again.For(l.endpoint), []Pin{l.pin}) {
				t.Errorf("%q becomes %q: %v", text, line, err)
			}
		}
	})
}
