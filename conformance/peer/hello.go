package peer

import (
	"fmt"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Hello is a ClientHello that has not been sent, with the private keys behind
// it. Body has layout client_hello. A public key that was set on Body goes out as
// set; the private keys stay.
type Hello struct {
	*Draft
	X25519 []byte // private key, 32 bytes
	MLKEM  []byte // seed d ‖ z, 64 bytes
	Token  []byte // cookie or address token, on UDP
}

// HelloDefaults returns a correct ClientHello: version 1, suite 1, fresh keys, the
// pin as hint, one random TLV entry, and the request for the identity key.
func (c *Conn) HelloDefaults() *Hello {
	now := micros(c.clock())
	h := &Hello{
		Draft:  testkit.NewDraft(typeHandshake, 0, now),
		X25519: testkit.Draw(c.entropy, 32),
		MLKEM:  testkit.Draw(c.entropy, 64),
	}
	h.Plaintext.Envelope.DefaultUint("hs_type", hsClientHello)
	h.Plaintext.Envelope.Default("handshake_id", testkit.Draw(c.entropy, 8))
	h.Body = testkit.Compose("client_hello").
		DefaultUint("min_version", 1).DefaultUint("max_version", 1).
		Default("suites", []byte{testkit.SuiteAES256GCM, 0xFF, 0xFF, 0xFF}).
		DefaultUint("flags", bitIncludeKey).
		DefaultUint("client_time", now).
		Default("random", testkit.Draw(c.entropy, 32)).
		Default("x25519", testkit.X25519Public(h.X25519)).
		Default("mlkem768_ek", testkit.MLKEMPublic(h.MLKEM)).
		Default("extensions", testkit.TLVBlock(testkit.TLV{Type: 0x8000 | uint16(testkit.Uint(testkit.Draw(c.entropy, 2)))}))
	if len(c.target.Pin) >= hintSize {
		hint := make([]byte, 4*hintSize)
		copy(hint, c.target.Pin[:hintSize])
		h.Body.Default("identity_hint", hint)
	}
	return h
}

// The values of a handshake that this version knows.
const (
	hsClientHello   = 1
	hsRetry         = 2
	hsServerHello   = 3
	hsServerFlight  = 4
	hsClientFinish  = 5
	hsHandshakeDone = 6
	hsAttach        = 16
	hsAttachAck     = 17
	hsRekeyInit     = 32
	hsRekeyResp     = 33

	flightIdentity  = 0x41
	flightSignature = 0x42
	flightFinished  = 0x43

	bitIncludeKey  = 0x0001 // ClientHello flags
	bitKeyIncluded = 0x01   // ServerIdentity flags
	policyWallet   = 0x0001 // auth_required
	policyAttach   = 0x0006 // attach_udp, attach_tcp
	policyInflates = 0x0008 // accept_deflate

	hintSize = 8
)

// BitAcceptDeflate in the flags of ClientHello says that we inflate.
const BitAcceptDeflate = 0x0002

// An exchange is what both hellos and the flight left behind.
type exchange struct {
	hello    *Hello
	id       uint64 // handshake_id as sent
	session  uint64 // session_id of ServerHello
	suite    uint8  // of ServerHello; 1 before it
	schedule *testkit.Derivation
	identity *testkit.Message // ServerIdentity
	params   *testkit.Message

	// On UDP, by message: hs_type and session_id.
	parts  map[string][]*testkit.Plaintext // fragments of messages that are not whole
	first  map[string]*Received            // the first fragment that came
	frames map[string]string               // sealed fragments, byte for byte
}

// SendHello sends the ClientHello and remembers it for the transcript, byte for
// byte as it was sent [XTMP-KEY-002]. On UDP it is a first contact: the fragment with
// index 0, or all with the token, if there is one.
func (c *Conn) SendHello(h *Hello) error {
	if c.udp != nil {
		drafts := c.HelloFragments(h)
		if h.Token == nil {
			drafts = drafts[:1] // [XTMP-UDP-039]
		}
		return c.SendFragments(drafts...)
	}
	raw := c.prepareHello(h)
	return c.write(frameName(h.Frame, nil), raw)
}

// prepareHello encodes a hello and makes it the one of this connection.
func (c *Conn) prepareHello(h *Hello) []byte {
	raw := h.Encode()
	sent := h.WholeBody()
	c.roots, c.attempts = nil, nil
	c.handshake = exchange{
		hello:    h,
		suite:    testkit.SuiteAES256GCM,
		id:       h.Plaintext.Envelope.Uint("handshake_id"),
		schedule: testkit.Derive("handshake", testkit.Values{"CH": testkit.TranscriptMessage(hsClientHello, sent)}),
	}
	c.stamps = clockAnchor{micros: h.Body.Uint("client_time"), moment: c.clock()}
	return raw
}

// slotKeys derives the keys of a slot for the suite of the session [XTMP-SUI-008].
func (c *Conn) slotKeys(trafficSecret []byte) testkit.Keys {
	return testkit.DeriveKeys(trafficSecret).For(c.handshake.suite)
}

// Suite returns the suite that ServerHello chose, 1 before it came.
func (c *Conn) Suite() uint8 { return c.handshake.suite }

// asked reports whether our ClientHello asked for the identity key.
func (e *exchange) asked() bool { return e.hello.Body.Uint("flags")&bitIncludeKey != 0 }

// offered reports whether our ClientHello offered a suite.
func (e *exchange) offered(suite uint64) bool {
	for _, s := range e.hello.Body.Bytes("suites") {
		if uint64(s) == suite && suite != 0xFF {
			return true
		}
	}
	return false
}

// nextOf reads the frame that the handshake is due, on UDP all of its fragments,
// which an Error replaces. The body is in Whole.
func (c *Conn) nextOf(hsType uint8, name string) (*Received, error) {
	for {
		r, err := c.ReadFrame(0)
		switch {
		case err != nil:
			return nil, fmt.Errorf("waiting for %s: %w", name, err)
		case c.stray(r, hsType):
		case r.Is(typeError):
			return r, r.Error()
		case r.Plaintext == nil:
			return r, c.violation("XTMP-HDR-024", name+" does not open under the key that is due", r.Name, "")
		case r.Type() != typeHandshakeAck || r.Plaintext.Envelope == nil || uint8(r.Plaintext.Envelope.Uint("hs_type")) != hsType:
			return r, c.violation("XTMP-HSK-089", "another message in place of "+name, r.Name, "")
		case r.Whole != nil:
			return r, nil
		}
	}
}

// stray reports whether a frame is a copy of an earlier step of the handshake, which
// UDP may bring at any time.
func (c *Conn) stray(r *Received, due uint8) bool {
	return c.udp != nil && r.Is(typeHandshakeAck) && r.Slot != SlotPath && r.Plaintext.Envelope.Uint("hs_type") < uint64(due)
}
