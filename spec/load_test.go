package spec

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestLoadRefuses shows that a file that cannot be read is refused with its place.
func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, file, old, new, entry, text string
	}{
		{"syntax", "flags", "ENCRYPTED\",", "ENCRYPTED\"", "", "invalid character"},
		{"unknown key", "flags", `"meaning": "answer`, `"mean": "answer`, "mean", "unknown field"},
		{"key twice", "flags", `"name": "REPLY"`, `"name": "REPLY", "name": "ANSWER"`, "name", "key given twice"},
		{
			"event twice", "states", `"T_LINGER": {"Open": "n/a", "Live": "n/a", "Susp": "n/a", "Drain"`,
			`"clear frame":  {"Open": "n/a", "Live": "n/a", "Susp": "n/a", "Drain"`, "clear frame", "key given twice",
		},
		{"code too wide", "types", `"0x70", "name": "Probe"`, `"0x170", "name": "Probe"`, "types.code", "cannot unmarshal number 368"},
		{"more", "suites", "\n]", "\n] []", "", "more follows"},
		{"term", "schedule", "'c hs'", "'c hs", "", "no closing quote"},
		{"repeat", "schedule", "20*64", "20*0", "", "does not repeat 1"},
		{"open string", "suites", "", `"`, "", "unexpected EOF"},
		{"missing file", "bits", "", "", "", "file does not exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := soundTree(t)
			name := "registry/" + test.file + ".json"
			plant{file: "spec/" + name, old: test.old, new: test.new}.apply(t, tree)
			sub, err := fs.Sub(tree, "spec")
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(sub)
			var refused *LoadError
			if !errors.As(err, &refused) {
				t.Fatalf("Load says %v, want a *LoadError", err)
			}
			line := 0 // a missing file has none
			if file, ok := tree["spec/"+name]; ok {
				before, _, _ := strings.Cut(string(file.Data), strings.TrimSpace(test.new))
				line = strings.Count(before, "\n") + 1
			}
			if refused.File != name || refused.Line != line || refused.Entry != test.entry {
				t.Errorf("refused at %s:%d, entry %q, want %s:%d, entry %q",
					refused.File, refused.Line, refused.Entry, name, line, test.entry)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("refused with %q, want %q in it", err, test.text)
			}
		})
	}
}

// TestLoadWithoutText: a registry alone loads, without requirements.
func TestLoadWithoutText(t *testing.T) {
	tree := fstest.MapFS{}
	for name, file := range soundTree(t) {
		if strings.HasPrefix(name, "spec/registry/") && name != "spec/"+requirementsFile {
			tree[strings.TrimPrefix(name, "spec/")] = file
		}
	}
	r, err := Load(tree)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Requirements) != 0 || len(r.Chapters) != 0 || len(r.Types) == 0 {
		t.Errorf("got %d requirements, %d chapters, %d types", len(r.Requirements), len(r.Chapters), len(r.Types))
	}
}

// TestLookups: every lookup finds what is there and nothing else.
func TestLookups(t *testing.T) {
	r := Default()
	if m, ok := r.Type(0x05); !ok || m.Name != "Ack" {
		t.Errorf("type 0x05 is %q", m.Name)
	}
	if _, ok := r.Type(0x06); ok {
		t.Error("type 0x06 is known")
	}
	if x, ok := r.TypeRange(0x06); !ok || x.Unknown != UnknownUnsupported {
		t.Errorf("type 0x06 is %q on receipt", x.Unknown)
	}
	if e, ok := r.Error(0x15); !ok || e.Name != "PROTOCOL_VIOLATION" || e.Scope.String() != "2" {
		t.Errorf("error 0x15 is %+v", e)
	}
	if f, ok := r.Flag("REPLY"); !ok || f.Value != 0x40 {
		t.Errorf("REPLY is %#x", f.Value)
	}
	if h, ok := r.HSType(6); !ok || h.Name != "HandshakeDone" {
		t.Errorf("hs_type 6 is %q", h.Name)
	}
	if s, ok := r.Suite(1); !ok || s.Key != 32 {
		t.Errorf("suite 1 has a key of %d bytes", s.Key)
	}
	if timer, ok := r.Timer("T_ACK"); !ok || timer.Value.Milliseconds() != 25 || timer.Configurable {
		t.Errorf("T_ACK is %+v", timer)
	}
	if l, ok := r.Limit("mid_window"); !ok || l.Value != 4096 {
		t.Errorf("mid_window is %d", l.Value)
	}
	if l, ok := r.Limit("frame_header"); !ok || l.Value != 96 {
		t.Errorf("frame_header is %d", l.Value)
	}
	if q, ok := r.Requirement("XTMP-HDR-001"); !ok || q.Level != Must || q.Chapter != "02-frame" || q.Area() != "HDR" || q.Text == "" {
		t.Errorf("requirement is %+v", q)
	}
	if _, ok := r.Requirement(""); ok {
		t.Error("there is a requirement without ID")
	}
}
