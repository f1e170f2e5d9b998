package session

import (
	"crypto/hmac"
	"net/netip"

	"github.com/bpci/xtmp/refimpl/wire"
)

// receiveReset takes a clear frame on UDP at an established client: only a reset with
// the token of the session means anything.
// [XTMP-RST-009] [XTMP-RST-010] [XTMP-RST-011] [XTMP-RST-012] [XTMP-RST-013]
func (s *Session) receiveReset(now Now, from netip.AddrPort, b []byte, h *wire.Header) {
	if s.role != Client { // a server takes ClientHello alone, and that is not for a session [XTMP-ORD-036]
		s.traceDropped(now, 3, h, errClearFrame)
		return
	}
	if s.suite == wire.SuiteNone || h.SessionID != s.id || h.Type != wire.TypeError || len(b) != resetFrame ||
		!s.speaksTo(from) || !wire.ClearFields(b) || !wire.VerifyChecksum(b, h.Checksum) {
		s.traceDropped(now, 6, h, errClearFrame)
		return
	}
	var m wire.Error
	if m.Parse(b[wire.Overhead:], false) != nil || !m.HasToken || m.Code != wire.SessionUnknown || m.Scope != wire.ScopeSession ||
		!hmac.Equal(m.Token[:], s.calls.resetToken[:]) {
		s.traceDropped(now, 6, h, errClearFrame)
		return
	}
	s.end(now, ErrForgotten)
}

// speaksTo reports whether a UDP path of a client goes to an address. [XTMP-UDP-013]
func (s *Session) speaksTo(from netip.AddrPort) bool {
	for _, p := range s.paths {
		if p != nil && p.kind == UDP && p.udp.peer == from {
			return true
		}
	}
	return false
}
