package fuzz_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzSession lets a client core and a server core have a session over TCP, UDP and
// both, while a script loses, doubles, delays and damages what is under way, injects
// bytes, seals frames of its own under the keys of either side, opens and cuts paths,
// asks for calls and fresh keys, and lets time pass.
//
// Oracle: no nonce of a key is in two frames. A call is executed once at most and
// answered once at most. Receive memory stays within the limits, and what a datagram
// or a piece of a stream allocates within its size. What is over says nothing and
// comes back no more; when the client is gone, the server keeps nothing.
func FuzzSession(f *testing.F) {
	for i := range byte(8) {
		f.Add(i, []byte{13, 13, 6, 30, 13, 8, 0, 13, 6, 200, 7, 13, 5, 3, 13, 9, 0, 13, 5, 5, 13})
		f.Add(i, []byte{13, 8, 1, 13, 8, 0, 13, 6, 255, 1, 1, 0, 0, 2, 0, 5, 2, 13, 12, 6, 9, 13, 15, 13, 5, 7})
		f.Add(i, []byte{13, 6, 255, 6, 255, 13, 7, 1, 5, 1, 1, 3, 0, 3, 7, 13, 14, 13, 5, 8, 6, 3, 13})
	}
	for i, s := range stepsOfVectors(f) { // a few of them, for each is a whole session
		h, _, _ := testkit.DecodeFrame(s.Frame)
		switch {
		case len(s.Frame) > 1400:
		case i%16 == 0:
			f.Add(byte(i), slices.Concat([]byte{13, 10, byte(i)}, testkit.PutUint(uint64(len(s.Frame)), 2), s.Frame, []byte{13, 5, 6}))
		case i%6 == 0 && s.Plaintext != nil:
			forged := spelt(h.Type(), h.Flags(), s.Plaintext)[1:]
			f.Add(byte(i), slices.Concat([]byte{13, 8, byte(i), 13, 11, byte(i), byte(i), 0}, forged, []byte{13}))
		}
	}
	f.Fuzz(func(t *testing.T, mode byte, script []byte) {
		s := newShore(t, setup{suite: []uint8{1, 2, 0, 1}[mode>>2&3], seed: mode >> 4})
		if mode&1 == 0 {
			s.board(s.connect())
		} else {
			s.board(nil)
		}
		v := &voyage{shore: s, in: &tape{script}}
		for range 48 {
			if !v.in.more() {
				break
			}
			v.step()
			v.look()
		}
		v.end()
	})
}

// crew are the applications of both sides, which count.
type crew struct {
	t        testing.TB
	calls    int          // made by the client
	executed map[int]int  // by number of the call
	ended    map[int]bool // at the client
	over     map[*session.Session]bool
}

func newCrew(t testing.TB) crew {
	return crew{t: t, executed: map[int]int{}, ended: map[int]bool{}, over: map[*session.Session]bool{}}
}

// callMark begins the body of a call of the client, so that no other is taken for one.
const callMark = "a call of the client itself, number "

type clientApp struct{ *crew }

type serverApp struct{ *crew }

func applications(c *crew) [2]session.Application {
	return [2]session.Application{clientApp{c}, serverApp{c}}
}

func (*crew) Implements(t wire.MessageType) bool     { return t == wire.TypeProbe }
func (*crew) Writable(session.Now, *session.Session) {}
func (*crew) Advance(session.Now)                    {}
func (*crew) Deadline() (at time.Duration, due bool) { return 0, false }
func (c clientApp) Ended(s *session.Session)         { c.endOf(s) }
func (c serverApp) Ended(s *session.Session)         {}
func (c *crew) endOf(s *session.Session) {
	if c.over[s] {
		c.t.Fatal("a session ends twice")
	}
	c.over[s] = true
}

func (c clientApp) Deliver(_ session.Now, s *session.Session, m session.Message) bool {
	if c.over[s] {
		c.t.Fatal("a message for a session that is over")
	}
	if owner, ok := m.Owner.(int); ok {
		if c.ended[owner] {
			c.t.Fatalf("call %d ends twice", owner)
		}
		c.ended[owner] = true
	}
	return true
}

func (c serverApp) Deliver(now session.Now, s *session.Session, m session.Message) bool {
	if n := len(callMark); len(m.Body) >= n+4 && string(m.Body[:n]) == callMark {
		number := int(binary.BigEndian.Uint32(m.Body[n:]))
		if c.executed[number]++; c.executed[number] > 1 {
			c.t.Fatalf("call %d is executed twice", number)
		}
	}
	if m.Call.Mid != 0 {
		s.Reply(now, m.Call, nil, m.Body, nil)
	}
	return true
}

// voyage is a script that is played.
type voyage struct {
	*shore
	in  *tape
	why string // the client's session is over; empty while it is not
}

// spans are how long a script can wait.
var spans = [...]time.Duration{
	time.Millisecond, 25 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, 11 * time.Second,
	31 * time.Second, 70 * time.Second, 400 * time.Second,
}

func (v *voyage) step() {
	v.t.Helper()
	in := v.in
	before, size := allocated(), 0
	switch op := in.byte(); op % 17 {
	case 0, 1:
		v.carry(int(op & 1))
	case 2: // lost
		if q := &v.afloat[in.byte()&1]; len(*q) > 0 {
			*q = (*q)[1:]
		}
	case 3: // doubled, and one overtakes the others
		from := int(in.byte() & 1)
		if q := v.afloat[from]; len(q) > 0 {
			i := int(in.byte()) % len(q)
			v.land(from, q[i])
		}
	case 4: // damaged
		if q := v.afloat[in.byte()&1]; len(q) > 0 {
			b := q[int(in.byte())%len(q)].bytes
			b[int(in.uint16())%len(b)] ^= in.byte()
		}
	case 5:
		v.drift(spans[int(in.byte())%len(spans)])
	case 6:
		v.call(int(in.byte()))
	case 7:
		if in.byte()&1 == 0 {
			v.client.Rekey(v.now)
		} else {
			v.server.Rekey(v.now)
		}
	case 8:
		if b := in.byte(); v.client.State() == session.Established {
			v.attach([]session.Transport{session.TCP, session.UDP}[b&1], b&2 != 0)
		}
	case 9: // a connection breaks
		if n := len(v.streams); n > 0 {
			v.hangUp(v.streams[int(in.byte())%n])
		}
	case 10:
		size = v.inject(int(in.byte()), in.bytes(int(in.uint16())))
	case 11:
		size = v.forge()
	case 12: // the client has another address
		v.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1 + in.byte()%3}), 4711)
	case 13:
		v.calm()
		return
	case 14:
		v.client.Rest()
	case 15:
		for _, c := range slices.Clone(v.streams) {
			v.flow(c, int(in.byte()&1), int(in.uint16()))
		}
	case 16:
		if in.byte() > 0xf0 {
			v.client.Close(v.now)
		} else {
			v.client.Ping()
		}
	}
	if got, most := allocated()-before, uint64(allocatedLate+64*size); size > 0 && got > most {
		v.t.Fatalf("%d bytes were allocated for %d", got, size)
	}
	v.collect()
}

// call lets the client ask for something, up to 32 KiB.
func (v *voyage) call(n int) {
	if v.client.State() != session.Established {
		return
	}
	v.calls++
	body := append(binary.BigEndian.AppendUint32([]byte(callMark), uint32(v.calls)), make([]byte, n*n/2)...)
	if err := v.client.Send(v.now, &session.Request{Type: wire.TypeProbe, Owner: v.calls, Body: body, Priority: n&1 != 0}); err != nil {
		v.t.Fatalf("an established client refuses a call: %v", err)
	}
}

// inject puts bytes before one of the two, as a datagram or into a connection.
func (v *voyage) inject(how int, b []byte) int {
	toClient := how&1 != 0
	switch n := len(v.streams); {
	case how&2 == 0 || n == 0:
		v.land(how&1, parcel{v.at, b})
	case toClient && !v.streams[how>>2%n].cut[0]:
		v.client.Receive(v.now, v.streams[how>>2%n].path, slices.Clone(b))
	case !toClient && !v.streams[how>>2%n].cut[1]:
		v.server.Receive(v.now, v.streams[how>>2%n].conn, slices.Clone(b))
	}
	return len(b)
}

// forge seals a frame under a key of the session, as if a core had, and delivers it on
// a path of that key.
func (v *voyage) forge() int {
	labels := v.labelled([]string{"CLIENT", "SERVER"}[v.in.byte()&1])
	if len(labels) == 0 {
		return 0
	}
	label := labels[len(labels)-1-int(v.in.byte())%len(labels)]
	keys := v.keys[label]
	next := v.next[string(keys.KeyID)]
	m := &model{base: next, lastMid: uint64(v.calls)}
	p := pen{keys: keys, session: v.client.ID(), stamp: v.now.Wall, sequence: min(v.in.near(next), sequenceEnd-1)}
	typ, flags, plaintext := shot(v.in, m)
	b := p.frame(typ, flags, plaintext, nil)
	var path session.PathID
	_, _ = fmt.Sscanf(label[len("CLIENT"):], "_PATH_SECRET_%d_", &path)
	from := 0
	if label[0] == 'S' {
		from = 1
	}
	for i, c := range v.streams {
		if c.path == path {
			return v.inject(i<<2|2|from, b)
		}
	}
	return v.inject(from, b)
}

// look compares what has to hold all the time.
func (v *voyage) look() {
	v.t.Helper()
	if n := v.admission.memory; n < 0 || n > 4*messageToServer {
		v.t.Fatalf("the server counts %d bytes of receive memory", n)
	}
	if v.why != "" && (v.client.State() != session.Closed || v.client.Err().Error() != v.why) {
		v.t.Fatalf("the client was over by %s and is %v by %v", v.why, v.client.State(), v.client.Err())
	}
	if v.client.State() == session.Closed {
		v.why = v.client.Err().Error()
	}
}

// end takes the client away for good.
func (v *voyage) end() {
	v.t.Helper()
	v.client.Close(v.now)
	for range 4 {
		for len(v.streams) > 0 {
			v.hangUp(v.streams[0])
		}
		v.afloat = [2][]parcel{}
		v.drift(200 * time.Second)
		v.look()
	}
	if v.client.State() != session.Closed {
		v.t.Fatalf("the client is still %v", v.client.State())
	}
	if _, due := v.client.Deadline(); due {
		v.t.Fatal("a client that is over waits for something")
	}
	if _, due := v.server.Deadline(); due || v.server.Len() != 0 {
		v.t.Fatalf("the client is gone and the server has %d paths and waits for something: %v", v.server.Len(), due)
	}
	if a := v.admission; a.memory != 0 || a.half != 0 || a.settled != 0 {
		v.t.Fatalf("the client is gone and counts: %+v", *a)
	}
}
