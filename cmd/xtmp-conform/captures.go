package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/report"
)

// captures writes the exchange of every result that kept its traffic to the folder
// of --out, for the owner alone: there are keys in them. It returns the paths
// relative to the report, by ID of the instance. Captures of an earlier run go, so
// that none is taken for one of this.
func (f *outputFlags) captures(o *conformance.Outcome, replay []string) (map[string]string, error) {
	if f.out == "" {
		return nil, nil
	}
	folder := filepath.Join(f.out, outCaptures)
	old, err := filepath.Glob(filepath.Join(folder, "XC-*.pcapng"))
	if err != nil {
		return nil, err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	written, taken := map[string]string{}, map[string]bool{}
	for _, r := range o.Results {
		if r.Traffic == nil {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
		name := freeName(report.CaptureName(r.ID), taken)
		err := writeMode(filepath.Join(folder, name), 0o600, func(w io.Writer) error {
			return report.WriteCapture(w, r, "xtmp-conform "+version(), report.ReplayLine(replay, r.ID, o.Seed))
		})
		if err != nil {
			return nil, fmt.Errorf("the capture of %s: %w", r.ID, err)
		}
		written[r.ID] = path.Join(outCaptures, name)
	}
	return written, nil
}

// freeName adds a number to a name that is taken.
func freeName(name string, taken map[string]bool) string {
	stem := strings.TrimSuffix(name, ".pcapng")
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d.pcapng", stem, n)
	}
	taken[name] = true
	return name
}
