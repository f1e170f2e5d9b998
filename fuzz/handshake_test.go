package fuzz_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Messages of the handshake, in the order in which they travel.
const (
	atClientHello = iota
	atServerHello
	atServerFlight
	atClientFinish
	handshakeMessages
)

// FuzzHandshake replaces one message of a handshake between two cores: it is
// altered on the wire, or under its key by a peer that holds it, cut, sent twice,
// left out, or taken from another handshake.
//
// Oracle: no session with different keys on its two sides, and none at all when a
// body was altered; a server is established only if its client is. A server
// answers an altered ClientHello with the clear Error that chapters 5.7 and 5.8
// give it, or the silence of chapter 7, and every other message with silence. A
// client whose handshake fails says nothing more.
func FuzzHandshake(f *testing.F) {
	for message := range byte(handshakeMessages) {
		for op := range byte(7) {
			f.Add(byte(1), message, op, []byte{0, 120, 1})
			f.Add(byte(2), message, op, []byte{0, 4, 2, 0, 6, 1})
			f.Add(byte(0), message, op, []byte{0, 16, 0xff})
			f.Add(byte(1), message, op, []byte{1, 0, 9, 0x20}) // of a flight, a byte of the signature
		}
	}
	for _, s := range stepsOfVectors(f) {
		if h, _, _ := testkit.DecodeFrame(s.Frame); h.Clear() && h.Type() <= 2 {
			f.Add(byte(1), h.Type()-1, byte(7), s.Frame)
		}
		if h, _, _ := testkit.DecodeFrame(s.Frame); s.Plaintext != nil && h.Type() <= 2 {
			f.Add(byte(1), 4-h.Type(), byte(5), s.Plaintext)
		}
	}
	f.Fuzz(func(t *testing.T, suite, message, op byte, change []byte) {
		message %= handshakeMessages
		w := newWorld(t, setup{suite: suite % 3})
		genuine, replaced := w.handshake(message, op, &tape{change})
		client, server := w.client.State() == session.Established, w.server.State() == session.Established
		if server && !client {
			t.Fatalf("only the server is established: %x", replaced)
		}
		if client && server {
			for _, side := range w.secrets {
				for label := range side {
					w.secret(label)
				}
			}
		}
		altered := !bytes.Equal(bodyOf(genuine), bodyOf(replaced)) // none of ClientFinish: to the server it is a MAC
		if altered && (server || client && message != atClientFinish) {
			t.Fatalf("a session in spite of an altered body of message %d: client %v, server %v", message, client, server)
		}
		w.finish(w.client)
		w.finish(w.server)
	})
}

// handshake runs the handshake and replaces one message. It returns what was
// written and what was delivered, with the plaintext of what is sealed in place of
// its ciphertext.
func (w *world) handshake(message, op byte, in *tape) (genuine, replaced []byte) {
	var seen [2][]byte
	swap := func(at byte, b []byte) []byte {
		if at != message || len(b) == 0 {
			return b
		}
		seen[0] = w.readable(b)
		out := w.replace(at, op, b, in)
		seen[1] = w.readable(out)
		return out
	}
	w.give(w.server, swap(atClientHello, w.take(w.client)))
	answer := w.take(w.server)
	if message == atClientHello {
		w.checkAnswer(answer, seen[1])
	}
	hello, flight := firstFrame(answer)
	w.give(w.client, swap(atServerHello, hello))
	w.give(w.client, swap(atServerFlight, flight))
	finish := w.take(w.client)
	if w.client.State() == session.Closed && len(finish) > 0 {
		w.t.Fatalf("a client that gave up says %x", finish)
	}
	w.give(w.server, swap(atClientFinish, finish))
	done := w.take(w.server)
	if w.server.State() == session.Closed && message != atClientHello && len(done) > 0 {
		w.t.Fatalf("a server that gave up says %x", done)
	}
	return seen[0], seen[1]
}

// firstFrame cuts the first frame off.
func firstFrame(b []byte) (first, rest []byte) {
	_, rest, _ = testkit.DecodeFrame(b)
	return b[:len(b)-len(rest)], rest
}

// handshakeKeys are those of the slot under which a message travels.
func (w *world) handshakeKeys(message byte) (testkit.Keys, bool) {
	label := map[byte]string{
		atServerFlight: "SERVER_HANDSHAKE_TRAFFIC_SECRET", atClientFinish: "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	}[message]
	secret := w.secrets[1][label] // the server has it first
	if secret == nil {
		return testkit.Keys{}, false
	}
	return testkit.DeriveKeys(secret).For(w.suite), true
}

// replace makes another message of b.
func (w *world) replace(message, op byte, b []byte, in *tape) []byte {
	keys, sealed := w.handshakeKeys(message)
	switch op % 8 {
	case 1: // left out
		return nil
	case 2: // twice
		return slices.Concat(b, b)
	case 3: // of another handshake
		other := newWorld(w.t, setup{suite: w.suite, seed: 0x40})
		hello := other.take(other.client)
		other.give(other.server, hello)
		answer, flight := firstFrame(other.take(other.server))
		other.give(other.client, slices.Concat(answer, flight))
		return [][]byte{hello, answer, flight, other.take(other.client)}[message]
	case 4, 5, 6: // under its key
		if !sealed {
			break
		}
		f, _, _ := testkit.DecodeFrame(b)
		inside, err := f.Open(keys)
		if err != nil {
			w.t.Fatal(err)
		}
		switch {
		case op%8 == 5:
			inside = in.left
		case op%8 == 6 && message == atServerFlight:
			inside = w.lie(inside, in)
		default:
			inside = alter(inside, in)
		}
		p := pen{keys: keys, session: w.server.ID(), stamp: w.now.Wall}
		return p.frame(f.Type(), f.Flags(), inside, nil)
	case 7:
		return in.left
	}
	return testkit.FixChecksum(alter(slices.Clone(b), in))
}

// lie alters one byte of ServerIdentity or ServerSignature and computes ServerFinished
// for it, as somebody between the two can who has no identity key.
func (w *world) lie(inside []byte, in *tape) []byte {
	p, _ := testkit.DecodePlaintext(2, 0, inside)
	messages, _ := testkit.FlightMessages(p.Body)
	m := messages[in.byte()&1]
	body := slices.Clone(m.Bytes("body"))
	body[int(in.uint16())%len(body)] ^= in.byte() | 1
	m.Set("body", body)
	d := testkit.Derive("handshake", testkit.Values{
		"CH": testkit.TranscriptMessage(1, messageOf(w.wire[0])), "SH": testkit.TranscriptMessage(3, messageOf(w.wire[1])),
		"SI": messages[0].Encode(), "SS": messages[1].Encode(), "s_hs": w.secrets[1]["SERVER_HANDSHAKE_TRAFFIC_SECRET"],
	})
	messages[2].Set("body", d.Value("sf_mac"))
	p.Body = slices.Concat(messages[0].Encode(), messages[1].Encode(), messages[2].Encode())
	return p.Encode()
}

// alter changes some bytes and cuts the end off, or adds to it.
func alter(b []byte, in *tape) []byte {
	for range 24 {
		if at := int(in.uint16()); len(b) > 0 && in.more() {
			b[at%len(b)] ^= in.byte()
		}
	}
	if n := int(in.byte()); in.more() {
		b = append(b, in.bytes(n)...)
	} else {
		b = b[:len(b)-min(len(b), n)]
	}
	return b
}

// readable is a frame with its plaintext as payload, as far as it opens.
func (w *world) readable(b []byte) []byte {
	f, rest, whole := testkit.DecodeFrame(b)
	if !whole || len(rest) > 0 {
		return b
	}
	for _, message := range []byte{atServerFlight, atClientFinish} {
		keys, ok := w.handshakeKeys(message)
		if !ok || !bytes.Equal(keys.KeyID, f.Header.Bytes("key_id")) {
			continue
		}
		if inside, err := f.Open(keys); err == nil {
			return slices.Concat(b[:testkit.HeaderSize], inside)
		}
	}
	return b
}

// bodyOf is what stands behind header and envelope.
func bodyOf(b []byte) []byte { return b[min(len(b), testkit.HeaderSize+16):] }

// checkAnswer holds the answer of a server to its first frame to chapter 5.
func (w *world) checkAnswer(answer, hello []byte) {
	w.t.Helper()
	want := firstReaction(hello, w.suite)
	f, rest, whole := testkit.DecodeFrame(answer)
	switch want {
	case "":
		if len(answer) > 0 {
			w.t.Fatalf("the server answers %x and has to be silent", answer)
		}
	case "ServerHello":
		if _, behind := firstFrame(hello); len(behind) > 0 && len(answer) == 0 {
			return // what follows ended the connection before the answer was taken
		}
		if !whole || f.Type() != 0x02 || len(rest) == 0 {
			w.t.Fatalf("the server answers a good ClientHello with %x", answer)
		}
	default:
		e, _ := testkit.Decode("error", 0, f.Payload)
		right := whole && len(rest) == 0 && f.Clear() && f.Type() == 0xfe && f.Flags() == 0 && f.Header.Uint("session_id") == 0 &&
			f.Sequence() == 0 && e.Uint("scope") == 1 && e.Uint("ref_seq") == noSequence &&
			f.Header.Uint("checksum") == uint64(testkit.Checksum(answer))
		if !right || e.Uint("code") != uint64(code(want)) {
			w.t.Fatalf("the server has to answer %s, not %x", want, answer)
		}
		if w.server.Fate(0) != session.Drain {
			w.t.Fatalf("after a clear Error the fate is %d", w.server.Fate(0))
		}
	}
}

// firstReaction is what a server of one suite makes of the first bytes of a
// connection: the name of a clear Error, "ServerHello", or nothing.
// It is chapters 5.7, 5.8 and 7.
func firstReaction(b []byte, suite uint8) string {
	f, _, whole := testkit.DecodeFrame(b)
	h := f.Header
	magic := testkit.Compose("frame").Bytes("magic")
	switch {
	case h.Short() || !bytes.Equal(h.Bytes("magic"), magic):
		return ""
	case h.Uint("version") != 1:
		return "VERSION_UNSUPPORTED"
	case f.Type() != 1 && f.Type() != 2 && f.Type() != 0xfe:
		return ""
	}
	flags, zeroKey := f.Flags(), strings.Trim(string(h.Bytes("key_id")), "\x00") == ""
	encrypted := flags&testkit.FlagValue("ENCRYPTED") != 0
	switch {
	case encrypted != (h.Uint("encryption_type") != 0), !inMatrix(f.Type(), flags&^testkit.FlagValue("ENCRYPTED")), zeroKey && flags != 0:
		return "" // check 3
	case h.Uint("payload_length") > 8208 && f.Type() == 0xfe:
		return ""
	case h.Uint("payload_length") > 8208:
		return "PAYLOAD_TOO_LARGE"
	case !whole, !f.Clear(), f.Type() == 0xfe, h.Uint("session_id") != 0, f.Sequence() != 0:
		return ""
	}
	frame := b[:testkit.HeaderSize+len(f.Payload)]
	switch envelope, _ := testkit.Decode("envelope", 0, f.Payload); {
	case h.Uint("checksum") != uint64(testkit.Checksum(frame)):
		return ""
	case f.Type() == 2, envelope.Short(), !validEnvelope(envelope), envelope.Uint("hs_type") != 1:
		return "MALFORMED"
	default:
		return helloReaction(envelope.Bytes("fragment"), suite)
	}
}

func helloReaction(body []byte, suite uint8) string {
	m, rest := testkit.Decode("client_hello", 0, body)
	least, most := m.Uint("min_version"), m.Uint("max_version")
	switch {
	case m.Short() || len(rest) > 0 || !validClientHello(m):
		return "MALFORMED"
	case least > most || least > 1 || most < 1:
		return "VERSION_UNSUPPORTED"
	case bytes.IndexByte(m.Bytes("suites"), suite) < 0:
		return "NO_COMMON_SUITE"
	}
	private := bytes.Repeat([]byte{9}, 32)
	_, _, err := testkit.MLKEMEncapsulate(m.Bytes("mlkem768_ek"), private)
	if err != nil || bytes.Equal(testkit.X25519Shared(private, m.Bytes("x25519")), make([]byte, 32)) {
		return "HANDSHAKE_FAILED"
	}
	return "ServerHello"
}
