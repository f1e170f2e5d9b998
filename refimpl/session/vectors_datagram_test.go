package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// keyAttach is the server's attach slot.
const keyAttach = "attach"

// onDatagrams makes the path of an established session a UDP path, with what the
// vector says of its windows.
func (u *subject) onDatagrams() {
	s, p, v := u.s, u.s.paths[0], u.v
	s.openDatagrams(p, clientAddress)
	if v.Receiver == "client" {
		p.udp.peer = serverAddress
		s.calls.resetToken = [16]byte(v.GivenValue("reset_token"))
	}
	p.sample(10 * ackDelay)
	receive := func(sequence uint64) { p.udp.recv.Add(u.now.Elapsed, sequence, false, true) }
	if highest := number(v, "highest"); highest != 0 {
		for seen := v.GivenValue("seen"); len(seen) > 0; seen = seen[8:] {
			receive(binary.BigEndian.Uint64(seen))
		}
		receive(highest)
	} else {
		for sequence := range number(v, "sequence") {
			receive(sequence)
		}
	}
	// Numbers that are left out are drawn: the first after as many frames as the
	// vector says, no other.
	first := ^uint64(0)
	if left := v.GivenValue("left_out"); left != nil {
		first = binary.BigEndian.Uint64(left) - 1
	}
	entropy := s.cfg.Entropy
	drawn := append(binary.BigEndian.AppendUint64(nil, first), bytes.Repeat([]byte{0xff}, 1<<10)...)
	s.cfg.Entropy = bytes.NewReader(drawn)
	for p.keys.send.Next() <= number(v, "last_sent") {
		s.seal(u.now, p, nil, wire.TypeHeartbeat, 0, nil, []byte{1})
	}
	s.cfg.Entropy = entropy
	s.attachUDP = true
	if v.GivenValue("attach_counter") == nil {
		return
	}
	p.keys = u.pathKeys(0, keyNow, security.Secret{5}) // the vector's is of the attach slot
	t := s.attaching().newest()
	t.used, t.counter = true, uint32(number(v, "attach_counter"))-1
	_, sv := security.AttachSecrets(&s.root)
	u.keys[keyAttach] = sv
}

// judgeDatagram is judge for datagrams.
func (u *subject) judgeDatagram() {
	t, s, v := u.t, u.s, u.v
	u.judging = true
	from := clientAddress
	if v.Receiver == "client" {
		from = serverAddress
	}
	before := u.footing()
	s.ReceiveDatagram(u.now, from, slices.Grow(bytes.Clone(v.Last().Frame), wire.TagSize))
	after := u.footing()
	heard := u.hearDatagrams(from)
	switch {
	case v.Expect.Class == vectors.ClassDrop:
		if v.Needs == "udp" && v.Expect.Stage == "check13" { // for want of room: its number alone counts as received [XTMP-UDP-095]
			before.fresh, before.highest = false, max(before.highest, u.last().Sequence)
		}
		if len(heard) > 0 || after != before {
			t.Errorf("%s: %v, %+v (%v); want it dropped: %+v", v.Comment, heard, after, s.err, before)
		}
		u.noticed()
	case v.Expect.Result == vectors.Invalid:
		var e *Error
		if len(heard) != 1 || heard[0].name != "Error "+v.Expect.Class || heard[0].scope != wire.ScopeSession || !errors.As(s.err, &e) || e.Peer {
			t.Errorf("%s: %v, %v; want Error %s", v.Comment, heard, s.err, v.Expect.Class)
		}
	case v.Effect == "end":
		if len(heard) > 0 || s.state != Closed {
			t.Errorf("%s: %v, %v; want the end of the session", v.Comment, heard, s.state)
		}
	default:
		u.saidOnUDP(heard, after.paths-before.paths)
	}
}

// footing is what a datagram that is dropped leaves as it was. [XTMP-ORD-034]
type footing struct {
	state   State
	paths   int
	fresh   bool   // the sequence number of the frame on path 0
	highest uint64 // received there
	ackDue  bool
	counter uint32 // highest attach counter that was used
}

func (u *subject) footing() footing {
	recv := &u.s.paths[0].udp.recv
	f := footing{state: u.s.state, paths: u.s.openPaths(), fresh: recv.Fresh(u.last().Sequence)}
	f.highest, _ = recv.Highest()
	_, f.ackDue = recv.Deadline()
	if u.s.attach != nil {
		f.counter = u.s.attach.newest().counter
	}
	return f
}

// saidOnUDP compares what a session says to a valid datagram.
func (u *subject) saidOnUDP(heard []said, opened int) {
	v, h := u.v, u.last()
	var names, want []string
	for _, f := range heard {
		names = append(names, f.name)
	}
	if v.Effect != "nothing" {
		want = append(want, v.Effect)
	}
	if v.Effect != "Ack" && h.Flags.Has(wire.FlagRequiresAck) { // which loss recovery feeds on
		want = append(want, "Ack")
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) || u.s.state != Established || (opened == 1) != (v.Effect == "AttachAck") {
		u.t.Errorf("%s: says %v, want %v; %d paths (%v)", v.Comment, names, want, opened, u.s.err)
	}
}

// hearDatagrams returns what the session has to say to an address, now and as its
// Acks come due.
func (u *subject) hearDatagrams(to netip.AddrPort) (all []said) {
	for range 2 {
		for id, p := range u.s.paths {
			if p == nil {
				continue
			}
			for out, at, ok := u.s.AppendDatagram(u.now, PathID(id), nil); ok; out, at, ok = u.s.AppendDatagram(u.now, PathID(id), nil) {
				if at != to {
					u.t.Errorf("a datagram to %v", at)
				}
				all = append(all, u.read(out)...)
			}
		}
		if u.s.state == Established {
			u.pass(ackDelay)
		}
	}
	return all
}
