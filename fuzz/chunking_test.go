package fuzz_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/frame"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzChunking hands a whole connection to a core twice: ClientHello, ClientFinish
// and any frames to a server, or their answers and any frames to a client; once in
// as few pieces as can be, once cut anywhere.
//
// Oracle: both times the core accepts and refuses the same frames for the same
// reasons, delivers the same, ends in the same state for the same reason, and has
// the same bytes to say, to the byte. Of an incomplete frame it keeps what has come,
// in memory that is at most twice that, and 64 KiB above it.
func FuzzChunking(f *testing.F) {
	for i, s := range stepsOfVectors(f) {
		if s.Plaintext != nil && i%4 == 0 {
			h, _, _ := testkit.DecodeFrame(s.Frame)
			f.Add(byte(i), spelt(h.Type(), h.Flags(), s.Plaintext), []byte{1, 95, 1, 200, byte(i)})
		}
	}
	f.Add(byte(0), slices.Concat(spelt(3, 0, []byte{0, 1}), spelt(0x70, flagRequiresAck, testkit.PutUint(1, 8)), []byte{0xff}), []byte{7})
	for _, s := range sessionsOfVectors(f) {
		for _, cuts := range [][]byte{{1}, {5, 39, 90}, {200}} {
			if s.server {
				f.Add(byte(1), s.script, cuts)
			} else {
				f.Add(byte(0), s.script, cuts)
			}
		}
	}
	var peers [2]*world // handshakes that were recorded, by deflate
	for i := range peers {
		peers[i] = newWorld(f, setup{suite: 1, deflate: i == 1}).connect()
	}
	f.Fuzz(func(t *testing.T, mode byte, script, cuts []byte) {
		if len(cuts) == 0 {
			cuts = []byte{96}
		}
		stream := peers[mode>>1&1].says(t, mode&1 == 0, script)
		whole := listenTo(t, mode, stream, nil)
		if split := listenTo(t, mode, stream, cuts); split != whole {
			t.Fatalf("whole:\n%.3000s\n\nsplit:\n%.3000s", whole, split)
		}
	})
}

// listenTo runs one core against a recorded peer whose bytes are cut as cuts says,
// nil for not at all, and returns everything that can be seen of it.
func listenTo(t *testing.T, mode byte, stream, cuts []byte) string {
	t.Helper()
	var log bytes.Buffer
	server := mode&1 == 0
	d := &duel{t: t, m: &model{server: server}}
	watch := session.Client
	if server {
		watch = session.Server
	}
	w := newWorld(t, setup{suite: 1, deflate: mode&2 != 0, apps: func(c, s *session.Config) {
		c.Application, s.Application = &application{d: d}, &application{d: d}
	}, trace: func(who session.Role, e trace.Event) {
		switch {
		case who != watch:
		case e.Kind == trace.FrameRefused: // what a refused header holds may not be there yet
			fmt.Fprintln(&log, e.Kind, e.Step, e.Reason)
		default:
			fmt.Fprintln(&log, e)
		}
	}})
	s := w.server
	if !server {
		s = w.client
		w.take(s) // ClientHello
	}
	feed(t, w, s, stream, cuts)
	fmt.Fprintf(&log, "%v %v %d %q\n", s.State(), s.Err(), s.Fate(0), d.got)
	for _, e := range events(s) {
		fmt.Fprintln(&log, e.Kind, e.Token, e.Err)
	}
	fmt.Fprintf(&log, "%x\n", w.take(s))
	at, due := s.Deadline()
	fmt.Fprintln(&log, at, due)
	fmt.Fprintf(&log, "%x\n%v", w.pass(s, tAck), s.Err())
	w.finish(s)
	return log.String()
}

// says returns what a peer of this world said and the frames of a script behind it:
// to a server that made the same handshake, or to a client.
func (w *world) says(t *testing.T, server bool, script []byte) []byte {
	t.Helper()
	m := &model{server: server, base: 1}
	p := pen{session: w.server.ID(), stamp: wall}
	stream := slices.Clone(w.wire[0])
	label := "CLIENT_PATH_SECRET_0_0"
	if !server { // after HandshakeDone
		label, stream = "SERVER_PATH_SECRET_0_0", slices.Clone(w.wire[1])
		p.sequence, m.base = 1, 2
	}
	p.keys = testkit.DeriveKeys(w.secrets[0][label])
	in := tape{script}
	for range 30 {
		if !in.more() {
			break
		}
		if in.byte() == 0xff { // what no key has sealed
			stream = append(stream, in.bytes(int(in.byte()))...)
			continue
		}
		typ, flags, plaintext := shot(&in, m)
		if flags&flagRequiresAck != 0 {
			m.base++
		}
		stream = append(stream, p.frame(typ, flags, plaintext, nil)...)
	}
	return stream
}

// feed hands a stream to a session in pieces, and to a splitter of its own. What a
// splitter holds is bounded by what has come.
func feed(t *testing.T, w *world, s *session.Session, stream, cuts []byte) {
	t.Helper()
	if cuts == nil {
		w.give(s, stream)
		return
	}
	var split frame.Splitter
	rest := stream
	for i := 0; len(stream) > 0; i++ {
		n := min(len(stream), 1+int(cuts[i%len(cuts)])*int(cuts[i%len(cuts)])/16)
		piece := slices.Clone(stream[:n])
		w.give(s, piece)
		split.Feed(piece)
		for {
			head, ok := split.Header()
			if !ok {
				break
			}
			var h wire.Header
			h.Decode(head)
			if h.PayloadLength > wire.MaxPayload {
				return
			}
			got, ok := split.Frame(h.PayloadLength)
			if !ok {
				break
			}
			if !bytes.Equal(got, rest[:len(got)]) {
				t.Fatal("the splitter changed a frame")
			}
			rest = rest[len(got):]
		}
		stream = stream[n:]
		if has := len(rest) - len(stream); split.Pending() != has {
			t.Fatalf("%d bytes of an incomplete frame are kept, %d have come", split.Pending(), has)
		}
		if has := split.Pending(); split.Held() > min(2*has, has+64<<10)+2*wire.TagSize {
			t.Fatalf("%d bytes of memory for %d that have come", split.Held(), has)
		}
	}
}
