package session

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestVectors puts a session into the state that each golden vector names, hands
// it the vector's frames, and compares what it does with what must follow, down
// to the step of the order of checks at which it notices. No vector that has a
// receiver is left out.
func TestVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		switch v.Kind {
		case vectors.KindFlow, vectors.KindKey, vectors.KindValues, vectors.KindPaths:
			if v.Receiver != "" {
				t.Errorf("%s has a receiver and is no frame", v.ID)
			}
			continue
		case vectors.KindDatagram:
			if v.State == "first" { // package endpoint judges it
				continue
			}
		}
		judged++
		t.Run(v.ID, func(t *testing.T) { newSubject(t, v).judge() })
	}
	if judged != 827 {
		t.Errorf("%d vectors were judged, want 827: each that has a receiver", judged)
	}
}

// subject is a session under a vector.
type subject struct {
	t    *testing.T
	v    vectors.Vector
	s    *Session
	now  Now
	app  recorder
	keys map[string]security.Secret // under which it seals, by name
	step uint8                      // of the order of checks at which a frame was refused

	judging bool // the last frame has come
}

// judge feeds the vector and compares. What the frames before the last have
// caused is taken away first.
func (u *subject) judge() {
	s, v := u.s, u.v
	if v.Kind == vectors.KindDatagram {
		u.judgeDatagram()
		return
	}
	early := false
	for _, step := range v.Steps[:len(v.Steps)-1] {
		if step.From != v.Receiver {
			s.Receive(u.now, 0, bytes.Clone(step.Frame))
			early = true
		}
	}
	if early {
		u.hear()
	}
	u.app.got, u.judging = nil, true
	frame := v.Last().Frame
	if v.Kind == vectors.KindHeader {
		frame = frame[:wire.Overhead]
	}
	s.Receive(u.now, 0, bytes.Clone(frame))
	if v.Kind == vectors.KindStream {
		u.pass(frameTimeout)
	}
	if v.Expect.Result == vectors.Invalid {
		u.refused()
	} else {
		u.effect()
	}
}

// hear returns what the session has to say, now and as its Acks come due.
func (u *subject) hear() []said {
	all := u.read(u.s.AppendOutput(u.now, 0, nil))
	if u.s.state == Established && u.s.idleTimeout > ackDelay {
		u.pass(ackDelay)
		all = append(all, u.read(u.s.AppendOutput(u.now, 0, nil))...)
	}
	return all
}

func (u *subject) pass(d time.Duration) {
	u.now.Elapsed += d
	u.now.Wall += micros(d)
	u.s.Advance(u.now)
}

// refused compares the reaction to an invalid vector.
func (u *subject) refused() {
	t, s, v, class := u.t, u.s, u.v, u.v.Expect.Class
	heard := u.hear()
	if class == vectors.ClassDiscard {
		if s.state == Closed || len(heard) > 0 {
			t.Errorf("%s: state %v, %v; want the message discarded", v.Comment, s.state, heard)
		}
		return
	}
	if s.state != Closed {
		t.Fatalf("%s: accepted, state %v; want %v", v.Comment, s.state, v.Expect)
	}
	var e *Error
	coded := errors.As(s.err, &e)
	if class == vectors.ClassSilent {
		if coded && !e.Peer || len(heard) > 0 || s.Fate(0) != Shut {
			t.Errorf("%s: %v, fate %v, %v; want silence", v.Comment, s.err, s.Fate(0), heard)
		}
		u.noticed()
		return
	}
	scope, name := wire.ScopeSession, "Error "+class
	if clear := v.State == "first"; clear || class == wire.PayloadTooLarge.String() {
		scope = wire.ScopePath
		if clear {
			name = "refusal " + class
		}
	}
	if len(heard) != 1 || heard[0].name != name || heard[0].scope != scope || s.Fate(0) != Drain {
		t.Errorf("%s: %v, fate %v, %v; want %s of scope %d", v.Comment, s.err, s.Fate(0), heard, name, scope)
	}
	if !coded || e.Peer || e.Code.String() != class {
		t.Errorf("%s: the session ended with %v", v.Comment, s.err)
	}
}

// noticed compares where a frame was refused.
func (u *subject) noticed() {
	n, err := strconv.Atoi(strings.TrimPrefix(u.v.Expect.Stage, "check"))
	switch {
	case err != nil || n < 2 || n > 12:
		return
	case n == 10:
		n = 11 // one comparison after the other, told apart by nobody
	}
	if int(u.step) != n {
		u.t.Errorf("%s: refused at step %d, want %s", u.v.Comment, u.step, u.v.Expect.Stage)
	}
}

// effect compares what a session does with a valid frame.
func (u *subject) effect() {
	t, s, v := u.t, u.s, u.v
	heard := u.hear()
	ends := v.Effect == "end" || strings.HasPrefix(v.Effect, "refusal ")
	if (s.state == Closed) != ends {
		t.Errorf("%s: state %v (%v)", v.Comment, s.state, s.err)
	}
	var names []string
	for _, f := range heard {
		names = append(names, f.name)
		if strings.HasPrefix(f.name, "Error ") && f.scope != wire.ScopeMessage {
			t.Errorf("%s: %s of scope %d", v.Comment, f.name, f.scope)
		}
		if want := u.keyOf(f); f.key != want {
			t.Errorf("%s: %s is sealed under %q, want %q", v.Comment, f.name, f.key, want)
		}
	}
	want := u.wanted()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%s: says %v, want %v (state %v, %v)", v.Comment, names, want, s.state, s.err)
	}
	u.delivered()
	u.chosen(heard)
}

// wanted are the frames that a session sends for the effect of its vector.
func (u *subject) wanted() []string {
	v := u.v
	reply := u.last().Flags.Has(wire.FlagReply)
	switch {
	case v.Kind == vectors.KindHeader || v.Effect == "nothing" || v.Effect == "end":
		return nil
	case v.Effect == "ServerHello":
		return []string{"ServerHello", "ServerFlight"}
	case v.Effect == "PING": // and the Ack of RekeyResp
		return []string{"Ack", "PING"}
	case strings.HasPrefix(v.Effect, "Error ") && reply:
		return []string{"Ack", v.Effect}
	case u.applicationDecides():
		return []string{"reply Probe"}
	default:
		return []string{v.Effect}
	}
}

// applicationDecides reports whether the effect is that of Probe itself: here the
// application echoes, and a test of package handler looks at what Probe does.
func (u *subject) applicationDecides() bool {
	switch u.v.Effect {
	case "reply Probe", "reply INVALID_PAYLOAD", "reply FAIL":
		return true
	default:
		return strings.HasPrefix(u.v.ID, "probe/source-")
	}
}

// delivered compares what the application was given: a request that it answers,
// once, and nothing that was refused.
func (u *subject) delivered() {
	want := 0
	switch {
	case u.applicationDecides(), u.unanswered():
		want = 1
	case u.v.Receiver == "client": // a reply, or the end of its call, or a push
		return
	case u.v.Effect == "Error MALFORMED": // its type takes requests only
		return
	}
	if len(u.app.got) != want {
		u.t.Errorf("%s: %d deliveries, want %d", u.v.Comment, len(u.app.got), want)
	}
}

// unanswered reports whether the vector is one that Probe executes without an
// answer, or with one that waits.
func (u *subject) unanswered() bool {
	if u.v.Receiver != "server" || len(u.app.got) != 1 {
		return false
	}
	sink, waits := probed(u.app.got[0].Body)
	return sink && u.v.Effect == "nothing" || waits && u.v.Effect == "Ack"
}

// chosen compares the identity that a server takes.
func (u *subject) chosen(heard []said) {
	want := u.v.ResultValue("fingerprint")
	if want == nil {
		return
	}
	for _, f := range heard {
		if f.name != "ServerFlight" {
			continue
		}
		var m wire.ServerIdentity
		si, _, _, err := wire.SplitFlight(f.body)
		if err == nil {
			err = m.Parse(si[wire.MessageHeader:])
		}
		if err != nil || !bytes.Equal(m.Fingerprint[:], want) {
			u.t.Errorf("%s: identity %x (%v), want %x", u.v.Comment, m.Fingerprint, err, want)
		}
		return
	}
	u.t.Errorf("%s: no ServerFlight", u.v.Comment)
}

// traced notes at which step a frame was refused.
func (u *subject) traced(e trace.Event) {
	if e.Kind == trace.FrameRefused || e.Kind == trace.FrameDropped {
		u.step = e.Step
	}
}
