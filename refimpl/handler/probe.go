package handler

import (
	"container/heap"
	"strconv"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Limits of Probe. [XTMP-PRB-015] [XTMP-PRB-017] [XTMP-PRB-019] [XTMP-PRB-022] [XTMP-PRB-024]
const (
	codeMax    = 0xffff    // of an Error
	delayMax   = 60_000    // ms
	streamMax  = 1_000_000 // pushes
	streamsMax = 64        // streams of one session at once; more are RATE_LIMITED
)

// Probe answers messages of type 0x70. The zero value is ready.
type Probe struct {
	sessions map[*session.Session]*state
	delays   delays
}

// state is what Probe keeps of a session with delays or streams.
type state struct {
	subs    uint32 // sub_ids given
	streams []*stream
	delays  []*delay
}

// Implements implements session.Application.
func (*Probe) Implements(t wire.MessageType) bool { return t == wire.TypeProbe }

// Deliver implements session.Application.
func (p *Probe) Deliver(now session.Now, s *session.Session, m session.Message) bool {
	var r wire.Probe
	err := r.Parse(m.Body)
	if m.Call.Mid == 0 { // only sink goes without an answer
		return err == nil && r.Op == wire.ProbeSink
	}
	if err != nil {
		refuse(now, s, m.Call, wire.InvalidPayload, err.Error())
		return true
	}
	switch r.Op {
	case wire.ProbeEcho:
		reply(now, s, m.Call, wire.Probe{Op: r.Op, Data: r.Data}, nil)
	case wire.ProbeSink:
		reply(now, s, m.Call, wire.Probe{Op: r.Op, Arg: uint32(len(r.Data))}, nil)
	case wire.ProbeSource:
		if int64(r.Arg)+wire.ProbeHeader > MaxReply {
			refuse(now, s, m.Call, wire.PayloadTooLarge, "at most 16777208 bytes")
			break
		}
		reply(now, s, m.Call, wire.Probe{Op: r.Op}, pattern(r.Arg))
	case wire.ProbeFail:
		if r.Arg > codeMax {
			refuse(now, s, m.Call, wire.InvalidPayload, "a code has 16 bits")
			break
		}
		refuse(now, s, m.Call, wire.Code(r.Arg), "as asked for")
	case wire.ProbeDelay:
		p.delay(now, s, m.Call, &r)
	case wire.ProbeStream:
		p.stream(now, s, m.Call, &r)
	default:
		refuse(now, s, m.Call, wire.InvalidPayload, "no such op: "+strconv.Itoa(int(r.Op)))
	}
	return true
}

func reply(now session.Now, s *session.Session, c session.Call, r wire.Probe, content session.Content) {
	var head [wire.ProbeHeader]byte
	s.Reply(now, c, r.AppendHeader(head[:0]), r.Data, content)
}

func refuse(now session.Now, s *session.Session, c session.Call, code wire.Code, text string) {
	s.ReplyError(now, c, &session.Error{Code: code, Text: text})
}

// pattern is the content of source: byte i is i mod 251.
type pattern uint32

func (n pattern) Len() int { return int(n) }

func (n pattern) AppendRange(dst []byte, from, to int) []byte {
	for i := from; i < to; {
		k := min(to-i, wire.ProbePeriod-i%wire.ProbePeriod)
		dst = append(dst, period[i%wire.ProbePeriod:][:k]...)
		i += k
	}
	return dst
}

// period is one period of pattern.
var period = func() (b [wire.ProbePeriod]byte) {
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

// of returns what Probe keeps of a session.
func (p *Probe) of(s *session.Session) *state {
	st := p.sessions[s]
	if st == nil {
		if p.sessions == nil {
			p.sessions = make(map[*session.Session]*state)
		}
		st = new(state)
		p.sessions[s] = st
	}
	return st
}

// Ended implements session.Application.
func (p *Probe) Ended(s *session.Session) {
	st := p.sessions[s]
	if st == nil {
		return
	}
	for _, d := range st.delays {
		d.session, d.data = nil, nil // it stays in the heap until it is due
	}
	for _, f := range st.streams {
		f.left = 0
	}
	delete(p.sessions, s)
}

// Parked implements session.Pusher.
func (p *Probe) Parked(s *session.Session) {
	st := p.sessions[s]
	if st == nil {
		return
	}
	for _, f := range st.streams {
		s.Release(len(f.data))
		f.left = 0
	}
	st.streams = nil
}

// delay is an echo that waits.
type delay struct {
	at      time.Duration
	order   uint64
	session *session.Session // nil: it has ended
	call    session.Call
	data    []byte
}

// delays is a heap, the next one due first, and of those the oldest.
type delays struct {
	heap []*delay
	last uint64
}

func (h *delays) Len() int { return len(h.heap) }
func (h *delays) Less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (h *delays) Swap(i, j int) { h.heap[i], h.heap[j] = h.heap[j], h.heap[i] }
func (h *delays) Push(x any)    { h.heap = append(h.heap, x.(*delay)) }
func (h *delays) Pop() any {
	last := len(h.heap) - 1
	d := h.heap[last]
	h.heap[last] = nil
	h.heap = h.heap[:last]
	return d
}

// delay answers after r.Arg milliseconds.
func (p *Probe) delay(now session.Now, s *session.Session, c session.Call, r *wire.Probe) {
	switch {
	case r.Arg > delayMax:
		refuse(now, s, c, wire.InvalidPayload, "at most 60000 ms")
		return
	case !s.Retain(len(r.Data)):
		refuse(now, s, c, wire.ServerBusy, "receive memory is exhausted")
		return
	}
	p.delays.last++
	d := &delay{
		at: now.Elapsed + time.Duration(r.Arg)*time.Millisecond, order: p.delays.last,
		session: s, call: c, data: append([]byte(nil), r.Data...),
	}
	heap.Push(&p.delays, d)
	st := p.of(s)
	st.delays = append(st.delays, d)
}

// Deadline returns when Advance has something to do; false if it never has.
func (p *Probe) Deadline() (time.Duration, bool) {
	if len(p.delays.heap) == 0 {
		return 0, false
	}
	return p.delays.heap[0].at, true
}

// Advance answers what is due.
func (p *Probe) Advance(now session.Now) {
	for len(p.delays.heap) > 0 && p.delays.heap[0].at <= now.Elapsed {
		d := heap.Pop(&p.delays).(*delay)
		if d.session == nil {
			continue
		}
		st := p.sessions[d.session]
		for i, e := range st.delays {
			if e == d {
				st.delays[i] = st.delays[len(st.delays)-1]
				st.delays = st.delays[:len(st.delays)-1]
				break
			}
		}
		d.session.Release(len(d.data))
		reply(now, d.session, d.call, wire.Probe{Op: wire.ProbeDelay, Data: d.data}, nil)
	}
}

// stream is a source of pushes.
type stream struct {
	sub  uint32
	n    uint64 // of the next push
	left uint32
	data []byte
}

// stream answers with a sub_id, then pushes r.Data r.Arg times, as fast as the
// session takes it.
func (p *Probe) stream(now session.Now, s *session.Session, c session.Call, r *wire.Probe) {
	switch {
	case r.Arg > streamMax:
		refuse(now, s, c, wire.InvalidPayload, "at most 1000000 pushes")
		return
	case len(p.of(s).streams) >= streamsMax:
		refuse(now, s, c, wire.RateLimited, "too many streams at once")
		return
	case !s.Retain(len(r.Data)):
		refuse(now, s, c, wire.ServerBusy, "receive memory is exhausted")
		return
	}
	st := p.of(s)
	st.subs++
	f := &stream{sub: st.subs, n: 1, left: r.Arg, data: append([]byte(nil), r.Data...)}
	st.streams = append(st.streams, f)
	sub := [4]byte{byte(f.sub >> 24), byte(f.sub >> 16), byte(f.sub >> 8), byte(f.sub)}
	reply(now, s, c, wire.Probe{Op: r.Op, Arg: r.Arg, Data: sub[:]}, nil)
	p.Writable(now, s)
}

// Writable implements session.Application: streams go on where they stopped, in
// turn.
func (p *Probe) Writable(now session.Now, s *session.Session) {
	st := p.sessions[s]
	if st == nil {
		return
	}
	head := wire.Probe{Op: wire.ProbeStream}
	var fixed [wire.ProbeHeader]byte
	head.AppendHeader(fixed[:0])
	for len(st.streams) > 0 {
		f := st.streams[0]
		for f.left > 0 {
			if !s.Push(now, wire.TypeProbe, f.sub, f.n, fixed[:], f.data) {
				return
			}
			f.n++
			f.left--
		}
		s.Release(len(f.data))
		st.streams = st.streams[1:]
	}
	st.streams = nil
}
