package peer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A window is what is known of the sequence numbers of a UDP path. On TCP it is empty.
type window struct {
	came     map[uint64]string // of the peer → tag of the frame
	gone     map[uint64]bool   // of ours
	elicited int               // frames of ours that call for an Ack
	acks     int               // Acks of the peer
	largest  time.Time         // when the highest came
	covered  map[uint64]bool   // of ours, by an Ack
}

func newWindow() window {
	return window{came: map[uint64]string{}, gone: map[uint64]bool{}, covered: map[uint64]bool{}}
}

// elicits reports whether a frame under a path key is ack-eliciting: every one but
// Ack, Heartbeat, Disconnect and an unsolicited Error.
func elicits(messageType uint8, flags uint16) bool {
	switch messageType {
	case typeAck, typeHeartbeat, typeDisconnect:
		return false
	case typeError:
		return flags&testkit.FlagValue("REPLY") != 0
	}
	return true
}

// goes notes a frame of ours.
func (w *window) goes(d *Draft) {
	if w.gone == nil {
		return
	}
	w.gone[d.Frame.Sequence()] = true
	if elicits(d.Frame.Type(), d.Frame.Flags()) {
		w.elicited++
	}
}

// comes notes a frame of the peer and reports whether its sequence number is new.
func (w *window) comes(r *Received) bool {
	sequence := r.Frame.Sequence()
	if _, again := w.came[sequence]; again {
		return false
	}
	if len(w.came) == 0 || sequence > slices.Max(slices.Collect(maps.Keys(w.came))) {
		w.largest = r.At
	}
	w.came[sequence] = string(r.Frame.Header.Bytes("auth_tag"))
	return true
}

// Spans returns the sequence numbers of the peer that have come on a UDP path, as
// spans, newest first.
func (c *Conn) Spans() []testkit.Span { return testkit.Spans(slices.Collect(maps.Keys(c.window.came))) }

// Sent reports whether we have sent a frame with this sequence number on a UDP path.
func (c *Conn) Sent(sequence uint64) bool { return c.window.gone[sequence] }

// Covered reports whether an Ack of the peer has covered a sequence number of ours on a
// UDP path.
func (c *Conn) Covered(sequence uint64) bool { return c.window.covered[sequence] }

// AckOf returns the body of an Ack on UDP that covers the spans, newest first, as far
// as they fit [XTMP-ACK-015]; its delay is the time since the highest frame came.
func (c *Conn) AckOf(spans ...testkit.Span) []byte {
	spans = spans[:min(len(spans), int(limit("ack_ranges"))+1)]
	delay := max(c.clock().Sub(c.window.largest).Microseconds(), 0)
	return testkit.ComposeAck(uint64(min(delay, math.MaxUint32)), spans...).Encode()
}

// Acked returns the spans of an Ack that came on UDP, newest first, nil if the frame
// is none or is unsound.
func (r *Received) Acked() []testkit.Span {
	if !r.Is(typeAck) {
		return nil
	}
	spans, sound := testkit.AckSpans(r.Body("ack"))
	if !sound {
		return nil
	}
	return spans
}

// lintAckOnUDP judges an Ack by the rules of 12.8.
func (c *Conn) lintAckOnUDP(m *testkit.Message, r *Received) {
	if n := m.Uint("range_count"); n > limit("ack_ranges") {
		c.note("XTMP-ACK-015", "an Ack has too many pairs", n, fmt.Sprint("at most ", limit("ack_ranges")))
	}
	spans, sound := testkit.AckSpans(m)
	if !sound {
		c.note("XTMP-ACK-015", "the ranges of an Ack are unsound", m.Bytes("ranges"), "")
		return
	}
	for _, s := range spans {
		c.lintSpan(s)
	}
	if !r.Repeated {
		c.window.acks++
	}
	if c.window.acks > c.window.elicited {
		c.note("XTMP-ACK-024", "more Acks than frames of ours that call for one",
			fmt.Sprint(c.window.acks, " Acks"), fmt.Sprint("at most ", c.window.elicited))
	}
	for sequence := range c.window.gone {
		if testkit.Covers(spans, sequence) {
			c.window.covered[sequence] = true
			delete(c.open, sequence)
		}
	}
}

// lintSpan judges one range: it covers nothing that we did not send.
func (c *Conn) lintSpan(s testkit.Span) {
	if s.High-s.Low < uint64(len(c.window.gone)) {
		missing := s.Low
		for missing <= s.High && c.window.gone[missing] {
			missing++
		}
		if missing > s.High {
			return
		}
	}
	c.note("XTMP-ACK-017", "an Ack covers a frame that we did not send", fmt.Sprintf("%d … %d", s.Low, s.High), "")
}

// lintArrival judges the sequence number of a sealed frame on UDP.
func (c *Conn) lintArrival(r *Received) {
	if r.Slot != SlotPath {
		return // a handshake frame may come again, and has the number of its fragment
	}
	if r.Repeated && c.window.came[r.Frame.Sequence()] != string(r.Frame.Header.Bytes("auth_tag")) {
		c.note("XTMP-NON-003", "two frames under the same key have the same sequence number", r.Frame.Sequence(), "")
		c.note("XTMP-UDP-072", "a frame has a sequence number that one before it has", r.Frame.Sequence(), "above that of the frame before")
	}
	if d := c.remote.distance(r.Frame.Header.Uint("timestamp"), r.At); d > timer("T_STAMP_AHEAD") || d < -timer("T_STAMP_BEHIND_UDP") {
		c.note("XTMP-TIM-001", "the timestamp does not go on from server_time", d.String(), "-30 s … +30 s")
	}
}
