package main

import (
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/bpci/xtmp/refimpl/faulty"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/transport"
	"github.com/bpci/xtmp/refimpl/wire"
)

// nothing is the name of the server with no fault, and nothing odd.
const nothing = "none"

// serve runs a server with one fault, or an odd one, that has everything
// enabled: the four suites, identities of both kinds, compression and Probe.
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
	identities, err := identities()
	if err != nil {
		return err
	}
	core := session.Config{
		Entropy:     rand.Reader,
		Suites:      []wire.Suite{wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum, wire.SuiteNone},
		Compression: true,
		Server: session.ServerConfig{
			Identities:  identities,
			Encapsulate: func(key *mlkem.EncapsulationKey768) (shared, ciphertext []byte) { return key.Encapsulate() },
		},
	}
	if _, err := rand.Read(core.Server.ResetKey[:]); err != nil {
		return err
	}
	s, err := transport.Listen(ctx, "127.0.0.1:0", transport.Config{Session: core, Probe: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	pins := ""
	for _, id := range identities {
		pins += fmt.Sprintf(",%d:%v", id.Kind(), id.Fingerprint())
	}
	if _, err := fmt.Fprintf(stdout, "READY tcp=%v udp=- fingerprint=%s\n", s.Addr(), pins[1:]); err != nil {
		return err
	}
	return s.Serve(ctx)
}

func known(name string) bool {
	return name == nothing || slices.ContainsFunc(faulty.Mutants(), func(m faulty.Mutant) bool { return m.Name == name }) ||
		slices.ContainsFunc(faulty.Zoo(), func(v faulty.Variant) bool { return v.Name == name })
}

// identities are one of each kind, from keys that are no secret.
func identities() ([]*security.Identity, error) {
	one, err := security.NewIdentity([]byte("thirty-two bytes known to anyone"))
	if err != nil {
		return nil, err
	}
	two, err := security.NewHybridIdentity([]byte("thirty-two more that anyone knows"[:32]), []byte("a seed of ML-DSA-65 that is known"[:32]))
	return []*security.Identity{one, two}, err
}
