package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/frame"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Path is one connection of a session, or one pair of UDP addresses.
type Path struct {
	*pathWork // nil while the session rests
	state     PathState
	kind      Transport
	id        PathID

	attached bool       // by Attach; otherwise it is p0
	standby  bool       // attached with the standby bit, and the session has not moved to it
	udp      *datagrams // nil on TCP

	handshaken bool   // a frame under a path key was opened
	ackEpoch   uint32 // number of Acks sent
	held       int32  // receive memory that Admission knows of

	binder   security.Digest // what the path's keys are derived from, beside the root
	keys     pathKeys        // that are in use
	received uint64          // sequence of the next frame to be received; runs on through every epoch

	anchorStamp uint64 // the peer's wall time at anchorAt, µs
	anchorAt    time.Duration

	sentAt     time.Duration // when the last frame was sealed
	receivedAt time.Duration // when the last authenticated frame arrived
}

// Transport is what carries a path. A WebSocket is TCP here.
type Transport uint8

// Transports.
const (
	TCP Transport = iota
	UDP
)

// String returns the name of the transport.
func (t Transport) String() string {
	if t == UDP {
		return "UDP"
	}
	return "TCP"
}

// pathWork is what a path needs only while its session works.
type pathWork struct {
	openedAt time.Duration // of a path that is not established
	pending  *pathKeys     // of the next epoch, until a frame of the peer under it has come

	lane   lane   // messages that it sends next
	flight flight // on TCP: messages that await an Ack

	split   frame.Splitter
	begun   int           // memory that the transport holds for an incomplete frame
	frameAt time.Duration // when the first byte of the incomplete frame arrived

	drainAt   time.Duration // when the final frame was sealed, then when it was taken
	taken     bool          // the transport has the final frame
	drainLeft int           // bytes that may still be discarded

	ackSince time.Duration // when the oldest open frame arrived, or earlier
	ackCount int           // frames that are open: neither acked nor answered
	ackLate  bool          // T_ACK has passed

	answer    [2][wire.MaxHeartbeat]byte // pending PONG and PATH_RESPONSE
	answerLen [2]uint8                   // 0: none

	mute       bool          // no key to seal under until a frame has opened
	switchBy   time.Duration // when the path is closed unless it has followed a rekey, 0 for never
	pingWanted bool          // a PING goes out
	pinged     time.Duration // when the last one was sealed because the path is silent; 0: a frame has come since
	probe      probe

	raw []byte // frames that are ready to be written, before all others
}

// begin makes p a path that has just been opened.
func (p *Path) begin(b *Buffers, now Now, id PathID) {
	*p = Path{pathWork: b.pathWork(), id: id, receivedAt: now.Elapsed, sentAt: now.Elapsed}
	p.openedAt = now.Elapsed
}

// closed reports whether the path carries no frame any more, but for a final one.
func (p *Path) closed() bool { return p.state >= PathDrain }

// fragmentBody is how many bytes of the body of m one fragment on p carries.
func (p *Path) fragmentBody(m *message) int {
	if p.kind == TCP {
		return fragmentBody
	}
	return p.datagram() - wire.Overhead - wire.PrologueSize(m.flags|wire.FlagFragment)
}

// frameBody is the size of the greatest body that one frame on p carries whole.
func (p *Path) frameBody(m *message) int {
	if p.kind == TCP {
		return fragmentBody
	}
	return p.datagram() - wire.Overhead - wire.PrologueSize(m.flags)
}

// pathKeys are the keys of one path in one epoch.
type pathKeys struct {
	epoch uint32
	send  security.Sealer
	recv  security.Opener
}

// opener finds the receiving keys that a frame names, nil if there are none.
// [XTMP-NON-005]
func (p *Path) opener(keyID [wire.KeyIDSize]byte) *security.Opener {
	switch {
	case p.keys.recv.KeyID() == keyID:
		return &p.keys.recv
	case p.pending != nil && p.pending.recv.KeyID() == keyID:
		return &p.pending.recv
	default:
		return nil
	}
}

// anchor remembers the peer's wall time, against which its stamps are judged.
func (p *Path) anchor(now Now, peerWall uint64) {
	p.anchorStamp, p.anchorAt = peerWall, now.Elapsed
}

// stampInWindow judges a stamp: −300 s ≤ d ≤ +30 s on a connection, −30 s ≤ d on
// UDP. [XTMP-TIM-006] [XTMP-UDP-082] [XTMP-UDP-083]
func (p *Path) stampInWindow(now Now, stamp uint64) bool {
	d := int64(stamp) - int64(p.anchorStamp) - int64(micros(now.Elapsed-p.anchorAt))
	early := int64(stampEarly)
	if p.kind == UDP {
		early = stampEarlyUDP
	}
	return d >= -early && d <= stampLate
}

// incomplete reports whether a frame has begun and is not there whole.
func (p *Path) incomplete() bool { return p.begun > 0 || p.split.Pending() > 0 }

// forget drops the incomplete frame.
func (p *Path) forget() {
	p.begun = 0
	p.split.Reset()
}

// drain makes the last frame of the path known: what arrives from now on is
// discarded, up to a bound that leaves room for a refused frame.
func (p *Path) drain(now Now, refused uint32) {
	if p.state >= PathDrain {
		return
	}
	p.state = PathDrain
	p.drainAt = now.Elapsed
	p.drainLeft = min(lingerBytes+int(refused), lingerBytesMax)
	p.forget()
}

// shut is the end of the path: its connection is to be closed now.
func (p *Path) shut() {
	p.state = PathShut
	p.raw = nil
	p.forget()
}

// erase forgets keys and what waits to be sealed; raw is kept, since it may
// hold the final frame.
func (p *Path) erase() {
	p.keys, p.pending = pathKeys{}, nil
	p.answerLen = [2]uint8{}
	p.ackCount, p.ackLate = 0, false
	if p.kind == UDP && p.udp.contact != nil {
		p.udp.contact.erase()
	}
	if p.kind == UDP {
		p.udp.contact, p.udp.half = nil, nil
	}
	if p.state < PathDrain {
		p.shut()
	}
}
