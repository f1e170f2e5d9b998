package cases

import (
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// orderOfChecks returns the cases of chapter 7: the first frame, the half-open
// connection, the session, and what is judged before what.
func orderOfChecks() []conformance.Case {
	return slices.Concat(orderFirst(), orderHalfOpen(), orderSession(), orderMeaning(), orderTime())
}

// spoilFrame writes the defects that a param lists, joined by "+", into a frame. All but
// the checksum and the tag are made before sealing, so that nothing else is wrong:
// a receiver that overlooks the defect opens the frame and serves it.
func spoilFrame(x *conformance.Exchange, d *peer.Draft, defects string) {
	h := d.Frame.Header
	for _, defect := range strings.Split(defects, "+") {
		switch defect {
		case "magic":
			h.Set("magic", []byte("XTMQ"))
		case "version":
			h.SetUint("version", 2)
		case "type":
			h.SetUint("message_type", 0xFF)
		case "flag":
			h.SetUint("flags", uint64(d.Frame.Flags()|flag("ENCRYPTED")|0x0080))
		case "session_id":
			h.SetUint("session_id", h.Uint("session_id")^1)
		case "key_id":
			h.Set("key_id", append([]byte{d.Keys.KeyID[0] ^ 1}, d.Keys.KeyID[1:]...))
		case "encryption_type":
			h.SetUint("encryption_type", 2)
		case "timestamp":
			h.SetUint("timestamp", h.Uint("timestamp")+2*uint64(x.AtLeast("T_STAMP_AHEAD").Microseconds()))
		case "sequence":
			d.Sequence++
		case "nonce":
			_, field := d.Keys.Nonce(d.Sequence)
			field[23] ^= 1
			h.Set("nonce", field)
		case "length":
			d.AfterSeal(func(f *testkit.Frame) { announceLength(f, 1<<24) })
		case "checksum":
			d.AfterSeal(func(f *testkit.Frame) { f.Header.SetUint("checksum", uint64(testkit.Checksum(f.Encode()))^1) })
		case "tag":
			d.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })
		case "ciphertext":
			d.AfterSeal(func(f *testkit.Frame) { f.Payload[0] ^= 1 })
		default:
			x.Inconclusive("there is no defect called %s", defect)
		}
	}
}

// announceLength leaves the 96 bytes of a frame, which announce a payload of n bytes.
func announceLength(f *testkit.Frame, n uint64) {
	f.Header.SetUint("payload_length", n)
	f.Payload = nil
}

// spoilFirst writes defects into a ClientHello: those of spoilFrame that a clear frame
// can have, and those of spoilHello.
func spoilFirst(x *conformance.Exchange, hello *peer.Hello, defects string) {
	for _, defect := range strings.Split(defects, "+") {
		switch defect {
		case "sequence":
			hello.Frame.Header.SetUint("sequence_number", 1)
		case "flag":
			hello.Frame.Header.SetUint("flags", 0x0080)
		case "0x02":
			hello.Frame.Header.SetUint("message_type", typeHandshakeAck)
		case "hs_type":
			hello.Plaintext.Envelope.SetUint("hs_type", hsServerHello)
		case "heartbeat":
			hello.Frame.Header.SetUint("message_type", typeHeartbeat)
		case "magic", "version", "type", "session_id", "length", "checksum":
			spoilFrame(x, hello.Draft, defect)
		default:
			spoilHello(x, hello, defect)
		}
	}
}

// orderFirst returns the cases with a bad first frame.
func orderFirst() []conformance.Case {
	return []conformance.Case{
		foreignBytes(), sessionIDOfHello(), checksumOfHello(), sequenceOfHello(),
		firstCheck("XC-0304", "Magic, type and flags are judged before the length of the first frame.", closes("XTMP-ORD-001"),
			"magic+version", "magic+length", "heartbeat+length", "type+length", "flag+length"),
		firstCheck("XC-0305", "The version is judged before the rest of the first frame.", refuses("VERSION_UNSUPPORTED", "XTMP-ORD-001"),
			"version+type", "version+flag", "version+length", "version+session_id", "version+checksum", "version+sequence", "version+body"),
		firstCheck("XC-0306", "The length is judged before session, checksum and sequence of the first frame.",
			refuses("PAYLOAD_TOO_LARGE", "XTMP-ORD-001"), "length+session_id", "length+checksum", "length+sequence"),
		firstCheck("XC-0307", "Session, checksum and sequence are judged before what the first frame says.", closes("XTMP-ORD-001"),
			"session_id+envelope", "session_id+range", "session_id+0x02", "session_id+hs_type", "checksum+envelope", "checksum+suite",
			"checksum+x25519", "checksum+0x02", "sequence+body", "sequence+range", "sequence+0x02", "sequence+hs_type"),
	}
}

// firstCheck is a case whose first frame fails two checks.
func firstCheck(id, title string, expect conformance.Expect, defects ...string) conformance.Case {
	return conformance.Case{
		ID: id, Title: title,
		Proves: []string{"XTMP-ORD-001", "XTMP-ORD-002"}, Control: controlHandshake, Expect: expect,
		Params: []conformance.Param{param("defects", defects...)},
		Explain: explain("The first check that fails decides, so that two servers treat one frame alike and nothing costly is done for nonsense.",
			"A ClientHello that fails two checks, of which the earlier decides.",
			"the frame is parsed as a whole before it is judged", "the checksum is compared first because it comes from the transport layer",
			"an Error is sent for anything that can be read"),
		Run: func(x *conformance.Exchange) {
			c := sendHello(x, func(h *peer.Hello) { spoilFirst(x, h, x.Param("defects")) })
			if expect.Strict[0].Observation.Kind == conformance.KindErrorFrame {
				judgeError(x, c)
				return
			}
			judgeClosed(x, c)
		},
	}
}

func foreignBytes() conformance.Case {
	return conformance.Case{
		ID: "XC-0300", Title: "A connection that does not begin with the magic is closed silently.",
		Proves: []string{"XTMP-ORD-005", "XTMP-ORD-002"}, Control: controlHandshake, Expect: closes("XTMP-ORD-005"),
		Params: []conformance.Param{param("bytes", "SSH", "TLS", "xtmp", "XTMQ", "zero")},
		Explain: explain("Scanners send the first bytes of every protocol there is; an answer tells them what listens here.",
			"At least 96 bytes that begin with something else than the magic, and no request: a server may serve HTTP on its port.",
			"VERSION_UNSUPPORTED is sent", "the magic is compared without regard to case", "bytes are skipped until the magic comes"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			raw := c.HelloDefaults().Encode()
			switch x.Param("bytes") {
			case "SSH":
				copy(raw, "SSH-2.0-OpenSSH_9.9\r\n")
			case "TLS":
				copy(raw, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
			case "zero":
				clear(raw[:4])
			default:
				copy(raw, x.Param("bytes"))
			}
			send(x, c.WriteRaw(testkit.FixChecksum(raw)))
			judgeClosed(x, c)
		},
	}
}

// badFirst sends a ClientHello with one defect and judges the silent close.
func badFirst(x *conformance.Exchange, edit func(*peer.Hello)) { judgeClosed(x, sendHello(x, edit)) }

func sessionIDOfHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0301", Title: "A ClientHello whose header names a session is answered by closing silently.",
		Proves: []string{"XTMP-ORD-015"}, Control: controlHandshake, Expect: closes("XTMP-ORD-015"),
		Params: []conformance.Param{param("session_id", "1", "0x7FFFFFFFFFFFFFFF")},
		Explain: explain("A client cannot choose the id of its session; one that tries is a bridge to another server's session.",
			"A correct ClientHello with a session_id other than 0 in its header.",
			"the header of a clear frame is not looked at", "the id is taken over into ServerHello"),
		Run: func(x *conformance.Exchange) {
			badFirst(x, func(h *peer.Hello) { h.Frame.Header.SetUint("session_id", uint64(x.ParamInt("session_id"))) })
		},
	}
}

func checksumOfHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0302", Title: "A first frame with a wrong checksum is answered by closing silently.",
		Proves: []string{"XTMP-ORD-019"}, Control: controlHandshake, Expect: closes("XTMP-ORD-019"),
		Params: []conformance.Param{param("checksum", "bit0", "bit31", "zero", "payload")},
		Explain: explain("The checksum is all that protects a clear frame from damage; a damaged hello is not worth an answer.",
			"A ClientHello whose checksum is wrong, or whose payload was damaged after it was computed.",
			"the checksum is compared for sealed frames only", "zero is taken for no checksum", "the checksum covers the header only"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			raw := c.HelloDefaults().Encode()
			switch x.Param("checksum") {
			case "bit0":
				raw[31] ^= 0x01
			case "bit31":
				raw[28] ^= 0x80
			case "zero":
				clear(raw[28:32])
			case "payload":
				raw[len(raw)-1] ^= 0x01 // the last byte of the ignored TLV entry
			}
			send(x, c.WriteRaw(raw))
			judgeClosed(x, c)
		},
	}
}

func sequenceOfHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0303", Title: "A ClientHello with a sequence number is answered by closing silently.",
		Proves: []string{"XTMP-ORD-023"}, Control: controlHandshake, Expect: closes("XTMP-ORD-023"),
		Params: []conformance.Param{param("sequence_number", "1", "0x3FFFFFFFFFFFFFFF")},
		Explain: explain("The field is outside the transcript, so what is put there travels unseen unless the server looks.",
			"A correct ClientHello with a sequence number other than 0.",
			"the field is not looked at in clear frames"),
		Run: func(x *conformance.Exchange) {
			badFirst(x, func(h *peer.Hello) {
				h.Frame.Header.SetUint("sequence_number", uint64(x.ParamInt("sequence_number")))
			})
		},
	}
}
