package session

import (
	"errors"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/recovery"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// datagrams is what a UDP path has beside: the address of the peer, loss
// recovery and congestion control, and keys that have gone out of use.
//
//	datagram ─ key_id ─▶ path ─ Fresh ─ open ─▶ dispatch ─▶ Received: Ack
//	lane, resend ─ CanSend ─▶ Next ─ seal ─▶ Sender: in flight ─ Ack ─▶ settled; lost ─▶ resend
type datagrams struct {
	peer netip.AddrPort // validated address of the peer
	size int            // bytes of the greatest datagram that is sent
	send recovery.Sender[carried]
	recv recovery.Received

	resend []carried // what lost frames carried
	probes int       // frames of an expired PTO that are to go

	old      *security.Opener // of the epoch before, until oldUntil
	oldUntil time.Duration
	firstNew uint64        // lowest sequence number that has opened under the epoch after old
	pingNext time.Duration // client: when the PING that opens or switches the path is repeated, 0 for never
	pingLeft int           // how often

	rawGap  time.Duration  // between frames of raw
	rawNext time.Duration  // when the next one goes
	from    netip.AddrPort // where the frame that is being dispatched came from
	refused bool           // the frame that is being dispatched is dropped for want of room

	challenge *challenge // server: another address is being validated

	contact *firstContact // client: until the server is heard under a path key
	half    *halfOpen     // server: while the handshake may still be asked for
}

// carried is what a frame on UDP carries: a message, or a fragment of it.
type carried struct {
	mid      uint64
	index    uint16
	sendings uint8 // of the message, then
	whole    bool  // it was not cut
}

// pends reports whether something would be lost if the path rested.
func (u *datagrams) pends(now time.Duration) bool {
	return u.contact != nil || u.half != nil || u.challenge != nil || u.old != nil || u.pingNext != 0 || len(u.resend) > 0 ||
		u.probes > 0 || !u.send.Idle() || !u.recv.Idle(now, u.send.PTO())
}

// rest gives the memory of loss recovery to others, rise takes some again.
func (u *datagrams) rest(b *Buffers) {
	if q := u.send.Rest(); q != nil && len(b.flights) < worksKept {
		b.flights = append(b.flights, q)
	}
	if w := u.recv.Rest(); w != nil && len(b.windows) < worksKept {
		b.windows = append(b.windows, w)
	}
}

func (u *datagrams) rise(b *Buffers) {
	if n := len(b.flights); n > 0 {
		u.send.Use(b.flights[n-1])
		b.flights = b.flights[:n-1]
	}
	if n := len(b.windows); n > 0 {
		u.recv.Use(b.windows[n-1])
		b.windows = b.windows[:n-1]
	}
}

// openDatagrams makes p, which has just been opened, a UDP path.
func (s *Session) openDatagrams(p *Path, peer netip.AddrPort) {
	p.kind = UDP
	p.udp = &datagrams{peer: peer, size: datagramDefault, send: recovery.NewSender[carried](datagramDefault)}
}

// datagram is the size of the greatest datagram that is sent on p, in bytes.
func (p *Path) datagram() int { return p.udp.size }

// pto is the probe timeout of a UDP path.
func (p *Path) pto() time.Duration {
	if p.kind == TCP {
		return 0
	}
	return p.udp.send.PTO()
}

// sample takes the first round trip of a path. [XTMP-REC-001]
func (p *Path) sample(took time.Duration) { p.udp.send.Sample(took) }

// Quality returns what loss recovery knows of a UDP path.
func (s *Session) Quality(id PathID) recovery.Quality {
	if p := s.paths[id]; p != nil && p.kind == UDP {
		return p.udp.send.Quality()
	}
	return recovery.Quality{}
}

// ReceiveDatagram takes a datagram that names this session, or that has arrived on
// the socket of a client, from an address. It may change b, and b's spare capacity,
// while it runs; it keeps no reference. What it refuses is dropped: nothing
// changes but counters.
func (s *Session) ReceiveDatagram(now Now, from netip.AddrPort, b []byte) {
	var h wire.Header
	if step, err := parseDatagram(b, &h); err != nil {
		s.traceDropped(now, step, &h, err)
		return
	}
	s.rise()
	s.latest = now.Elapsed
	s.receiving = true
	defer func() { s.receiving = false }()
	if s.state < Established || h.Clear() {
		s.receiveHandshakeDatagram(now, from, b, &h)
		return
	}
	if h.SessionID != s.id || h.Encryption != s.suite || !s.open() { // step 6
		s.traceDropped(now, 6, &h, errUnknownKey)
		return
	}
	for _, p := range s.paths {
		if p == nil || p.kind != UDP || p.closed() {
			continue
		}
		if try := s.trying(p); try != nil {
			if from == p.udp.peer && h.KeyID == try.slots.recv.KeyID() {
				s.receiveAttachFrame(now, p, b, &h, try)
				return
			}
			continue
		}
		if opener := p.openerOfDatagram(h.KeyID); opener != nil {
			s.receivePathDatagram(now, p, opener, from, b, &h)
			return
		}
	}
	if s.role == Server && s.attachable() && h.Type == wire.TypeHandshake {
		s.receiveAttachDatagram(now, from, b, &h)
		return
	}
	s.traceDropped(now, 6, &h, errUnknownKey)
}

// parseDatagram is steps 1 to 4. It returns the step that refuses the datagram.
// [XTMP-UDP-009] [XTMP-UDP-012] [XTMP-UDP-091]
func parseDatagram(b []byte, h *wire.Header) (step uint8, err error) {
	switch err := wire.ParseDatagram(b, h); {
	case err == nil && len(b) <= datagramDefault:
		return 0, nil
	case err == nil:
		return 4, wire.ErrTooLong
	case errors.Is(err, wire.ErrShortHeader), errors.Is(err, wire.ErrLength):
		return 1, err
	case errors.Is(err, wire.ErrMagic), errors.Is(err, wire.ErrVersion):
		return 2, err
	default:
		return 3, err
	}
}

// openerOfDatagram finds the receiving keys that a frame names, those of the epoch
// before included. [XTMP-UDP-085]
func (p *Path) openerOfDatagram(keyID [wire.KeyIDSize]byte) *security.Opener {
	if o := p.opener(keyID); o != nil {
		return o
	}
	if p.udp.old != nil && p.udp.old.KeyID() == keyID {
		return p.udp.old
	}
	return nil
}

// receivePathDatagram is steps 7 to 13 for a frame under a path key.
func (s *Session) receivePathDatagram(now Now, p *Path, opener *security.Opener, from netip.AddrPort, b []byte, h *wire.Header) {
	u := p.udp
	switch {
	case s.role == Client && from != u.peer: // [XTMP-UDP-013]
		return
	case !wire.VerifyChecksum(b, h.Checksum): // step 7
		s.traceDropped(now, 7, h, errChecksum)
		return
	case !p.stampInWindow(now, h.Timestamp): // step 8 [XTMP-UDP-082] [XTMP-UDP-083]
		s.traceDropped(now, 8, h, errStamp)
		return
	case !u.recv.Fresh(h.Sequence): // step 9 [XTMP-UDP-079]
		s.traceDropped(now, 9, h, errSequence)
		return
	}
	plaintext, err := opener.Open(b, h.Sequence) // steps 10 and 11
	if err != nil {
		s.traceDropped(now, 11, h, err)
		if s.forged++; s.forged == forgedMax { // [XTMP-UDP-086]
			s.fail(now, p, &Error{Code: wire.KeyLimit, Scope: wire.ScopeSession}, wire.NoSequence, 0)
		}
		return
	}
	highest, some := u.recv.Highest()
	newest := !some || h.Sequence > highest
	p.received = h.Sequence + 1 // the frame that is being dispatched, plus 1
	switch {
	case p.pending != nil && opener == &p.pending.recv:
		s.switched(now, p, h.Sequence)
	case opener == u.old && h.Sequence > u.firstNew, p.pending == nil && opener != u.old && u.old != nil && h.Sequence < u.firstNew:
		if opener == u.old { // [XTMP-RKY-055]
			s.heard(now, p)
			s.violation(now, p, "an epoch that is over")
			return
		}
		u.firstNew = h.Sequence
	}
	u.contact = nil // the server has ClientFinish
	s.follow(now, p, from, len(b), newest)
	s.heard(now, p)
	s.settleStandby(now, p, h)
	if s.cfg.Trace != nil {
		s.traceFrame(now, p, trace.FrameReceived, h, len(b))
	}
	u.refused, u.from = false, from
	s.dispatch(now, p, h, plaintext)
	u.recv.Add(now.Elapsed, h.Sequence, eliciting(h), !u.refused) // step 12 [XTMP-UDP-081] [XTMP-UDP-095]
}

// departed notes a control frame that was sealed on a UDP path.
func (s *Session) departed(now Now, p *Path, h *wire.Header, size int) {
	p.udp.send.Sent(now.Elapsed, recovery.Frame[carried]{
		Sequence: h.Sequence, Size: size, Eliciting: eliciting(h),
		Exempt: h.Type == wire.TypeAck || h.Type == wire.TypeHeartbeat && size != wire.Overhead+pingOnUDP,
	})
}

// datagramsSuspectAt is when a UDP path becomes suspect for another cause than three
// heartbeat intervals of silence.
func (s *Session) datagramsSuspectAt(p *Path) time.Duration {
	d := p.probe.unheeded(p)
	if at, ok := p.udp.send.SuspectAt(); ok {
		d = min(d, at)
	}
	return d
}

// eliciting reports whether a frame asks for an Ack.
func eliciting(h *wire.Header) bool {
	switch h.Type {
	case wire.TypeAck, wire.TypeHeartbeat, wire.TypeDisconnect:
		return false
	case wire.TypeError:
		return h.Flags.Has(wire.FlagReply)
	default:
		return true
	}
}

// keepOld keeps the receive keys of the epoch before for what is late.
// [XTMP-RKY-054]
func (p *Path) keepOld(now Now, sequence uint64) {
	old := p.keys.recv
	p.udp.old, p.udp.firstNew = &old, sequence
	p.udp.oldUntil = now.Elapsed + min(max(3*p.pto(), oldKeys), oldKeysMax)
	p.udp.pingNext = 0
}

// receiveDatagramAck takes an Ack with ranges. [XTMP-ACK-027] [XTMP-ACK-028] [XTMP-ACK-029]
func (s *Session) receiveDatagramAck(now Now, p *Path, body []byte) {
	var m wire.Ack
	if err := m.Parse(body); err != nil {
		s.violation(now, p, err.Error())
		return
	}
	acked, lost, err := p.udp.send.Ack(now.Elapsed, &m)
	if err != nil {
		s.violation(now, p, err.Error())
		return
	}
	for _, c := range acked {
		s.arrived(c)
	}
	p.again(lost)
}

// datagramDeadline is when a UDP path of an established session has something to do,
// beside what every path has.
func (s *Session) datagramDeadline(p *Path) time.Duration {
	u := p.udp
	d := min(s.datagramDue(p), s.contactDeadline(p))
	if at, ok := u.send.Deadline(); ok {
		d = min(d, at)
	}
	if u.old != nil {
		d = min(d, u.oldUntil)
	}
	for _, q := range s.partials {
		if q.unreliable(p) {
			d = min(d, q.arrived+reassemblyOnUDP)
		}
	}
	if u.pingNext != 0 {
		d = min(d, u.pingNext)
	}
	if c := u.challenge; c != nil {
		d = min(d, c.until)
	}
	return d
}

// datagramDue is when time alone lets AppendDatagram append something that it does
// not now: an Ack, a frame that is paced.
func (s *Session) datagramDue(p *Path) time.Duration {
	d := never
	after := func(at time.Duration, ok bool) {
		if ok && at > s.latest {
			d = min(d, at)
		}
	}
	after(p.udp.rawNext, len(p.raw) > 0)
	if !s.speaks(p) {
		return d
	}
	after(p.udp.recv.Deadline())
	if size, some := s.wantsToSend(p); some {
		after(p.udp.send.NextSend(s.latest, size))
	}
	return d
}

// advanceDatagrams does what is due on a UDP path.
func (s *Session) advanceDatagrams(now Now, p *Path) {
	u := p.udp
	s.advanceContact(now, p)
	if p.closed() {
		return
	}
	if at, ok := u.send.Deadline(); ok && now.Elapsed >= at {
		lost, probes := u.send.OnTimeout(now.Elapsed)
		p.again(lost)
		if u.probes = probes; probes > 0 {
			if m, _ := s.probeOf(p, 0); m == nil {
				u.probes = 0
				u.send.Abandon()
			}
			if u.send.ConsecutivePTO() >= suspectPTOs {
				s.suspect(now, p)
			}
		}
	}
	if u.old != nil && now.Elapsed >= u.oldUntil {
		u.old = nil
	}
	if u.pingNext != 0 && now.Elapsed >= u.pingNext { // [XTMP-RKY-047]
		u.pingNext = now.Elapsed + p.pto()
		if u.pingLeft--; u.pingLeft < 0 || p.handshaken && p.pending == nil {
			u.pingNext = 0
		} else {
			s.pingOn(p)
		}
	}
	if c := u.challenge; c != nil && now.Elapsed >= c.until { // [XTMP-UDP-111]
		u.challenge = nil
		s.suspect(now, p)
	}
	// Incomplete messages without mid that came on UDP. [XTMP-UDP-096]
	for i := len(s.partials) - 1; i >= 0; i-- {
		if q := s.partials[i]; q.unreliable(p) && now.Elapsed >= q.arrived+reassemblyOnUDP {
			s.unreserve(q)
			s.forget(i)
		}
	}
}

// disconnectDatagrams seals the three copies of Disconnect, which go out one after
// the other. [XTMP-DSC-021] [XTMP-DSC-022]
func (s *Session) disconnectDatagrams(now Now, p *Path, m *wire.Disconnect) {
	if _, some := p.udp.recv.Deadline(); some { // [XTMP-DSC-018]
		var body [wire.AckSizeMax]byte
		p.raw = s.seal(now, p, p.raw, wire.TypeAck, 0, nil, p.udp.recv.AppendAck(body[:0], now.Elapsed))
	}
	for range disconnectCopies {
		p.raw = s.seal(now, p, p.raw, wire.TypeDisconnect, 0, nil, m.Append(nil))
	}
	p.udp.rawGap = disconnectGap
	p.drain(now, 0)
}
