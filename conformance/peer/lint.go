package peer

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The linter judges every frame as a frame of a server: what the text says under
// Sender. It records and goes on; it never decides what an exchange means.

// lint judges one frame and updates what is known of the peer. The slot is nil for
// a clear frame and for one whose key_id names no key of ours.
func (c *Conn) lint(r *Received, s *slot) {
	c.lintHeader(r)
	switch {
	case r.Slot == SlotClear:
		c.lintClear(r)
	case s == nil:
		c.note("XTMP-NON-001", "key_id names no key of this connection", r.Frame.Header.Bytes("key_id"), "")
	default:
		c.lintSealed(r, s)
	}
	c.lintFlags(r)
	if c.closing != "" && (c.udp == nil || c.closing != "Disconnect" || r.Type() != typeDisconnect) {
		c.note(c.afterEnd(), "a frame after "+c.closing, r.Name, "nothing")
	}
	if r.Plaintext == nil {
		if s != nil {
			c.note("XTMP-HDR-024", "the frame does not open under the key that it names", r.Name, "")
		}
		return
	}
	c.lintPlaintext(r)
}

// afterEnd names the requirement that a frame after the last one breaks.
func (c *Conn) afterEnd() string {
	if c.closing == "Disconnect" {
		return "XTMP-DSC-004"
	}
	return "XTMP-ERR-013"
}

func (c *Conn) lintHeader(r *Received) {
	h := r.Frame.Header
	if v := h.Uint("version"); v != 1 {
		c.wants("frame.version", uint64(1))
		c.note("XTMP-HDR-002", "the version byte is not 1", v, "1")
	}
	if got, want := h.Uint("checksum"), uint64(testkit.Checksum(r.Raw)); got != want {
		c.wants("frame.checksum", want)
		c.note("XTMP-HDR-021", "the checksum is wrong", fmt.Sprintf("%08x", got), fmt.Sprintf("%08x", want))
	}
	if t := r.Type(); t == 0 || t >= 0xF0 && t != typeError {
		c.note("XTMP-TYP-001", "a type that is never sent", fmt.Sprintf("0x%02X", t), "")
	}
	encrypted := r.Frame.Flags()&testkit.FlagValue("ENCRYPTED") != 0
	if encrypted != (h.Uint("encryption_type") != 0) {
		c.note("XTMP-HDR-028", "ENCRYPTED disagrees with encryption_type",
			fmt.Sprintf("flags %04x, encryption_type %d", r.Frame.Flags(), h.Uint("encryption_type")), "")
	}
	if undefined := r.Frame.Flags() &^ definedFlags(); undefined != 0 {
		c.wants("frame.flags", uint64(r.Frame.Flags()&definedFlags()))
		c.note("XTMP-FLG-001", "an undefined flag is set", fmt.Sprintf("%04x", undefined), "0000")
	}
}

func definedFlags() uint16 {
	var all uint16
	for _, f := range spec.Default().Flags {
		all |= f.Value
	}
	return all
}

func (c *Conn) lintClear(r *Received) {
	h := r.Frame.Header
	if seq := h.Uint("sequence_number"); seq != 0 {
		c.wants("frame.sequence_number", uint64(0))
		c.note("XTMP-HDR-029", "a clear frame has a sequence number", seq, "0")
	}
	if flags := r.Frame.Flags(); flags != 0 {
		c.wants("frame.flags", uint64(0))
		c.note("XTMP-HDR-030", "a clear frame has flags", fmt.Sprintf("%04x", flags), "0000")
	}
	unknown := r.Type() == typeError && errorName(errorFrame(r).Code) == "SESSION_UNKNOWN"
	if len(c.inbound) > 0 && c.udp == nil && !unknown {
		c.note("XTMP-HDR-031", "a clear frame after ServerHello", r.Name, "")
	}
	switch id := h.Uint("session_id"); {
	case unknown: // it names the session of the frame that it answers
	case r.Type() == typeError && id != 0:
		c.wants("frame.session_id", uint64(0))
		c.note("XTMP-HDR-016", "a clear Error has a session_id", id, "0")
	case r.Type() != typeError && r.Type() != typeHandshakeAck:
		c.note("XTMP-HDR-031", "a clear frame of a server that is neither ServerHello nor Error", r.Name, "")
	}
}

func (c *Conn) lintSealed(r *Received, s *slot) {
	h := r.Frame.Header
	if e := h.Uint("encryption_type"); e != uint64(s.keys.Suite) {
		c.wants("frame.encryption_type", uint64(s.keys.Suite))
		c.note("XTMP-HDR-005", "encryption_type is not the suite of the session", e, s.keys.Suite)
	}
	if id := h.Uint("session_id"); id != c.handshake.session {
		c.wants("frame.session_id", c.handshake.session)
		c.note("XTMP-HDR-020", "session_id is not that of the session", id, c.handshake.session)
	}
	if c.udp != nil {
		c.lintArrival(r)
	} else if seq := r.Frame.Sequence(); seq != *s.next && s.name != SlotAttach {
		c.wants("frame.sequence_number", *s.next)
		c.note(sequenceRule(s), "sequence_number is not the next of its slot", seq, *s.next)
	}
	if c.udp == nil || r.Frame.Sequence() >= *s.next {
		*s.next = r.Frame.Sequence() + 1
	}
	if _, want := s.keys.Nonce(r.Frame.Sequence()); !bytes.Equal(want, h.Bytes("nonce")) {
		c.wants("frame.nonce", want)
		c.note("XTMP-NON-002", "the nonce field is not iv XOR sequence_number and 12 zero bytes", h.Bytes("nonce"), want)
	}
	if s.name != SlotPath {
		return
	}
	c.lintEpoch(r, s)
	if c.udp != nil {
		return // its window of time is another
	}
	if d := c.remote.distance(h.Uint("timestamp"), r.At); d > timer("T_STAMP_AHEAD") || d < -timer("T_STAMP_BEHIND") {
		c.note("XTMP-TIM-001", "the timestamp does not go on from server_time", d.String(), "-300 s … +30 s")
	}
}

func sequenceRule(s *slot) string {
	switch {
	case s.name == SlotHandshake:
		return "XTMP-NON-007"
	case s.epoch > 0:
		return "XTMP-RKY-029"
	case *s.next == 0:
		return "XTMP-NON-008"
	}
	return "XTMP-NON-009"
}

// lintFlags looks for a row of the flag matrix that allows the frame to a server.
func (c *Conn) lintFlags(r *Received) {
	slot := r.Slot
	if slot == "" {
		return
	}
	for _, row := range spec.Default().FlagMatrix {
		if rowAllows(row, r, slot) {
			return
		}
	}
	c.note("XTMP-FLG-003", "no row of the flag matrix allows this type and these flags to a server",
		fmt.Sprintf("0x%02X, flags %04x, %s", r.Type(), r.Frame.Flags(), slot), "")
}

func rowAllows(row spec.FlagRow, r *Received, slot string) bool {
	if row.Sender == "client" || !contains(row.Slots, slot) {
		return false
	}
	typed := false
	for _, span := range row.Types {
		typed = typed || span.From <= r.Type() && r.Type() <= span.To
	}
	if !typed || len(row.HSTypes) > 0 && !hasHSType(row, r) {
		return false
	}
	for _, rule := range []struct {
		name string
		rule spec.FlagRule
	}{
		{"REQUIRES_ACK", row.RequiresAck},
		{"REPLY", row.Reply},
		{"STREAMING", row.Streaming},
		{"PRIORITY", row.Priority},
		{"FRAGMENT", row.Fragment},
		{"COMPRESSED", row.Compressed},
	} {
		set := r.Frame.Flags()&testkit.FlagValue(rule.name) != 0
		if rule.rule == spec.FlagSet && !set || rule.rule == spec.FlagClear && set {
			return false
		}
	}
	return true
}

func hasHSType(row spec.FlagRow, r *Received) bool {
	return r.Plaintext == nil || r.Plaintext.Envelope == nil || contains(row.HSTypes, uint8(r.Plaintext.Envelope.Uint("hs_type")))
}

func contains[T comparable](list []T, value T) bool {
	for _, entry := range list {
		if entry == value {
			return true
		}
	}
	return false
}
