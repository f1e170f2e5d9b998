package conformance

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

// Traffic is what passed between the judge and the target in one attempt, byte
// for byte, for a capture. The timeline is for a person; it keeps less.
type Traffic struct {
	Talks []Talk
	Keys  []string // lines of a key log, which mean nothing here
	Cut   bool     // the attempt went on beyond what is kept
}

// A Talk is what passed on one connection or UDP socket.
type Talk struct {
	Number        int // of the connection or socket, from 1
	Local, Remote netip.AddrPort
	UDP           bool
	Moves         []Move
}

// A Move is one thing that happened on a connection. Way is WayOpen, WaySent,
// WayReceived or WayEnd. On UDP the bytes are one datagram.
type Move struct {
	At     time.Time
	Way    Way
	Bytes  []byte // that were sent or received
	ByPeer bool   // WayEnd: the peer ended it
	Reset  bool   // WayEnd: with a reset
}

// Exchanged reports whether any bytes passed.
func (t *Traffic) Exchanged() bool {
	return t != nil && slices.ContainsFunc(t.Talks, func(talk Talk) bool {
		return slices.ContainsFunc(talk.Moves, func(m Move) bool { return len(m.Bytes) > 0 })
	})
}

// The bounds of what is kept for captures.
const (
	maxTraffic     = 4 << 20   // bytes of one attempt
	maxTrafficKept = 256 << 20 // bytes of all results of a run
	maxKeys        = 4096      // lines of one attempt
)

// A recording collects traffic within its bounds. What is beyond them is cut at
// one moment on every connection, so that what is kept is a beginning of the truth.
type recording struct {
	traffic Traffic
	size    int
	sealed  bool // the attempt is over
}

// add adds a move of a connection. It takes a copy of the bytes.
func (r *recording) add(l *line, m Move) {
	if r.sealed || r.traffic.Cut {
		return
	}
	if r.size += len(m.Bytes); r.size > maxTraffic {
		r.traffic.Cut = true
		return
	}
	m.At, m.Bytes = time.Now(), bytes.Clone(m.Bytes)
	i := slices.IndexFunc(r.traffic.Talks, func(t Talk) bool { return t.Number == l.id })
	if i < 0 {
		i = len(r.traffic.Talks)
		r.traffic.Talks = append(r.traffic.Talks, Talk{Number: l.id, Local: l.local, Remote: l.remote, UDP: l.udp})
	}
	r.traffic.Talks[i].Moves = append(r.traffic.Talks[i].Moves, m)
}

// addrPort reads the address of a connection.
func addrPort(a interface{ String() string }) netip.AddrPort {
	parsed, _ := netip.ParseAddrPort(a.String()) // net writes what netip reads
	return netip.AddrPortFrom(parsed.Addr().WithZone(""), parsed.Port())
}

// keepTraffic decides whether the result of an attempt keeps its traffic: if it
// did not pass, bytes were exchanged, and the run has room for them.
func (r *run) keepTraffic(v Verdict, a *attempted) *Traffic {
	switch v {
	case Fail, Warn, Inconclusive, HarnessError:
	default:
		return nil
	}
	if !a.traffic.Exchanged() {
		return nil
	}
	size := 0
	for _, talk := range a.traffic.Talks {
		for _, m := range talk.Moves {
			size += len(m.Bytes)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trafficKept+size > maxTrafficKept {
		return nil
	}
	r.trafficKept += size
	return a.traffic
}
