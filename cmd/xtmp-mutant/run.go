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
	"strings"

	"github.com/bpci/xtmp/refimpl/faulty"
)

// overlaid is set by a file that the overlay adds.
var overlaid = false

var errUsage = errors.New("usage: xtmp-mutant list | zoo | serve NAME | overlay DIR | planted | plant DIR")

// run is the command without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := errUsage
	switch {
	case len(args) == 1 && args[0] == "list":
		err = list(stdout, faulty.Mutants())
	case len(args) == 1 && args[0] == "planted":
		err = list(stdout, faulty.Planted())
	case len(args) == 1 && args[0] == "zoo":
		err = listZoo(stdout)
	case len(args) == 2 && args[0] == "serve":
		err = serve(ctx, args[1], stdout)
	case len(args) == 2 && args[0] == "overlay":
		err = overlay(ctx, args[1], faulty.Mutants(), faulty.Zoo())
	case len(args) == 2 && args[0] == "plant":
		err = overlay(ctx, args[1], faulty.Planted(), nil)
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

func list(w io.Writer, mutants []faulty.Mutant) error {
	encoder := json.NewEncoder(w)
	for _, m := range mutants {
		line := struct {
			Name        string `json:"name"`
			Requirement string `json:"requirement"`
			Description string `json:"description"`
			Slow        bool   `json:"slow,omitempty"`
			Without     string `json:"without,omitempty"`
		}{m.Name, m.Requirement, m.Description, m.Slow, m.Without}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func listZoo(w io.Writer) error {
	encoder := json.NewEncoder(w)
	for _, v := range faulty.Zoo() {
		line := struct {
			Name        string `json:"name"`
			Permits     string `json:"permits"`
			Description string `json:"description"`
		}{v.Name, v.Permits, v.Description}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// overlay writes the mutated sources to dir and the JSON that maps the real
// files to them.
func overlay(ctx context.Context, dir string, mutants []faulty.Mutant, zoo []faulty.Variant) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	sources := map[string]string{}
	for _, file := range faulty.Files(mutants, zoo) {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		sources[file] = string(b)
	}
	changed, err := faulty.Overlay(mutants, zoo, sources)
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
