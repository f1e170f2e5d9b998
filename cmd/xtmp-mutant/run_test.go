package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/refimpl/faulty"
	"github.com/bpci/xtmp/refimpl/server"
)

func TestList(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"list"}, &out, &errs); code != 0 || errs.Len() != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	decoder := json.NewDecoder(&out)
	decoder.DisallowUnknownFields()
	names := map[string]bool{}
	for decoder.More() {
		var m struct {
			Name, Requirement, Description string
			Slow                           bool
			Without                        string
		}
		if err := decoder.Decode(&m); err != nil {
			t.Fatal(err)
		}
		if m.Name == "" || !strings.HasPrefix(m.Requirement, "XTMP-") || m.Description == "" || names[m.Name] {
			t.Errorf("got %+v", m)
		}
		names[m.Name] = true
	}
	if len(names) != len(faulty.Mutants()) {
		t.Errorf("%d of %d mutants are listed", len(names), len(faulty.Mutants()))
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "xtmp-mutant: usage: xtmp-mutant list | zoo | serve NAME | overlay DIR | planted | plant DIR\n"},
		{[]string{"list", "more"}, 2, "xtmp-mutant: usage: xtmp-mutant list | zoo | serve NAME | overlay DIR | planted | plant DIR\n"},
		{[]string{"serve"}, 2, "xtmp-mutant: usage: xtmp-mutant list | zoo | serve NAME | overlay DIR | planted | plant DIR\n"},
		{[]string{"serve", faulty.Mutants()[0].Name}, 1, "xtmp-mutant: this build has no faults in it: build with `make mutants`\n"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), test.args, &out, &errs); code != test.code || errs.String() != test.want || out.Len() != 0 {
			t.Errorf("%q: exit code %d, %q", test.args, code, errs.String())
		}
	}
}

// The overlay replaces the files that mutants change, and adds the one that
// says so; the sources it names are there.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"overlay", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	text, err := os.ReadFile(filepath.Join(dir, "overlay.json"))
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &overlay); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"cmd/xtmp-mutant/zz_overlaid.go": true}
	for _, file := range faulty.Files(faulty.Mutants(), faulty.Zoo()) {
		want[file] = true
	}
	for file := range want {
		to, ok := overlay.Replace[filepath.Join(root, filepath.FromSlash(file))]
		if !ok {
			t.Errorf("%s is not replaced", file)
			continue
		}
		if b, err := os.ReadFile(to); err != nil || !bytes.Contains(b, []byte("package ")) {
			t.Errorf("%s is replaced by %s: %v", file, to, err)
		}
	}
}

// What a mutant is without is off, and nothing else.
func TestLeaveOff(t *testing.T) {
	whole, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	lacking := map[string]bool{}
	for _, m := range faulty.Mutants() {
		cfg, err := everything()
		if err != nil {
			t.Fatal(err)
		}
		leaveOff(&cfg, m.Name)
		got := [...]bool{cfg.NoCompression, cfg.AllowUnencrypted, slices.Contains(cfg.Suites, server.SuiteNone), cfg.Probe, cfg.NoUDP}
		unencrypted := m.Without != faulty.IntegrityOnly
		want := [...]bool{m.Without == faulty.Compression, unencrypted, unencrypted, m.Without != faulty.Probe, m.Without == faulty.UDP}
		if got != want || len(cfg.Identities) != len(whole.Identities) {
			t.Errorf("%s: got %v, want %v", m.Name, got, want)
		}
		lacking[m.Without] = true
	}
	if len(lacking) != 6 {
		t.Errorf("mutants are without %v, want each once and nothing", lacking)
	}
}
