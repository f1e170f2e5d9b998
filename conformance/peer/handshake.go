package peer

import (
	"fmt"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Script alters a handshake. The zero value alters nothing. Hooks run in the
// order of the fields.
type Script struct {
	Hello      func(*Hello)            // ClientHello before it is sent
	Finish     func(*Draft)            // ClientFinish before it is sealed
	WithFinish func(*Session) []*Draft // frames for the same write as ClientFinish
	Write      Writer                  // how ClientHello and ClientFinish reach the wire; nil for one write each

	IdentityKey []byte                  // identity key bytes, to verify with when Hello clears the request for the key
	Lenient     bool                    // go on after a deviation that does not prevent it; see Violations
	Token       []byte                  // UDP: address token; nil for a first contact with Retry
	Fragments   func([]*Draft) []*Draft // UDP: the fragments of ClientHello that go out with the token
	NoDone      bool                    // do not wait for HandshakeDone
	NoAck       bool                    // do not acknowledge HandshakeDone
	NoPong      bool                    // do not answer PING, now and later
}

// A Writer puts the bytes of a step on the wire: "ClientHello" or "ClientFinish"; on
// UDP a datagram at a time, such as "ClientHello 1 of 2", and "with ClientFinish".
type Writer func(c *Conn, step string, raw []byte) error

// Handshake runs a handshake by the script. The error is a *Deviation (the server
// did what the text does not allow), an *ErrorFrame (it refused), or that of a read
// or write. The session is returned as far as it got, even with an error, once
// ClientFinish was sent.
func (c *Conn) Handshake(script Script) (*Session, error) {
	from := len(c.violations)
	hello := c.HelloDefaults()
	if script.Hello != nil {
		script.Hello(hello)
	}
	if err := c.contact(script, hello); err != nil {
		return nil, err
	}
	if _, err := c.ReadServerHello(); script.stops(err) {
		return nil, err
	}
	if _, err := c.ReadFlight(script.IdentityKey); script.stops(err) {
		return nil, err
	}
	s := c.Session()
	s.NoPong, s.Acks = script.NoPong, c.udp != nil && !script.NoAck
	if err := s.finish(script); err != nil {
		return s, err
	}
	if !script.NoDone {
		if _, err := s.ReadDone(); script.stops(err) {
			return s, err
		}
		if !script.NoAck && !s.Acks {
			if err := s.Ack(); err != nil {
				return s, err
			}
		}
	}
	if script.Lenient {
		return s, nil
	}
	return s, c.firstSince(from)
}

// stops reports whether an error ends the handshake: a deviation that was only
// noted does not, if the script is lenient.
func (script Script) stops(err error) bool {
	if _, noted := err.(*noted); noted && script.Lenient { //nolint:errorlint // firstSince returns it unwrapped
		return false
	}
	return err != nil
}

// contact sends ClientHello: on UDP first what draws a Retry, unless there is a token,
// and then every fragment with the token.
func (c *Conn) contact(script Script, hello *Hello) error {
	if c.udp == nil {
		return c.writeStep(script, "ClientHello", c.prepareHello(hello))
	}
	hello.Token = script.Token
	if hello.Token == nil {
		d := c.HelloFragments(hello)[0]
		err := c.writeStep(script, frameName(d.Frame, d.Plaintext), d.Encode())
		if err != nil {
			return err
		}
		if _, hello.Token, err = c.ReadRetry(); err != nil {
			return err
		}
	}
	drafts := c.HelloFragments(hello)
	if script.Fragments != nil {
		drafts = script.Fragments(drafts)
	}
	for _, d := range drafts {
		if err := c.writeStep(script, frameName(d.Frame, d.Plaintext), d.Encode()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) writeStep(script Script, step string, raw []byte) error {
	if script.Write != nil {
		return script.Write(c, step, raw)
	}
	return c.write(step, raw)
}

// FinishDraft returns a correct ClientFinish.
func (c *Conn) FinishDraft() *Draft {
	d := testkit.NewDraft(typeHandshake, 0, c.stamps.at(c.clock()))
	d.Frame.Header.DefaultUint("session_id", c.handshake.session)
	d.Plaintext.Envelope.DefaultUint("hs_type", hsClientFinish).DefaultUint("handshake_id", c.handshake.id)
	d.Body = testkit.Compose("client_finish").Default("mac", c.handshake.schedule.Value("cf_mac"))
	keys := c.slotKeys(c.handshake.schedule.Value("c_hs"))
	d.Keys = &keys
	return d
}

// finish sends ClientFinish and what goes with it.
func (s *Session) finish(script Script) error {
	d := s.FinishDraft()
	if script.Finish != nil {
		script.Finish(d)
	}
	pieces := [][]byte{d.Encode()}
	if script.WithFinish != nil {
		for _, with := range script.WithFinish(s) {
			pieces = append(pieces, s.encode(with))
		}
	}
	if !s.apart() {
		pieces = [][]byte{slices.Concat(pieces...)}
	}
	for i, raw := range pieces {
		step := "ClientFinish"
		if i > 0 {
			step = "with ClientFinish"
		}
		if err := s.writeStep(script, step, raw); err != nil {
			return err
		}
	}
	return nil
}

// ReadDone waits for the first frame under p0.s and judges it as HandshakeDone.
// A server that refuses the clock answers with an *ErrorFrame here.
func (s *Session) ReadDone() (*Received, error) {
	from := len(s.violations)
	r, err := s.ReadFrame(0)
	for err == nil && s.stray(r, hsHandshakeDone) {
		r, err = s.ReadFrame(0)
	}
	switch {
	case err != nil:
		return r, fmt.Errorf("waiting for HandshakeDone: %w", err)
	case r.Is(typeError):
		return r, r.Error()
	case !r.Is(typeHandshakeAck) || r.Slot != SlotPath || r.Plaintext.Envelope.Uint("hs_type") != hsHandshakeDone:
		return r, s.violation("XTMP-HSK-053", "the first frame under the path key is not HandshakeDone", r.Name, "")
	}
	if flags := r.Frame.Flags(); flags&testkit.FlagValue("REQUIRES_ACK") == 0 || r.Mid() != 1 {
		s.wants("prologue.mid", uint64(1))
		s.note("XTMP-HSK-054", "HandshakeDone is not a reliable message with mid 1",
			fmt.Sprintf("flags %04x, mid %d", flags, r.Mid()), "")
	}
	body, rest := testkit.Decode("handshake_done", 0, r.Plaintext.Body)
	if body.Short() || len(rest) > 0 {
		return r, s.violation("XTMP-CON-004", "HandshakeDone has not the length of its layout", len(r.Plaintext.Body), "56")
	}
	if token := body.Bytes("address_token"); !s.has("udp") && string(token) != string(make([]byte, len(token))) {
		s.wants("handshake_done.address_token", make([]byte, len(token)))
		s.note("XTMP-HSK-055", "a server without UDP sends an address_token", token, "48 zero bytes")
	}
	// The stamp may be a little older than the moment of sending [XTMP-TIM-003].
	stamp := r.Frame.Header.Uint("timestamp")
	if off := int64(body.Uint("server_time") - stamp); off < -doneTolerance || off > doneTolerance {
		s.note("XTMP-HSK-056", "server_time of HandshakeDone is not the server's time at sending",
			fmt.Sprintf("%d µs from its stamp", off), "")
	}
	return r, s.firstSince(from)
}

// doneTolerance is how far server_time and stamp of HandshakeDone may be apart, in
// microseconds: the age that a stamp may have, and as much for the writer.
const doneTolerance = int64(200 * time.Millisecond / time.Microsecond)
