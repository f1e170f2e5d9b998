package fuzz_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// shore is a whole server and a client with several paths to it, on virtual time.
// What they say is kept until it is delivered, and every frame of it is watched: no
// nonce of a key belongs to two frames.
type shore struct {
	t         testing.TB
	now       session.Now
	server    *endpoint.Endpoint
	client    *session.Session
	configs   [2]session.Config
	admission *admission
	resetKey  [32]byte
	at        netip.AddrPort // of the client on UDP
	streams   []*stream
	afloat    [2][]parcel // datagrams by sender: on their way
	wire      [2][][]byte // everything that was said on UDP, by sender

	keys   map[string]testkit.Keys // by label of the key log
	labels []string                // in the order of the log
	suite  uint8
	sealed map[string][]byte // frames by key_id and nonce
	next   map[string]uint64 // highest sequence number + 1, by key_id
	unseen int               // paths that the client wants and nobody has opened yet
	crew
}

// parcel is a datagram, and the client's address that it has.
type parcel struct {
	client netip.AddrPort
	bytes  []byte
}

// stream is a connection: what each side has written and the other not yet read.
type stream struct {
	conn endpoint.ConnID
	path session.PathID
	cut  [2]bool // by side: it has done with the connection
	sent [2][]byte
}

// newShore returns a server, and a client that has not spoken.
func newShore(t testing.TB, how setup) *shore {
	t.Helper()
	s := &shore{
		t: t, now: session.Now{Elapsed: time.Hour, Wall: wall}, admission: &admission{}, at: berth, suite: how.suite,
		resetKey: [32]byte{5}, keys: map[string]testkit.Keys{}, sealed: map[string][]byte{}, next: map[string]uint64{}, crew: newCrew(t),
	}
	for i := range s.configs {
		s.configs[i] = session.Config{
			Entropy: entropy(how.seed + byte(i)), Suites: []wire.Suite{wire.Suite(how.suite)}, KeyLog: s.log,
			Application: applications(&s.crew)[i],
		}
	}
	s.configs[0].Client.Pins = []security.Pin{{Kind: identity1.Kind(), Fingerprint: identity1.Fingerprint()}}
	s.configs[0].Client.Standby = how.seed&1 != 0
	s.configs[1].Server = session.ServerConfig{
		Identities: []*security.Identity{identity1}, Encapsulate: encapsulator(3), Admission: s.admission,
		AttachTCP: true, AttachUDP: true, ResetKey: s.resetKey,
	}
	var err error
	if s.configs[0], err = s.configs[0].Validate(session.Client); err != nil {
		t.Fatal(err)
	}
	s.server, err = endpoint.New(endpoint.Config{
		Session: s.configs[1], Application: applications(&s.crew)[1].(endpoint.Application),
		Tokens: security.NewTokens(entropy(7), s.now.Elapsed, s.now.Wall),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.client = session.NewClient(&s.configs[0])
	return s
}

// log is the key log of both cores.
func (s *shore) log(label string, _ uint64, secret []byte) {
	if _, known := s.keys[label]; !known {
		s.labels = append(s.labels, label)
	}
	s.keys[label] = testkit.DeriveKeys(slices.Clone(secret)).For(s.suite)
}

// board begins a handshake, on UDP if there is no connection.
func (s *shore) board(over *stream) {
	s.t.Helper()
	open := func() error { return s.client.OpenDatagram(s.now, harbour, nil, 0) }
	if over != nil {
		open = func() error { return s.client.Open(s.now) }
	}
	if err := open(); err != nil {
		s.t.Fatal(err)
	}
}

// connect opens a connection to the server, nil if that takes none.
func (s *shore) connect() *stream {
	id, ok := s.server.Open(s.now, s.at.Addr())
	if !ok {
		return nil
	}
	c := &stream{conn: id}
	s.streams = append(s.streams, c)
	return c
}

// attach lets the client try a further path.
func (s *shore) attach(kind session.Transport, standby bool) {
	s.unseen = 0
	if kind == session.UDP {
		if _, err := s.client.Attach(s.now, kind, standby, harbour); err != nil {
			s.client.AttachFailed(s.now)
		}
		return
	}
	c := s.connect()
	if c == nil {
		s.client.AttachFailed(s.now)
		return
	}
	p, err := s.client.Attach(s.now, kind, standby, netip.AddrPort{})
	if c.path = p; err != nil {
		c.cut[0] = true
		s.hangUp(c)
	}
}

// hangUp ends a connection for who has not done with it.
func (s *shore) hangUp(c *stream) {
	if !c.cut[0] {
		c.cut[0] = true
		s.client.Lost(s.now, c.path)
	}
	if !c.cut[1] {
		c.cut[1] = true
		s.server.Lost(s.now, c.conn)
	}
	s.streams = slices.DeleteFunc(s.streams, func(o *stream) bool { return o == c })
}

// collect takes what both have to say, and reports whether that was anything.
func (s *shore) collect() bool {
	s.t.Helper()
	heard := s.spoken()
	s.afloat[1] = append(s.afloat[1], heard...)
	for _, ok := s.server.NextEvent(); ok; _, ok = s.server.NextEvent() {
		continue
	}
	return s.clientSpeaks() || len(heard) > 0
}

// clientSpeaks takes what the client says.
func (s *shore) clientSpeaks() (spoke bool) {
	s.t.Helper()
	for e, ok := s.client.NextEvent(); ok; e, ok = s.client.NextEvent() {
		if e.Kind == session.EventPathWanted {
			s.unseen = 1 + int(e.Transport)
		}
	}
	for id, mask := session.PathID(0), s.client.Paths(); mask != 0; id, mask = id+1, mask>>1 {
		if mask&1 == 0 {
			continue
		}
		shut := s.client.Fate(id) == session.Shut
		if s.client.Kind(id) == session.UDP {
			for out, _, ok := s.client.AppendDatagram(s.now, id, nil); ok; out, _, ok = s.client.AppendDatagram(s.now, id, nil) {
				s.afloat[0] = append(s.afloat[0], parcel{s.at, out})
				s.wire[0] = append(s.wire[0], out)
				s.watch(out, shut)
				spoke = true
			}
			if s.client.Fate(id) == session.Shut {
				s.client.Lost(s.now, id)
			}
			continue
		}
		c := s.streamOf(id)
		for c != nil && s.client.HasOutput(id) {
			out := s.client.AppendOutput(s.now, id, nil)
			c.sent[0] = append(c.sent[0], out...)
			s.watch(out, shut)
			spoke = true
		}
		if s.client.Fate(id) == session.Shut && c != nil {
			c.cut[0] = true
			s.client.Lost(s.now, id)
		}
	}
	return spoke
}

// streamOf returns the connection of a path of the client.
func (s *shore) streamOf(p session.PathID) *stream {
	for _, c := range s.streams {
		if c.path == p && !c.cut[0] {
			return c
		}
	}
	return nil
}

// spoken takes what the server's sessions say: it returns the datagrams of their paths,
// and of strangers none.
func (s *shore) spoken() (datagrams []parcel) {
	s.t.Helper()
	for id, ok := s.server.NextOutput(); ok; id, ok = s.server.NextOutput() {
		shut := s.server.Fate(id) == session.Shut
		if s.server.Datagrams(id) {
			for out, to, ok := s.server.AppendDatagram(s.now, id, nil); ok; out, to, ok = s.server.AppendDatagram(s.now, id, nil) {
				datagrams = append(datagrams, parcel{to, out})
				s.wire[1] = append(s.wire[1], out)
				s.watch(out, shut)
			}
			if s.server.Fate(id) == session.Shut {
				s.server.Lost(s.now, id)
			}
			continue
		}
		i := slices.IndexFunc(s.streams, func(c *stream) bool { return c.conn == id && !c.cut[1] })
		if i < 0 {
			s.t.Fatalf("connection %d is none", id)
		}
		c := s.streams[i]
		for s.server.HasOutput(id) {
			out, _ := s.server.AppendOutput(s.now, id, nil)
			c.sent[1] = append(c.sent[1], out...)
			s.watch(out, shut)
		}
		if s.server.Fate(id) == session.Shut {
			c.cut[1] = true
			s.server.Lost(s.now, id)
		}
	}
	return datagrams
}

// watch looks at what a core has written.
func (s *shore) watch(out []byte, shut bool) {
	s.t.Helper()
	if shut {
		s.t.Fatalf("%d bytes on a path that is shut", len(out))
	}
	for len(out) > 0 {
		f, rest, whole := testkit.DecodeFrame(out)
		if !whole {
			s.t.Fatalf("the core wrote %d bytes that are no whole frame: %x", len(out), out[:min(96, len(out))])
		}
		frame := out[:len(out)-len(rest)]
		out = rest
		if f.Clear() {
			continue
		}
		key := string(f.Header.Bytes("key_id"))
		nonce := key + string(f.Header.Bytes("nonce"))
		if known, used := s.sealed[nonce]; used && !bytes.Equal(known, frame) {
			s.t.Fatalf("a nonce of one key in two frames\n%x\n%x", known, frame)
		}
		s.sealed[nonce] = slices.Clone(frame)
		s.next[key] = max(s.next[key], f.Sequence()+1)
	}
}

// carry delivers the datagram that has been under way longest: to the server, or
// to the client.
func (s *shore) carry(from int) bool {
	if len(s.afloat[from]) == 0 {
		return false
	}
	p := s.afloat[from][0]
	s.afloat[from] = s.afloat[from][1:]
	s.land(from, p)
	return true
}

// land gives a datagram to who it is for.
func (s *shore) land(from int, p parcel) {
	b := append(make([]byte, 0, len(p.bytes)+16), p.bytes...)
	switch {
	case from == 0:
		s.server.Datagram(s.now, p.client, b)
	case p.client == s.at:
		s.client.ReceiveDatagram(s.now, harbour, b)
	}
}

// flow moves up to n bytes of a connection in one direction, and ends it when its
// writer has done with it.
func (s *shore) flow(c *stream, from, n int) bool {
	n = min(n, len(c.sent[from]))
	b := slices.Clone(c.sent[from][:n])
	c.sent[from] = c.sent[from][n:]
	switch {
	case n == 0 && c.cut[from]:
		s.hangUp(c)
		return true
	case n == 0:
		return false
	case from == 0 && !c.cut[1]:
		s.server.Receive(s.now, c.conn, b)
	case from == 1 && !c.cut[0]:
		s.client.Receive(s.now, c.path, b)
	}
	return true
}

// calm delivers everything until both are silent.
func (s *shore) calm() {
	s.t.Helper()
	for range 5000 {
		moved := s.collect()
		for from := range 2 {
			for s.carry(from) {
				moved = true
			}
			for _, c := range slices.Clone(s.streams) {
				moved = s.flow(c, from, 1<<20) || moved
			}
		}
		for out, to, ok := s.server.NextStray(nil); ok; out, to, ok = s.server.NextStray(nil) {
			s.afloat[1] = append(s.afloat[1], parcel{to, out})
			moved = true
		}
		if s.unseen > 0 {
			s.attach(session.Transport(s.unseen-1), false)
			moved = true
		}
		if !moved {
			return
		}
	}
	s.t.Fatal("the two sides never fall silent")
}

// drift moves virtual time by d, stopping at what is due. Nothing is delivered.
func (s *shore) drift(d time.Duration) {
	s.t.Helper()
	end := s.now.Elapsed + d
	for range 20_000 {
		next := end
		for _, deadline := range []func() (time.Duration, bool){s.server.Deadline, s.client.Deadline} {
			if at, ok := deadline(); ok {
				next = min(next, at)
			}
		}
		step := max(next-s.now.Elapsed, 0)
		s.now.Elapsed += step
		s.now.Wall += uint64(step / time.Microsecond)
		s.server.Advance(s.now)
		if at, ok := s.client.Deadline(); ok && at <= s.now.Elapsed {
			s.client.Advance(s.now)
		}
		s.collect()
		if s.now.Elapsed >= end {
			return
		}
	}
	s.t.Fatalf("the two never rest: client %v, server %d paths", s.client.State(), s.server.Len())
}

// labelled returns the labels of the key log that begin with a word.
func (s *shore) labelled(word string) (labels []string) {
	for _, l := range s.labels {
		if strings.HasPrefix(l, word) {
			labels = append(labels, l)
		}
	}
	return labels
}
