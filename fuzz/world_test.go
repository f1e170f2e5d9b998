package fuzz_test

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// wall is the wall time at the start of every world, µs since the Unix epoch.
const wall = 1_790_000_000_000_000

// timers of the specification that the targets wait for.
const (
	tAck   = 25 * time.Millisecond
	tClose = 5 * time.Second
)

// admission lets everybody in and counts.
type admission struct{ half, settled, memory, most int }

func (a *admission) Enter(netip.Addr)                             { a.half++ }
func (a *admission) Pace(time.Duration, netip.Addr) time.Duration { return 0 }
func (a *admission) Pass(time.Duration, netip.Addr) bool          { return true }
func (a *admission) MayReset(time.Duration, netip.Addr) bool      { return true }
func (a *admission) Admit(netip.Addr) bool                        { return true }
func (a *admission) Settle(netip.Addr)                            { a.half--; a.settled++ }
func (a *admission) Park(netip.Addr)                              { a.settled-- }
func (a *admission) AdmitPath(netip.Addr, bool) bool              { return true }
func (a *admission) Unpark(netip.Addr)                            { a.settled++ }

func (a *admission) Leave(_ netip.Addr, settled bool) {
	if settled {
		a.settled--
	} else {
		a.half--
	}
}

func (a *admission) Hold(_ netip.Addr, n int) bool {
	a.memory += n
	a.most = max(a.most, a.memory)
	return true
}

func (a *admission) Retain(_ netip.Addr, n int) bool {
	a.memory += n
	a.most = max(a.most, a.memory)
	return true
}

// setup says what kind of world an input gets.
type setup struct {
	suite    uint8
	deflate  bool
	seed     byte                                  // of the entropy of both
	inflight uint32                                // max_inflight; 0: the default
	apps     func(client, server *session.Config)  // may set the applications
	trace    func(who session.Role, e trace.Event) // nil for none
}

// world is a client core and a server core on virtual time, the bytes between
// them, and every traffic secret that they derived.
type world struct {
	t         testing.TB
	now       session.Now
	client    *session.Session
	server    *session.Session
	configs   [2]session.Config
	admission *admission
	secrets   [2]map[string][]byte // of client and server, by label of the key log
	draws     [2]*recorder
	keys      []testkit.Keys // of every path slot, in the order of the log
	suite     uint8
	wire      [2][]byte // by sender: everything that was written
}

// An identity of either kind, made once.
var (
	identity1 = must(security.NewIdentity(bytes.Repeat([]byte{0x42}, 32)))
	identity2 = must(security.NewHybridIdentity(bytes.Repeat([]byte{0x42}, 32), bytes.Repeat([]byte{0x43}, 32)))
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func entropy(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// encapsulator draws the entropy of ML-KEM from a seed.
func encapsulator(seed byte) security.Encapsulator {
	source := entropy(seed)
	return func(key *mlkem.EncapsulationKey768) ([]byte, []byte) {
		shared, ciphertext, err := mlkemtest.Encapsulate768(key, testkit.Draw(source, 32))
		if err != nil {
			panic(err) // the package takes 32 bytes of anything
		}
		return shared, ciphertext
	}
}

// newWorld returns two cores that have not spoken.
func newWorld(t testing.TB, how setup) *world {
	t.Helper()
	w := &world{
		t: t, now: session.Now{Elapsed: time.Hour, Wall: wall}, admission: &admission{},
		secrets: [2]map[string][]byte{{}, {}}, suite: how.suite,
	}
	id := identity1
	if wire.Suite(how.suite) == wire.SuitePostQuantum {
		id = identity2
	}
	ids := uint64(0x11223344556600)
	for i, role := range []session.Role{session.Client, session.Server} {
		w.draws[i] = &recorder{source: entropy(how.seed + byte(i))}
		c := &w.configs[i]
		*c = session.Config{
			Entropy: w.draws[i], Suites: []wire.Suite{wire.Suite(how.suite)}, Compression: how.deflate,
			KeyLog: func(label string, _ uint64, secret []byte) { w.log(i, label, secret) },
		}
		if how.trace != nil {
			c.Trace = func(e trace.Event) { how.trace(role, e) }
		}
	}
	w.configs[0].Client.Pins = []security.Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}}
	w.configs[1].Server = session.ServerConfig{
		Identities: []*security.Identity{id}, Encapsulate: encapsulator(3), Admission: w.admission,
		MaxInflight: how.inflight, NewSessionID: func() uint64 { ids++; return ids },
	}
	if how.apps != nil {
		how.apps(&w.configs[0], &w.configs[1])
	}
	for i, role := range []session.Role{session.Client, session.Server} {
		var err error
		if w.configs[i], err = w.configs[i].Validate(role); err != nil {
			t.Fatal(err)
		}
	}
	w.client = session.NewClient(&w.configs[0])
	w.server = session.NewServer(&w.configs[1], w.now, netip.MustParseAddr("192.0.2.1"))
	if err := w.client.Open(w.now); err != nil {
		t.Fatal(err)
	}
	return w
}

// recorder is a source of entropy that remembers what was drawn.
type recorder struct {
	source io.Reader
	drawn  [][]byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.source.Read(b)
	r.drawn = append(r.drawn, slices.Clone(b[:n]))
	return n, err
}

// log is the key log of a core.
func (w *world) log(side int, label string, secret []byte) {
	w.secrets[side][label] = slices.Clone(secret)
	if other := w.secrets[1-side][label]; !bytes.Equal(other, secret) {
		w.keys = append(w.keys, testkit.DeriveKeys(w.secrets[side][label]).For(w.suite))
	}
}

// secret is a traffic secret that both cores have.
func (w *world) secret(label string) []byte {
	w.t.Helper()
	if w.secrets[0][label] == nil || !bytes.Equal(w.secrets[0][label], w.secrets[1][label]) {
		w.t.Fatalf("%s is %x at the client, %x at the server", label, w.secrets[0][label], w.secrets[1][label])
	}
	return w.secrets[0][label]
}

// take returns what s has to say now.
func (w *world) take(s *session.Session) []byte {
	var out []byte
	for s.HasOutput(0) {
		n := len(out)
		out = s.AppendOutput(w.now, 0, out)
		if len(out) == n && s.HasOutput(0) {
			w.t.Fatalf("%v session has output and gives none", s.State())
		}
	}
	side := 0
	if s == w.server {
		side = 1
	}
	w.wire[side] = append(w.wire[side], out...)
	return out
}

// give hands bytes to s, which may change its copy.
func (w *world) give(s *session.Session, b []byte) {
	if len(b) > 0 {
		s.Receive(w.now, 0, slices.Clone(b))
	}
}

// settle lets both speak until they are silent.
func (w *world) settle() {
	for range 10_000 {
		a, b := w.take(w.client), w.take(w.server)
		if len(a)+len(b) == 0 {
			return
		}
		w.give(w.server, a)
		w.give(w.client, b)
	}
	w.t.Fatal("the two sides never fall silent")
}

// connect runs the handshake and fails the test if it does not succeed.
func (w *world) connect() *world {
	w.t.Helper()
	w.settle()
	if w.client.State() != session.Established || w.server.State() != session.Established {
		w.t.Fatalf("client %v (%v), server %v (%v)", w.client.State(), w.client.Err(), w.server.State(), w.server.Err())
	}
	return w
}

// events forgets the events of s and returns them.
func events(s *session.Session) (all []session.Event) {
	for {
		e, ok := s.NextEvent()
		if !ok {
			return all
		}
		all = append(all, e)
	}
}

// pass moves virtual time by d for one session, stopping at its deadlines, and
// returns what it said.
func (w *world) pass(s *session.Session, d time.Duration) []byte {
	var out []byte
	end := w.now.Elapsed + d
	for steps := 0; ; steps++ {
		next := end
		if at, ok := s.Deadline(); ok {
			next = min(next, at)
		}
		if step := next - w.now.Elapsed; step > 0 {
			w.now.Elapsed += step
			w.now.Wall += uint64(step / time.Microsecond)
		}
		s.Advance(w.now)
		out = append(out, w.take(s)...)
		if at, ok := s.Deadline(); ok && at <= w.now.Elapsed {
			w.t.Fatalf("after Advance a %v session is due at once", s.State())
		}
		if w.now.Elapsed >= end {
			return out
		}
		if steps > 100_000 {
			w.t.Fatalf("a %v session never rests", s.State())
		}
	}
}

// finish ends a session whose peer is gone, and checks that nothing is left of
// it: it says nothing new, and gives back what it counted.
func (w *world) finish(s *session.Session) {
	w.t.Helper()
	s.Lost(w.now, 0)
	if got := s.Fate(0); got != session.Shut {
		w.t.Fatalf("the connection is lost and its fate is %d", got)
	}
	if out := w.take(s); len(out) > 0 {
		w.t.Fatalf("%d bytes for a connection that is lost", len(out))
	}
	if s.State() != session.Closed || s.Err() == nil {
		w.t.Fatalf("the connection is lost and the session is %v (%v)", s.State(), s.Err())
	}
	if _, due := s.Deadline(); due {
		w.t.Fatal("a session that is over waits for something")
	}
	if a := w.admission; s == w.server && (a.memory != 0 || a.half != 0 || a.settled != 0) {
		w.t.Fatalf("a session that is over still counts: %+v", *a)
	}
}
