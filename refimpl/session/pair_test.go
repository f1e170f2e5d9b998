package session

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"math/rand/v2"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// wall is the wall time at the start of every test, µs.
const wall = 1_790_000_000_000_000

// openAdmission lets everybody in and counts.
type openAdmission struct {
	full                                    bool
	wait                                    time.Duration
	half, settled, parked, memory, retained int
}

func (a *openAdmission) Enter(netip.Addr) { a.half++ }
func (a *openAdmission) Pace(time.Duration, netip.Addr) time.Duration {
	return a.wait
}
func (a *openAdmission) Pass(time.Duration, netip.Addr) bool     { return true }
func (a *openAdmission) MayReset(time.Duration, netip.Addr) bool { return true }
func (a *openAdmission) Admit(netip.Addr) bool                   { return !a.full }
func (a *openAdmission) AdmitPath(netip.Addr, bool) bool         { return !a.full }
func (a *openAdmission) Settle(netip.Addr)                       { a.half--; a.settled++ }

func (a *openAdmission) Park(netip.Addr)   { a.parked++; a.settled-- }
func (a *openAdmission) Unpark(netip.Addr) { a.parked--; a.settled++ }

func (a *openAdmission) Leave(_ netip.Addr, settled bool) {
	if settled {
		a.settled--
	} else {
		a.half--
	}
}

func (a *openAdmission) Retain(_ netip.Addr, n int) bool {
	a.retained += n
	return a.retained < 256<<20
}

func (a *openAdmission) Hold(_ netip.Addr, n int) bool {
	a.memory += n
	return a.memory < 256<<20
}

// pair is a client and a server session and the two streams between them, on
// virtual time.
type pair struct {
	t         rapid.TB
	now       Now
	client    *Session
	server    *Session
	admission *openAdmission
	identity  *security.Identity
	clientCfg Config
	serverCfg Config
	toServer  []byte                   // bytes written and not delivered
	toClient  []byte                   //
	chunk     func(left int) int       // how much is delivered at once; nil: all
	mangle    func(dir byte, b []byte) // may change what is written; dir is 'c' or 's' for its sender
	events    map[*Session][]Event
	rests     bool // both sessions rest whenever they can
}

func deterministic(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	return rand.NewChaCha8(s)
}

// encapsulator draws ML-KEM entropy from a seed.
func encapsulator(t rapid.TB, seed uint64) security.Encapsulator {
	src := deterministic(seed)
	return func(key *mlkem.EncapsulationKey768) ([]byte, []byte) {
		var r [32]byte
		_, _ = src.Read(r[:]) // never fails
		shared, ciphertext, err := mlkemtest.Encapsulate768(key, r[:])
		if err != nil {
			t.Fatal(err)
		}
		return shared, ciphertext
	}
}

// newPair returns two sessions that have not spoken. change may edit the
// configurations before the sessions exist.
func newPair(t rapid.TB, change func(p *pair)) *pair {
	t.Helper()
	id, err := security.NewIdentity(bytes.Repeat([]byte{0x42}, 32))
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, now: Now{Elapsed: time.Hour, Wall: wall}, identity: id, admission: &openAdmission{}, events: map[*Session][]Event{}}
	p.clientCfg = Config{Entropy: deterministic(1), Client: ClientConfig{
		Pins: []security.Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}},
	}}
	ids := uint64(0x1122334455667700)
	p.serverCfg = Config{Entropy: deterministic(2), Server: ServerConfig{
		Identities: []*security.Identity{id}, Encapsulate: encapsulator(t, 3), Admission: p.admission,
		NewSessionID: func() uint64 { ids++; return ids },
	}}
	if change != nil {
		change(p)
	}
	if p.clientCfg, err = p.clientCfg.Validate(Client); err != nil {
		t.Fatal(err)
	}
	if p.serverCfg, err = p.serverCfg.Validate(Server); err != nil {
		t.Fatal(err)
	}
	p.client = NewClient(&p.clientCfg)
	p.server = NewServer(&p.serverCfg, p.now, netip.MustParseAddr("127.0.0.1"))
	return p
}

// connect opens the client and lets both speak until they are silent.
func (p *pair) connect() {
	p.t.Helper()
	p.open()
	p.settle()
}

// open starts the client; its ClientHello is not taken yet.
func (p *pair) open() {
	p.t.Helper()
	if err := p.client.Open(p.now); err != nil {
		p.t.Fatal(err)
	}
}

// settle moves bytes until nobody has any more.
func (p *pair) settle() {
	for range 10_000 {
		moved := p.write('c', p.client, &p.toServer)
		moved = p.write('s', p.server, &p.toClient) || moved
		moved = p.deliver(p.server, &p.toServer) || moved
		moved = p.deliver(p.client, &p.toClient) || moved
		p.collect()
		if !moved {
			return
		}
	}
	p.t.Fatal("the two sides never fall silent")
}

func (p *pair) write(dir byte, s *Session, to *[]byte) bool {
	if s.paths[0] == nil {
		return false
	}
	out := s.AppendOutput(p.now, 0, nil)
	if len(out) == 0 {
		return false
	}
	if p.mangle != nil {
		p.mangle(dir, out)
	}
	*to = append(*to, out...)
	return true
}

func (p *pair) deliver(s *Session, from *[]byte) bool {
	if len(*from) == 0 {
		return false
	}
	n := len(*from)
	if p.chunk != nil {
		n = min(n, max(1, p.chunk(n)))
	}
	s.Receive(p.now, 0, bytes.Clone((*from)[:n]))
	*from = (*from)[n:]
	return true
}

func (p *pair) collect() {
	for _, s := range []*Session{p.client, p.server} {
		for {
			e, ok := s.NextEvent()
			if !ok {
				break
			}
			p.events[s] = append(p.events[s], e)
		}
		if p.rests {
			s.Rest()
		}
	}
}

// pass moves virtual time, stopping at each deadline.
func (p *pair) pass(d time.Duration) {
	end := p.now.Elapsed + d
	for {
		next := end
		for _, s := range []*Session{p.client, p.server} {
			if at, ok := s.Deadline(); ok {
				next = min(next, at)
			}
		}
		if step := next - p.now.Elapsed; step > 0 {
			p.now.Elapsed += step
			p.now.Wall += micros(step)
		}
		p.client.Advance(p.now)
		p.server.Advance(p.now)
		p.settle()
		for _, s := range []*Session{p.client, p.server} {
			if at, ok := s.Deadline(); ok && at <= p.now.Elapsed {
				p.t.Fatalf("after Advance a %v session is due at once", s.State())
			}
		}
		if p.now.Elapsed >= end {
			return
		}
	}
}

// fromClient seals a frame as the client would and hands it to the server.
func (p *pair) fromClient(t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) {
	p.t.Helper()
	p.toServer = p.client.seal(p.now, p.client.paths[0], p.toServer, t, f, pro, body)
	p.settle()
}

// fromServer seals a frame as the server would and hands it to the client.
func (p *pair) fromServer(t wire.MessageType, f wire.Flags, pro *wire.Prologue, body []byte) {
	p.t.Helper()
	p.toClient = p.server.seal(p.now, p.server.paths[0], p.toClient, t, f, pro, body)
	p.settle()
}

// established fails the test unless both sides are.
func (p *pair) established() *pair {
	p.t.Helper()
	if p.client.State() != Established || p.server.State() != Established {
		p.t.Fatalf("client %v (%v), server %v (%v)", p.client.State(), p.client.Err(), p.server.State(), p.server.Err())
	}
	return p
}
