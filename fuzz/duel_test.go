package fuzz_test

import (
	"errors"
	"fmt"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A duel is a core under a peer that holds the right keys and says anything. The
// model says what has to follow.
type duel struct {
	t    testing.TB
	w    *world
	s    *session.Session // the core
	m    *model
	pen  pen
	next uint64 // sequence number of the core's next frame
	mids uint64 // the last mid of the core
	hold int    // frames after which output is taken again
	got  []string

	rests     bool          // the core rests whenever it can
	exercised time.Duration // when the core sent a frame of an extension type
}

// application echoes at a server and takes everything at a client.
type application struct {
	session.Application // no method of it is called
	d                   *duel
}

func (a *application) Implements(t wire.MessageType) bool     { return t == wire.TypeProbe }
func (a *application) Writable(session.Now, *session.Session) {}
func (a *application) Ended(*session.Session)                 {}
func (a *application) note(format string, values ...any) {
	a.d.got = append(a.d.got, fmt.Sprintf(format, values...))
}

func (a *application) Deliver(now session.Now, s *session.Session, m session.Message) bool {
	var peer *session.Error
	switch {
	case a.d.m.server && m.Call.Mid == 0:
		a.note("%x", m.Body)
		return executes(m.Body)
	case a.d.m.server:
		a.note("%x", m.Body)
		s.Reply(now, m.Call, nil, m.Body, nil)
	case errors.As(m.Err, &peer):
		a.note("call %v error %04x", m.Owner, uint16(peer.Code))
	case m.Err != nil:
		a.note("call %v unknown", m.Owner)
	case m.Owner == nil:
		a.note("push %d %d %x", m.SubID, m.N, m.Body)
	default:
		a.note("call %v %x", m.Owner, m.Body)
	}
	return true
}

// newDuel runs a handshake between two cores and puts the scribe in the place of
// one: of the client if server is set. A fresh duel at a client begins before
// HandshakeDone.
func newDuel(t testing.TB, server, fresh bool, how setup) *duel {
	t.Helper()
	d := &duel{t: t, m: &model{
		server: server, deflate: how.deflate, inflight: int(how.inflight), base: 1, complete: map[uint64]bool{},
		calls: map[uint64]call{}, warned: map[uint16]time.Duration{}, mayWarn: map[uint16]time.Duration{}, lastSent: noSequence,
	}}
	how.apps = func(c, s *session.Config) {
		if server {
			s.Application = &application{d: d}
		} else {
			c.Application = &application{d: d}
		}
	}
	d.w = newWorld(t, how)
	label := "CLIENT_PATH_SECRET_0_0"
	if server {
		d.w.connect()
		d.s, d.next, d.mids, d.m.lastSent = d.w.server, 1, 1, 0 // HandshakeDone
	} else {
		d.connectClient(fresh)
		label = "SERVER_PATH_SECRET_0_0"
	}
	d.pen = pen{keys: testkit.DeriveKeys(d.w.secret(label)).For(how.suite), session: d.s.ID(), stamp: d.w.now.Wall}
	if !server && !fresh {
		d.pen.sequence, d.m.sequence, d.m.base = 1, 1, 2
		d.m.open = []openFrame{{mid: 1}}
	}
	d.m.now = d.w.now.Elapsed
	events(d.s)
	return d
}

// connectClient establishes the client, which then makes three calls.
func (d *duel) connectClient(fresh bool) {
	w := d.w
	hello := w.take(w.client)
	w.give(w.server, hello)
	w.give(w.client, w.take(w.server))
	finish := w.take(w.client)
	w.give(w.server, finish)
	done := w.take(w.server)
	d.s, d.m.fresh = w.client, fresh
	h, _, _ := testkit.DecodeFrame(hello)
	p, _ := testkit.DecodePlaintext(1, 0, h.Payload)
	d.m.handshakeID = p.Envelope.Uint("handshake_id")
	if !fresh {
		w.give(w.client, done)
	}
	for i, typ := range []uint8{0x70, 0x70, 0x20} {
		if err := d.s.Send(w.now, &session.Request{Type: wire.MessageType(typ), Owner: i, Body: []byte{7}}); err != nil {
			d.t.Fatal(err)
		}
		d.m.calls[uint64(i+1)] = call{typ, i}
	}
	d.listen()
	d.m.lastMid = 3
}

// listen takes the output of the core and returns it in words, Acks apart.
func (d *duel) listen() (lines []string) {
	d.t.Helper()
	for _, h := range d.w.listen(d.w.take(d.s), &d.next) {
		d.m.lastSent = h.sequence
		d.tell("-> type %02x flags %04x %x %.40x", h.typ, h.flags, h.plaintext.Prologue.Encode(), h.body())
		if h.typ == 0x05 {
			m, _ := testkit.Decode("ack", 0, h.body())
			if m.Uint("largest") != d.m.sequence-1 {
				d.t.Fatalf("an Ack of %d; the last frame was %d", m.Uint("largest"), d.m.sequence-1)
			}
			if !d.m.acked() {
				d.t.Fatal("an Ack while no frame is open")
			}
			continue
		}
		lines = append(lines, d.describe(h))
	}
	return lines
}

// tell is the story of a duel, for who reproduces a failure with -v.
func (d *duel) tell(format string, values ...any) {
	d.t.Helper()
	if testing.Verbose() {
		d.t.Logf(format, values...)
	}
}

// describe puts a frame into words, checks its mid and notes what it answers.
func (d *duel) describe(h heard) string {
	d.t.Helper()
	p, body := h.plaintext.Prologue, h.body()
	if h.flags&flagRequiresAck != 0 {
		if d.mids++; p.Uint("mid") != d.mids {
			d.t.Fatalf("mid %d after %d", p.Uint("mid"), d.mids-1)
		}
	}
	e, _ := testkit.Decode("error", 0, body)
	switch {
	case h.typ == 0xfe && h.flags&flagReply != 0:
		d.m.answered(p.Uint("reply_to"))
		if e.Uint("scope") != 0 || e.Uint("ref_seq") != noSequence {
			d.t.Fatalf("an Error as a reply: %x", body)
		}
		return fmt.Sprintf("reply %d error %04x", p.Uint("reply_to"), e.Uint("code"))
	case h.typ == 0xfe:
		return fmt.Sprintf("error %04x scope %d ref %d", e.Uint("code"), e.Uint("scope"), e.Uint("ref_seq"))
	case h.typ == 0x03:
		return fmt.Sprintf("heartbeat %x", body)
	case h.typ == 0x01:
		d.m.rekey, d.m.rekeyID, d.m.lastMid = p.Uint("mid"), h.plaintext.Envelope.Uint("handshake_id"), p.Uint("mid")
		return "rekey"
	case h.typ >= 0x80 && h.typ < 0xf0 && h.flags&flagRequiresAck == 0 && len(body) <= 64: // [XTMP-TYP-002] [XTMP-TYP-004]
		return "exercise"
	case h.flags&flagReply != 0:
		d.m.answered(p.Uint("reply_to"))
		if h.flags&flagCompressed != 0 {
			out, ok := inflate(body, p.Uint("original_len"))
			if !ok || !d.m.deflate {
				d.t.Fatal("the core compressed a reply wrongly")
			}
			body = out
		}
		return fmt.Sprintf("reply %d type %02x %x", p.Uint("reply_to"), h.typ, body)
	}
	return fmt.Sprintf("type %02x flags %04x %x", h.typ, h.flags, body)
}

// expect compares what the core says with what it has to say.
func (d *duel) expect() {
	d.t.Helper()
	d.m.flush()
	if d.m.asked && !d.m.server {
		d.m.said, d.m.asked = append(d.m.said, "rekey"), false
	}
	owed := slices.Clone(d.m.said)
	for _, line := range d.listen() {
		if i := slices.Index(owed, line); i >= 0 {
			owed = slices.Delete(owed, i, i+1)
			continue
		}
		if i := slices.Index(d.m.maybe, line); i >= 0 {
			d.m.maybe = slices.Delete(d.m.maybe, i, i+1)
			continue
		}
		if strings.HasPrefix(line, "exercise") {
			if d.exercised != 0 && d.w.now.Elapsed-d.exercised < time.Minute {
				d.t.Fatal("two exercising frames within a minute") // [XTMP-TYP-003]
			}
			d.exercised = d.w.now.Elapsed
			continue
		}
		if !d.m.server && strings.HasPrefix(line, "heartbeat 00") {
			continue // a client probes while a call is unanswered
		}
		d.t.Fatalf("the core says %.300s\nit has to say %.300q", line, d.m.said)
	}
	if len(owed) > 0 {
		d.t.Fatalf("the core has not said %.300q", owed)
	}
	if n := d.m.owes(); n >= 32 {
		d.t.Fatalf("%d frames are open and no Ack was sent", n)
	}
	d.m.said, d.m.maybe, d.m.unanswered, d.m.held = nil, nil, 0, false
}

// fire sends one frame and compares all that follows. It reports whether the
// session goes on.
func (d *duel) fire(typ uint8, flags uint16, plaintext []byte) bool {
	d.t.Helper()
	flags &^= testkit.FlagValue("ENCRYPTED")
	d.pen.stamp = d.w.now.Wall
	f := d.pen.frame(typ, flags, plaintext, nil)
	d.m.now, d.m.held = d.w.now.Elapsed, d.m.held || d.hold > 0
	d.m.yielded = 0
	want := d.m.judge(typ, flags, plaintext)
	d.tell("<- type %02x flags %04x %x (%d bytes): %+v", typ, flags, plaintext[:min(60, len(plaintext))], len(plaintext), want)
	if d.rests {
		d.s.Rest()
	}
	before, heard := allocated(), len(d.got)
	d.w.give(d.s, f)
	taken := 0
	for _, g := range d.got[heard:] {
		taken += len(g)
	}
	if got, most := allocated()-before, allocatedLate+16*uint64(len(f)+taken+d.m.holds())+4*uint64(d.m.yielded); got > most {
		d.t.Fatalf("%d bytes were allocated for a frame of %d", got, len(f))
	}
	if !slices.Equal(d.got, d.m.delivered) {
		d.t.Fatalf("type %02x flags %04x: delivered\n%.400q, has to be\n%.400q", typ, flags, d.got, d.m.delivered)
	}
	if a := d.w.admission; d.m.server && (a.memory < d.m.holds() || a.memory > 4*messageToServer) && want.verdict == goesOn {
		d.t.Fatalf("%d bytes of receive memory are counted for %d that are held", a.memory, d.m.holds())
	}
	if want.verdict != goesOn {
		d.over(want)
		return false
	}
	if d.m.lost {
		return false
	}
	if d.s.State() != session.Established {
		d.t.Fatalf("type %02x flags %04x: the session ended (%v) and has to go on", typ, flags, d.s.Err())
	}
	if d.hold--; d.hold < 0 {
		d.hold = 0
		d.expect()
	}
	return true
}

// over compares the end of a session.
func (d *duel) over(want outcome) {
	d.t.Helper()
	if d.s.State() != session.Closed {
		d.t.Fatalf("the session is %v and has to be over: %+v", d.s.State(), want)
	}
	d.m.flush()
	may := slices.Concat(d.m.said, d.m.maybe)
	lines := d.listen()
	fate := session.Shut
	if want.verdict == fails {
		fate = session.Drain
		last := fmt.Sprintf("error %04x scope %d ref %d", want.code, want.scope, want.ref)
		if len(lines) == 0 || lines[len(lines)-1] != last {
			d.t.Fatalf("the last words are %.300q and have to be %q", lines, last)
		}
		lines = lines[:len(lines)-1]
	} else if len(lines) > 0 {
		d.t.Fatalf("the core says %.300q and has to be silent", lines)
	}
	for _, line := range lines {
		if !slices.Contains(may, line) {
			d.t.Fatalf("the core says %.300s before the end", line)
		}
	}
	if got := d.s.Fate(0); got != fate {
		d.t.Fatalf("the connection's fate is %d, not %d", got, fate)
	}
	// Nothing that follows has an effect.
	d.w.give(d.s, d.pen.frame(0x70, flagRequiresAck, slices.Concat(testkit.PutUint(d.m.base+1, 8), []byte{1}), nil))
	if out := d.w.take(d.s); len(out) > 0 || len(d.got) != len(d.m.delivered) {
		d.t.Fatal("a frame after the end has an effect")
	}
	d.w.pass(d.s, 2*tClose)
	if got := d.s.Fate(0); got != session.Shut {
		d.t.Fatalf("long after the end the connection's fate is %d", got)
	}
}

// tick moves time. It reports whether the session goes on.
func (d *duel) tick(by time.Duration) bool {
	d.t.Helper()
	d.hold = 0
	d.expect()
	for range by / tAck {
		d.w.now.Elapsed += tAck
		d.w.now.Wall += uint64(tAck / time.Microsecond)
		d.s.Advance(d.w.now)
		d.m.now = d.w.now.Elapsed
		if d.m.stale() {
			d.over(outcome{verdict: closes})
			return false
		}
		d.expect()
		if n := d.m.owes(); n > 0 {
			d.t.Fatalf("%d frames are open after T_ACK", n)
		}
	}
	return true
}

// finish ends the duel.
func (d *duel) finish(alive bool) {
	d.t.Helper()
	if alive {
		d.tick(tAck)
	}
	if d.s.State() != session.Closed {
		d.w.finish(d.s)
	}
	if a := d.w.admission; d.m.server && (a.memory != 0 || a.half != 0 || a.settled != 0) {
		d.t.Fatalf("a session that is over still counts: %+v", *a)
	}
}

// allocatedLate bounds what allocated may count too late: small objects are counted
// a span at a time. A body of the message limit of a client is above it.
const allocatedLate = 8 << 20

// allocated is the number of bytes that were ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
