package peer

import (
	"crypto/hmac"
	"fmt"

	"github.com/bpci/xtmp/internal/capturefile/keylog"
	"github.com/bpci/xtmp/vectors/testkit"
)

// ReadFlight waits for ServerFlight, verifies it and derives the path keys. Without
// an identity key in the flight the signature is checked against key, which may
// be nil if ClientHello asked for the key.
func (c *Conn) ReadFlight(key []byte) (*Received, error) {
	from := len(c.violations)
	r, err := c.nextOf(hsServerFlight, "ServerFlight")
	if err != nil {
		return r, err
	}
	bodies, err := c.flightBodies(r.Whole)
	if err != nil {
		return r, err
	}
	identity, rest := testkit.Decode("server_identity", 0, bodies[0])
	if identity.Short() || len(rest) > 0 {
		return r, c.violation("XTMP-CON-004", "ServerIdentity has not the length of its layout", len(bodies[0]), "")
	}
	c.handshake.identity = identity
	c.handshake.params, _ = testkit.Decode("server_params", 0, identity.Bytes("params"))
	c.lintIdentity(identity)
	c.lintParams(c.handshake.params)
	if identity.Has("identity_key") && len(identity.Bytes("identity_key")) > 0 {
		key = identity.Bytes("identity_key")
	}
	if err := c.verifyProofs(key, bodies); err != nil {
		return r, err
	}
	c.addRoot(c.handshake.schedule.Value("root_0"))
	c.addEpoch(c.roots[0], 0)
	return r, c.firstSince(from)
}

// flightBodies returns the bodies of the three messages [XTMP-HSK-022].
func (c *Conn) flightBodies(flight []byte) ([][]byte, error) {
	messages, rest := testkit.FlightMessages(flight)
	want := []uint64{flightIdentity, flightSignature, flightFinished}
	if len(messages) != len(want) || len(rest) > 0 {
		return nil, c.violation("XTMP-HSK-022", "ServerFlight is not exactly three messages",
			fmt.Sprintf("%d and %d bytes", len(messages), len(rest)), "3")
	}
	bodies := make([][]byte, len(want))
	for i, m := range messages {
		if got := m.Uint("type"); got != want[i] {
			return nil, c.violation("XTMP-HSK-022", "a message of ServerFlight is out of order",
				fmt.Sprintf("0x%02X", got), fmt.Sprintf("0x%02X", want[i]))
		}
		bodies[i] = m.Bytes("body")
	}
	return bodies, nil
}

func (c *Conn) lintParams(p *testkit.Message) {
	bounds := []struct {
		req, field string
		low, high  uint64
	}{
		{"XTMP-HSK-028", "max_payload", limit("max_payload_min"), limit("payload_max")},
		{"XTMP-HSK-029", "idle_timeout_ms", 1, 1<<32 - 1},
		{"XTMP-HSK-030", "key_rotation_s", 1, 1<<32 - 1},
		{"XTMP-HSK-031", "max_datagram", limit("datagram_min"), limit("datagram_max")},
		{"XTMP-HSK-032", "reassembly_bytes", limit("reassembly_bytes_min"), 1<<32 - 1},
	}
	for _, b := range bounds {
		if v := p.Uint(b.field); v < b.low || v > b.high {
			c.note(b.req, b.field+" is out of bounds", v, fmt.Sprintf("%d … %d", b.low, b.high))
		}
	}
	policy := p.Uint("policy")
	later := uint64(0)
	for bit, profile := range map[uint64]string{policyWallet: "wallet", policyAttach: "failover"} {
		if !c.has(profile) {
			later |= bit
		}
	}
	if policy&later != 0 {
		c.note("XTMP-TYP-033", "policy announces wallets or Attach, which the peer does not declare", fmt.Sprintf("%04x", policy), "")
	}
	if policy&^(policyWallet|policyAttach|policyInflates) != 0 {
		c.note("XTMP-TYP-014", "an undefined bit of policy is set", fmt.Sprintf("%04x", policy), "")
	}
}

// verifyProofs verifies ServerSignature and ServerFinished. Nothing can follow one
// that does not verify.
func (c *Conn) verifyProofs(key []byte, bodies [][]byte) error {
	d := c.handshake.schedule
	d.Set("SI", testkit.TranscriptMessage(flightIdentity, bodies[0]))
	d.Set("SS", testkit.TranscriptMessage(flightSignature, bodies[1]))
	if req, what := badSignature(key, d.Value("server_signature_input"), bodies[1]); req != "" {
		return c.violation(req, what, "", "")
	}
	if want := d.Value("sf_mac"); !hmac.Equal(want, bodies[2]) {
		return c.violation("XTMP-HSK-044", "the MAC of ServerFinished is wrong", bodies[2], want)
	}
	return nil
}

// logKeys writes the secrets of both sides for whoever reads the capture.
func (c *Conn) logKeys(e keylog.Entry, client, server []byte) {
	e.Session = c.handshake.session
	e.Side = keylog.Client
	copy(e.Secret[:], client)
	c.keyLog.LogKey(e.String())
	e.Side = keylog.Server
	copy(e.Secret[:], server)
	c.keyLog.LogKey(e.String())
}

// addRoot makes a root the newest.
func (d *dialogue) addRoot(root []byte) {
	d.roots = append(d.roots, root)
	d.attempts = append(d.attempts, 0)
}

// secrets derives the traffic secrets of the path in the epoch of a root.
func (c *Conn) secrets(root []byte) *testkit.Derivation {
	binder := c.binder
	if binder == nil {
		binder = c.handshake.schedule.Value("binder_0")
	}
	return testkit.Derive("path", testkit.Values{"root": root, "binder": binder})
}

// addEpoch opens frames of the peer on the path under the keys of an epoch from now
// on, and returns our own keys of that epoch.
func (c *Conn) addEpoch(root []byte, epoch uint64) testkit.Keys {
	secrets := c.secrets(root)
	ours := c.slotKeys(secrets.Value("ts_client"))
	s := &slot{
		name: SlotPath, keys: c.slotKeys(secrets.Value("ts_server")),
		next: new(uint64), epoch: epoch, ours: ours.KeyID,
	}
	for _, other := range c.inbound {
		if other.name == SlotPath {
			s.next = other.next // the counter goes on across epochs
		}
	}
	c.inbound = append(c.inbound, s)
	c.outbound = append(c.outbound, ours)
	c.logKeys(keylog.Entry{Path: uint16(c.number), Epoch: uint32(epoch)}, secrets.Value("ts_client"), secrets.Value("ts_server"))
	return ours
}
