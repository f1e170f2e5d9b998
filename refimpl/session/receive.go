package session

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Receive takes bytes that arrived on path p. It may change b, and b's spare
// capacity, while it runs; it keeps no reference.
func (s *Session) Receive(now Now, id PathID, b []byte) {
	s.rise()
	p := s.paths[id]
	if p.state >= PathDrain {
		s.discard(p, len(b))
		return
	}
	if s.delayed != nil || s.knock != nil { // nothing may follow before it is answered [XTMP-HSK-049]
		s.pathLost(now, p, ErrBadFrame)
		return
	}
	s.receiving = true
	defer func() { s.receiving = false }()
	p.begun = 0
	hadPartial := p.split.Pending() > 0
	p.split.Feed(b)
	for p.state < PathDrain {
		head, ok := p.split.Header()
		if !ok {
			s.checkMagic(now, p)
			break
		}
		var h wire.Header
		if !s.checkHeader(now, p, head, &h) {
			break
		}
		f, ok := p.split.Frame(h.PayloadLength)
		if !ok {
			break
		}
		hadPartial = false
		s.receiveFrame(now, p, f, &h)
		if s.knock != nil {
			s.behind = append(make([]byte, 0, len(p.split.Unread())+wire.TagSize), p.split.Unread()...)
			p.split.Reset()
			return
		}
	}
	if p.state >= PathDrain {
		p.split.Reset()
		return
	}
	if p.split.Pending() > 0 && !hadPartial {
		p.frameAt = now.Elapsed
	}
	if s.role == Server && !s.hold() {
		s.outOfMemory(now, p)
	}
}

// Begun says that the transport of path p has the beginning of a frame, which it
// holds in n bytes of memory until Receive gets it whole; 0 that it has none. It
// counts as if it had arrived here. [XTMP-ORD-004] [XTMP-LIM-011]
func (s *Session) Begun(now Now, id PathID, n int) {
	s.rise()
	p := s.paths[id]
	if p.state >= PathDrain {
		return
	}
	if p.begun == 0 {
		p.frameAt = now.Elapsed
	}
	p.begun = n
	if s.role == Server && !s.hold() {
		s.outOfMemory(now, p)
	}
}

// checkMagic judges the first bytes of a frame before the rest of its header is
// there: a peer that speaks something else need not be waited for. [XTMP-HDR-010]
func (s *Session) checkMagic(now Now, p *Path) {
	if b := p.split.Partial(); len(b) >= 4 && binary.BigEndian.Uint32(b) != wire.Magic {
		s.refuse(now, p, 2, &wire.Header{}, wire.ErrMagic)
	}
}

// hold tells Admission how much receive memory the session takes now and
// reports whether that is within the limits. A client is not asked.
func (s *Session) hold() bool {
	if s.role == Client {
		return true
	}
	ok := true
	for _, p := range s.paths {
		if p == nil {
			continue
		}
		n := p.split.Held() + p.begun - int(p.held)
		if p.kind == UDP && p.udp.half != nil {
			n += len(p.udp.half.hello.body)
		}
		if n != 0 {
			p.held += int32(n)
			ok = s.cfg.Server.Admission.Hold(s.source, n) && ok
		}
	}
	return ok
}

// outOfMemory ends a session whose incomplete frame does not fit the receive
// memory of its source or of the instance. [XTMP-LIM-011]
func (s *Session) outOfMemory(now Now, p *Path) {
	if s.state < Established {
		s.pathLost(now, p, ErrBadFrame)
		return
	}
	s.fail(now, p, &Error{Code: wire.Internal, Scope: wire.ScopeSession, Text: "receive memory is exhausted"}, wire.NoSequence, 0)
}

// discard counts what arrives behind the final frame. [XTMP-DSC-013]
func (s *Session) discard(p *Path, n int) {
	if p.state != PathDrain || !p.taken { // before the hand-over T_CLOSE is the bound
		return
	}
	if p.drainLeft -= n; p.drainLeft < 0 {
		p.shut()
	}
}

// checkHeader is steps 2 to 4: what a header alone can show, before its
// payload counts. It reports whether the payload is wanted.
func (s *Session) checkHeader(now Now, p *Path, head []byte, h *wire.Header) bool {
	if err := wire.ParseHeader(head, h); err != nil { // step 2
		if errors.Is(err, wire.ErrVersion) && s.state == Start {
			s.refuseHello(now, p, wire.VersionUnsupported, "this server speaks version 1", h.PayloadLength)
		} else {
			s.refuse(now, p, 2, h, err)
		}
		return false
	}
	if err := s.checkShape(h); err != nil { // step 3
		s.refuse(now, p, 3, h, err)
		return false
	}
	if h.PayloadLength > s.payloadLimit() { // step 4
		s.refuseLength(now, p, h)
		return false
	}
	return true
}

// checkShape is step 3: type and flags against what this state allows.
func (s *Session) checkShape(h *wire.Header) error {
	switch {
	case s.state == Half && h.Type != wire.TypeHandshake: // [XTMP-ORD-008]
		return wire.ErrType
	case s.state < Established && h.Type != wire.TypeHandshake && h.Type != wire.TypeHandshakeAck && h.Type != wire.TypeError:
		return wire.ErrType
	default:
		return h.CheckShape()
	}
}

// payloadLimit is the greatest payload_length of this state. [XTMP-LIM-001] [XTMP-LIM-002] [XTMP-LIM-003]
func (s *Session) payloadLimit() uint32 {
	switch {
	case s.state < Established:
		return payloadBeforeSession
	case s.role == Server:
		return frameToServer
	default:
		return frameToClient
	}
}

// refuseLength answers step 4: a clear Error before a session, a sealed one
// within it, silence in between.
func (s *Session) refuseLength(now Now, p *Path, h *wire.Header) {
	switch {
	case h.Type == wire.TypeError: // never answer an Error with an Error [XTMP-ORD-030]
		s.refuse(now, p, 4, h, wire.ErrTooLong)
	case s.state == Start:
		s.refuseHello(now, p, wire.PayloadTooLarge, "at most 8208 bytes before a session", h.PayloadLength)
	case s.state >= Established:
		s.traceRefused(now, 4, h, wire.ErrTooLong)
		s.fail(now, p, &Error{Code: wire.PayloadTooLarge, Scope: wire.ScopePath}, wire.NoSequence, h.PayloadLength)
	default:
		s.refuse(now, p, 4, h, wire.ErrTooLong)
	}
}

// settleStandby moves to a standby path of which the client makes use.
// [XTMP-PTH-027]
func (s *Session) settleStandby(now Now, p *Path, h *wire.Header) {
	if s.role == Server && p.standby && h.Flags.Has(wire.FlagRequiresAck) {
		s.moveTo(now, p)
	}
}

// delayed is a first frame that exceeds the token bucket of its source.
type delayed struct {
	frame   []byte // nil once its turn has come
	arrived Now
	due     time.Duration
}

// delay is step 5: it keeps a first frame whose source sends too many of them,
// and reports whether it did. T_HANDSHAKE_TCP goes on. [XTMP-ORD-014]
func (s *Session) delay(now Now, p *Path, f []byte) bool {
	switch {
	case s.delayed != nil && s.delayed.frame == nil: // it is this frame's turn
		return false
	case s.delayed != nil: // another frame behind it [XTMP-HSK-049]
		s.pathLost(now, p, ErrBadFrame)
		return true
	}
	wait := s.cfg.Server.Admission.Pace(now.Elapsed, s.source)
	if wait <= 0 {
		return false
	}
	s.delayed = &delayed{frame: f[:0:0], arrived: now, due: never}
	if wait < handshakeTimeout { // else T_HANDSHAKE_TCP comes first and nothing need be kept
		s.delayed.frame, s.delayed.due = append([]byte(nil), f...), now.Elapsed+wait
	}
	return true
}

// resume judges a first frame whose turn has come.
func (s *Session) resume(now Now, p *Path) {
	f := s.delayed.frame
	s.delayed.frame = nil
	var h wire.Header
	h.Decode(f)
	s.receiveFrame(now, p, f, &h)
	s.delayed = nil
}

// receiveFrame is steps 5 to 13 for a whole frame.
func (s *Session) receiveFrame(now Now, p *Path, f []byte, h *wire.Header) {
	if s.state == Start && s.delay(now, p, f) {
		return
	}
	if try := s.trying(p); try != nil { // it may be answered by a clear Error [XTMP-PTH-045]
		s.receiveAttachFrame(now, p, f, h, try)
		return
	}
	if h.Clear() {
		s.receiveClear(now, p, f, h)
		return
	}
	if s.state == Start && (s.cfg.Server.AttachTCP || s.cfg.Server.AttachUDP) && h.Type == wire.TypeHandshake { // [XTMP-ATT-020]
		s.knock = append([]byte(nil), f...)
		return
	}
	if s.state < Established {
		s.receiveHandshakeFrame(now, p, f, h)
		return
	}
	opener := p.opener(h.KeyID)
	if opener == nil && s.attachAgain(p, f, h) {
		return
	}
	if h.SessionID != s.id || h.Encryption != s.suite || opener == nil { // step 6
		s.refuse(now, p, 6, h, errUnknownKey)
		return
	}
	if !wire.VerifyChecksum(f, h.Checksum) { // step 7
		s.refuse(now, p, 7, h, errChecksum)
		return
	}
	if !p.stampInWindow(now, h.Timestamp) { // step 8
		s.refuse(now, p, 8, h, errStamp)
		return
	}
	if h.Sequence != p.received { // step 9
		s.refuse(now, p, 9, h, errSequence)
		return
	}
	if h.Sequence >= wire.MaxSequence { // step 9 [XTMP-NON-013]
		s.refuse(now, p, 9, h, errSequence)
		return
	}
	plaintext, err := opener.Open(f, h.Sequence) // steps 10 and 11
	if err != nil {
		s.refuse(now, p, 11, h, err)
		return
	}
	p.received++ // step 12
	if p.pending != nil && opener == &p.pending.recv {
		s.switched(now, p, h.Sequence)
	}
	s.heard(now, p)
	s.settleStandby(now, p, h)
	if s.cfg.Trace != nil {
		s.traceFrame(now, p, trace.FrameReceived, h, len(f))
	}
	s.dispatch(now, p, h, plaintext) // step 13
}

// refuse closes a path without a word: the reaction to every failure of steps
// 2 to 11 that has no Error. [XTMP-ORD-003]
func (s *Session) refuse(now Now, p *Path, step uint8, h *wire.Header, why error) {
	s.traceRefused(now, step, h, why)
	switch {
	case s.state == Hello && errors.Is(why, wire.ErrMagic):
		s.pathLost(now, p, ErrNotXTMP)
	case s.state == Hello:
		s.pathLost(now, p, ErrHandshake)
	default:
		s.pathLost(now, p, ErrBadFrame)
	}
}

// traceRefused reports a frame that failed a step and ends its connection, where
// somebody listens; traceDropped one that is forgotten.
func (s *Session) traceRefused(now Now, step uint8, h *wire.Header, why error) {
	s.traceFailed(now, trace.FrameRefused, step, h, why)
}

func (s *Session) traceDropped(now Now, step uint8, h *wire.Header, why error) {
	s.traceFailed(now, trace.FrameDropped, step, h, why)
}

func (s *Session) traceFailed(now Now, kind trace.Kind, step uint8, h *wire.Header, why error) {
	if s.cfg.Trace == nil {
		return
	}
	s.traceState(now, trace.Event{
		Kind: kind, Step: step, Type: uint8(h.Type), Flags: uint16(h.Flags),
		Sequence: h.Sequence, Size: wire.Overhead + int(h.PayloadLength), Reason: why.Error(),
	})
}

// traceFrame reports a frame that was received or sent.
func (s *Session) traceFrame(now Now, p *Path, kind trace.Kind, h *wire.Header, size int) {
	s.traceState(now, trace.Event{
		Kind: kind, Path: uint8(p.id), Type: uint8(h.Type), Flags: uint16(h.Flags), Sequence: h.Sequence, Size: size,
	})
}
