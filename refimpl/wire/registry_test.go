package wire

import (
	"testing"

	"github.com/bpci/xtmp/spec"
)

// TestConstantsEqualRegistry compares every constant of this package that the
// specification also holds as data, both ways where the registry is a list.
func TestConstantsEqualRegistry(t *testing.T) {
	r := spec.Default()
	types := map[uint8]string{}
	for _, m := range r.Types {
		types[m.Code] = m.Name
		if got := MessageType(m.Code).String(); got != m.Name {
			t.Errorf("type 0x%02x is %q here, %q in the registry", m.Code, got, m.Name)
		}
	}
	for code := range 256 {
		named := MessageType(code).String() != "type 0x"+hex2(code)
		if _, listed := types[uint8(code)]; named != listed {
			t.Errorf("type 0x%02x: named here %v, listed in the registry %v", code, named, listed)
		}
	}
	var defined Flags
	for _, f := range r.Flags {
		defined |= Flags(f.Value)
		if got := Flags(f.Value).String(); got != f.Name {
			t.Errorf("flag 0x%04x is %q here, %q in the registry", f.Value, got, f.Name)
		}
	}
	if defined != flagsDefined {
		t.Errorf("defined flags 0x%04x here, 0x%04x in the registry", flagsDefined, defined)
	}
	listed := map[Code]bool{}
	for _, e := range r.Errors {
		c := Code(e.Code)
		listed[c] = true
		if c.String() != e.Name || c.Class().String() != e.Class {
			t.Errorf("error 0x%02x is %v (%v) here, %s (%s) in the registry", e.Code, c, c.Class(), e.Name, e.Class)
		}
	}
	for c := Code(1); c < 0x200; c++ {
		if _, known := c.info(); known != listed[c] {
			t.Errorf("error 0x%02x: known here %v, listed in the registry %v", uint16(c), known, listed[c])
		}
	}
	for _, k := range r.HeartbeatKinds {
		want := map[string]HeartbeatKind{
			"PING": Ping, "PONG": Pong, "PATH_CHALLENGE": PathChallenge, "PATH_RESPONSE": PathResponse, "REKEY_REQUEST": RekeyRequest,
		}
		if got, ok := want[k.Name]; !ok || int(got) != int(k.Value) {
			t.Errorf("heartbeat kind %d %s", k.Value, k.Name)
		}
	}
}

func hex2(n int) string { return string("0123456789abcdef"[n>>4]) + string("0123456789abcdef"[n&15]) }

// emptyTLVs is the size of a TLV block without entries.
const emptyTLVs = 2

// TestListsEqualRegistry compares suites, handshake and flight messages, and bits.
func TestListsEqualRegistry(t *testing.T) {
	r := spec.Default()
	for _, s := range r.Suites {
		if got := Suite(s.Value).String(); s.Config != "" && got != s.Config {
			t.Errorf("suite %d is %q here, %q in the registry", s.Value, got, s.Config)
		}
	}
	handshakes := map[string]HSType{
		"ClientHello": HSClientHello, "ServerHello": HSServerHello, "ServerFlight": HSServerFlight, "ClientFinish": HSClientFinish,
		"HandshakeDone": HSHandshakeDone, "RekeyInit": HSRekeyInit, "RekeyResp": HSRekeyResp,
		"Retry": HSRetry, "Attach": HSAttach, "AttachAck": HSAttachAck,
	}
	for _, h := range r.HSTypes {
		got, ok := handshakes[h.Name]
		if delete(handshakes, h.Name); !ok || uint8(got) != h.Value {
			t.Errorf("hs_type %d %s is %d here (%v)", h.Value, h.Name, got, ok)
		}
	}
	flight := map[string]uint8{"ServerIdentity": FlightIdentity, "ServerSignature": FlightSignature, "ServerFinished": FlightFinished}
	for _, f := range r.FlightTypes {
		got := flight[f.Name]
		if delete(flight, f.Name); got != f.Value {
			t.Errorf("flight type %#x %s is %#x here", f.Value, f.Name, got)
		}
	}
	bits := map[string]uint16{
		"client_hello.flags.include_key": HelloWantKey, "client_hello.flags.accept_deflate": HelloDeflate,
		"server_identity.flags.key_included": identityHasKey, "server_params.policy.auth_required": PolicyWalletAuth,
		"server_params.policy.attach_udp": PolicyAttachUDP, "server_params.policy.attach_tcp": PolicyAttachTCP,
		"server_params.policy.accept_deflate": PolicyDeflate, "error.flags.token": errorHasToken,
	}
	for _, b := range r.Bits {
		name := b.Layout + "." + b.Field + "." + b.Name
		got, ok := bits[name]
		if delete(bits, name); ok != (b.Layout != "") || ok && got != b.Value {
			t.Errorf("bit %s is %#x here, %#x in the registry", name, got, b.Value)
		}
	}
	if len(handshakes)+len(flight)+len(bits) != 0 {
		t.Errorf("not in the registry: %v %v %v", handshakes, flight, bits)
	}
}

// TestSizesEqualRegistry compares layouts.
func TestSizesEqualRegistry(t *testing.T) {
	r := spec.Default()
	for name, want := range map[string]int{
		"frame": Overhead, "envelope": EnvelopeSize, "client_hello": ClientHelloSize - emptyTLVs, "server_hello": ServerHelloSize - emptyTLVs,
		"flight_message": MessageHeader, "server_identity": identityFixed - ParamsSize, "server_params": ParamsSize,
		"server_signature_1": Ed25519Signature, "server_finished": MACSize, "client_finish": MACSize, "handshake_done": HandshakeDoneSize,
		"heartbeat": 1, "disconnect": DisconnectSize, "ack": AckSize, "error": len((&Error{}).Append(nil)),
		"rekey_init": RekeyInitSize, "rekey_resp": RekeyRespSize, "probe": ProbeHeader,
		"token": TokenSize, "attach": AttachSize, "attach_ack": AttachAckSize, "attach_endpoint": endpointFixed,
	} {
		l, ok := r.Layout(name)
		if !ok {
			t.Errorf("no layout %s", name)
			continue
		}
		if got := l.Prefix(); got != want && l.Size != want {
			t.Errorf("%s: %d here, prefix %d size %d in the registry", name, want, got, l.Size)
		}
	}
	for name, want := range map[string]uint64{
		"payload_max": MaxPayload, "handshake_message": MaxHandshakeMessage, "heartbeat_payload_max": MaxHeartbeat,
		"error_text": MaxErrorText, "sequence_end": MaxSequence, "aad": AADSize, "nonce": NonceSize, "tag": TagSize,
		"frame_header": Overhead, "rekey_message": EnvelopeSize + MaxHandshakeMessage,
		"handshake_fragment": HandshakeFragment, "handshake_fragments": MaxFragments, "token_udp": TokenSize,
	} {
		l, ok := r.Limit(name)
		if !ok || l.Value != want {
			t.Errorf("%s: %d here, %v in the registry", name, want, l.Value)
		}
	}
}

// TestFlagsEqualMatrix judges every type and every combination of flags by the
// registry's matrix and by LegalFlags.
func TestFlagsEqualMatrix(t *testing.T) {
	r := spec.Default()
	for code := 1; code < 256; code++ {
		typ := MessageType(code)
		if typ.Reserved() {
			continue
		}
		for f := Flags(0); f <= flagsDefined; f += 2 { // ENCRYPTED follows the suite
			want := false
			for _, row := range r.FlagMatrix {
				want = want || matches(row, uint8(code), f)
			}
			if got := LegalFlags(typ, f); got != want {
				t.Errorf("%v with %v: legal %v here, %v in the matrix", typ, f, got, want)
			}
		}
	}
}

// matches reports whether a row for sealed frames allows flags f on a type.
func matches(row spec.FlagRow, code uint8, f Flags) bool {
	if len(row.Slots) == 1 && row.Slots[0] == "clear" {
		return false
	}
	in := false
	for _, span := range row.Types {
		in = in || code >= span.From && code <= span.To
	}
	if !in {
		return false
	}
	for _, c := range []struct {
		bit  Flags
		rule spec.FlagRule
	}{
		{FlagRequiresAck, row.RequiresAck},
		{FlagReply, row.Reply},
		{FlagStreaming, row.Streaming},
		{FlagPriority, row.Priority},
		{FlagFragment, row.Fragment},
		{FlagCompressed, row.Compressed},
	} {
		if c.rule == "set" && f&c.bit == 0 || c.rule == "clear" && f&c.bit != 0 {
			return false
		}
	}
	return true
}
