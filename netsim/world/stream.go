package world

import (
	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/refimpl/session"
)

// stream is a TCP connection below a path.
type stream struct {
	id    netsim.ConnID
	rest  []byte // given by the core and not taken by the host
	ended bool   // the sending direction is closed
}

// idle says whether the host has taken everything.
func (s *stream) idle() bool { return len(s.rest) == 0 }

// resume writes what the host did not take before.
func (s *stream) resume(io *netsim.IO) {
	if len(s.rest) > 0 {
		s.rest = s.rest[io.Write(s.id, s.rest):]
	}
}

// write writes, and keeps what the host does not take.
func (s *stream) write(io *netsim.IO, b []byte) {
	if n := io.Write(s.id, b); n < len(b) {
		s.rest = append(s.rest[:0:0], b[n:]...)
	}
}

// meet does what the core wants of a connection once its output is written, and
// reports whether the connection is gone.
func (s *stream) meet(io *netsim.IO, fate session.Fate) bool {
	switch {
	case fate == session.Shut:
		io.Close(s.id)
		return true
	case fate == session.Drain && s.idle() && !s.ended:
		s.ended = true
		io.CloseWrite(s.id)
	}
	return false
}
