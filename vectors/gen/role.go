package main

import (
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// roleVectors open and are of a type, flags or hs_type that their sender's role does
// not have.
func roleVectors() []vectors.Vector {
	reliable := flags("REQUIRES_ACK")
	serverSide := func(id string, messageType uint8, hsType uint64) *scenario {
		return toServer("role/"+id, messageType, reliable, make([]byte, 56)).envelope(setUint("hs_type", hsType))
	}
	clientSide := func(id string, messageType uint8, flags uint16, hsType uint64) *scenario {
		return toClient("role/client-"+id, messageType, flags, make([]byte, 56)).envelope(setUint("hs_type", hsType))
	}
	return []vectors.Vector{
		serverSide("handshake-done-from-client", typeHandshakeAck, 6).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-037 FLG-017", "A client sends the server's type."),
		serverSide("handshake-done-repeated-mid", typeHandshakeAck, 6).knows("base", 2).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-037 ORD-027", "The role is judged before mid: a complete mid does not excuse it."),
		serverSide("rekey-init", typeHandshake, 32).
			invalid("PROTOCOL_VIOLATION", "check13", "ERR-021", "A RekeyInit of 56 bytes."),
		serverSide("client-hello", typeHandshake, 1).
			invalid("UNEXPECTED_MESSAGE", "check13", "RKY-037 HSK-089", "A ClientHello under a path key."),
		serverSide("rekey-repeated-mid", typeHandshake, 32).knows("base", 2).
			valid("Ack", "MSG-019 ORD-027", "hs_type is judged after mid: a complete mid is acknowledged and discarded."),
		serverSide("bad-envelope", typeHandshake, 32).envelope(setUint("frag_count", 2)).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-039 ENV-007", "A bad envelope under a path key."),
		toServer("role/short-envelope", typeHandshake, reliable, nil).raw(append(testkit.PutUint(1, 8), make([]byte, 15)...)).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-039", "15 bytes of envelope."),
		toServer("role/rekey-fragment", typeHandshake, reliable|flags("FRAGMENT"), []byte("part")).
			prologue(setUint("index", 1)).prologue(setUint("count", 2)).
			valid("Ack", "RKY-009 FRG-012", "A fragment of type 0x01 is not searched for an envelope."),
		toServer("role/reply-from-client", typeUnknown, reliable|flags("REPLY"), []byte("answer")).prologue(setUint("reply_to", 1)).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-038 FLG-017", "A client replies."),
		clientSide("request-type", typeHandshake, reliable, 32).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-042", "A server sends the client's type."),
		clientSide("rekey-resp", typeHandshakeAck, reliable|flags("REPLY"), 33).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-043", "A rekey that nobody began."),
		clientSide("bad-envelope", typeHandshakeAck, reliable, 6).envelope(setUint("total_len", 55)).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-044 ENV-010", "A bad envelope under a path key."),
		clientSide("unknown-hs-type", typeHandshakeAck, reliable, 7).
			invalid("UNEXPECTED_MESSAGE", "check13", "MSG-045", "An hs_type that does not belong there."),
		clientSide("second-handshake-done", typeHandshakeAck, reliable, 6).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-061", "HandshakeDone again, under a new mid."),
		clientSide("handshake-done-again", typeHandshakeAck, reliable, 6).prologue(setUint("mid", 1)).
			valid("Ack", "MSG-019 ORD-027", "HandshakeDone again, under its own mid: acknowledged and discarded."),
	}
}
