package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
)

// typeVectors stand on both sides of the edge of every range of types.
func typeVectors() []vectors.Vector {
	var all []vectors.Vector
	for _, t := range []uint8{0x00, 0xF0, 0xFD, 0xFF} {
		all = append(all, toServer(fmt.Sprintf("type/%02x", t), t, 0, []byte{0}).
			invalid("silent", "check3", "TYP-001 TYP-005", fmt.Sprintf("Type 0x%02X is never sent.", t)))
	}
	for _, t := range []uint8{0x06, 0x0F, 0x14, 0x1F, 0x24, 0x2F, 0x33, 0x3F, 0x43, 0x4F, 0x50, 0x6F, 0x71, 0x7F} {
		all = append(all, toServer(fmt.Sprintf("type/%02x", t), t, flags("REQUIRES_ACK"), []byte("hello")).
			valid("reply UNSUPPORTED_TYPE", "TYP-007 MSG-029", fmt.Sprintf("A request of type 0x%02X, which has no name.", t)))
	}
	all = append(all, toServer("type/70", typeProbe, flags("REQUIRES_ACK"), []byte("hello")).
		conditional("probe", "reply UNSUPPORTED_TYPE", "PRB-001 MSG-029", "A request of type 0x70 at a server without Probe."))
	for _, named := range []struct {
		t       uint8
		feature string
	}{{0x10, "wallet"}, {0x13, "wallet"}, {0x20, "bundle"}, {0x30, "registry"}, {0x40, "streams"}} {
		all = append(all, toServer(fmt.Sprintf("type/%02x", named.t), named.t, flags("REQUIRES_ACK"), []byte("hello")).
			conditional(named.feature, "reply UNSUPPORTED_TYPE", "TYP-007 MSG-029",
				fmt.Sprintf("A request of type 0x%02X at a server without %s.", named.t, named.feature)))
	}
	for _, t := range []uint8{0x80, 0xEF} {
		all = append(all,
			toServer(fmt.Sprintf("type/%02x", t), t, 0, []byte("no meaning")).
				valid("nothing", "TYP-009 TYP-011", fmt.Sprintf("A frame of type 0x%02X is discarded.", t)),
			toServer(fmt.Sprintf("type/%02x-reliable", t), t, flags("REQUIRES_ACK"), []byte("no meaning")).
				valid("Ack", "TYP-009 TYP-010", fmt.Sprintf("A reliable frame of type 0x%02X is acknowledged and discarded.", t)))
	}
	for _, t := range []uint8{0x00, 0x03, 0x05, 0x06, 0x50, 0x7F, 0x80, 0xEF, 0xF0, 0xFD, 0xFF} {
		all = append(all, firstOfType(fmt.Sprintf("type/first-%02x", t), t).
			invalid("silent", "check3", "TYP-005 TYP-006", fmt.Sprintf("Type 0x%02X while no session exists.", t)))
	}
	all = append(all,
		firstOfType("type/first-02", typeHandshakeAck).
			invalid("MALFORMED", "form", "HSK-066", "A first frame of the server's type."),
		firstOfType("type/first-fe", typeError).
			invalid("silent", "check13", "HSK-065 ERR-003", "An Error as first frame is not answered by an Error."))
	for _, t := range []uint8{typeHandshakeAck, typeHeartbeat, typeUnknown, typeExtension, typeError} {
		all = append(all, halfOpenOfType(fmt.Sprintf("type/half-open-%02x", t), t).
			invalid("silent", "check3", "ORD-008 HSK-049", fmt.Sprintf("Type 0x%02X in place of ClientFinish.", t)))
	}
	return all
}

// firstOfType is a ClientHello in a clear frame of another type.
func firstOfType(id string, messageType uint8) *scenario {
	return hello(id).header(setUint("message_type", uint64(messageType)))
}

// halfOpenOfType is ClientFinish in a frame of another type.
func halfOpenOfType(id string, messageType uint8) *scenario {
	return finish(id).header(setUint("message_type", uint64(messageType)))
}
