package main

import (
	"bytes"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// firstOnPath starts the first frame under p0.s, at a client that has sent
// ClientFinish.
func firstOnPath(id string, messageType uint8, flags uint16, body []byte) *scenario {
	s := established(id, "server", messageType, flags, body)
	s.State = "finished"
	s.draft.Sequence = 0
	s.draft.Plaintext.Prologue.DefaultUint("mid", 1)
	return s.knows("sequence", 0).knows("last_sent", 0).knows("handshake_id", handshakeID)
}

func handshakeDoneVectors() []vectors.Vector {
	done := func(id string) *scenario {
		s := firstOnPath("handshake-done/"+id, typeHandshakeAck, flags("REQUIRES_ACK"), nil)
		s.draft.Body = testkit.Compose("handshake_done").SetUint("server_time", clock)
		return s.envelope(setUint("hs_type", 6))
	}
	unsolicited := func(id string, code, scope uint64) *scenario {
		return firstOnPath("handshake-done/"+id, typeError, 0, errorBody(code, scope).Encode())
	}
	return []vectors.Vector{
		done("plain").valid("Ack", "HSK-053 HSK-054 HSK-055", "A HandshakeDone with nothing special."),
		done("token").body(set("address_token", bytes.Repeat([]byte{0xEE}, 48))).
			valid("Ack", "HSK-062", "A client accepts any address_token."),
		done("time-zero").body(setUint("server_time", 0)).
			valid("Ack", "HSK-056", "The client does not judge server_time of HandshakeDone."),
		done("handshake-id").envelope(flip("handshake_id", 0)).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-060 ENV-005", "Another handshake_id."),
		done("55-bytes").body(set("address_token", make([]byte, 47))).
			invalid("PROTOCOL_VIOLATION", "check13", "ERR-022", "One byte is missing."),
		done("57-bytes").trailing([]byte{0}).invalid("PROTOCOL_VIOLATION", "check13", "ERR-022", "One byte too many."),
		done("mid-2").prologue(setUint("mid", 2)).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-059", "The first frame is HandshakeDone with mid 2."),
		firstOnPath("handshake-done/ping-first", typeHeartbeat, 0, []byte{kindPing}).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-059", "A PING as first frame."),
		firstOnPath("handshake-done/disconnect-first", typeDisconnect, 0, make([]byte, 18)).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-059", "A Disconnect as first frame."),
		firstOnPath("handshake-done/extension-first", typeExtension, 0, nil).
			invalid("UNEXPECTED_MESSAGE", "check13", "HSK-059", "A frame without meaning as first frame."),
		unsolicited("error-clock-skew", 6, 2).valid("end", "HSK-057 HSK-063", "CLOCK_SKEW in place of HandshakeDone."),
		unsolicited("error-scope-0", 9, 0).
			valid("end", "HSK-063", "An unsolicited Error as first frame ends the session whatever its scope."),
	}
}
