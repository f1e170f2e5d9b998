package tcp

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// pair is two ends, the links between them, and a loop.
type pair struct {
	now   vtime.Time
	ends  [2]*Conn
	links [2]*link.Link // from ends[i]
	fly   []flying
	order int
	cfg   Config
	isn   uint32
	read  [2][]byte
	sent  int
}

type flying struct {
	at    vtime.Time
	order int
	to    int
	raw   []byte
}

func newPair(seed uint64, cfg Config, there, back link.Impairment, isn uint32) *pair {
	p := &pair{cfg: cfg.WithDefaults(), isn: isn}
	p.links = [2]*link.Link{link.New(seed, "a>b"), link.New(seed, "b>a")}
	p.links[0].Impair(there)
	p.links[1].Impair(back)
	p.ends[0] = Dial(p.cfg, isn)
	return p
}

// drain sends what the ends have to send.
func (p *pair) drain() {
	for i, c := range p.ends {
		for c != nil {
			s, ok := c.Next(p.now)
			if !ok {
				break
			}
			p.transmit(i, &s)
		}
	}
}

func (p *pair) transmit(from int, s *Segment) {
	p.sent++
	raw := s.Append(nil)
	v := p.links[from].Pass(p.now, len(raw)+20, "")
	if v.Cause != link.Passed || v.Edit.Flip {
		return
	}
	p.fly = append(p.fly, flying{v.At, p.order, 1 - from, raw})
	if v.Copied {
		p.fly = append(p.fly, flying{v.CopyAt, p.order + 1, 1 - from, raw})
	}
	p.order += 2
}

// step does the next thing; false if there is none before the limit.
func (p *pair) step(limit vtime.Time) bool {
	p.drain()
	first, at := -1, limit
	for i, f := range p.fly {
		if f.at < at || first >= 0 && f.at == at && f.order < p.fly[first].order {
			first, at = i, f.at
		}
	}
	for i, c := range p.ends {
		if c != nil && c.Deadline() < at {
			first, at = -2-i, c.Deadline()
		}
	}
	if first == -1 {
		return false
	}
	p.now = max(p.now, at)
	if first < -1 {
		p.ends[-2-first].Advance(p.now)
		return true
	}
	f := p.fly[first]
	p.fly = append(p.fly[:first], p.fly[first+1:]...)
	p.deliver(f)
	return true
}

func (p *pair) deliver(f flying) {
	var s Segment
	if err := s.Parse(f.raw); err != nil {
		panic(err)
	}
	c := p.ends[f.to]
	if c == nil || c.State() == Ended {
		if c == nil && s.Flags&(SYN|ACK) == SYN {
			p.ends[f.to] = Accept(p.cfg, ^p.isn, &s)
		} else if r, ok := Refuse(&s); ok {
			p.transmit(f.to, &r)
		}
		return
	}
	c.Receive(p.now, &s)
}

// take reads at most n bytes at an end.
func (p *pair) take(i, n int) {
	if p.ends[i] == nil {
		return
	}
	b := make([]byte, n)
	p.read[i] = append(p.read[i], b[:p.ends[i].Read(b)]...)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(link.Draw(1, 2, 3, uint64(i/8)) >> (i % 8 * 8))
	}
	return b
}

func bad(t *rapid.T, name string) link.Impairment {
	return link.Impairment{
		Delay:     vtime.Time(rapid.Int64Range(0, 300_000).Draw(t, name+" delay")),
		Jitter:    vtime.Time(rapid.Int64Range(0, 100_000).Draw(t, name+" jitter")),
		Loss:      rapid.IntRange(0, 300).Draw(t, name+" loss"),
		Duplicate: rapid.IntRange(0, 300).Draw(t, name+" copies"),
		Corrupt:   rapid.IntRange(0, 100).Draw(t, name+" flips"),
		Reorder:   rapid.IntRange(0, 300).Draw(t, name+" reorder"),
	}
}

// Whatever the network does for ten minutes, as long as it is good after that,
// both directions deliver exactly the bytes that were sent, and both ends close.
func TestDeliversWhatWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			SegmentSize:   rapid.SampledFrom([]int{100, 536, 1460}).Draw(t, "segment"),
			SendBuffer:    rapid.SampledFrom([]int{1000, 10_000, 0}).Draw(t, "send buffer"),
			ReceiveBuffer: rapid.SampledFrom([]int{2048, 10_000, 0}).Draw(t, "receive buffer"),
			SynRetries:    100, Retries: 100, TimeWait: vtime.Hour,
		}
		isn := rapid.SampledFrom([]uint32{0, 1<<31 - 5000, ^uint32(0) - 3000, ^uint32(0)}).Draw(t, "isn")
		p := newPair(rapid.Uint64().Draw(t, "seed"), cfg, bad(t, "there"), bad(t, "back"), isn)
		data := [2][]byte{
			pattern(rapid.IntRange(0, 15_000).Draw(t, "bytes there")), pattern(rapid.IntRange(0, 5_000).Draw(t, "bytes back")),
		}
		reads := rapid.SampledFrom([]int{50, 1000, 1 << 20}).Draw(t, "reads")
		var written [2]int
		const heals = 10 * vtime.Minute
		for steps := 0; ; steps++ {
			for i, c := range p.ends {
				if c == nil {
					continue
				}
				written[i] += c.Write(data[i][written[i]:])
				if written[i] == len(data[i]) {
					c.CloseWrite()
				}
				p.take(i, reads)
			}
			if p.now > heals {
				p.links[0].Impair(link.Impairment{Delay: 1000})
				p.links[1].Impair(link.Impairment{Delay: 1000})
				reads = 1 << 20
			}
			if !p.step(vtime.Hour * 5) {
				break
			}
			if steps > 2_000_000 {
				t.Fatalf("no end: %v", p.ends)
			}
		}
		for i, c := range p.ends {
			p.take(i, 1<<20)
			if c == nil || c.State() != Ended || c.Err() != nil || c.Buffered() > 0 {
				t.Fatalf("end %d at %s: %s, %v", i, p.now, c.State(), c.Err())
			}
			if want := data[1-i]; !bytes.Equal(p.read[i], want) {
				t.Fatalf("end %d read %d bytes, want %d, or others", i, len(p.read[i]), len(want))
			}
		}
	})
}

// connected returns a pair after its handshake, on good links.
func connected(t *testing.T, cfg Config) *pair {
	t.Helper()
	good := link.Impairment{Delay: 10 * vtime.Millisecond}
	p := newPair(1, cfg, good, good, 7)
	for p.step(31 * vtime.Millisecond) {
	}
	if p.ends[0].State() != Established || p.ends[1] == nil || p.ends[1].State() != Established {
		t.Fatalf("after %s: %v", p.now, p.ends)
	}
	if p.now != 20*vtime.Millisecond && p.now != 30*vtime.Millisecond {
		t.Fatalf("the handshake took %s", p.now)
	}
	return p
}

func (p *pair) cut(on bool) { p.links[0].SetCut(on); p.links[1].SetCut(on) }

func TestConnectTimesOut(t *testing.T) {
	p := newPair(1, Config{}, link.Impairment{}, link.Impairment{}, 0)
	p.cut(true)
	for p.step(vtime.Hour) {
	}
	if c := p.ends[0]; p.now != 127*vtime.Second || !errors.Is(c.Err(), ErrTimeout) || p.sent != 7 {
		t.Errorf("after %s and %d segments: %v", p.now, p.sent, c.Err())
	}
}

// Linux says of 15 retries: at least 924.6 seconds.
func TestSilenceTimesOut(t *testing.T) {
	p := connected(t, Config{})
	p.cut(true)
	p.ends[0].Write([]byte("x"))
	begin := p.now
	for p.step(vtime.Hour) {
	}
	took := p.now - begin
	if c := p.ends[0]; !errors.Is(c.Err(), ErrTimeout) || took < 920*vtime.Second || took > 960*vtime.Second {
		t.Errorf("after %s: %v", took, c.Err())
	}
	if p.ends[1].State() != Established {
		t.Errorf("who has nothing to send learns nothing, but is %s", p.ends[1].State())
	}
}

func TestCutBecomesDelay(t *testing.T) {
	p := connected(t, Config{})
	p.cut(true)
	p.ends[0].Write([]byte("late"))
	for p.step(2 * vtime.Second) {
	}
	p.cut(false)
	for len(p.read[1]) == 0 && p.step(vtime.Minute) {
		p.take(1, 100)
	}
	// 220 ms, doubled: it is sent at 0.03, 0.25, 0.69, 1.57 and 3.33 s.
	if string(p.read[1]) != "late" || p.now < 3*vtime.Second || p.now > 4*vtime.Second {
		t.Errorf("%q at %s", p.read[1], p.now)
	}
}

func TestFastRetransmit(t *testing.T) {
	p := connected(t, Config{})
	p.links[0].List(link.Packet{Index: p.links[0].Sent() + 2}, link.Edit{Drop: link.Listed})
	data := pattern(8 * 1460)
	p.ends[0].Write(data)
	for len(p.read[1]) < len(data) && p.step(vtime.Minute) {
		p.take(1, 1<<20)
	}
	if !bytes.Equal(p.read[1], data) || p.now > 80*vtime.Millisecond {
		t.Errorf("%d bytes at %s: a lost segment cost a timeout", len(p.read[1]), p.now)
	}
}

func TestNoReaderStopsTheWriter(t *testing.T) {
	p := connected(t, Config{SendBuffer: 8000, ReceiveBuffer: 4096})
	data := pattern(50_000)
	written := p.ends[0].Write(data)
	for p.step(30 * vtime.Second) {
		written += p.ends[0].Write(data[written:])
	}
	if limit := 8000 + 4096; written > limit || written < 8000 {
		t.Fatalf("%d bytes were taken with nobody reading", written)
	}
	if p.sent > 60 {
		t.Errorf("%d segments for a window that is shut", p.sent)
	}
	for len(p.read[1]) < len(data) && p.step(10*vtime.Minute) {
		written += p.ends[0].Write(data[written:])
		p.take(1, 1000)
	}
	if !bytes.Equal(p.read[1], data) {
		t.Errorf("%d bytes at %s", len(p.read[1]), p.now)
	}
}

func TestRefusedAndReset(t *testing.T) {
	p := newPair(1, Config{}, link.Impairment{}, link.Impairment{}, 0)
	p.ends[1] = &Conn{state: Ended}
	p.ends[1].due, p.ends[1].send.rto.due, p.ends[1].recv.ackDue = vtime.Never, vtime.Never, vtime.Never
	for p.step(vtime.Minute) {
	}
	if !errors.Is(p.ends[0].Err(), ErrRefused) {
		t.Errorf("nobody listens: %v", p.ends[0].Err())
	}
	p = connected(t, Config{})
	p.ends[1].Abort()
	for p.step(vtime.Minute) {
	}
	if !errors.Is(p.ends[0].Err(), ErrReset) || !errors.Is(p.ends[1].Err(), ErrAborted) {
		t.Errorf("an abort: %v, %v", p.ends[0].Err(), p.ends[1].Err())
	}
	// A host that forgot its connections answers the next segment with a reset.
	p = connected(t, Config{})
	p.ends[1].end(ErrAborted)
	p.ends[0].Write([]byte("x"))
	for p.step(vtime.Minute) {
	}
	if !errors.Is(p.ends[0].Err(), ErrReset) {
		t.Errorf("a host that forgot: %v", p.ends[0].Err())
	}
}

// Closing with unread data resets; so does sending to whoever has closed.
func TestCloseLosesWhatIsUnread(t *testing.T) {
	p := connected(t, Config{})
	p.ends[0].Write([]byte("unread"))
	for p.step(100 * vtime.Millisecond) {
	}
	p.ends[1].Close(p.now)
	for p.step(vtime.Minute) {
	}
	if !errors.Is(p.ends[0].Err(), ErrReset) {
		t.Errorf("closed with unread data: %v", p.ends[0].Err())
	}
	p = connected(t, Config{})
	p.ends[1].Close(p.now)
	for p.step(100 * vtime.Millisecond) {
	}
	if !p.ends[0].PeerClosed() || p.ends[0].State() != CloseWait {
		t.Errorf("the peer has closed: %s", p.ends[0].State())
	}
	p.ends[0].Write([]byte("x"))
	for p.step(vtime.Minute) {
	}
	if !errors.Is(p.ends[0].Err(), ErrReset) {
		t.Errorf("sent to a closed end: %v", p.ends[0].Err())
	}
}

func TestHalfClose(t *testing.T) {
	p := connected(t, Config{})
	p.ends[0].CloseWrite()
	for p.step(100 * vtime.Millisecond) {
	}
	if n := p.ends[0].Write([]byte("x")); n != 0 {
		t.Errorf("%d bytes written after CloseWrite", n)
	}
	p.ends[1].Write([]byte("still here"))
	p.ends[1].CloseWrite()
	for p.step(10 * vtime.Second) {
		p.take(0, 100)
	}
	if string(p.read[0]) != "still here" || p.ends[0].State() != TimeWait || p.ends[1].State() != Ended {
		t.Errorf("%q, %s, %s", p.read[0], p.ends[0].State(), p.ends[1].State())
	}
}

// Segments of any content are digested, and what is no segment is refused.
func TestAnySegment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(1, Config{}, link.Impairment{}, link.Impairment{}, 100)
		for p.step(vtime.Second) {
		}
		for range 20 {
			c := p.ends[rapid.IntRange(0, 1).Draw(t, "end")]
			s := Segment{
				Seq: rapid.Uint32Range(90, 120).Draw(t, "seq"), Ack: rapid.Uint32Range(90, 120).Draw(t, "ack"),
				Flags: Flags(rapid.IntRange(0, 31).Draw(t, "flags")), Window: rapid.Uint32Range(0, 1<<20).Draw(t, "window"),
				Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data"),
			}
			if rapid.Bool().Draw(t, "far") {
				s.Seq += rapid.Uint32().Draw(t, "seq off")
				s.Ack += rapid.Uint32().Draw(t, "ack off")
			}
			c.Receive(p.now, &s)
			c.Write(s.Data)
			for n := 0; ; n++ {
				if _, ok := c.Next(p.now); !ok {
					break
				}
				if n > 1000 {
					t.Fatal("it sends without end")
				}
			}
			p.now += 10_000
			if c.Deadline() <= p.now {
				c.Advance(p.now)
			}
		}
	})
}

func TestSegmentIsWrittenAndRead(t *testing.T) {
	want := Segment{1, 2, 3, 4, SYN | ACK, 5 * windowUnit, []byte("data")}
	raw := want.Append([]byte("before"))[6:]
	var got Segment
	if err := got.Parse(raw); err != nil || !bytes.Equal(got.Append(nil), raw) || got.Window != want.Window || got.Flags != want.Flags {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range headerSize {
		if err := got.Parse(raw[:n]); err == nil {
			t.Errorf("a header of %d bytes is read", n)
		}
	}
}
