package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Draft is a frame that has not been sent; see testkit.Draft.
type Draft = testkit.Draft

// A Session is a session as seen from one of its paths: a Conn with path keys and
// their counters. The Sessions of several paths share mids and frag_ids, the
// handshake, and what is known of the peer.
type Session struct {
	*Conn
	ID     uint64
	NoPong bool // do not answer PING
	Acks   bool // on UDP: acknowledge every ack-eliciting frame when it is read

	keys     *testkit.Keys // of ours on the path, of the epoch under which we seal
	root     []byte        // of that epoch
	epoch    uint64
	sequence uint64 // next
}

// Session returns the session of a connection whose flight was read. It sends
// nothing: Handshake and a case that goes step by step send ClientFinish.
func (c *Conn) Session() *Session {
	root := c.handshake.schedule.Value("root_0")
	c.mid, c.fragID = 1, 0
	return c.sessionOf(root, 0)
}

// sessionOf is the session as seen from a path, sealing under the root of an epoch.
func (c *Conn) sessionOf(root []byte, epoch uint64) *Session {
	keys := c.slotKeys(c.secrets(root).Value("ts_client"))
	return &Session{Conn: c, ID: c.handshake.session, keys: &keys, root: root, epoch: epoch}
}

// Schedule returns the key schedule of the handshake with all its values.
func (c *Conn) Schedule() *testkit.Derivation { return c.handshake.schedule }

// Params returns the session parameters of ServerIdentity.
func (c *Conn) Params() *testkit.Message { return c.handshake.params }

// Identity returns ServerIdentity, nil before ServerFlight came. Whether its proofs
// verified is another matter.
func (c *Conn) Identity() *testkit.Message { return c.handshake.identity }

// Keys returns the keys of the path, client's and server's, in the epoch under which
// we seal.
func (s *Session) Keys() (client, server testkit.Keys) {
	return *s.keys, s.slotKeys(s.secrets(s.root).Value("ts_server"))
}

// KeysOf returns our keys of the path in an epoch.
func (s *Session) KeysOf(epoch uint64) testkit.Keys {
	return s.slotKeys(s.secrets(s.roots[epoch]).Value("ts_client"))
}

// HandshakeKeys returns the keys of hs.c and hs.s.
func (c *Conn) HandshakeKeys() (client, server testkit.Keys) {
	return c.slotKeys(c.handshake.schedule.Value("c_hs")), c.slotKeys(c.handshake.schedule.Value("s_hs"))
}

// Counters returns the sequence number and the mid of the next draft.
func (s *Session) Counters() (sequence, mid uint64) { return s.sequence, s.mid }

// Received returns the sequence number of the last frame of the peer under the path
// key, and false if there was none.
func (s *Session) Received() (largest uint64, any bool) {
	for _, in := range s.inbound {
		if in.name == SlotPath && *in.next > 0 {
			return *in.next - 1, true
		}
	}
	return 0, false
}

// Draft returns a correct frame under our path key. It takes the next sequence number and,
// with REQUIRES_ACK, the next mid: a draft that is not sent leaves a gap.
func (s *Session) Draft(messageType uint8, flags uint16, body []byte) *Draft {
	d := testkit.NewDraft(messageType, flags, s.stamps.at(s.clock()))
	d.Plaintext.Body = body
	d.Frame.Header.DefaultUint("session_id", s.ID)
	d.Keys, d.Sequence = s.keys, s.sequence
	s.sequence++
	if flags&testkit.FlagValue("REQUIRES_ACK") != 0 {
		d.Plaintext.Prologue.DefaultUint("mid", s.mid)
		s.mid++
	}
	return d
}

// Send sends a frame under our path key after the edits and returns it.
func (s *Session) Send(messageType uint8, flags uint16, body []byte, edits ...func(*Draft)) (*Draft, error) {
	d := s.Draft(messageType, flags, body)
	for _, edit := range edits {
		edit(d)
	}
	return d, s.SendDrafts(d)
}

// SendDrafts sends drafts in one write, on UDP each in a datagram and on a WebSocket
// each in a message of its own.
func (s *Session) SendDrafts(drafts ...*Draft) error {
	if s.apart() {
		for _, d := range drafts {
			raw := s.encode(d)
			if err := s.write(frameName(d.Frame, d.Plaintext), raw); err != nil {
				return err
			}
		}
		return nil
	}
	var raw []byte
	name := ""
	for i, d := range drafts {
		if i > 0 {
			name += "; "
		}
		raw = append(raw, s.encode(d)...)
		name += frameName(d.Frame, d.Plaintext)
	}
	return s.write(name, raw)
}

// Request sends a request: REQUIRES_ACK and the next mid.
func (s *Session) Request(messageType uint8, body []byte, edits ...func(*Draft)) (*Draft, error) {
	return s.Send(messageType, testkit.FlagValue("REQUIRES_ACK"), body, edits...)
}

// encode seals a draft and remembers what answers it may get.
func (s *Session) encode(d *Draft) []byte {
	raw := d.Encode()
	if mid := d.Mid(); mid != 0 && d.Frame.Flags()&testkit.FlagValue("REQUIRES_ACK") != 0 {
		s.open[d.Frame.Sequence()] = mid
		s.requests[mid] = d.Frame.Type()
	}
	if body := d.Plaintext.Body; d.Frame.Type() == typeHeartbeat && len(body) > 0 && body[0] == Ping {
		s.pings = append(s.pings[max(0, len(s.pings)+1-maxPings):], body[1:])
	}
	for _, in := range s.inbound {
		in.used = in.used || d.Keys != nil && in.name == SlotPath && string(in.ours) == string(d.Keys.KeyID)
	}
	s.sent, s.anySent = max(s.sent, d.Frame.Sequence()), true
	s.window.goes(d)
	return raw
}

// maxPings is how many of our PINGs are remembered.
const maxPings = 256

// Ack acknowledges everything received on the path.
func (s *Session) Ack() error {
	if s.udp != nil {
		_, err := s.Send(typeAck, 0, s.AckOf(s.Spans()...))
		return err
	}
	largest, _ := s.Received()
	_, err := s.Send(typeAck, 0, AckBody(largest))
	return err
}

// AckBody returns the body of an Ack on TCP.
func AckBody(largest uint64) []byte {
	return testkit.Compose("ack").SetUint("largest", largest).Encode()
}

// Disconnect sends Disconnect and ends our half of the connection.
func (s *Session) Disconnect(reason uint16) error {
	if _, err := s.Send(typeDisconnect, 0, s.DisconnectBody(reason)); err != nil {
		return err
	}
	return s.CloseWrite()
}

// DisconnectBody returns a correct Disconnect body for now.
func (s *Session) DisconnectBody(reason uint16) []byte {
	return testkit.Compose("disconnect").
		SetUint("reason", uint64(reason)).
		SetUint("last_mid_sent", s.mid-1).
		SetUint("last_mid_complete", s.inMid).
		Encode()
}

// HeartbeatBody returns the body of a Heartbeat.
func HeartbeatBody(kind uint8, data []byte) []byte { return append([]byte{kind}, data...) }

// PingData fills data up to what a PING on UDP holds behind its kind [XTMP-UDP-101].
func PingData(data []byte) []byte {
	full := make([]byte, max(len(data), int(limit("ping_udp"))-1))
	copy(full, data)
	return full
}

// The kinds of Heartbeat.
const (
	Ping          = 0
	Pong          = 1
	PathChallenge = 2
	PathResponse  = 3
	RekeyRequest  = 4
)

// Inflates reports whether the server has announced that it inflates.
func (s *Session) Inflates() bool { return s.Params().Uint("policy")&policyInflates != 0 }

// ErrorBody returns the body of an Error without token.
func ErrorBody(code uint16, scope uint8, refSeq uint64, text string) []byte {
	return testkit.Compose("error").
		SetUint("code", uint64(code)).SetUint("scope", uint64(scope)).SetUint("ref_seq", refSeq).
		Set("text", []byte(text)).Encode()
}

// ReadFrame is Conn.ReadFrame; it also answers a PING, unless NoPong is set, and
// acknowledges, if Acks is.
func (s *Session) ReadFrame(wait time.Duration) (*Received, error) {
	r, err := s.Conn.ReadFrame(wait)
	if err != nil || s.closing != "" {
		return r, err
	}
	if s.Acks && s.udp != nil && r.AckEliciting() {
		if err := s.Ack(); err != nil {
			return r, fmt.Errorf("acknowledging: %w", err)
		}
	}
	if s.NoPong || !r.Is(typeHeartbeat) || len(r.Plaintext.Body) == 0 || r.Plaintext.Body[0] != Ping {
		return r, nil
	}
	if _, err := s.Send(typeHeartbeat, 0, HeartbeatBody(Pong, r.Plaintext.Body[1:])); err != nil {
		return r, fmt.Errorf("answering a PING: %w", err)
	}
	return r, nil
}

// Drain is Conn.Drain; it also answers a PING, unless NoPong is set.
func (s *Session) Drain(wait time.Duration) ([]*Received, error) {
	return drain(orWait(wait, s.wait), s.ReadFrame)
}

// Ping is the fence: it sends a PING and waits for the PONG with equal bytes. On UDP
// the data is filled up to the size that a PING has there, and the PING is sent again,
// in a new frame, while no PONG comes. It returns what came before
// the PONG. An Error of scope 1 or 2 and a Disconnect end the wait: the first with an
// *ErrorFrame, both with the frame as the last one.
func (s *Session) Ping(data []byte) ([]*Received, error) {
	if s.udp == nil {
		return s.pingOnce(data, 0)
	}
	data = PingData(data)
	var all []*Received
	for try := 1; ; try++ {
		before, err := s.pingOnce(data, s.wait/pingTries)
		all = append(all, before...)
		if try == pingTries || !errors.Is(err, os.ErrDeadlineExceeded) {
			return all, err
		}
	}
}

// pingTries is how often the fence is sent on UDP: a buffer on the way may run over.
const pingTries = 3

// pingOnce sends one PING and waits for its PONG (0: the default).
func (s *Session) pingOnce(data []byte, wait time.Duration) ([]*Received, error) {
	if _, err := s.Send(typeHeartbeat, 0, HeartbeatBody(Ping, data)); err != nil {
		// The peer may have closed, and may have said why before.
		before, readErr := s.until(wait, pongWith(data))
		if readErr == nil {
			readErr = err
		}
		return before, readErr
	}
	return s.until(wait, pongWith(data))
}

func pongWith(data []byte) func(*Received) bool {
	want := HeartbeatBody(Pong, data)
	return func(r *Received) bool { return r.Is(typeHeartbeat) && bytes.Equal(r.Plaintext.Body, want) }
}

// LeaveOut leaves out one sequence number [XTMP-UDP-073] and returns it.
func (s *Session) LeaveOut() uint64 {
	s.sequence++
	return s.sequence - 1
}

// Rewind takes back the sequence numbers of the last drafts, which are not sent.
func (s *Session) Rewind(drafts int) { s.sequence -= uint64(drafts) }
