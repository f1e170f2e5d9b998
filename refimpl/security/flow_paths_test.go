package security

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/bpci/xtmp/refimpl/wire"
)

// bodyOf puts together the body of a handshake message, whether a connection or
// datagrams have carried it.
func (d *derivation) bodyOf(t wire.HSType) []byte {
	d.t.Helper()
	var body []byte
	for i := range d.v.Steps {
		piece, index, ok := d.handshakePiece(i, t)
		switch {
		case ok && index == 0: // of a ClientHello, a second time: behind Retry
			body = bytes.Clone(piece)
		case ok:
			body = append(body, piece...)
		}
	}
	return body
}

// handshakePiece returns what frame i carries of the body of a handshake message.
func (d *derivation) handshakePiece(i int, t wire.HSType) (piece []byte, index int, ok bool) {
	d.t.Helper()
	step := d.v.Steps[i]
	var h wire.Header
	h.Decode(step.Frame)
	if h.Type > wire.TypeHandshakeAck {
		return nil, 0, false
	}
	piece = step.Plaintext
	if h.Clear() {
		piece = step.Frame[wire.Overhead:]
	}
	var pro wire.Prologue
	piece, err := pro.Parse(h.Flags, piece)
	if err != nil {
		d.t.Fatal(err)
	}
	if pro.Index > 0 { // of a message that is cut as any other is: its envelope is in the first fragment
		_, _, ok = d.handshakePiece(i-1, t)
		return piece, int(pro.Index), ok
	}
	tokenLen := int(piece[3])
	return piece[wire.EnvelopeSize+tokenLen:], int(piece[1]), piece[0] == byte(t)
}

// flowTokens makes the tokens of a session on UDP again, of their heads.
func (d *derivation) flowTokens() {
	b := d.given("client_address")
	if b == nil {
		return
	}
	from := netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), binary.BigEndian.Uint16(b[16:]))
	for name, key := range map[string]string{"cookie": "cookie_key", "address_token": "address_token_key"} {
		if want := d.v.ResultValue(name); want != nil {
			mac := newTokens().mac(hmac.New(sha256.New, d.given(key)), want[:tokenClear], from, binary.BigEndian.Uint64(d.given("handshake_id")))
			d.check(name, append(bytes.Clone(want[:tokenClear]), mac...))
		}
	}
}

// flowPaths derives the attach slots of every epoch, and the keys of the paths that were
// attached in it and before.
func (d *derivation) flowPaths(roots []*Secret) {
	var binders []Digest
	var attach []byte
	for i := range d.v.Steps {
		if body, _, ok := d.handshakePiece(i, wire.HSAttach); ok {
			attach = body
		}
		if body, _, ok := d.handshakePiece(i, wire.HSAttachAck); ok {
			binders = append(binders, PathBinder(attach, body))
			d.check(fmt.Sprintf("binder_%d", len(binders)), binders[len(binders)-1][:])
		}
	}
	for epoch, root := range roots {
		name := func(slot string) string {
			if epoch > 0 {
				slot += fmt.Sprintf(".e%d", epoch)
			}
			return slot
		}
		c, s := AttachSecrets(root)
		d.keys(name("at.c"), c)
		d.keys(name("at.s"), s)
		for i, binder := range binders {
			c, s := PathSecrets(root, binder)
			d.keys(name(fmt.Sprintf("p%d.c", i+1)), c)
			d.keys(name(fmt.Sprintf("p%d.s", i+1)), s)
		}
	}
}
