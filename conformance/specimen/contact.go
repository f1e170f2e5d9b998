package specimen

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A contactKey says which fragments of ClientHello belong together.
type contactKey struct {
	from netip.AddrPort
	hs   uint64
}

// A contact is a ClientHello that is not whole, or the handshake that came of it.
type contact struct {
	began   time.Time
	parts   []*testkit.Plaintext
	first   []byte // the fragment with index 0
	flight  [][]byte
	resent  int
	session *session
}

// late reports whether a contact is over: T_REASSEMBLY_HELLO, or T_FLIGHT.
func (c *contact) late(at time.Time) bool {
	if c.session == nil {
		return at.Sub(c.began) > 2*time.Second
	}
	if at.Sub(c.began) <= 10*time.Second {
		return false
	}
	if !c.session.established {
		c.session.erase()
	}
	return true
}

// clearFrame is a first contact (12.4).
func (s *Server) clearFrame(f *testkit.Frame, raw []byte, from netip.AddrPort) {
	p, short := testkit.DecodePlaintext(f.Type(), 0, f.Payload)
	h := f.Header
	if f.Type() != typeHandshake || f.Flags() != 0 || h.Uint("session_id") != 0 || f.Sequence() != 0 || !sum(f, raw) || short ||
		p.Envelope.Uint("hs_type") != hsClientHello || badEnvelope(p) {
		return
	}
	token := p.Envelope.Bytes("token")
	index := p.Envelope.Uint("frag_index")
	key := contactKey{from, p.Envelope.Uint("handshake_id")}
	switch {
	case s.valid(token, key) || s.flaw("any token") && len(token) > 0:
		s.fragment(key, p, token)
	case index == 0 && p.Envelope.Uint("total_len") >= 1298 || s.flaw("Retry for any index"):
		s.retry(key)
	}
}

// badEnvelope is what 12.4 calls bad, of a clear frame or of a sealed one.
func badEnvelope(p *testkit.Plaintext) bool {
	e := p.Envelope
	total, count, index := e.Uint("total_len"), e.Uint("frag_count"), e.Uint("frag_index")
	if n := len(e.Bytes("token")); n != 0 && (n != 48 || e.Uint("hs_type") != hsClientHello) ||
		total == 0 || total > 8192 || count != (total+1023)/1024 || index >= count {
		return true
	}
	return uint64(len(p.Body)) != min(1024, total-1024*index)
}

// retry sends a cookie and keeps nothing.
func (s *Server) retry(key contactKey) {
	hs := testkit.PutUint(key.hs, 8)
	m := testkit.Compose("token").SetUint("kind", testkit.TokenCookie).SetUint("expiry", expiry(10*time.Second)).Set("salt", draw(8))
	cookie := testkit.SealToken(s.cookieKey, m, key.from.Addr(), testkit.CookieBinding(key.from.Port(), hs))
	f := testkit.NewFrame(typeHandshakeAck, 0)
	f.Header.SetUint("timestamp", now())
	plain := testkit.NewPlaintext(typeHandshakeAck, 0, cookie)
	plain.Envelope.SetUint("hs_type", hsRetry).SetUint("handshake_id", key.hs)
	f.Payload = plain.Encode()
	s.write(f.Encode(), key.from)
}

// expiry is a time from now in seconds, rounded up.
func expiry(in time.Duration) uint64 { return uint64(time.Now().Add(in).UnixMilli()+999) / 1000 }

// valid reports whether a token is valid (12.3).
func (s *Server) valid(token []byte, key contactKey) bool {
	if len(token) != 48 {
		return false
	}
	m, _ := testkit.Decode("token", 0, token)
	if m.Uint("zero") != 0 || m.Uint("expiry") < uint64(time.Now().Unix()) && !s.flaw("expiry") {
		return false
	}
	secret, port := s.cookieKey, key.from.Port()
	binding := testkit.CookieBinding(port, testkit.PutUint(key.hs, 8))
	switch {
	case m.Uint("kind") == testkit.TokenAddress:
		secret, binding = s.tokenKey, nil
	case s.flaw("cookie of any port"):
		return len(m.Bytes("mac")) == 32
	}
	again := m.Clone().Cut("mac")
	want := testkit.SealToken(secret, &testkit.Message{Layout: m.Layout, Fields: append(again.Fields, testkit.Compose("token").Fields[5])},
		key.from.Addr(), binding)
	if !bytes.Equal(want, token) {
		return false
	}
	if m.Uint("kind") == testkit.TokenAddress && s.used[string(token)] && s.contacts[key] == nil && !s.flaw("token twice") {
		return false
	}
	return true
}

// fragment takes a fragment of ClientHello with a valid token.
func (s *Server) fragment(key contactKey, p *testkit.Plaintext, token []byte) {
	c := s.contacts[key]
	if c == nil {
		c = &contact{began: time.Now()}
		s.contacts[key] = c
	}
	s.used[string(token)] = true
	if c.session != nil {
		s.duplicate(c, key, p)
		return
	}
	for _, own := range c.parts {
		for _, field := range []string{"frag_count", "total_len"} {
			if own.Envelope.Uint(field) != p.Envelope.Uint(field) {
				return
			}
		}
	}
	c.parts = append(c.parts, p)
	if p.Envelope.Uint("frag_index") == 0 && c.first == nil {
		c.first = p.Body
	}
	body, whole := testkit.Join(c.parts)
	if !whole {
		return
	}
	own := s.hello(body, key.hs)
	switch {
	case own == nil:
		delete(s.contacts, key)
	case own.refusal != 0:
		delete(s.contacts, key)
		s.write(clearError(own.refusal), key.from)
	default:
		own.p0 = own.newPath(nil, key.from)
		c.session, c.flight, c.began = own, own.flightUDP(), time.Now()
		for _, raw := range c.flight {
			s.write(raw, key.from)
		}
	}
}

// duplicate answers a ClientHello that comes again (12.5).
func (s *Server) duplicate(c *contact, key contactKey, p *testkit.Plaintext) {
	answers := p.Envelope.Uint("frag_index") == 0 && bytes.Equal(p.Body, c.first)
	if !answers && !s.flaw("every index resends") || c.resent >= 5 && !s.flaw("resends for ever") {
		return
	}
	c.resent++
	if s.flaw("seals again") {
		c.flight = c.session.flightUDP()
	}
	for _, raw := range c.flight {
		s.write(raw, key.from)
	}
}

// clearError is a clear Error of scope 1.
func clearError(code uint64) []byte {
	f := testkit.NewFrame(typeError, 0)
	f.Header.SetUint("timestamp", now())
	f.Payload = testkit.Compose("error").SetUint("code", code).SetUint("scope", 1).SetUint("ref_seq", noSequence).Encode()
	return f.Encode()
}

// hello answers a whole ClientHello. It returns nothing for one that is refused in
// silence on UDP, and a session with a refusal for one that gets a clear Error.
func (s *Server) hello(body []byte, hs uint64) *session {
	ch, rest := testkit.Decode("client_hello", 0, body)
	entries, fits := testkit.TLVEntries(ch.Bytes("extensions"))
	for i, e := range entries {
		fits = fits && e.Type >= 0x8000 && (i == 0 || e.Type > entries[i-1].Type)
	}
	offered, behind, _ := bytes.Cut(ch.Bytes("suites"), []byte{0xFF})
	fits = fits && len(bytes.Trim(behind, "\xFF")) == 0
	if ch.Short() || len(rest) > 0 || !fits || ch.Uint("min_version") > 1 || ch.Uint("max_version") < 1 {
		return nil
	}
	own := &session{server: s, hs: hs, complete: map[uint64]bool{}, incoming: map[uint64]*partial{}, replies: map[uint64]*message{}}
	if !slices.Contains(offered, 1) {
		own.refusal = 2
		return own
	}
	private := draw(32)
	shared, ciphertext, err := testkit.MLKEMEncapsulate(ch.Bytes("mlkem768_ek"), draw(32))
	x25519 := testkit.X25519Shared(private, ch.Bytes("x25519"))
	if err != nil || bytes.Equal(x25519, make([]byte, 32)) {
		return nil
	}
	own.id = testkit.Uint(draw(6)) | 1
	own.clientTime, own.clientAt = ch.Uint("client_time"), time.Now()
	sh := testkit.Compose("server_hello").SetUint("version", 1).SetUint("suite", 1).SetUint("session_id", own.id).
		SetUint("server_time", now()).Set("random", draw(32)).Set("x25519", testkit.X25519Public(private)).
		Set("mlkem768_ct", ciphertext)
	own.serverHello = sh.Encode()
	own.schedule = testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": shared, "x25519_ss": x25519,
		"CH": testkit.TranscriptMessage(hsClientHello, body), "SH": testkit.TranscriptMessage(hsServerHello, own.serverHello),
	})
	own.flight = s.flight(own, ch.Uint("flags")&1 != 0)
	own.roots = [][]byte{own.schedule.Value("root_0")}
	own.attempts = map[int]int64{}
	s.sessions[own.id] = own
	return own
}

// flight is the body of ServerFlight.
func (s *Server) flight(own *session, withKey bool) []byte {
	params := testkit.Compose("server_params").SetUint("max_payload", 16<<20).SetUint("idle_timeout_ms", 300_000).
		SetUint("key_rotation_s", 86_400).SetUint("max_datagram", 1200).SetUint("policy", 6).SetUint("reassembly_bytes", 262_144).
		Set("reset_token", testkit.ResetToken(s.resetKey, testkit.PutUint(own.id, 8)))
	si := testkit.Compose("server_identity").SetUint("kind", uint64(s.Identity.Kind())).Set("fingerprint", s.Identity.Fingerprint()).
		Set("params", params.Encode())
	if withKey {
		si.SetUint("flags", 1).Set("identity_key", s.Identity.KeyBytes())
	}
	d := own.schedule
	d.Set("SI", testkit.TranscriptMessage(0x41, si.Encode()))
	d.Set("SS", testkit.TranscriptMessage(0x42, s.Identity.Sign(d.Value("server_signature_input"))))
	return slices.Concat(d.Value("SI"), d.Value("SS"), testkit.TranscriptMessage(0x43, d.Value("sf_mac")))
}
