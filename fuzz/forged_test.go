package fuzz_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzForged puts bytes into an established connection that somebody without keys
// can make: frames that were altered with the checksum put right, cut, spliced,
// sent again, reflected, taken from another slot or another session, and clear ones.
//
// Oracle: a frame is received only if it is, to the byte, the one that comes next.
// Nothing else is delivered or answered or counts as a sign of life; it closes the
// connection at once, or when the time for the rest of it has passed, and in silence
// but for the sealed PAYLOAD_TOO_LARGE of a header that promises too much.
func FuzzForged(f *testing.F) {
	for op := range byte(10) {
		for _, change := range [][]byte{{}, {0, 5, 1}, {0, 20, 0x80, 0, 95, 1, 0, 100, 4}, {0, 24, 1}, {0, 32, 3, 0, 45, 0xff}} {
			f.Add(op&1|op<<4, op, change)
		}
	}
	for i, s := range stepsOfVectors(f) {
		if i%9 == 0 {
			f.Add(byte(i), byte(9), s.Frame)
		}
	}
	f.Fuzz(func(t *testing.T, mode, op byte, change []byte) {
		suite, server := []uint8{1, 2, 0, 1}[mode>>2&3], mode&1 == 0
		var received, delivered int
		d := &duel{t: t, m: &model{server: server}}
		receiver := session.Client
		if server {
			receiver = session.Server
		}
		w := newWorld(t, setup{suite: suite, trace: func(who session.Role, e trace.Event) {
			if who == receiver && e.Kind == trace.FrameReceived {
				received++
			}
		}, apps: func(c, s *session.Config) { c.Application, s.Application = &application{d: d}, &application{d: d} }})
		w.connect()
		s, frames := eavesdropped(w, server)
		k := int(mode>>4) % len(frames)
		w.give(s, slices.Concat(frames[:k]...))
		w.take(s)
		events(s)
		received, delivered = 0, len(d.got)
		forged := forge(w, server, frames, k, op, &tape{change})
		stream := slices.Concat(append([][]byte{forged}, frames[k:]...)...)
		right := rightFrames(stream, frames[k:])
		w.give(s, stream)
		if received != right {
			t.Fatalf("%d frames were received, %d are genuine\nforged %x", received, right, forged)
		}
		if right == 0 && (len(d.got) > delivered || len(events(s)) > 1) {
			t.Fatalf("something that nobody sealed was delivered: %q", d.got[delivered:])
		}
		if right == 0 {
			silent(t, w, s, forged)
		}
		w.finish(s)
	})
}

// eavesdropped returns the session that is attacked and three frames that its peer
// has sealed for it: a PING, a message and one of an extension type.
func eavesdropped(w *world, server bool) (*session.Session, [][]byte) {
	p := pen{session: w.server.ID(), stamp: w.now.Wall}
	s, label, mid := w.server, "CLIENT_PATH_SECRET_0_0", uint64(1)
	if !server {
		s, label, mid, p.sequence = w.client, "SERVER_PATH_SECRET_0_0", 2, 1
	}
	p.keys = testkit.DeriveKeys(w.secret(label)).For(w.suite)
	message := flagRequiresAck
	plaintext := append(testkit.PutUint(mid, 8), 1, 2, 3)
	if !server {
		message, plaintext = flagStreaming, append(make([]byte, 12), 1, 2, 3)
	}
	return s, [][]byte{
		p.frame(0x03, 0, []byte{0, 1, 2}, nil),
		p.frame(0x70, message, plaintext, nil),
		p.frame(0x90, 0, bytes.Repeat([]byte{9}, 40), nil),
	}
}

// rightFrames counts the frames at the front of a stream that are those that come
// next.
func rightFrames(stream []byte, frames [][]byte) (n int) {
	for _, f := range frames {
		if !bytes.HasPrefix(stream, f) {
			break
		}
		stream, n = stream[len(f):], n+1
	}
	return n
}

// forge makes bytes from frame k without a key.
func forge(w *world, server bool, frames [][]byte, k int, op byte, in *tape) []byte {
	f := slices.Clone(frames[k])
	other := frames[(k+1+int(op>>4))%len(frames)]
	handshake := "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	reflected, side := "SERVER_PATH_SECRET_0_0", 0
	if !server {
		handshake, reflected, side = "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_PATH_SECRET_0_0", 1
	}
	p := pen{session: w.server.ID(), stamp: w.now.Wall, sequence: binary.BigEndian.Uint64(f[16:])}
	switch op % 10 {
	case 0: // altered below
	case 1: // cut, or longer
		f = append(f, in.bytes(int(in.byte()))...)
		f = f[:len(f)-min(len(f)-1, int(in.byte()))]
	case 2: // the front of one, the end of another
		at := int(in.byte()) % min(len(f), len(other))
		f = slices.Concat(f[:at], other[at:])
	case 3: // again, or another's turn
		f = slices.Clone(other)
	case 4: // what it has sealed itself
		p.keys = testkit.DeriveKeys(w.secret(reflected)).For(w.suite)
		f = p.frame(0x03, 0, []byte{0}, nil)
	case 5: // under a handshake key
		p.keys, p.sequence = testkit.DeriveKeys(w.secret(handshake)).For(w.suite), 0
		f = p.frame(0x01+in.byte()&1, 0, in.bytes(64), nil)
	case 6: // everything of the handshake again
		f = slices.Clone(w.wire[side])
	case 7: // a clear frame
		f = testkit.NewDraft(in.byte(), in.uint16(), wall).Encode()
		f = append(f, in.bytes(40)...)
	case 8: // under a key that is not of this session, by its name
		p.keys = testkit.DeriveKeys(testkit.Draw(testkit.Entropy("other"), 48)).For(w.suite)
		p.keys.KeyID = f[40:56]
		f = p.frame(0x03, 0, []byte{0}, nil)
	case 9:
		return in.left
	}
	for range 40 {
		if at := int(in.uint16()); len(f) > 0 && in.more() {
			f[at%len(f)] ^= in.byte()
		}
	}
	if op&0x80 != 0 || len(f) < testkit.HeaderSize {
		return f
	}
	return testkit.FixChecksum(f)
}

// silent holds a session to what a forgery may cause.
func silent(t *testing.T, w *world, s *session.Session, forged []byte) {
	t.Helper()
	if s.State() == session.Established { // it waits for the rest of a frame
		for out := w.pass(s, 16*time.Second); len(out) > 0; {
			var f []byte
			if f, out = firstFrame(out); f[5] != 0x05 { // of what came before
				t.Fatalf("type %02x while the session waits for a forgery", f[5])
			}
		}
		if s.State() == session.Established {
			t.Fatalf("a forgery is waited for longer than T_FRAME: %x", forged)
		}
	}
	out := w.take(s)
	if len(out) == 0 {
		if s.Fate(0) != session.Shut {
			t.Fatalf("a forgery leaves the connection with fate %d", s.Fate(0))
		}
		return
	}
	next := binary.BigEndian.Uint64(out[16:])
	frames := w.listen(out, &next)
	e, _ := testkit.Decode("error", 0, frames[0].body())
	if len(frames) != 1 || frames[0].typ != 0xfe || e.Uint("code") != uint64(code("PAYLOAD_TOO_LARGE")) ||
		e.Uint("scope") != 1 || e.Uint("ref_seq") != noSequence {
		t.Fatalf("a forgery is answered by %d frames, the first of type %02x: %x", len(frames), frames[0].typ, frames[0].body())
	}
	limit := uint64(frameToClient)
	if s == w.server {
		limit = frameToServer
	}
	if h, _ := testkit.Decode("frame", 0, forged); len(forged) >= testkit.HeaderSize && h.Uint("payload_length") <= limit {
		t.Fatalf("PAYLOAD_TOO_LARGE for %d bytes", h.Uint("payload_length"))
	}
}
