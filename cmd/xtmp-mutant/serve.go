package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/bpci/xtmp/refimpl/faulty"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/server"
)

// nothing names the server with no fault, and nothing odd.
const nothing = "none"

// serve runs a server with one fault, or an odd one.
func serve(ctx context.Context, name string, stdout io.Writer) error {
	if !overlaid {
		return errors.New("this build has no faults in it: build with `make mutants`")
	}
	if !known(name) {
		return fmt.Errorf("nothing is called %q: `xtmp-mutant list` and `xtmp-mutant zoo` name what there is", name)
	}
	if err := os.Setenv(faulty.Switch, name); err != nil {
		return err
	}
	cfg, err := everything()
	if err != nil {
		return err
	}
	leaveOff(&cfg, name)
	s, err := server.Listen(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, s.Ready()); err != nil {
		return err
	}
	return s.Serve(ctx)
}

func known(name string) bool {
	return name == nothing || slices.ContainsFunc(faulty.Mutants(), func(m faulty.Mutant) bool { return m.Name == name }) ||
		slices.ContainsFunc(faulty.Zoo(), func(v faulty.Variant) bool { return v.Name == name })
}

// leaveOff switches off what a mutant is without. The pins stay the same.
func leaveOff(cfg *server.Config, name string) {
	for _, m := range faulty.Mutants() {
		if m.Name != name {
			continue
		}
		switch m.Without {
		case faulty.Compression:
			cfg.NoCompression = true
		case faulty.IntegrityOnly:
			cfg.Suites = slices.DeleteFunc(cfg.Suites, func(s server.Suite) bool { return s == server.SuiteNone })
			cfg.AllowUnencrypted = false
		case faulty.UDP:
			cfg.NoUDP = true
		case faulty.Probe:
			cfg.Probe = false
		}
	}
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
