// Package frame finds frames in a byte stream. A datagram needs no finding: it
// is one frame.
//
//	connection ─ bytes ─▶ Feed ─┬─▶ Header   96 bytes of the next frame, once they are there
//	                            └─▶ Frame    the whole frame, once its payload is there
//
// Whole frames are slices of the bytes that were fed: nothing is copied and the
// frame may be opened in place. Only the bytes of an incomplete frame are kept,
// in a buffer that exists while the frame is incomplete and grows with what has
// arrived, never with what a header promises.
//
// The package judges nothing: between Header and Frame the caller checks the
// header, so that a frame that is refused is refused before its payload counts.
package frame

import "github.com/bpci/xtmp/refimpl/wire"

// growthMax bounds one step of growth of the buffer of an incomplete frame, in
// bytes. [XTMP-ORD-013]
const growthMax = 64 << 10

// Splitter cuts a byte stream into frames. The zero value is ready.
//
// After Feed, call Header and Frame in turn until one reports false; then the
// bytes given to Feed are no longer referenced.
type Splitter struct {
	partial []byte // start of an incomplete frame, nil if none
	in      []byte // what was fed and not yet cut
}

// Feed hands over the next bytes of the stream. The Splitter may write to b,
// and to its spare capacity, until Header or Frame reports false.
func (s *Splitter) Feed(b []byte) { s.in = b }

// Header returns the fixed part of the next frame, or false if fewer than 96
// bytes of it have arrived.
func (s *Splitter) Header() ([]byte, bool) {
	if len(s.partial) == 0 {
		if len(s.in) >= wire.Overhead {
			return s.in[:wire.Overhead], true
		}
		s.keep(len(s.in))
		return nil, false
	}
	if missing := wire.Overhead - len(s.partial); missing > 0 {
		s.keep(min(missing, len(s.in)))
	}
	if len(s.partial) < wire.Overhead {
		return nil, false
	}
	return s.partial[:wire.Overhead], true
}

// Frame returns the frame whose header was just returned and whose payload has
// payloadLength bytes, or false if it is incomplete. The result is valid, and
// the caller's to change, until the next call.
func (s *Splitter) Frame(payloadLength uint32) ([]byte, bool) {
	size := wire.Overhead + int(payloadLength)
	if len(s.partial) == 0 {
		if len(s.in) >= size {
			f := s.in[:size]
			s.in = s.in[size:]
			return f, true
		}
		s.keep(len(s.in))
		return nil, false
	}
	s.keep(min(size-len(s.partial), len(s.in)))
	if len(s.partial) < size {
		return nil, false
	}
	f := s.partial
	s.partial = nil
	return f, true
}

// Partial returns the bytes of an incomplete frame that are kept.
func (s *Splitter) Partial() []byte { return s.partial }

// Unread returns what was fed and not yet cut.
func (s *Splitter) Unread() []byte { return s.in }

// Pending reports how many bytes of an incomplete frame are kept.
func (s *Splitter) Pending() int { return len(s.partial) }

// Held reports how much memory the incomplete frame takes.
func (s *Splitter) Held() int { return cap(s.partial) }

// Reset forgets everything.
func (s *Splitter) Reset() { *s = Splitter{} }

// keep moves n bytes of the input to the buffer of the incomplete frame.
func (s *Splitter) keep(n int) {
	if n == 0 {
		s.release()
		return
	}
	need := len(s.partial) + n
	if need > cap(s.partial) {
		// Room for the tag that opening borrows is part of the size.
		size := max(need, min(2*cap(s.partial), cap(s.partial)+growthMax)) + wire.TagSize
		grown := make([]byte, len(s.partial), size)
		copy(grown, s.partial)
		s.partial = grown
	}
	s.partial = append(s.partial, s.in[:n]...)
	s.in = s.in[n:]
	s.release()
}

// release drops the reference to input that is used up.
func (s *Splitter) release() {
	if len(s.in) == 0 {
		s.in = nil
	}
}
