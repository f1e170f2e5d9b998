package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/frame"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Path is one connection of a session.
type Path struct {
	*pathWork // nil while the session rests
	state     PathState

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

// pathWork is what a path needs only while its session works.
type pathWork struct {
	openedAt time.Duration // of a path that is not established
	pending  *pathKeys     // of the next epoch, until a frame of the peer under it has come

	split   frame.Splitter
	frameAt time.Duration // when the first byte of the incomplete frame arrived

	drainAt   time.Duration // when the final frame was sealed, then when it was taken
	taken     bool          // the transport has the final frame
	drainLeft int           // bytes that may still be discarded

	ackSince time.Duration // when the oldest open frame arrived, or earlier
	ackCount int           // frames that are open: neither acked nor answered
	ackLate  bool          // T_ACK has passed

	answer    [2][wire.MaxHeartbeat]byte // pending PONG and PATH_RESPONSE
	answerLen [2]uint8                   // 0: none

	raw []byte // frames that are ready to be written, before all others
}

func newPath(b *Buffers, now Now) *Path {
	p := new(Path)
	p.begin(b, now)
	return p
}

// begin makes p a path that has just been opened.
func (p *Path) begin(b *Buffers, now Now) {
	*p = Path{pathWork: b.pathWork(), receivedAt: now.Elapsed, sentAt: now.Elapsed}
	p.openedAt = now.Elapsed
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

// stampInWindow judges a stamp: −300 s ≤ d ≤ +30 s on a connection. [XTMP-TIM-006]
func (p *Path) stampInWindow(now Now, stamp uint64) bool {
	d := int64(stamp) - int64(p.anchorStamp) - int64(micros(now.Elapsed-p.anchorAt))
	return d >= -stampEarly && d <= stampLate
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
	p.split.Reset()
}

// shut is the end of the path: its connection is to be closed now.
func (p *Path) shut() {
	p.state = PathShut
	p.raw = nil
	p.split.Reset()
}

// erase forgets keys and what waits to be sealed; raw is kept, since it may
// hold the final frame.
func (p *Path) erase() {
	p.keys, p.pending = pathKeys{}, nil
	p.answerLen = [2]uint8{}
	p.ackCount, p.ackLate = 0, false
	if p.state < PathDrain {
		p.shut()
	}
}
