package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bpci/xtmp/refimpl/faulty"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/server"
)

// overlaid is set by a file that the overlay adds.
var overlaid = false

var errUsage = errors.New("usage: xtmp-mutant list | serve NAME | overlay DIR")

// run is the command without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := errUsage
	switch {
	case len(args) == 1 && args[0] == "list":
		err = list(stdout)
	case len(args) == 2 && args[0] == "serve":
		err = serve(ctx, args[1], stdout)
	case len(args) == 2 && args[0] == "overlay":
		err = overlay(ctx, args[1])
	}
	if err != nil {
		fmt.Fprintf(stderr, "xtmp-mutant: %v\n", err)
		if errors.Is(err, errUsage) {
			return 2
		}
		return 1
	}
	return 0
}

func list(w io.Writer) error {
	for _, m := range faulty.Mutants() {
		line := struct {
			Name        string `json:"name"`
			Requirement string `json:"requirement"`
			Description string `json:"description"`
		}{m.Name, m.Requirement, m.Description}
		if err := json.NewEncoder(w).Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func serve(ctx context.Context, name string, stdout io.Writer) error {
	if !overlaid {
		return errors.New("this build has no faults in it: build with `make mutants`")
	}
	if !slices.ContainsFunc(faulty.Mutants(), func(m faulty.Mutant) bool { return m.Name == name }) {
		return fmt.Errorf("no mutant %q: `xtmp-mutant list` names them", name)
	}
	if err := os.Setenv(faulty.Switch, name); err != nil {
		return err
	}
	cfg, err := everything()
	if err != nil {
		return err
	}
	s, err := server.Listen(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, s.Ready()); err != nil {
		return err
	}
	return s.Serve(ctx)
}

// everything is what deploy/certify.yaml switches on, with identities that anyone
// knows.
func everything() (server.Config, error) {
	classic, err := security.NewIdentity([]byte("thirty-two bytes known to anyone"))
	if err != nil {
		return server.Config{}, err
	}
	hybrid, err := security.NewHybridIdentity([]byte("other thirty-two bytes, as known"), []byte("and thirty-two bytes for ML-DSA."))
	return server.Config{
		Address: "127.0.0.1:0", Identities: []*server.Identity{classic, hybrid}, AllowUnencrypted: true, Probe: true,
		Suites: []server.Suite{server.SuiteAES256GCM, server.SuiteChaCha20, server.SuitePostQuantum, server.SuiteNone},
	}, err
}

// overlay writes the mutated sources to dir and the JSON that maps the real
// files to them.
func overlay(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	sources := map[string]string{}
	for _, m := range faulty.Mutants() {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
		if err != nil {
			return err
		}
		sources[m.File] = string(b)
	}
	changed, err := faulty.Overlay(faulty.Mutants(), sources)
	if err != nil {
		return err
	}
	changed["cmd/xtmp-mutant/zz_overlaid.go"] = "package main\n\nfunc init() { overlaid = true }\n"
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	replace := map[string]string{}
	for file, text := range changed {
		to := filepath.Join(dir, "_src", filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), append(b, '\n'), 0o644)
}
