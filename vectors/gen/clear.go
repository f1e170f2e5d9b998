package main

import (
	"strings"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// clearVectors put something into the fields that a clear frame leaves zero, and
// send clear frames where none is expected.
func clearVectors() []vectors.Vector {
	all := []vectors.Vector{
		hello("clear/session-id").header(setUint("session_id", 1)).
			invalid("silent", "check6", "HDR-017 ORD-015", "A ClientHello with a session_id."),
		hello("clear/sequence").header(setUint("sequence_number", 1)).
			invalid("silent", "check9", "HDR-029 ORD-023", "A ClientHello with sequence number 1."),
		hello("clear/nonce-first").header(flip("nonce", 8*23)).
			invalid("silent", "check6", "HDR-029 HDR-033", "key_id is zero, the first byte of the nonce is not."),
		hello("clear/nonce-last").header(flip("nonce", 0)).
			invalid("silent", "check6", "HDR-029 HDR-033", "key_id is zero, the last byte of the nonce is not."),
		hello("clear/tag").header(flip("auth_tag", 0)).
			invalid("silent", "check6", "HDR-029 HDR-033", "key_id is zero, auth_tag is not."),
		hello("clear/key-id").header(flip("key_id", 0)).
			invalid("silent", "check6", "HDR-029 HSK-064", "A first frame with a key_id is not clear."),
		hello("clear/suite").header(setUint("encryption_type", 1)).
			invalid("silent", "check3", "HDR-029 FLG-016", "encryption_type 1 without ENCRYPTED."),
		hello("clear/suite-and-encrypted").header(setUint("encryption_type", 1)).header(setUint("flags", uint64(flags("ENCRYPTED")))).
			invalid("silent", "check3", "FLG-015", "key_id is zero and ENCRYPTED is set."),
		hello("clear/undefined-flag").header(setUint("flags", 0x0080)).
			invalid("silent", "check3", "FLG-002 FLG-015", "An undefined flag in a clear frame."),
		clearFrame("clear/hello-in-session", "client", typeHandshake).
			invalid("silent", "check6", "ORD-028", "A ClientHello on an established session."),
		clearFrame("clear/error-in-session", "server", typeError).
			invalid("silent", "check6", "HDR-031 ORD-028", "A clear Error on an established session is not believed."),
		clearFrame("clear/heartbeat-in-session", "client", typeHeartbeat).
			invalid("silent", "check6", "HDR-031 ORD-028", "A clear Heartbeat."),
	}
	for _, name := range []string{"ENCRYPTED", "REQUIRES_ACK", "PRIORITY", "STREAMING", "COMPRESSED", "FRAGMENT", "REPLY"} {
		id := "clear/flag-" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		all = append(all, hello(id).header(setUint("flags", uint64(flags(name)))).
			invalid("silent", "check3", "HDR-030 FLG-015", name+" in a clear frame."))
	}
	return all
}

// clearFrame is a frame without key on an established session.
func clearFrame(id, from string, messageType uint8) *scenario {
	s := established(id, from, messageType, 0, nil)
	s.draft.Keys = nil
	switch messageType {
	case typeHandshake:
		core := &handshake{inputs: readInputs("core")}
		d := core.clientHello()
		s.draft.Plaintext, s.draft.Body = d.Plaintext, d.Body
	case typeError:
		s.draft.Body = testkit.Compose("error").SetUint("code", 7).SetUint("scope", 1).SetUint("ref_seq", none)
	default:
		s.draft.Plaintext.Body = []byte{0}
	}
	return s
}
