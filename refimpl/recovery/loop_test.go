package recovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/wire"
)

// transfer is one direction of messages over two links, in virtual time: every
// message is one datagram.
type transfer struct {
	*testing.T
	now, until time.Duration
	there      *link.Link
	back       *link.Link
	wire       []packet // that are under way, by arrival

	s       Sender[int]
	r       Received
	entropy uint64

	todo  []int // lost messages
	next  int   // message that was never sent
	total int   // messages; after them nothing is sent
	acked map[int]bool
	got   map[int]bool

	suspectAt time.Duration // when the path became suspect; 0: it is not
	doubted   int           // expiries of PTO that were judged

	progress time.Duration // when an Ack last covered something new
	stall    time.Duration // the longest time without
}

type packet struct {
	at  time.Duration
	seq uint64 // of a frame
	msg int
	ack []byte // of an Ack
}

const (
	datagram = 1200
	ackFrame = wire.Overhead + wire.AckSize
)

func newTransfer(t *testing.T, imp link.Impairment, total int) *transfer {
	if err := imp.Validate(); err != nil {
		t.Fatal(err)
	}
	x := &transfer{
		T: t, there: link.New(1, "there"), back: link.New(1, "back"), s: NewSender[int](datagram), entropy: 1,
		total: total, acked: map[int]bool{}, got: map[int]bool{},
	}
	x.there.Impair(imp)
	imp.Rate, imp.Queue = 0, 0
	x.back.Impair(imp)
	x.s.Sample(2 * time.Duration(imp.Delay) * time.Microsecond)
	return x
}

func (x *transfer) pass(l *link.Link, size int, p packet) {
	v := l.Pass(vtime.Time(x.now/time.Microsecond), size, "")
	if v.Cause != link.Passed {
		return
	}
	for i, at := range []vtime.Time{v.At, v.CopyAt} {
		if p.at = time.Duration(at) * time.Microsecond; i == 0 || v.Copied {
			place, _ := slices.BinarySearchFunc(x.wire, p.at+1, func(q packet, at time.Duration) int { return int(q.at - at) })
			x.wire = slices.Insert(x.wire, place, p)
		}
	}
}

// send sends one message, if there is one: a lost one first.
func (x *transfer) send() bool {
	for len(x.todo) > 0 && x.acked[x.todo[0]] {
		x.todo = x.todo[1:]
	}
	var msg int
	switch {
	case len(x.todo) > 0:
		msg, x.todo = x.todo[0], x.todo[1:]
	case x.next < x.total:
		msg = x.next
		x.next++
	default:
		return false
	}
	x.transmit(msg)
	return true
}

func (x *transfer) transmit(msg int) {
	seq := x.s.Next(func() uint64 { x.entropy = x.entropy*6364136223846793005 + 1; return x.entropy >> 30 })
	x.s.Sent(x.now, Frame[int]{Sequence: seq, Size: datagram, Eliciting: true, Reliable: true, Item: msg})
	x.pass(x.there, datagram, packet{seq: seq, msg: msg})
}

// probe sends the oldest n unacknowledged messages again.
func (x *transfer) probe(n int) {
	for msg := 0; msg < x.next && n > 0; msg++ {
		if !x.acked[msg] {
			x.transmit(msg)
			n--
		}
	}
}

func (x *transfer) arrive(p packet) {
	if p.ack == nil {
		if !x.r.Fresh(p.seq) {
			return
		}
		x.r.Add(x.now, p.seq, true, true)
		x.got[p.msg] = true
		return
	}
	var ack wire.Ack
	if err := ack.Parse(p.ack); err != nil {
		x.Fatal(err)
	}
	acked, lost, err := x.s.Ack(x.now, &ack)
	if err != nil {
		x.Fatal(err)
	}
	for _, msg := range acked {
		if !x.got[msg] {
			x.Fatalf("%d is acknowledged and did not arrive", msg)
		}
		x.acked[msg] = true
	}
	if len(acked) > 0 {
		x.stall, x.progress = max(x.stall, x.now-x.progress), x.now
	}
	x.todo = append(x.todo, lost...)
}

// run transfers until everything is acknowledged or until is reached.
func (x *transfer) run(until time.Duration) {
	for x.until = until; x.now < until && len(x.acked) < x.total; {
		for x.s.CanSend(x.now, datagram) && x.send() {
			continue
		}
		if x.r.AckDue(x.now) {
			x.pass(x.back, ackFrame, packet{ack: x.r.AppendAck(nil, x.now)})
		}
		if at := x.wake(); at > x.now {
			x.now = at
		} else {
			x.now += time.Microsecond
		}
		x.judge()
		lost, probes := x.s.OnTimeout(x.now)
		x.todo = append(x.todo, lost...)
		x.probe(probes)
		for len(x.wire) > 0 && x.wire[0].at <= x.now {
			p := x.wire[0]
			x.wire = x.wire[1:]
			x.arrive(p)
		}
		if q := x.s.Quality(); q.InFlight < 0 || q.Window < windowMin*datagram || x.s.q.n > sentMax {
			x.Fatalf("%+v, %d frames", q, x.s.q.n)
		}
	}
	x.stall = max(x.stall, x.now-x.progress)
}

// judge makes the path suspect, and ends the suspicion two seconds later as if a
// PING had been answered.
func (x *transfer) judge() {
	at, ok := x.s.SuspectAt()
	switch {
	case x.suspectAt != 0 && x.now >= x.suspectAt+suspectTimeout:
		x.s.SetSuspect(x.now, false)
		x.suspectAt = 0
	case x.suspectAt == 0 && (x.s.ConsecutivePTO() >= 3 && x.s.ConsecutivePTO() != x.doubted || ok && at <= x.now):
		x.s.SetSuspect(x.now, true)
		x.suspectAt = x.now
	}
	x.doubted = x.s.ConsecutivePTO()
}

// wake is when something happens next.
func (x *transfer) wake() time.Duration {
	at := x.until
	if len(x.wire) > 0 {
		at = min(at, x.wire[0].at)
	}
	if d, ok := x.s.Deadline(); ok {
		at = min(at, d)
	}
	if x.suspectAt != 0 {
		at = min(at, x.suspectAt+suspectTimeout)
	} else if d, ok := x.s.SuspectAt(); ok {
		at = min(at, d)
	}
	if d, ok := x.r.Deadline(); ok {
		at = min(at, d)
	}
	if d, ok := x.s.NextSend(x.now, datagram); ok && (len(x.todo) > 0 || x.next < x.total) {
		at = min(at, d)
	}
	return at
}

// TestThroughput sends for a minute over 10 Mbit/s and 50 ms and compares with
// what the bottleneck gives, or the formula of Mathis et al. for NewReno:
// datagram / RTT × √(3/2) / √p.
func TestThroughput(t *testing.T) {
	const duration = time.Minute
	imp := link.Impairment{Delay: 25 * vtime.Millisecond, Rate: 10_000_000, Queue: 64 << 10}
	for _, c := range []struct {
		loss       int // permille
		least, top int // bit/s of what was delivered
	}{
		{0, 9_500_000, 10_000_000},
		{1, 5_500_000, 10_000_000}, // formula: 7.4 Mbit/s
		{10, 1_800_000, 3_000_000}, // 2.35 Mbit/s
		{50, 500_000, 1_300_000},   // 1.05 Mbit/s; timeouts are not in it
	} {
		t.Run(fmt.Sprintf("loss of %d in a thousand", c.loss), func(t *testing.T) {
			imp.Loss = c.loss
			x := newTransfer(t, imp, 1<<40)
			x.run(duration)
			rate := len(x.acked) * datagram * 8 / int(duration/time.Second)
			q := x.s.Quality()
			t.Logf("%d bit/s, longest stall %v, %+v", rate, x.stall, q)
			if rate < c.least || rate > c.top || x.stall > 3*time.Second {
				t.Error("too slow, too fast or stalled")
			}
			if sent := q.Acked + q.Lost - q.Late; c.loss == 10 && q.Lost*1000/sent > 15 {
				t.Errorf("%d of %d frames taken for lost", q.Lost, sent)
			}
		})
	}
}

// TestTransfer brings every message across whatever the links do.
func TestTransfer(t *testing.T) {
	for name, imp := range map[string]link.Impairment{
		"calm":       {Delay: 10 * vtime.Millisecond},
		"reordering": {Delay: 10 * vtime.Millisecond, Reorder: 100},
		"jitter":     {Delay: 40 * vtime.Millisecond, Jitter: 30 * vtime.Millisecond},
		"copies":     {Delay: 10 * vtime.Millisecond, Duplicate: 300},
		"bursts":     {Delay: 10 * vtime.Millisecond, Gilbert: link.Gilbert{Enter: 20, Leave: 200, Bad: 800}},
		"much loss":  {Delay: 10 * vtime.Millisecond, Loss: 300},
		"no queue":   {Delay: 100 * vtime.Millisecond, Rate: 1_000_000, Queue: 3000},
		"no delay":   {Loss: 20},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTransfer(t, imp, 1000)
			x.run(20 * time.Minute)
			if len(x.acked) != x.total || len(x.got) != x.total {
				t.Fatalf("%d of %d acknowledged, %d arrived", len(x.acked), x.total, len(x.got))
			}
			t.Logf("%v, longest stall %v, %+v", x.now, x.stall, x.s.Quality())
			if lost := x.s.Quality().Lost; lost > 0 && (name == "calm" || name == "copies") {
				t.Errorf("%d frames taken for lost", lost)
			}
		})
	}
}

// TestOutage cuts both links for a while: the sender probes, comes back and goes on.
func TestOutage(t *testing.T) {
	x := newTransfer(t, link.Impairment{Delay: 20 * vtime.Millisecond, Rate: 10_000_000, Queue: 64 << 10}, 1<<40)
	x.run(5 * time.Second)
	x.there.SetCut(true)
	x.back.SetCut(true)
	x.run(10 * time.Second)
	if n := x.s.ConsecutivePTO(); n < 3 || n > 6 || x.suspectAt == 0 {
		t.Errorf("%d expiries in an outage of 5 s, suspect since %v", n, x.suspectAt)
	}
	before := len(x.acked)
	x.there.SetCut(false)
	x.back.SetCut(false)
	x.run(30 * time.Second)
	if rate := (len(x.acked) - before) * datagram * 8 / 20; rate < 6_000_000 || x.s.ConsecutivePTO() != 0 {
		t.Errorf("%d bit/s after the outage", rate)
	}
}
