package peer

import (
	"fmt"
	"net"

	"github.com/bpci/xtmp/vectors/testkit"
)

// An Attach is an Attach that has not been sent. Body has layout attach. A field that
// was set on Body or on the frame goes out as set.
type Attach struct {
	*Draft
	Counter uint64

	sent  []byte // the frame, once it was sent
	body  []byte // its body
	epoch uint64
	root  []byte
	ack   *Received
}

// StatusDone is the status of an AttachAck that makes a path.
const StatusDone = 0

// NewPath makes a connection or a socket one of the session, on which Attach can be
// sent. It shares everything with the other paths but keys and counters.
func (s *Session) NewPath(nc net.Conn) *Conn {
	c := s.path(nc, Options{Wait: s.wait})
	for epoch := range s.roots {
		c.addAttach(uint64(epoch))
	}
	return c
}

// addAttach opens frames of the peer under its attach slot of an epoch.
func (c *Conn) addAttach(epoch uint64) {
	secrets := testkit.Derive("attach", testkit.Values{"root": c.roots[epoch]})
	c.inbound = append(c.inbound, &slot{name: SlotAttach, keys: c.slotKeys(secrets.Value("ts_server")), next: new(uint64), epoch: epoch})
	c.outbound = append(c.outbound, c.slotKeys(secrets.Value("ts_client")))
}

// AttachDefaults returns a correct Attach under the newest root, with the next attach
// counter. It asks for a path that is no standby path.
func (c *Conn) AttachDefaults() *Attach { return c.AttachUnder(uint64(len(c.roots) - 1)) }

// AttachUnder is AttachDefaults under the root of another epoch.
func (c *Conn) AttachUnder(epoch uint64) *Attach {
	now := c.stamps.at(c.clock())
	a := &Attach{Draft: testkit.NewDraft(typeHandshake, 0, now), Counter: c.attempts[epoch], epoch: epoch, root: c.roots[epoch]}
	c.attempts[epoch]++
	keys := c.slotKeys(testkit.Derive("attach", testkit.Values{"root": a.root}).Value("ts_client"))
	a.Keys, a.Sequence = &keys, a.Counter
	a.Frame.Header.DefaultUint("session_id", c.handshake.session)
	a.Plaintext.Envelope.DefaultUint("hs_type", hsAttach).Default("handshake_id", testkit.Draw(c.entropy, 8))
	kind := uint64(1)
	if c.udp != nil {
		kind = 2
	}
	a.Body = testkit.Compose("attach").
		DefaultUint("kind", kind).DefaultUint("counter", a.Counter).
		Default("random", testkit.Draw(c.entropy, 32)).DefaultUint("client_time", now)
	return a
}

// Standby makes the path that an Attach asks for a standby path.
func (a *Attach) Standby() *Attach {
	a.Body.DefaultUint("flags", 1)
	return a
}

// SendAttach sends an Attach; a second time it sends the same frame, byte for byte.
func (c *Conn) SendAttach(a *Attach) error {
	if a.sent == nil {
		a.sent, a.body = a.Encode(), a.WholeBody()
	}
	return c.write(frameName(a.Frame, a.Plaintext), a.sent)
}

// ReadAttachAck waits for the answer to an Attach and returns its status. The error is
// a *Deviation, an *ErrorFrame, or that of ReadFrame. Whatever the status, the frame
// is judged.
func (c *Conn) ReadAttachAck(a *Attach) (r *Received, status uint8, err error) {
	from := len(c.violations)
	r, err = c.nextOf(hsAttachAck, "AttachAck")
	if err != nil {
		return r, 0, err
	}
	body, rest := testkit.Decode("attach_ack", 0, r.Whole)
	if body.Short() || len(rest) > 0 {
		return r, 0, c.violation("XTMP-CON-004", "AttachAck has not the length of its layout", len(r.Whole), "48")
	}
	if r.Slot != SlotAttach || r.Epoch != a.epoch || r.Frame.Sequence() != a.Sequence {
		c.wants("frame.sequence_number", a.Sequence)
		c.note("XTMP-ATT-031", "AttachAck is not sealed as its Attach is",
			fmt.Sprintf("%s, epoch %d, sequence number %d", r.Slot, r.Epoch, r.Frame.Sequence()),
			fmt.Sprintf("attach, epoch %d, sequence number %d", a.epoch, a.Sequence))
	}
	id := a.Plaintext.Envelope.Bytes("handshake_id")
	if got := r.Plaintext.Envelope.Bytes("handshake_id"); string(got) != string(id) {
		c.wants("envelope.handshake_id", id)
		c.note("XTMP-ATT-031", "handshake_id is not that of Attach", got, id)
	}
	a.ack = r
	c.remote = clockAnchor{micros: body.Uint("server_time"), moment: r.At}
	return r, uint8(body.Uint("status")), c.firstSince(from)
}

// Attached returns the session as seen from the path that an Attach has made: the
// keys follow from the Attach and from the AttachAck that was read. It sends nothing.
func (c *Conn) Attached(a *Attach) *Session {
	c.binder = testkit.Derive("path_binder", testkit.Values{
		"attach":     testkit.TranscriptMessage(hsAttach, a.body),
		"attach_ack": testkit.TranscriptMessage(hsAttachAck, a.ack.Whole),
	}).Value("binder")
	for epoch := int(a.epoch); epoch < len(c.roots); epoch++ { // [XTMP-RKY-052], [XTMP-RKY-053]
		c.addEpoch(c.roots[epoch], uint64(epoch))
	}
	return c.sessionOf(a.root, a.epoch)
}

// Attach attaches a connection or a socket, after the edits, and returns the session
// as seen from it. What is due next is a frame there [XTMP-ATT-037]. A status other
// than 0 is a *Refused.
func (s *Session) Attach(nc net.Conn, edits ...func(*Attach)) (*Session, error) {
	c := s.NewPath(nc)
	a := c.AttachDefaults()
	for _, edit := range edits {
		edit(a)
	}
	if err := c.SendAttach(a); err != nil {
		return nil, err
	}
	_, status, err := c.ReadAttachAck(a)
	if err != nil {
		return nil, err
	}
	if status != StatusDone {
		return nil, &Refused{Status: status}
	}
	attached := c.Attached(a)
	attached.NoPong, attached.Acks = s.NoPong, c.udp != nil
	return attached, nil
}
