package main

import (
	"fmt"
	"strings"

	"github.com/bpci/xtmp/vectors"
)

// flagVectors break each row of the flag matrix, and keep to it at the edges.
func flagVectors() []vectors.Vector {
	var all []vectors.Vector
	for bit := uint64(0x0080); bit <= 0x8000; bit <<= 1 {
		all = append(all, ping(fmt.Sprintf("flags/undefined-%04x", bit)).header(setUint("flags", 1|bit)).
			invalid("silent", "check3", "FLG-001 FLG-002", fmt.Sprintf("Bit 0x%04X is not defined.", bit)))
	}
	for _, t := range []uint8{typeHeartbeat, typeDisconnect, typeAck} {
		for _, flag := range []string{"REQUIRES_ACK", "REPLY", "STREAMING", "FRAGMENT", "COMPRESSED"} {
			all = append(all, flagged(t, flag).
				invalid("silent", "check3", "FLG-004 FLG-005", fmt.Sprintf("Type 0x%02X never has %s.", t, flag)))
		}
	}
	for _, refused := range []struct {
		messageType uint8
		flags, req  string
	}{
		{typeHandshake, "REQUIRES_ACK STREAMING", "FLG-011"},
		{typeHandshake, "REQUIRES_ACK REPLY", "FLG-012"},
		{typeHandshake, "FRAGMENT", "FLG-014"},
		{typeHandshake, "REQUIRES_ACK COMPRESSED", "FLG-008"},
		{typeHandshakeAck, "REQUIRES_ACK STREAMING", "FLG-011"},
		{typeHandshakeAck, "REPLY", "FLG-013"},
		{typeHandshakeAck, "REQUIRES_ACK FRAGMENT", "FLG-013"},
		{0x06, "REQUIRES_ACK COMPRESSED", "FLG-008"},
		{0x13, "REQUIRES_ACK COMPRESSED", "FLG-008"},
		{typeUnknown, "REPLY", "FLG-010"},
		{typeUnknown, "REQUIRES_ACK STREAMING", "FLG-009"},
		{typeUnknown, "REPLY STREAMING", "FLG-009"},
		{typeError, "REQUIRES_ACK", "FLG-006"},
		{typeError, "REPLY", "FLG-006"},
		{typeError, "STREAMING", "FLG-007"},
		{typeError, "FRAGMENT", "FLG-007"},
		{typeError, "COMPRESSED", "FLG-007"},
		{typeError, "REQUIRES_ACK REPLY COMPRESSED", "FLG-007"},
	} {
		all = append(all, flagged(refused.messageType, refused.flags).
			invalid("silent", "check3", "FLG-004 "+refused.req, fmt.Sprintf("Type 0x%02X with %s.", refused.messageType, refused.flags)))
	}
	return append(all, allowedFlags()...)
}

// flagged is a frame with flags, its prologue as they call for, and a short body.
func flagged(messageType uint8, names string) *scenario {
	id := fmt.Sprintf("flags/%02x-%s", messageType, strings.ToLower(strings.NewReplacer(" ", "-", "_", "-").Replace(names)))
	return toServer(id, messageType, flags(strings.Fields(names)...), []byte{0})
}

func allowedFlags() []vectors.Vector {
	everything := flags("REQUIRES_ACK", "REPLY", "STREAMING", "PRIORITY", "COMPRESSED", "FRAGMENT")
	return []vectors.Vector{
		toServer("flags/priority", typeHeartbeat, flags("PRIORITY"), []byte{0}).
			valid("PONG", "FLG-018 MSG-050", "PRIORITY changes nothing at the receiver."),
		toServer("flags/request-compressed", 0x14, flags("REQUIRES_ACK", "COMPRESSED"), []byte{3, 0}).
			valid("reply UNSUPPORTED_TYPE", "FLG-008 MSG-034", "From 0x14 on a request may be COMPRESSED; its type is judged first."),
		toServer("flags/request-fragment", typeUnknown, flags("REQUIRES_ACK", "FRAGMENT"), []byte("part")).
			prologue(setUint("frag_id", 1)).prologue(setUint("count", 3)).prologue(setUint("index", 2)).
			valid("reply UNSUPPORTED_TYPE", "MSG-033 MSG-034",
				"A fragmented request of an unknown type is answered at whichever fragment comes first."),
		toServer("flags/push-unknown", typeUnknown, flags("STREAMING"), []byte("push")).
			valid("nothing", "MSG-031", "A push of an unknown type is ignored."),
		toServer("flags/extension-everything", typeExtension, everything, []byte("no meaning")).
			valid("Ack", "TYP-010 TYP-012", "Every flag and the longest prologue, 40 bytes, on a type without meaning."),
		ping("flags/encrypted-without-suite").header(setUint("encryption_type", 0)).
			invalid("silent", "check3", "HDR-028 FLG-016", "ENCRYPTED is set and encryption_type is 0."),
		ping("flags/suite-without-encrypted").header(setUint("flags", 0)).
			invalid("silent", "check3", "HDR-028 FLG-016", "ENCRYPTED is clear and encryption_type is 1."),
	}
}
