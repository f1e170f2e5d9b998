package session

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// What seldom happens to paths, and was found by the simulator.

// A client loses a connection while a frame on another one is incomplete.
func TestLostWhileAFrameIsIncomplete(t *testing.T) {
	m := newMesh(t, nil)
	m.run(time.Second)
	w := m.attach(TCP, true)
	m.run(time.Second)
	m.call(0, 100)
	m.pump()
	frame := m.wires[0].flying[0]
	m.run(5 * time.Millisecond)
	m.client.Receive(m.now, w.atClient, frame.bytes[:50])
	m.cut(0)
	if m.client.State() != Established {
		t.Fatalf("the session ended: %v", m.client.Err())
	}
}

// A parked session is counted once, whatever becomes of attempts to attach.
func TestParkedOnce(t *testing.T) {
	var a *openAdmission
	m := newMesh(t, func(p *pair) { a = p.serverCfg.Server.Admission.(*openAdmission) })
	m.run(time.Second)
	m.cut(0)
	w := m.attach(TCP, false)
	m.pump()
	for m.run(m.delay / 2); !w.known; m.run(m.delay / 2) { // until the server has answered; it hears nothing more
	}
	if !w.known || a.parked != 1 {
		t.Fatalf("known %v, %+v", w.known, a)
	}
	m.server.Lost(m.now, w.server)
	if a.parked != 1 {
		t.Errorf("one session is counted as %d that are parked", a.parked)
	}
}

// An address that is being validated gets three times what it sent, even of what goes
// out on its own, as Disconnect does.
func TestDestinationWhileValidating(t *testing.T) {
	strange := netip.MustParseAddrPort("203.0.113.9:9")
	p := &Path{udp: &datagrams{peer: clientAddress, challenge: &challenge{to: strange, received: 100}}}
	for _, want := range []netip.AddrPort{strange, strange, clientAddress} {
		if got := p.destination(150); got != want {
			t.Errorf("a datagram goes to %v, want %v", got, want)
		}
	}
}

// An AttachAck arrives when keys have been replaced, once or twice, since its Attach.
func TestAttachAckAfterRekeys(t *testing.T) {
	for rekeys := range 3 {
		m := newMesh(t, nil)
		m.run(2 * time.Second)
		w := m.attach(TCP, false)
		for m.pump(); !w.known; m.run(m.delay / 2) {
		}
		late := w.flying
		w.flying = nil
		for range rekeys {
			m.client.Rekey(m.now)
			m.run(1500 * time.Millisecond)
		}
		for i := range late {
			late[i].due = m.now.Elapsed
		}
		w.flying = append(late, w.flying...)
		m.call(0, 100)
		m.run(60 * time.Second)
		m.finished(1)
		if live := !w.gone && m.client.paths[w.atClient].live(); live != (rekeys < 2) {
			t.Errorf("after %d rekeys the path is live: %v", rekeys, live)
		}
	}
}

// The answer to a probe gives a path its first round trip: else PINGs would take the turn
// of every datagram that is sent again, one in three seconds.
func TestPongIsASample(t *testing.T) {
	m := newMesh(t, nil)
	m.run(time.Second)
	w := m.attach(UDP, false)
	m.run(time.Second)
	p := m.client.paths[w.atClient]
	p.udp.send.Restart()
	p.probe.sent(m.now, p)
	m.now.Elapsed += 30 * time.Millisecond
	m.client.receivePong(m.now, p, binary.BigEndian.AppendUint64(make([]byte, 0, pingOnUDP-1), m.client.ping.last)[:pingOnUDP-1])
	if got := m.client.Quality(w.atClient).Smoothed; got != 30*time.Millisecond {
		t.Errorf("the round trip is %v", got)
	}
}

// A RekeyInit whose fragments come while four messages are incomplete is dropped, and
// comes again.
func TestRekeyBehindIncompleteMessages(t *testing.T) {
	m := newMesh(t, nil)
	m.run(time.Second)
	w := m.attach(UDP, false)
	m.run(time.Second)
	for mid := range uint64(partialsMax) {
		m.server.partials = append(m.server.partials, &partial{typ: 0x70, mid: 100 + mid, count: 3, arrived: m.now.Elapsed, on: 1 << w.server})
	}
	m.client.Rekey(m.now)
	m.run(100 * time.Millisecond)
	m.server.partials = nil
	m.run(10 * time.Second)
	if m.server.Epoch() != 1 {
		t.Errorf("epoch %d", m.server.Epoch())
	}
}
