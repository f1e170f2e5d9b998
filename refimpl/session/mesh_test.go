package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// mesh is a client and a server session with several paths between them, on virtual
// time. Each path is a wire that can be cut, or swallow what is sent.
type mesh struct {
	*talk
	wires  []*wireTo
	accept map[Transport]bool // which paths can be opened
	delay  time.Duration      // of every datagram and piece of a stream
	lose   func(w *wireTo, n int) bool
	sent   int                   // datagrams
	heard  func(datagram []byte) // of those that come to the server
}

// wireTo is one path: its ids at both ends and what is on its way.
type wireTo struct {
	kind             Transport
	atClient, server PathID
	known            bool // the server has a path
	dark             bool // nothing arrives any more
	gone             bool
	flying           []flying
	address          netip.AddrPort // of the client
}

type flying struct {
	due      time.Duration
	toServer bool
	bytes    []byte
}

var (
	clientAddress = netip.MustParseAddrPort("192.0.2.1:5000")
	serverAddress = netip.MustParseAddrPort("192.0.2.9:8090")
)

// newMesh returns two established sessions over TCP whose server accepts more paths.
func newMesh(t rapid.TB, change func(p *pair)) *mesh {
	t.Helper()
	m := &mesh{delay: 10 * time.Millisecond, accept: map[Transport]bool{TCP: true, UDP: true}}
	m.talk = newTalk(t, func(p *pair) {
		p.serverCfg.Server.AttachTCP, p.serverCfg.Server.AttachUDP = true, true
		if change != nil {
			change(p)
		}
	})
	m.wires = []*wireTo{{kind: TCP, known: true, address: clientAddress}}
	for _, e := range m.pair.events[m.client] {
		if e.Kind == EventPathWanted {
			m.attach(e.Transport, e.Standby)
		}
	}
	return m
}

// pump moves what is due and takes what is new, until nothing moves at this moment.
func (m *mesh) pump() {
	for range 10_000 {
		moved := false
		for _, w := range m.wires {
			moved = m.take(w) || moved
			moved = m.carry(w) || moved
		}
		m.answer()
		if !moved {
			return
		}
	}
	m.t.Fatal("the two sides never fall silent")
}

// take collects output of both ends of a wire.
func (m *mesh) take(w *wireTo) bool {
	moved := false
	if !w.gone && m.client.paths[w.atClient] != nil {
		moved = m.takeFrom(w, m.client, w.atClient, true)
	}
	if w.known && !w.gone && m.server.paths[w.server] != nil {
		moved = m.takeFrom(w, m.server, w.server, false) || moved
	}
	return moved
}

func (m *mesh) takeFrom(w *wireTo, s *Session, id PathID, toServer bool) bool {
	moved := false
	if w.kind == TCP {
		if out := s.AppendOutput(m.now, id, nil); len(out) > 0 {
			w.flying = append(w.flying, flying{m.now.Elapsed + m.delay, toServer, out})
			moved = true
		}
	} else {
		for {
			out, _, ok := s.AppendDatagram(m.now, id, nil)
			if !ok {
				break
			}
			m.sent++
			if m.lose == nil || !m.lose(w, m.sent) {
				w.flying = append(w.flying, flying{m.now.Elapsed + m.delay, toServer, out})
			}
			moved = true
		}
	}
	if s.Fate(id) == Shut {
		m.lost(w)
	}
	return moved
}

// carry delivers what has arrived.
func (m *mesh) carry(w *wireTo) bool {
	moved := false
	for len(w.flying) > 0 && w.flying[0].due <= m.now.Elapsed {
		f := w.flying[0]
		w.flying = w.flying[1:]
		if w.dark || w.gone {
			continue
		}
		moved = true
		switch {
		case f.toServer && w.kind == UDP:
			if m.heard != nil {
				m.heard(bytes.Clone(f.bytes))
			}
			m.server.ReceiveDatagram(m.now, w.address, f.bytes)
			m.find(w)
		case f.toServer && !w.known:
			id, ok := m.server.AttachStream(m.now, w.address.Addr(), f.bytes)
			if !ok {
				m.t.Logf("Attach is refused: %x", f.bytes)
				m.lost(w)
				return true
			}
			w.server, w.known = id, true
		case f.toServer:
			m.server.Receive(m.now, w.server, f.bytes)
		case w.kind == UDP:
			m.client.ReceiveDatagram(m.now, serverAddress, f.bytes)
		default:
			m.client.Receive(m.now, w.atClient, f.bytes)
		}
	}
	return moved
}

// find looks for the path that a datagram has opened at the server.
func (m *mesh) find(w *wireTo) {
	if w.known {
		return
	}
	for id, p := range m.server.paths {
		if p != nil && p.kind == UDP && p.udp.peer == w.address {
			w.server, w.known = PathID(id), true
		}
	}
}

// lost ends a wire at both ends.
func (m *mesh) lost(w *wireTo) {
	if w.gone {
		return
	}
	m.t.Logf("%v: lost %+v", m.now.Elapsed, *w)
	w.gone = true
	if m.client.paths[w.atClient] != nil {
		m.client.Lost(m.now, w.atClient)
	}
	if w.known && m.server.paths[w.server] != nil {
		m.server.Lost(m.now, w.server)
	}
}

// cut ends a connection as a reset by the network does.
func (m *mesh) cut(i int) { m.lost(m.wires[i]); m.pump() }

// answer opens the paths that the client asks for.
func (m *mesh) answer() {
	for _, s := range []*Session{m.client, m.server} {
		for {
			e, ok := s.NextEvent()
			if !ok {
				break
			}
			m.events[s] = append(m.events[s], e)
			if e.Kind == EventPathWanted {
				m.attach(e.Transport, e.Standby)
			}
		}
	}
}

// attach opens a wire and begins an attempt on it.
func (m *mesh) attach(kind Transport, standby bool) *wireTo {
	if !m.accept[kind] {
		m.client.AttachFailed(m.now)
		return nil
	}
	m.t.Logf("attach %v standby=%v", kind, standby)
	id, err := m.client.Attach(m.now, kind, standby, serverAddress)
	if err != nil {
		m.t.Fatalf("Attach: %v", err)
	}
	w := &wireTo{kind: kind, atClient: id, address: netip.AddrPortFrom(clientAddress.Addr(), uint16(6000+len(m.wires)))}
	m.wires = append(m.wires, w)
	return w
}

// run moves virtual time, stopping at each deadline and arrival.
func (m *mesh) run(d time.Duration) {
	end := m.now.Elapsed + d
	m.pump()
	for steps := 0; ; steps++ {
		if steps > 200_000 {
			m.t.Fatal("too many steps")
		}
		next := end
		for _, s := range []*Session{m.client, m.server} {
			if at, ok := s.Deadline(); ok {
				next = min(next, max(at, m.now.Elapsed))
			}
		}
		for _, w := range m.wires {
			if len(w.flying) > 0 {
				next = min(next, max(w.flying[0].due, m.now.Elapsed))
			}
		}
		if step := next - m.now.Elapsed; step > 0 {
			m.now.Elapsed += step
			m.now.Wall += micros(step)
		}
		m.client.Advance(m.now)
		m.server.Advance(m.now)
		m.pump()
		for _, s := range []*Session{m.client, m.server} {
			s.Advance(m.now)
			if at, ok := s.Deadline(); ok && at <= m.now.Elapsed {
				m.t.Fatalf("after Advance a %v session is due at once: %v", s.State(), m.why(s))
			}
		}
		m.pump()
		if m.now.Elapsed >= end {
			return
		}
	}
}

// why lists the deadlines of a session.
func (m *mesh) why(s *Session) (all []any) {
	for _, p := range s.paths {
		if p != nil {
			all = append(all, p.state.String(), s.pathDeadline(p)-m.now.Elapsed)
			if p.kind == UDP && s.open() {
				all = append(all, "udp", s.datagramDeadline(p)-m.now.Elapsed)
			}
		}
	}
	return append(all,
		"rekey", s.rekeyDue()-m.now.Elapsed, "parked", s.parkedUntil()-m.now.Elapsed, "attach", s.attachDeadline()-m.now.Elapsed)
}

// call sends request i of the test.
func (m *mesh) call(i int, size int) {
	m.t.Helper()
	body := binary.BigEndian.AppendUint32(make([]byte, 0, size+4), uint32(i))
	body = append(body, bytes.Repeat([]byte{byte(i)}, size)...)
	if err := m.client.Send(m.now, &Request{Type: 0x70, Owner: i, Body: body}); err != nil {
		m.t.Fatalf("call %d: %v", i, err)
	}
}

// finished fails the test unless each of n calls was executed once and answered once.
func (m *mesh) finished(n int) {
	m.t.Helper()
	executed, answered := map[uint32]int{}, map[any]int{}
	for _, got := range m.atServer.got {
		executed[binary.BigEndian.Uint32(got.Body)]++
	}
	over := errors.Is(m.client.Err(), ErrForgotten) // too many attempts to attach came to nothing, one after the other
	for _, got := range m.atClient.got {
		if got.Err != nil && !over {
			m.t.Errorf("call %v: %v", got.Owner, got.Err)
		}
		answered[got.Owner]++
	}
	for i := range n {
		if over && executed[uint32(i)] <= 1 && answered[i] <= 1 {
			continue
		}
		if executed[uint32(i)] != 1 || answered[i] != 1 {
			m.t.Errorf("call %d was executed %d times and answered %d times", i, executed[uint32(i)], answered[i])
		}
	}
	if !over && (len(executed) != n || len(answered) != n) {
		m.t.Errorf("%d executed, %d answered, want %d", len(executed), len(answered), n)
	}
}

func TestAttachAndStandBy(t *testing.T) {
	for _, kind := range []Transport{TCP, UDP} {
		t.Run(kind.String(), func(t *testing.T) {
			m := newMesh(t, nil)
			m.run(time.Second)
			m.attach(kind, true)
			m.run(time.Second)
			w := m.wires[1]
			if p := m.server.paths[w.server]; !w.known || !p.live() || !p.standby {
				t.Fatalf("the server has no live standby path: %+v", p)
			}
			if m.client.current != 0 || m.server.current != 0 {
				t.Errorf("a standby path moved the session: %d, %d", m.client.current, m.server.current)
			}
			for i := range 20 {
				m.call(i, 100)
			}
			m.run(100 * time.Millisecond)
			m.cut(0)
			for i := range 20 {
				m.call(20+i, 100)
			}
			m.run(5 * time.Second)
			m.finished(40)
			if m.client.current != w.atClient || m.server.current != w.server {
				t.Errorf("nobody moved: %d, %d", m.client.current, m.server.current)
			}
		})
	}
}

// A session whose connection ends under load attaches another one and goes on: no call
// is lost, none is executed twice.
func TestResume(t *testing.T) {
	for _, kind := range []Transport{TCP, UDP} {
		t.Run(kind.String(), func(t *testing.T) {
			m := newMesh(t, func(p *pair) {
				p.clientCfg.Client.Type = TypeHybrid
			})
			m.accept[1-kind] = false
			for i := range 200 {
				m.call(i, 100)
				m.run(time.Millisecond)
				if i == 50 {
					m.cut(0)
				}
			}
			m.run(10 * time.Second)
			m.finished(200)
		})
	}
}

// An attempt to attach that comes to nothing, before or after the last path ends, keeps
// nobody from attaching the next one.
func TestPathEndsBesideAnAttempt(t *testing.T) {
	for name, order := range map[string][]int{"the attempt first": {1, 0}, "the path first": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, nil)
			m.run(time.Second)
			m.attach(TCP, true).dark = true
			m.run(100 * time.Millisecond)
			for i, w := range order {
				m.cut(w)
				m.call(i, 100)
				m.run(100 * time.Millisecond)
			}
			m.run(2 * time.Second)
			m.finished(2)
			if m.client.State() != Established {
				t.Errorf("the client is %v: %v", m.client.State(), m.client.Err())
			}
		})
	}
}

// On a network that loses, doubles and delays datagrams each call is executed once.
func TestLossyDatagrams(t *testing.T) {
	for _, percent := range []int{0, 1, 5, 10, 20} {
		t.Run(time.Duration(percent).String(), func(t *testing.T) {
			m := newMesh(t, nil)
			m.run(time.Second)
			m.attach(UDP, false)
			m.run(time.Second)
			random := deterministic(7)
			m.lose = func(*wireTo, int) bool { return int(random.Uint64()%100) < percent }
			for i := range 300 {
				size := 100
				if i%10 == 0 {
					size = 9000 + i*170
				}
				m.call(i, size)
				m.run(5 * time.Millisecond)
			}
			m.run(10 * time.Second)
			m.finished(300)
			t.Logf("%d datagrams, %+v", m.sent, m.client.Quality(m.wires[1].atClient))
		})
	}
}

// Whatever becomes of paths, each call is executed once and answered once, as long
// as the client can open another path in the end.
func TestPathsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMesh(t, func(p *pair) {
			p.clientCfg.Client.Type = rapid.SampledFrom([]ConnectionType{TypeTCP, TypeUDP, TypeHybrid}).Draw(t, "type")
			p.clientCfg.Client.Standby = rapid.Bool().Draw(t, "standby")
		})
		random := deterministic(rapid.Uint64().Draw(t, "seed"))
		percent := rapid.SampledFrom([]uint64{0, 0, 2, 10}).Draw(t, "loss")
		m.lose = func(*wireTo, int) bool { return random.Uint64()%100 < percent }
		m.run(time.Second)
		n := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if m.client.State() != Established { // it had no call to come back for
				break
			}
			w := m.wires[rapid.IntRange(0, len(m.wires)-1).Draw(t, "wire")]
			switch rapid.IntRange(0, 7).Draw(t, "what") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 20).Draw(t, "calls") {
					m.call(n, rapid.SampledFrom([]int{0, 100, 3000, 60000}).Draw(t, "size"))
					n++
				}
			case 3:
				m.cut(slices.Index(m.wires, w))
			case 4:
				w.dark = !w.dark && w.kind == UDP
			case 5:
				kind := rapid.SampledFrom([]Transport{TCP, UDP}).Draw(t, "kind")
				if m.client.openPaths() < MaxPaths && (m.client.attach == nil || m.client.attach.try == nil) {
					m.attach(kind, rapid.Bool().Draw(t, "standby"))
				}
			case 6:
				m.client.Rekey(m.now)
			case 7:
				w.address = netip.AddrPortFrom(w.address.Addr(), w.address.Port()+1000) // a NAT forgets
			}
			m.run(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
		}
		for _, w := range m.wires {
			w.dark = false
		}
		m.lose = nil
		m.run(70 * time.Second)
		m.finished(n)
	})
}

// A message that the peer refused as too large is sent on no other path.
// [XTMP-PTH-043]
func TestTooLargeEndsSession(t *testing.T) {
	m := newMesh(t, nil)
	m.run(time.Second)
	m.attach(TCP, true)
	m.run(time.Second)
	m.call(0, 100)
	m.client.AppendOutput(m.now, 0, nil) // the request is on its way
	e := wire.Error{Code: wire.PayloadTooLarge, Scope: wire.ScopePath, RefSequence: wire.NoSequence}
	m.client.Receive(m.now, 0, m.server.seal(m.now, m.server.paths[0], nil, wire.TypeError, 0, nil, e.Append(nil)))
	m.run(time.Second)
	if m.client.State() != Closed || len(m.atServer.got) != 0 {
		t.Errorf("client %v, %d requests at the server", m.client.State(), len(m.atServer.got))
	}
}
