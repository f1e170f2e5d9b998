package main

import (
	"fmt"
	"net/netip"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// address is where the client is at first.
func (u *udpInputs) address() netip.AddrPort { return netip.MustParseAddrPort(u.Client) }

// seal returns a token of a kind.
func (in *tokenInputs) seal(kind uint64, client netip.AddrPort, binding []byte) []byte {
	m := testkit.Compose("token").SetUint("key_gen", in.KeyGen).SetUint("kind", kind).SetUint("expiry", in.Expiry).Set("salt", in.Salt)
	return testkit.SealToken(in.Key, m, client.Addr(), binding)
}

// token returns the named token of a flow, nothing for "".
func (h *handshake) token(name string) []byte {
	switch name {
	case "cookie":
		return h.UDP.Cookie.seal(testkit.TokenCookie, h.UDP.address(), testkit.CookieBinding(h.UDP.address().Port(), h.Client.HandshakeID))
	case "address_token":
		return h.UDP.AddressToken.seal(testkit.TokenAddress, h.UDP.address(), nil)
	}
	return nil
}

// retry returns the draft of Retry.
func (h *handshake) retry() *testkit.Draft {
	d := testkit.NewDraft(typeHandshakeAck, 0, 0)
	d.Plaintext.Envelope.DefaultUint("hs_type", 2).Default("handshake_id", h.Client.HandshakeID)
	d.Plaintext.Body = h.token("cookie")
	return d
}

// messageOf returns envelope and body of the message that a frame carries, or the
// piece of it, nothing for a frame whose plaintext is given whole.
func (h *handshake) messageOf(frame frameInputs) []byte {
	var whole []byte
	switch frame.Message {
	case "":
	case "RekeyInit", "RekeyResp":
		whole = h.rekeyMessage(frame.Message)
	case "HandshakeDone":
		body := testkit.Compose("handshake_done").Default("address_token", h.token("address_token")).SetUint("server_time", frame.Stamp)
		whole = h.done(body.Encode())
	case "Attach":
		whole = envelopedAs(typeHandshake, hsAttach, h.Attach[frame.Path-1].HandshakeID, h.Attach[frame.Path-1].body())
	case "AttachAck":
		whole = envelopedAs(typeHandshakeAck, hsAttachAck, h.Attach[frame.Path-1].HandshakeID, h.Attach[frame.Path-1].answer())
	default:
		panic(fmt.Sprintf("gen: there is no message %q", frame.Message))
	}
	if frame.Piece == nil {
		return whole
	}
	prologue := testkit.ComposeFlags("prologue", frame.Flags)
	return testkit.Cut(whole, frameUDP-len(prologue.Encode()))[*frame.Piece]
}

// frameUDP is the payload of a datagram of 1200 bytes.
const frameUDP = 1104

// hs_types of Attach.
const (
	hsAttach    = 16
	hsAttachAck = 17
)

func (h *handshake) done(body []byte) []byte {
	return envelopedAs(typeHandshakeAck, 6, h.Client.HandshakeID, body)
}

func envelopedAs(messageType uint8, hsType uint64, id, body []byte) []byte {
	p := testkit.NewPlaintext(messageType, 0, body)
	p.Envelope.DefaultUint("hs_type", hsType).Default("handshake_id", id)
	return p.Encode()
}

func (a attachInputs) body() []byte {
	return testkit.Compose("attach").SetUint("kind", a.Kind).SetUint("flags", a.Flags).SetUint("counter", a.Counter).
		Set("random", a.Random).SetUint("client_time", a.ClientTime).Encode()
}

func (a attachInputs) answer() []byte {
	return testkit.Compose("attach_ack").SetUint("status", a.Status).SetUint("path_id", a.PathID).
		Set("random", a.ServerRandom).SetUint("server_time", a.ServerTime).Encode()
}

// binder is that of path 0, or of an attached path.
func (h *handshake) binder(path int) []byte {
	if path == 0 {
		return h.schedule.Value("binder_0")
	}
	a := h.Attach[path-1]
	return testkit.Derive("path_binder", testkit.Values{
		"attach": testkit.TranscriptMessage(hsAttach, a.body()), "attach_ack": testkit.TranscriptMessage(hsAttachAck, a.answer()),
	}).Value("binder")
}

// givenUDP lists what is chosen on UDP.
func (h *handshake) givenUDP() []vectors.Value {
	if h.UDP == nil {
		return nil
	}
	client := h.UDP.address()
	values := []vectors.Value{{
		Name: "client_address", Bytes: append(testkit.ClientIP(client.Addr()), testkit.PutUint(uint64(client.Port()), 2)...),
	}}
	if h.UDP.Cookie != nil {
		values = append(values, vectors.Value{Name: "cookie_key", Bytes: h.UDP.Cookie.Key})
	}
	return append(values, vectors.Value{Name: "address_token_key", Bytes: h.UDP.AddressToken.Key})
}

// pathResults are the tokens, and the binders of attached paths.
func (h *handshake) pathResults() []vectors.Value {
	var values []vectors.Value
	if h.UDP != nil {
		if h.UDP.Cookie != nil {
			values = append(values, vectors.Value{Name: "cookie", Bytes: h.token("cookie")})
		}
		values = append(values, vectors.Value{Name: "address_token", Bytes: h.token("address_token")})
	}
	for i := range h.Attach {
		values = append(values, vectors.Value{Name: fmt.Sprintf("binder_%d", i+1), Bytes: h.binder(i + 1)})
	}
	return values
}
