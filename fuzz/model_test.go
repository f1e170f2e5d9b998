package fuzz_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// verdict says how a session goes on after a frame.
type verdict uint8

const (
	goesOn verdict = iota
	closes         // silently
	fails          // with an Error, which is the last thing it says
	ends           // the peer ended it; nothing is said
)

// outcome is a verdict and, of fails, the Error.
type outcome struct {
	verdict verdict
	code    uint16
	scope   uint8
	ref     uint64
}

// Sizes of chapter 10.2.
const (
	frameToServer   = 65600
	frameToClient   = 262208
	messageToServer = 65536
	messageToClient = 16777216
	noSequence      = 1<<64 - 1
)

// model is what the text makes of frames that a peer with the right keys sends,
// written from chapters 2, 3, 7, 8, 9 and 11 with the registry and the scribe and
// without the core. It judges one frame after another and remembers what the text
// says a receiver remembers: complete mids, incomplete messages, calls.
//
// The application is one that implements type 70 alone. At a server it echoes a
// request, and executes a message without mid whose first byte is 1.
type model struct {
	server   bool
	deflate  bool          // it announced that it inflates
	fresh    bool          // client: no frame under a path key has come
	inflight int           // server: max_inflight
	now      time.Duration // moved by the caller
	sequence uint64        // of the frame that is judged
	lastSent uint64        // highest sequence number that it has sent; noSequence: none

	base        uint64
	complete    map[uint64]bool
	partials    []*parts
	yielded     int         // bytes that streams have yielded
	originalLen uint64      // of the message that is judged
	open        []openFrame // REQUIRES_ACK frames, neither acked nor answered

	unanswered  int             // server: requests whose replies are not taken
	said        []string        // what has to be said
	maybe       []string        // what may be
	pending     [2]string       // the newest PONG and PATH_RESPONSE
	delivered   []string        // what the application has to have got, in order
	calls       map[uint64]call // client: requests by mid
	handshakeID uint64
	lastMid     uint64                   // highest mid that it has sent
	rekey       uint64                   // client: mid of the last RekeyInit, 0 for none
	rekeyID     uint64                   // its handshake_id
	asked       bool                     // client: a REKEY_REQUEST is not served
	mayWarn     map[uint16]time.Duration // when an unsolicited Error may have been said, by code
	warned      map[uint16]time.Duration
	held        bool // output waits, so that what is bounded may be left out
	lost        bool // keys moved on: nothing more can be said
}

type call struct {
	typ   uint8
	owner int
}

// openFrame is a frame that waits for an Ack. It is sure if its reply ends that.
type openFrame struct {
	mid  uint64
	sure bool
}

func code(name string) uint16 {
	for _, e := range spec.Default().Errors {
		if e.Name == name {
			return e.Code
		}
	}
	panic("no error code " + name)
}

func (m *model) violation() outcome { return outcome{fails, code("PROTOCOL_VIOLATION"), 2, m.sequence} }

func (m *model) unexpected() outcome {
	return outcome{fails, code("UNEXPECTED_MESSAGE"), 2, m.sequence}
}

// message is a frame of the peer, taken apart by the scribe.
type message struct {
	typ      uint8
	flags    uint16
	prologue *testkit.Message
	body     []byte // after the prologue
}

func (f message) has(flag uint16) bool { return f.flags&flag != 0 }
func (f message) mid() uint64          { return f.prologue.Uint("mid") }

// judge is checks 3, 4 and 13.
func (m *model) judge(typ uint8, flags uint16, plaintext []byte) outcome {
	limit := frameToClient
	if m.server {
		limit = frameToServer
	}
	isError := typ == 0xfe
	switch {
	case !inMatrix(typ, flags):
		return outcome{verdict: closes}
	case len(plaintext) > limit && isError:
		return outcome{verdict: closes}
	case len(plaintext) > limit:
		return outcome{fails, code("PAYLOAD_TOO_LARGE"), 1, noSequence}
	}
	f := message{typ: typ, flags: flags}
	f.prologue, f.body = testkit.Decode("prologue", flags, plaintext)
	out := m.opened(f)
	if out.verdict == fails && isError { // an Error is never answered by an Error
		out = outcome{verdict: closes}
	}
	m.sequence++
	return out
}

// opened is check 13: prologue, role, mid, type and body.
func (m *model) opened(f message) outcome {
	if f.prologue.Short() || f.has(flagRequiresAck) && f.mid() == 0 {
		return m.violation()
	}
	if out := m.role(f); out.verdict != goesOn {
		return out
	}
	if m.fresh {
		if out := m.first(f); out.verdict != goesOn {
			return out
		}
		m.fresh = false
	}
	if f.has(flagRequiresAck) {
		mid := f.mid()
		if mid >= m.base && mid-m.base >= 4096 {
			return m.violation()
		}
		known := mid < m.base || m.complete[mid]
		m.open = append(m.open, openFrame{mid, !known})
		if known {
			return outcome{}
		}
	}
	switch {
	case f.typ == 0x01 || f.typ == 0x02:
		return m.lateHandshake(f)
	case f.typ < 0x06 || f.typ == 0xfe:
		return m.control(f)
	case f.typ >= 0x80:
		m.completed(f)
		return outcome{}
	case m.server:
		return m.request(f)
	default:
		return m.fromServer(f)
	}
}

// role is chapter 8.8.
func (m *model) role(f message) outcome {
	request := f.typ >= 0x06 && f.typ < 0x80
	switch {
	case m.server && f.typ == 0xfe && f.has(flagReply):
		return outcome{verdict: closes}
	case m.server && (f.typ == 0x02 || request && f.has(flagReply)):
		return m.violation()
	case !m.server && f.typ == 0x01:
		return m.violation()
	}
	return outcome{}
}

// first is the first frame of a server under a path key. [XTMP-HSK-059] [XTMP-HSK-063]
func (m *model) first(f message) outcome {
	switch {
	case f.typ == 0x02 && f.mid() == 1:
		return outcome{}
	case f.typ == 0xfe && !f.has(flagReply):
		return outcome{verdict: ends}
	}
	return m.unexpected()
}

// completed makes the mid of a message complete; what was held under it goes.
func (m *model) completed(f message) {
	if !f.has(flagRequiresAck) {
		return
	}
	m.complete[f.mid()] = true
	m.partials = slices.DeleteFunc(m.partials, func(q *parts) bool { return q.mid == f.mid() })
	for m.complete[m.base] {
		delete(m.complete, m.base)
		m.base++
	}
}

// lateHandshake is types 01 and 02 under a path key. The mid is new.
func (m *model) lateHandshake(f message) outcome {
	if f.has(flagReply) && (m.rekey == 0 || f.prologue.Uint("reply_to") != m.rekey) { // [XTMP-MSG-043]
		return m.violation()
	}
	body := f.body
	if f.has(flagFragment) {
		q, whole, refusal := m.join(f, 8208)
		switch {
		case refusal != 0:
			return m.violation()
		case !whole:
			return outcome{}
		}
		body = q.bytes()
	}
	envelope, rest := testkit.Decode("envelope", 0, body)
	hs := envelope.Uint("hs_type")
	switch {
	case envelope.Short() || len(rest) > 0 || !validEnvelope(envelope):
		return m.violation()
	case m.server && hs != 32, !m.server && f.has(flagReply) && hs != 33:
		return m.unexpected()
	case !m.server && !f.has(flagReply) && (hs != 6 || !f.has(flagRequiresAck)):
		return m.unexpected()
	case m.server:
		return m.rekeyInit(f, envelope)
	case !f.has(flagReply): // HandshakeDone
		if f.mid() != 1 || envelope.Uint("handshake_id") != m.handshakeID {
			return m.unexpected()
		}
		if len(envelope.Bytes("fragment")) != 56 {
			return m.violation()
		}
		m.completed(f)
		return outcome{}
	}
	return m.rekeyResp(f, envelope)
}

// rekeyInit: a right one changes keys, which this model does not follow.
func (m *model) rekeyInit(f message, envelope *testkit.Message) outcome {
	init, rest := testkit.Decode("rekey_init", 0, envelope.Bytes("fragment"))
	if !f.has(flagRequiresAck) || init.Short() || len(rest) > 0 || init.Uint("epoch") != 1 {
		return m.violation()
	}
	m.lost = true
	return outcome{}
}

func (m *model) rekeyResp(f message, envelope *testkit.Message) outcome {
	if envelope.Uint("handshake_id") != m.rekeyID {
		return m.unexpected()
	}
	resp, rest := testkit.Decode("rekey_resp", 0, envelope.Bytes("fragment"))
	if resp.Short() || len(rest) > 0 || resp.Uint("epoch") != 1 {
		return m.violation()
	}
	m.completed(f)
	m.lost = true
	return outcome{}
}

// control is Heartbeat, Disconnect, Ack and Error: chapters 8.4 and 9.
func (m *model) control(f message) outcome {
	layout, _ := testkit.BodyLayout(f.typ, 0)
	body, rest := testkit.Decode(layout, 0, f.body)
	malformed := body.Short() || len(rest) > 0
	switch f.typ {
	case 0x03:
		if malformed || len(f.body) == 0 {
			return m.violation()
		}
		return m.heartbeat(body)
	case 0x04:
		if malformed {
			return m.violation()
		}
		return outcome{verdict: ends}
	case 0x05:
		if malformed || !zeroes(body) || body.Uint("first_range") != 0 || body.Uint("range_count") != 0 {
			return m.violation()
		}
		if largest := body.Uint("largest"); m.lastSent == noSequence || largest > m.lastSent {
			return m.violation()
		}
		return outcome{}
	}
	malformed = malformed || body.Uint("scope") > 2 || body.Has("token")
	if f.has(flagReply) {
		return m.errorReply(f, body, malformed)
	}
	if len(f.body) < 4 || malformed && body.Uint("scope") != 2 || body.Uint("scope") == 0 {
		return outcome{}
	}
	return outcome{verdict: ends}
}

func (m *model) heartbeat(body *testkit.Message) outcome {
	switch kind := body.Uint("kind"); {
	case kind == 0 || kind == 2:
		m.pending[kind/2] = fmt.Sprintf("heartbeat %02x%x", kind+1, body.Bytes("data"))
	case kind == 4 && m.server:
		return m.violation()
	case kind == 4:
		m.asked = m.asked || m.rekey == 0 // one in flight serves it
	}
	return outcome{}
}

// flush moves what is pending to what has to be said, once it can be.
func (m *model) flush() {
	for i, p := range m.pending {
		if p != "" {
			m.said = append(m.said, p)
		}
		m.pending[i] = ""
	}
}

// acked notes an Ack of the core, answered a reply, which ends what its request has
// open. Both return whether that was due at all.
func (m *model) acked() bool {
	was := len(m.open) > 0
	m.open = nil
	return was
}

func (m *model) answered(mid uint64) {
	m.open = slices.DeleteFunc(m.open, func(o openFrame) bool { return o.mid == mid && o.sure })
}

// owes reports how many frames are surely open: a repeated frame of a request may
// count until its reply or until an Ack.
func (m *model) owes() (n int) {
	replied := map[uint64]bool{}
	for _, o := range m.open {
		if o.sure {
			replied[o.mid] = true
		}
	}
	for _, o := range m.open {
		if o.sure || !m.server && !replied[o.mid] {
			n++
		}
	}
	return n
}

// stale reports whether an incomplete message has waited for T_REASSEMBLY.
func (m *model) stale() bool {
	return slices.ContainsFunc(m.partials, func(q *parts) bool { return m.now-q.arrived >= 15*time.Second })
}

// holds is how many bytes of incomplete messages are held.
func (m *model) holds() (n int) {
	for _, q := range m.partials {
		for b := range maps.Values(q.got) {
			n += len(b)
		}
	}
	return n
}
