package peer

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// lintBody judges the body of the types that end in themselves; those of the
// handshake are judged by the steps of the handshake.
func (c *Conn) lintBody(r *Received) {
	switch t := r.Type(); {
	case t == typeHeartbeat:
		if n := uint64(len(r.Plaintext.Body)); n < limit("heartbeat_payload_min") || n > limit("heartbeat_payload_max") {
			c.note("XTMP-HBT-001", "a Heartbeat body of the wrong size", n, "1 … 64")
		}
		if body := r.Plaintext.Body; c.udp != nil && len(body) > 0 && body[0] == Ping && uint64(len(body)) != limit("ping_udp") {
			c.note("XTMP-UDP-102", "a PING on UDP has another size", len(body), limit("ping_udp"))
		}
		c.comparePong(r.Plaintext.Body)
	case t == typeDisconnect:
		c.lintDisconnect(r)
	case t == typeAck:
		c.lintAck(r)
	case t == typeError:
		c.lintError(r)
	case t >= 0x80:
		c.lintExercise(r)
	}
}

// comparePong shows in what a PONG differs from every PING of ours. It is no
// deviation here: whether an answer was due, and when, the case knows.
func (c *Conn) comparePong(body []byte) {
	if len(body) == 0 || body[0] != Pong || len(c.pings) == 0 {
		return
	}
	if slices.ContainsFunc(c.pings, func(ping []byte) bool { return bytes.Equal(ping, body[1:]) }) {
		return
	}
	c.critic.Fault("this PONG repeats the bytes of no PING of ours") // [XTMP-HBT-005]
	c.wants("heartbeat.data", c.pings[len(c.pings)-1])
}

func (c *Conn) lintDisconnect(r *Received) {
	if c.closing == "" {
		c.closing = "Disconnect"
	}
	m, rest := testkit.Decode("disconnect", 0, r.Plaintext.Body)
	if m.Short() || len(rest) > 0 {
		c.note("XTMP-DSC-010", "a Disconnect body of the wrong size", len(r.Plaintext.Body), "18")
		return
	}
	if reason := m.Uint("reason"); reason != 0 {
		if _, known := spec.Default().Error(uint16(reason)); !known {
			c.note("XTMP-DSC-001", "reason is neither 0 nor an error code", fmt.Sprintf("0x%04X", reason), "")
		}
	}
	if last := m.Uint("last_mid_sent"); last != c.inMid {
		c.note("XTMP-DSC-002", "the last mid sent is not the highest that came", last, c.inMid)
	}
	if last := m.Uint("last_mid_complete"); last > uint64(len(c.requests)) {
		c.note("XTMP-DSC-003", "the last mid complete was never sent by us", last, fmt.Sprint("at most ", len(c.requests)))
	}
}

func (c *Conn) lintAck(r *Received) {
	m, rest := testkit.Decode("ack", 0, r.Plaintext.Body)
	if m.Short() || len(rest) > 0 {
		c.note("XTMP-ACK-006", "an Ack body of the wrong size", len(r.Plaintext.Body), "16")
		return
	}
	if c.udp != nil {
		c.lintAckOnUDP(m, r)
		return
	}
	for _, field := range []string{"ack_delay_us", "first_range", "range_count"} {
		if v := m.Uint(field); v != 0 {
			c.note("XTMP-ACK-002", field+" is not 0 on TCP", v, "0")
		}
	}
	largest := m.Uint("largest")
	if !c.anySent || largest > c.sent {
		c.note("XTMP-ACK-001", "the Ack covers a frame that we did not send", largest, fmt.Sprint("at most ", c.sent))
	}
	if len(c.open) == 0 {
		c.note("XTMP-ACK-012", "an Ack while no frame of ours is open", r.Name, "")
	}
	for sequence := range c.open {
		if sequence <= largest {
			delete(c.open, sequence)
		}
	}
}

func (c *Conn) lintError(r *Received) {
	m, _ := testkit.Decode("error", 0, r.Plaintext.Body)
	if !m.Has("ref_seq") || m.Short() {
		c.note("XTMP-CON-004", "an Error body shorter than its layout", len(r.Plaintext.Body), "at least 16")
		return
	}
	e := errorFrame(r)
	if e.Clear && errorName(e.Code) == "SESSION_UNKNOWN" {
		c.lintReset(r, m)
		return
	}
	if m.Uint("flags") != 0 {
		c.note("XTMP-ERR-009", "flags of an Error are set", fmt.Sprintf("%02x", m.Uint("flags")), "00")
	}
	c.lintErrorText(r.Plaintext.Body)
	c.lintErrorScope(e)
	const none = 1<<64 - 1
	switch name := errorName(e.Code); {
	case (e.Clear || e.ReplyTo != 0 || name == "CLOCK_SKEW") && e.RefSeq != none:
		c.note("XTMP-ERR-006", "ref_seq of a clear Error, a reply or CLOCK_SKEW", e.RefSeq, "2^64 − 1")
	case e.RefSeq != none && (!c.anySent || e.RefSeq > c.sent):
		c.note("XTMP-ERR-008", "ref_seq names a frame that we did not send", e.RefSeq, fmt.Sprint("at most ", c.sent))
	}
	if e.ReplyTo == 0 && e.Scope > 0 {
		c.closing = "an Error of scope 1 or 2"
	}
}

// lintReset judges a clear Error SESSION_UNKNOWN: its form is fixed [XTMP-PTH-044].
func (c *Conn) lintReset(r *Received, m *testkit.Message) {
	const none = 1<<64 - 1
	for _, want := range []struct {
		field string
		value uint64
	}{{"scope", 2}, {"flags", 1}, {"ref_seq", none}} {
		if got := m.Uint(want.field); got != want.value {
			c.wants("error."+want.field, want.value)
			c.note("XTMP-PTH-044", want.field+" of a clear SESSION_UNKNOWN", got, want.value)
		}
	}
	if n := uint64(len(r.Raw)); n != limit("reset_frame") && c.udp != nil { // on a connection a text may follow
		c.note("XTMP-PTH-044", "a clear SESSION_UNKNOWN has another size", n, limit("reset_frame"))
	}
}

// lintErrorText judges the text: what follows the 16 bytes that every Error has.
func (c *Conn) lintErrorText(body []byte) {
	text := body[min(len(body), 16):]
	if n := uint64(len(text)); n > limit("error_text") {
		c.note("XTMP-ERR-010", "the text of an Error is too long", n, fmt.Sprint("at most ", limit("error_text")))
	}
	if !utf8.Valid(text) {
		c.note("XTMP-ERR-011", "the text of an Error is not UTF-8", text, "")
	}
}

func (c *Conn) lintErrorScope(e *ErrorFrame) {
	code, known := spec.Default().Error(e.Code)
	allowed := known
	switch {
	case e.ReplyTo != 0:
		if e.Scope != 0 {
			c.note("XTMP-ERR-004", "an Error that is a reply has another scope than 0", e.Scope, "0")
		}
		allowed = allowed && code.Scope.Message
	case e.Clear:
		if e.Scope != 1 {
			c.note("XTMP-ERR-005", "a clear Error has another scope than 1", e.Scope, "1")
		}
		allowed = allowed && code.Scope.Clear
	case e.Scope == 0:
		allowed = allowed && code.Scope.Message && !code.Scope.ReplyOnly
	case e.Scope == 1:
		allowed = allowed && code.Scope.Path
	default:
		allowed = allowed && code.Scope.Session
	}
	if !allowed {
		c.note("XTMP-ERR-001", "an error code in a scope or form that the table does not list", e.Error(), "")
	}
}

func errorName(code uint16) string {
	e, _ := spec.Default().Error(code)
	return e.Name
}

// lintExercise judges a frame of a type without meaning.
func (c *Conn) lintExercise(r *Received) {
	if n := uint64(len(r.Frame.Payload)); n > limit("exercise_payload") {
		c.note("XTMP-TYP-004", "an exercising frame is too long", n, fmt.Sprint("at most ", limit("exercise_payload")))
	}
	if !c.exercised.IsZero() && r.At.Sub(c.exercised) < timer("T_EXERCISE") {
		c.note("XTMP-TYP-003", "two exercising frames within a minute", r.At.Sub(c.exercised).String(), "")
	}
	c.exercised = r.At
}
