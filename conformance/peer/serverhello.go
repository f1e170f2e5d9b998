package peer

import (
	"fmt"
	"slices"

	"github.com/bpci/xtmp/internal/capturefile/keylog"
	"github.com/bpci/xtmp/vectors/testkit"
)

// ReadServerHello waits for ServerHello, judges it and derives the handshake keys.
// The error is a *Deviation, an *ErrorFrame, or that of ReadFrame.
func (c *Conn) ReadServerHello() (*Received, error) {
	from := len(c.violations)
	r, err := c.nextOf(hsServerHello, "ServerHello")
	if err != nil {
		return r, err
	}
	body, rest := testkit.Decode("server_hello", 0, r.Whole)
	if body.Short() || len(rest) > 0 {
		return r, c.violation("XTMP-CON-004", "ServerHello has not the length of its layout",
			len(r.Whole), "1178 and its TLV entries")
	}
	c.lintServerHello(r, body)
	c.handshake.session = body.Uint("session_id")
	c.handshake.suite = uint8(body.Uint("suite"))
	c.remote = clockAnchor{micros: body.Uint("server_time"), moment: r.At}
	if err := c.deriveHandshakeKeys(r.Whole, body); err != nil {
		return r, err
	}
	return r, c.firstSince(from)
}

func (c *Conn) lintServerHello(r *Received, body *testkit.Message) {
	offer := c.handshake.hello.Body
	if v := body.Uint("version"); v != 1 || v < offer.Uint("min_version") || v > offer.Uint("max_version") {
		c.note("XTMP-HSK-011", "ServerHello chooses a version that we did not offer", v, "1")
	}
	if s := body.Uint("suite"); !c.handshake.offered(s) {
		c.note("XTMP-TRU-020", "ServerHello chooses a suite that we did not offer", s, fmt.Sprintf("one of %x", offer.Bytes("suites")))
	}
	id := body.Uint("session_id")
	if inHeader := r.Frame.Header.Uint("session_id"); inHeader != id {
		c.wants("frame.session_id", id)
		c.note("XTMP-HSK-013", "session_id of header and body of ServerHello differ", inHeader, id)
	}
	if id == 0 || id > limit("session_id_max") {
		c.note("XTMP-HDR-012", "session_id is outside its range", id, "1 … 2^53 − 1")
	}
	skew := clockAnchor{micros: micros(r.At), moment: r.At}.distance(body.Uint("server_time"), r.At)
	if skew.Abs() > timer("T_SKEW") {
		c.note("XTMP-HSK-014", "server_time is not the wall time", skew.String()+" off", "")
	}
	c.lintTLV("ServerHello", body.Bytes("extensions"), "XTMP-TYP-023")
}

// lintTLV judges a TLV block: ascending, and nothing that has to be understood but
// the endpoints of a server with Attach in ServerIdentity.
func (c *Conn) lintTLV(message string, block []byte, mandatory string) {
	entries, fits := testkit.TLVEntries(block)
	if !fits {
		c.note("XTMP-TYP-028", "the TLV block of "+message+" does not hold whole entries", block, "")
	}
	for i, e := range entries {
		if i > 0 && e.Type <= entries[i-1].Type {
			c.note("XTMP-TYP-020", "TLV types of "+message+" do not ascend",
				fmt.Sprintf("0x%04X after 0x%04X", e.Type, entries[i-1].Type), "")
		}
		switch {
		case e.Type == tlvEndpoints && message == "ServerIdentity" && c.has("failover"):
			c.lintEndpoints(e.Value)
		case e.Type < 0x8000:
			c.note(mandatory, message+" has a TLV entry that has to be understood", fmt.Sprintf("0x%04X", e.Type), "")
		}
	}
}

// tlvEndpoints is the type of attach_endpoints in ServerIdentity.
const tlvEndpoints = 2

// lintEndpoints judges the value of attach_endpoints.
func (c *Conn) lintEndpoints(value []byte) {
	bad := len(value) == 0
	for rest := value; len(rest) > 0; {
		var e *testkit.Message
		e, rest = testkit.Decode("attach_endpoint", 0, rest)
		host := e.Bytes("host")
		bad = bad || e.Short() || e.Uint("port") == 0 || len(host) == 0 || slices.ContainsFunc(host, func(b byte) bool { return b > 0x7F })
	}
	if bad {
		c.note("XTMP-PTH-056", "attach_endpoints is no list of endpoints", value, "")
	}
}

// deriveHandshakeKeys runs the schedule up to the traffic secrets of the flight.
func (c *Conn) deriveHandshakeKeys(raw []byte, body *testkit.Message) error {
	h := c.handshake.hello
	shared, err := testkit.MLKEMDecapsulate(h.MLKEM, body.Bytes("mlkem768_ct"))
	if err != nil {
		return c.violation("XTMP-HSK-015", "the ML-KEM-768 ciphertext is none: "+err.Error(), "", "")
	}
	x25519 := testkit.X25519Shared(h.X25519, body.Bytes("x25519"))
	if string(x25519) == string(make([]byte, len(x25519))) {
		c.note("XTMP-KEY-006", "the server's X25519 key gives an all-zero secret", body.Bytes("x25519"), "")
	}
	d := c.handshake.schedule
	d.Set("SH", testkit.TranscriptMessage(hsServerHello, raw))
	d.Set("mlkem_ss", shared)
	d.Set("x25519_ss", x25519)
	c.outbound = append(c.outbound, c.slotKeys(d.Value("c_hs")))
	c.logKeys(keylog.Entry{Handshake: true}, d.Value("c_hs"), d.Value("s_hs"))
	c.inbound = append(c.inbound, &slot{name: SlotHandshake, keys: c.slotKeys(d.Value("s_hs")), next: new(uint64)})
	return nil
}
