package main

import (
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// messageVectors are about prologue, mid and types that the receiver does not
// implement.
func messageVectors() []vectors.Vector {
	reliable := flags("REQUIRES_ACK")
	withMid := func(id string, messageType uint8, base, mid uint64) *scenario {
		return toServer("message/"+id, messageType, reliable, []byte("hello")).knows("base", base).prologue(setUint("mid", mid))
	}
	bare := func(id string, messageType uint8, flags uint16, plaintext []byte) *scenario {
		return toServer("message/"+id, messageType, flags, nil).raw(plaintext)
	}
	all := []vectors.Vector{
		withMid("first", typeUnknown, 1, 1).valid("reply UNSUPPORTED_TYPE", "MSG-017 MSG-029", "The lowest mid that is not complete."),
		withMid("mid-zero", typeUnknown, 1, 0).invalid("PROTOCOL_VIOLATION", "check13", "HDR-037", "mid 0."),
		withMid("mid-zero-extension", typeExtension, 1, 0).
			invalid("PROTOCOL_VIOLATION", "check13", "HDR-037", "mid 0 is refused on types without meaning too."),
		withMid("window-end", typeUnknown, 5, 5+4095).
			valid("reply UNSUPPORTED_TYPE", "MSG-017", "The greatest mid of the window: base + 4095."),
		withMid("beyond-window", typeUnknown, 5, 5+4096).invalid("PROTOCOL_VIOLATION", "check13", "MSG-018", "base + 4096."),
		withMid("beyond-window-extension", typeExtension, 5, 5+4096).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-018 TYP-010", "base + 4096 on a type without meaning."),
		withMid("mid-all-ones", typeUnknown, 1, 1<<64-1).invalid("PROTOCOL_VIOLATION", "check13", "MSG-018", "mid 2^64 − 1."),
		withMid("repeated", typeUnknown, 5, 4).valid("Ack", "MSG-019 MSG-020", "A complete mid is acknowledged and not answered again."),
		withMid("repeated-first", typeExtension, 5, 1).valid("Ack", "MSG-019 MSG-020", "The first mid again, on another type."),
		bare("no-prologue", typeUnknown, reliable, nil).
			invalid("PROTOCOL_VIOLATION", "check13", "HDR-035 HDR-036", "REQUIRES_ACK and no byte of mid."),
		bare("short-mid", typeUnknown, reliable, make([]byte, 7)).
			invalid("PROTOCOL_VIOLATION", "check13", "HDR-035 HDR-036", "Seven bytes of mid."),
		bare("short-prologue-extension", typeExtension, reliable|flags("REPLY", "STREAMING"), counting(27)).
			invalid("PROTOCOL_VIOLATION", "check13", "HDR-036", "27 of 28 bytes of prologue, on a type without meaning."),
		bare("prologue-alone", typeUnknown, reliable, testkit.PutUint(1, 8)).
			valid("reply UNSUPPORTED_TYPE", "HDR-035 MSG-029", "A request without a body."),
		toServer("message/without-mid", typeUnknown, 0, []byte("hello")).
			valid("Error UNSUPPORTED_TYPE", "MSG-030 MSG-032", "Neither REQUIRES_ACK nor STREAMING: an unsolicited Error of scope 0."),
	}
	return append(all, clientMessages()...)
}

// clientMessages arrive at a client that has sent one request of type 0x50, mid 1.
func clientMessages() []vectors.Vector {
	reply := func(id string, messageType uint8, replyTo uint64) *scenario {
		s := toClient("message/client-"+id, messageType, flags("REQUIRES_ACK", "REPLY"), []byte("answer"))
		return s.knows("sent_mid", 1).given("sent_type", []byte{typeUnknown}).prologue(setUint("reply_to", replyTo))
	}
	return []vectors.Vector{
		reply("reply", typeUnknown, 1).valid("Ack", "MSG-006", "A reply of the type of its request."),
		reply("reply-of-other-type", typeUnknown+1, 1).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-002 MSG-008", "A reply of another type."),
		reply("reply-to-nothing", typeUnknown, 2).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-003 MSG-007", "reply_to names a request that was never sent."),
		reply("reply-to-zero", typeUnknown, 0).invalid("PROTOCOL_VIOLATION", "check13", "MSG-007", "reply_to 0."),
		reply("repeated", typeUnknown, 1).prologue(setUint("mid", 1)).
			valid("Ack", "MSG-019 MSG-020", "A complete mid: acknowledged, not delivered."),
		toClient("message/client-unknown-reliable", typeUnknown, flags("REQUIRES_ACK"), []byte("?")).
			invalid("PROTOCOL_VIOLATION", "check13", "MSG-036", "A reliable message of an unknown type that answers nothing."),
		toClient("message/client-unknown-push", typeUnknown, flags("STREAMING"), []byte("?")).
			valid("nothing", "MSG-035", "A push of an unknown type is ignored."),
		toClient("message/client-unknown-bare", typeUnknown, 0, []byte("?")).
			valid("nothing", "MSG-035", "A message without mid of an unknown type is ignored."),
		toClient("message/client-extension-reliable", typeExtension, flags("REQUIRES_ACK"), []byte("?")).
			valid("Ack", "TYP-010 TYP-011", "A client acknowledges and discards a type without meaning."),
	}
}
