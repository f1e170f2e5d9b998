// Command gen writes the golden vectors: every file of package vectors that is
// not worked out by hand.
//
//	flows/*.json ──▶ handshake ──┐
//	scene (keys of appendix B) ──┼──▶ scenario ──▶ vectors.Vector ──▶ <area>/<name>.txt
//	                             └──▶ flow
//
// Each vector is a few lines that read like what it does; its entropy is fixed.
// Run it with `go generate ./vectors/...`; a test holds the committed files to it.
// It decides nothing about the text: it writes with the scribe and states what
// the text says must follow.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bpci/xtmp/vectors"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run writes all vectors below a directory (default: the current one) and removes
// generated files that are no longer generated.
func run(args []string, stderr io.Writer) int {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	if err := write(dir, all()); err != nil {
		fmt.Fprintf(stderr, "gen: %v\n", err)
		return 1
	}
	return 0
}

// all returns every generated vector.
func all() []vectors.Vector {
	return slices.Concat(
		headerVectors(), typeVectors(), flagVectors(), lengthVectors(), sealVectors(), clearVectors(),
		heartbeatVectors(), disconnectVectors(), ackVectors(), errorVectors(), messageVectors(), roleVectors(),
		envelopeVectors(), clientHelloVectors(), serverHelloVectors(), serverFlightVectors(), clientFinishVectors(),
		handshakeDoneVectors(), probeVectors(), fragmentVectors(), compressionVectors(), rekeyVectors(), otherSuiteVectors(), identityVectors(),
		udpVectors(), tokenVectors(), attachVectors(),
		scheduleVectors(), keyVectors(), flowVectors(),
	)
}

// write puts the vectors into their files. Areas of hand-worked vectors are left
// alone.
func write(dir string, all []vectors.Vector) error {
	wanted := map[string]bool{}
	for _, v := range all {
		name := filepath.Join(dir, filepath.FromSlash(v.ID)+".txt")
		if wanted[name] {
			return fmt.Errorf("two vectors are called %s", v.ID)
		}
		wanted[name] = true
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(v.Text()), 0o644); err != nil {
			return err
		}
	}
	present, err := filepath.Glob(filepath.Join(dir, "*", "*.txt"))
	if err != nil {
		return err
	}
	for _, name := range present {
		if !wanted[name] && !byHand(dir, name) {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func byHand(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && strings.HasPrefix(filepath.ToSlash(rel), "hand/")
}
