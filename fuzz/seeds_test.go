package fuzz_test

import (
	"testing"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// stepsOfVectors returns every frame of every vector, with its plaintext.
func stepsOfVectors(tb testing.TB) []vectors.Step {
	tb.Helper()
	var steps []vectors.Step
	for _, v := range vectors.All() {
		steps = append(steps, v.Steps...)
	}
	if len(steps) == 0 {
		tb.Fatal("the vectors have no frames")
	}
	return steps
}

// A said is everything that one side says in a whole session of the vectors.
type said struct {
	server bool   // it is the server that says it
	bytes  []byte // as it travels
	script []byte // what it says when the handshake is over, spelt out on a tape
}

// sessionsOfVectors returns both sides of every whole session.
func sessionsOfVectors(tb testing.TB) (all []said) {
	tb.Helper()
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindFlow {
			continue
		}
		client, server := said{}, said{server: true}
		for _, step := range v.Steps {
			s := &client
			if step.From == "server" {
				s = &server
			}
			s.bytes = append(s.bytes, step.Frame...)
			h, _, _ := testkit.DecodeFrame(step.Frame)
			if p, _ := testkit.DecodePlaintext(h.Type(), h.Flags(), step.Plaintext); step.Plaintext != nil && !ofHandshake(p) {
				s.script = append(s.script, spelt(h.Type(), h.Flags(), step.Plaintext)...)
			}
		}
		all = append(all, client, server)
	}
	if len(all) == 0 {
		tb.Fatal("the vectors have no whole session")
	}
	return all
}

// ofHandshake reports whether a message is one of a handshake: ServerFlight,
// ClientFinish or HandshakeDone.
func ofHandshake(p *testkit.Plaintext) bool {
	if p.Envelope == nil {
		return false
	}
	hs := p.Envelope.Uint("hs_type")
	return hs >= 4 && hs <= 6
}
