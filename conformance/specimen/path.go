package specimen

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// pto is the probe timeout at first. It is not measured.
const pto = 60 * time.Millisecond

// A path is a pair of addresses, or a TCP connection.
type path struct {
	session *session
	conn    net.Conn // nil on UDP
	addr    netip.AddrPort
	binder  []byte
	in, out []testkit.Keys // by epoch
	epoch   int            // under which we seal
	opened  bool
	standby bool

	// The address that is validated (12.13).
	candidate netip.AddrPort
	challenge []byte
	until     time.Time
	got, gave int

	seen      map[uint64]bool
	unkept    map[uint64]bool // of these, what was refused for want of room
	highest   int64
	highestAt time.Time
	eliciting int       // frames that no Ack has covered
	since     time.Time // when the oldest of them came
	gap       bool

	next     uint64
	leaveOut uint64
	period   uint64
	left     map[uint64]bool
	sent     []*sent
	carried  map[uint64]*piece // what each frame has carried
	waiting  []*piece
	later    []*message // pushes
	delayed  []*message // replies whose time has not come
	last     time.Time  // of the last ack-eliciting frame
	backoff  int
	window   int
}

// A piece is a message, or a fragment of one.
type piece struct {
	m            *message
	index, count uint64
	fragID       uint64
	body         []byte
	acked        bool
}

// A sent is an ack-eliciting frame in flight.
type sent struct {
	sequence uint64
	at       time.Time
	piece    *piece
	size     int
}

// derive makes the keys of every epoch there is.
func (p *path) derive() {
	p.in, p.out = nil, nil
	for _, root := range p.session.roots {
		d := testkit.Derive("path", testkit.Values{"root": root, "binder": p.binder})
		p.in = append(p.in, testkit.DeriveKeys(d.Value("ts_client")))
		p.out = append(p.out, testkit.DeriveKeys(d.Value("ts_server")))
	}
}

func (p *path) flaw(name string) bool { return p.session.server.flaw(name) }

// receive is checks 7 … 13 of a frame under a path key on UDP.
func (p *path) receive(f *testkit.Frame, raw []byte, keys testkit.Keys, epoch int, from netip.AddrPort) {
	sequence := f.Sequence()
	_, nonce := keys.Nonce(sequence)
	if f.Header.Uint("encryption_type") != uint64(keys.Suite) || !sum(f, raw) || !p.timely(f) ||
		!bytes.Equal(nonce, f.Header.Bytes("nonce")) || len(raw) > 1200 || sequence >= 1<<62 {
		return
	}
	if p.seen[sequence] && !p.flaw("replay") || int64(sequence) <= p.highest-8128 && !p.flaw("no lower end") {
		return
	}
	opened, err := f.Open(keys)
	if err != nil {
		if p.flaw("window before opening") {
			p.seen[sequence] = true
		}
		return
	}
	plain, short := testkit.DecodePlaintext(f.Type(), f.Flags(), opened)
	p.switched(epoch)
	skipped := int64(sequence) != p.highest+1
	if int64(sequence) > p.highest {
		p.moved(from, len(raw))
		p.highest, p.highestAt = int64(sequence), time.Now()
	}
	if p.candidate == from && int64(sequence) != p.highest {
		p.got += len(raw)
	}
	p.seen[sequence] = true
	if p.refused(f, plain) {
		return
	}
	if elicits(f.Type(), f.Flags()) {
		if p.eliciting == 0 {
			p.since = time.Now()
		}
		p.eliciting++
		p.gap = p.gap || skipped
	}
	if short {
		p.session.violation(p, 0x15, sequence)
		return
	}
	p.meaning(f, plain, sequence, from)
}

// refused reports whether a frame has no room: its mid is beyond the window, or it
// begins a fifth incomplete message.
func (p *path) refused(f *testkit.Frame, plain *testkit.Plaintext) bool {
	mid, s := plain.Prologue.Uint("mid"), p.session
	fifth := plain.Prologue.Has("frag_id") && f.Type() < 0x80 && !s.complete[mid] && s.incoming[mid] == nil && len(s.incoming) >= 4
	base := uint64(1)
	for s.complete[base] {
		base++
	}
	if mid < base+4096 && !fifth {
		return false
	}
	if !p.flaw("acknowledges what it drops") {
		p.unkept[f.Sequence()] = true
	}
	return true
}

// timely is check 8.
func (p *path) timely(f *testkit.Frame) bool {
	reckoned := p.session.clientTime + uint64(time.Since(p.session.clientAt).Microseconds())
	d := int64(f.Header.Uint("timestamp") - reckoned)
	behind := int64(30_000_000)
	if p.flaw("window of TCP") {
		behind = 300_000_000
	}
	return d <= 30_000_000 && d >= -behind
}

func elicits(messageType uint8, flags uint16) bool {
	switch messageType {
	case typeAck, typeHeartbeat, typeDisconnect:
		return false
	case typeError:
		return flags&testkit.FlagValue("REPLY") != 0
	}
	return true
}

// switched notes the epoch under which a frame opened.
func (p *path) switched(epoch int) {
	p.opened = true
	if epoch > p.epoch {
		p.epoch = epoch
	}
}

// meaning is check 13.
func (p *path) meaning(f *testkit.Frame, plain *testkit.Plaintext, sequence uint64, from netip.AddrPort) {
	s := p.session
	body := plain.Body
	switch f.Type() {
	case typeHeartbeat:
		p.heartbeat(body, sequence, from)
	case typeDisconnect:
		s.erase()
	case typeAck:
		if !p.acked(body) {
			s.violation(p, 0x15, sequence)
		}
	case typeError:
		if len(body) > 2 && body[2] == 2 {
			s.erase()
		}
	default:
		p.message(f, plain)
	}
}

func (p *path) heartbeat(body []byte, sequence uint64, from netip.AddrPort) {
	switch {
	case len(body) == 0 || len(body) > 64 || body[0] == 4:
		p.session.violation(p, 0x15, sequence)
	case body[0] == 0 || body[0] == 2:
		answer := append([]byte{body[0] + 1}, body[1:]...)
		p.send(testkit.NewPlaintext(typeHeartbeat, 0, answer), typeHeartbeat)
	case body[0] == 3 && p.challenge != nil && (bytes.Equal(body[1:], p.challenge) && from == p.candidate || p.flaw("any response")):
		p.addr, p.candidate, p.challenge = p.candidate, netip.AddrPort{}, nil
	}
}

// message takes a message or a fragment of one.
func (p *path) message(f *testkit.Frame, plain *testkit.Plaintext) {
	s, mid := p.session, plain.Prologue.Uint("mid")
	switch {
	case mid != 0 && s.complete[mid]:
		p.repeated(mid)
		return
	}
	whole := func(body []byte) {
		if mid != 0 {
			s.complete[mid] = true
		}
		s.request(p, f.Type(), mid, body)
	}
	if !plain.Prologue.Has("frag_id") {
		whole(slices.Concat(envelopeOf(plain), plain.Body))
		return
	}
	if least := (plain.Prologue.Uint("count")-1)*max(512,
		uint64(len(plain.Body))) + 1; least > 65536 && p.conn == nil && !p.flaw("limit of TCP") {
		s.complete[mid] = true
		reply := &message{flags: reliable() | testkit.FlagValue("REPLY"), replyTo: mid}
		reply.fail(0x30)
		s.replies[mid] = reply
		p.queue(reply)
		return
	}
	key := mid
	if mid == 0 {
		key = 1<<32 + plain.Prologue.Uint("frag_id") // beyond every mid of the window
	}
	m := s.incoming[key]
	if m == nil {
		m = &partial{bodies: map[uint64][]byte{}, count: plain.Prologue.Uint("count")}
		s.incoming[key] = m
	}
	m.last = time.Now()
	m.bodies[plain.Prologue.Uint("index")] = slices.Concat(envelopeOf(plain), plain.Body)
	if uint64(len(m.bodies)) < m.count {
		return
	}
	delete(s.incoming, key)
	var body []byte
	for i := range m.count {
		body = append(body, m.bodies[i]...)
	}
	whole(body)
}

func envelopeOf(p *testkit.Plaintext) []byte {
	if p.Envelope == nil {
		return nil
	}
	return p.Envelope.Encode()
}

// repeated answers a request that comes again (12.11).
func (p *path) repeated(mid uint64) {
	reply := p.session.replies[mid]
	if reply == nil || reply.acked && !p.flaw("answers for ever") || p.flaw("never again") {
		return
	}
	for _, own := range p.sent {
		if own.piece.m == reply && time.Since(own.at) < pto && !p.flaw("answers at once") {
			return
		}
	}
	p.queue(reply)
}

// moved follows the client to another address (12.13).
func (p *path) moved(from netip.AddrPort, size int) {
	if p.conn != nil || p.flaw("stays") {
		return
	}
	switch {
	case !p.opened || p.addr == from && p.challenge == nil || p.flaw("moves at once"):
		p.addr, p.challenge = from, nil
	case p.addr == from:
		p.candidate, p.challenge = netip.AddrPort{}, nil
	case p.candidate == from && p.challenge != nil:
		p.got += size
	default:
		p.candidate, p.challenge, p.until, p.got, p.gave = from, draw(16), time.Now().Add(3*pto), size, 0
		probe := testkit.NewPlaintext(typeHeartbeat, 0, append([]byte{2}, p.challenge...))
		p.send(probe, typeHeartbeat)
		probe = testkit.NewPlaintext(typeHeartbeat, 0, append([]byte{2}, draw(16)...))
		p.write(p.seal(probe, typeHeartbeat, 0), p.addr)
	}
}

// acked takes an Ack, and reports whether it is sound.
func (p *path) acked(body []byte) bool {
	m, rest := testkit.Decode("ack", 0, body)
	spans, sound := testkit.AckSpans(m)
	if m.Short() || len(rest) > 0 || m.Uint("zero") != 0 {
		return false
	}
	if !p.flaw("ranges") && (!sound || m.Uint("range_count") > 32) {
		return false
	}
	for _, span := range spans {
		if span.High >= p.next && !p.flaw("future") {
			return false
		}
		for sequence := range p.left {
			if span.Low <= sequence && sequence <= span.High && !p.flaw("holes") {
				return false
			}
		}
	}
	for sequence, own := range p.carried {
		if testkit.Covers(spans, sequence) && !p.flaw("newest copy alone") {
			own.acked, own.m.acked = true, true
		}
	}
	var kept []*sent
	acked := 0
	var lost []*sent
	for _, own := range p.sent {
		switch {
		case p.flaw("newest copy alone") && own.sequence < p.newest(own.piece):
		case testkit.Covers(spans, own.sequence):
			own.piece.acked = true
			own.piece.m.acked = true
			p.backoff = 0
			acked += own.size
		case own.sequence+3 <= m.Uint("largest") && !p.flaw("no loss"):
			lost = append(lost, own)
			p.lost(own)
		default:
			kept = append(kept, own)
		}
	}
	p.sent = kept
	switch {
	case len(lost) > 0 && lost[len(lost)-1].at.Sub(lost[0].at) > 3*pto:
		p.window = 2400
	case len(lost) == 0 || p.flaw("no halving"):
		p.window += acked
	default:
		p.window = max(p.window/2, 2400)
	}
	p.flush()
	return true
}

// newest is the last sequence number that carried a piece.
func (p *path) newest(own *piece) (last uint64) {
	for sequence, carried := range p.carried {
		if carried == own {
			last = max(last, sequence)
		}
	}
	return last
}

// lost sends again what a lost frame carried.
func (p *path) lost(own *sent) {
	if own.piece.m.mid != 0 && !own.piece.acked {
		p.waiting = append([]*piece{own.piece}, p.waiting...)
	}
}

// queue cuts a message and sends it as far as the window allows.
func (p *path) queue(m *message) {
	s := p.session
	if m.mid == 0 && m.flags&reliable() != 0 {
		s.mid++
		m.mid = s.mid
	}
	body := m.body
	if m.envelope != 0 {
		plain := testkit.NewPlaintext(m.messageType, 0, body)
		plain.Envelope.SetUint("hs_type", m.envelope).SetUint("handshake_id", m.hs)
		body = plain.Encode()
	}
	size := 262144
	if p.conn == nil {
		size = 1104 - len(testkit.ComposeFlags("prologue", m.flags|testkit.FlagValue("FRAGMENT")).Encode())
	}
	pieces := testkit.Cut(body, size)
	if len(body) <= size+8 && p.conn == nil && len(body)+len(testkit.ComposeFlags("prologue", m.flags).Encode()) <= 1104 {
		pieces = [][]byte{body}
	}
	fragID := s.fragID
	if len(pieces) > 1 {
		s.fragID++
	}
	for i, part := range pieces {
		p.waiting = append(p.waiting, &piece{m: m, index: uint64(i), count: uint64(len(pieces)), fragID: fragID, body: part})
	}
	p.flush()
}

// flush sends what waits, within the congestion window.
func (p *path) flush() {
	for {
		if len(p.waiting) == 0 && len(p.later) > 0 {
			next := p.later[0]
			p.later = p.later[1:]
			p.waiting = append(p.waiting, &piece{m: next, count: 1, body: next.body})
		}
		if len(p.waiting) == 0 || p.conn == nil && p.flying()+1200 > p.window && !p.flaw("no window") {
			return
		}
		next := p.waiting[0]
		p.waiting = p.waiting[1:]
		if !next.acked {
			p.transmit(next)
		}
	}
}

func (p *path) flying() int {
	total := 0
	for _, own := range p.sent {
		total += own.size
	}
	return total
}

// transmit seals a piece in a new frame.
func (p *path) transmit(own *piece) {
	m, flags := own.m, own.m.flags
	if own.count > 1 {
		flags |= testkit.FlagValue("FRAGMENT")
	}
	plain := &testkit.Plaintext{Prologue: testkit.ComposeFlags("prologue", flags), Body: own.body}
	plain.Prologue.DefaultUint("mid", m.mid).DefaultUint("reply_to", m.replyTo).DefaultUint("sub_id", m.sub).DefaultUint("n", m.n)
	plain.Prologue.DefaultUint("frag_id", own.fragID).DefaultUint("index", own.index).DefaultUint("count", own.count)
	raw := p.seal(plain, m.messageType, flags)
	if p.conn == nil {
		p.last = time.Now()
		p.carried[p.next-1] = own
		p.sent = append(p.sent, &sent{sequence: p.next - 1, at: p.last, piece: own, size: len(raw)})
	}
	p.deliver(raw)
}

// send seals and sends a frame that nobody acknowledges.
func (p *path) send(plain *testkit.Plaintext, messageType uint8) {
	p.deliver(p.seal(plain, messageType, 0))
}

// seal takes the next sequence number, leaving one out now and then.
func (p *path) seal(plain *testkit.Plaintext, messageType uint8, flags uint16) []byte {
	if p.left == nil {
		p.left, p.period = map[uint64]bool{}, 256
		p.leaveOut = 1 + rand.Uint64N(2*p.period)
		if p.flaw("same holes") {
			p.leaveOut = 100
		}
	}
	if p.conn == nil && p.next == p.leaveOut && !p.flaw("no holes") {
		p.left[p.next] = true
		p.next++
		p.period = min(2*p.period, 131072)
		p.leaveOut = p.next + 1 + rand.Uint64N(2*p.period)
	}
	f := testkit.NewFrame(messageType, flags)
	f.Header.SetUint("session_id", p.session.id).SetUint("timestamp", now())
	raw := f.Seal(p.out[p.epoch], p.next, plain.Encode()).Encode()
	p.next++
	return raw
}

func (p *path) deliver(raw []byte) {
	to := p.addr
	if p.challenge != nil {
		to = p.candidate
	}
	p.write(raw, to)
}

// write sends a datagram, to an address that is not validated within its bound.
func (p *path) write(raw []byte, to netip.AddrPort) {
	if p.conn != nil {
		_, _ = p.conn.Write(raw)
		return
	}
	if p.challenge != nil && to == p.candidate {
		if p.gave+len(raw) > 3*p.got && !p.flaw("amplifies") {
			return
		}
		p.gave += len(raw)
	}
	p.session.server.write(raw, to)
}

// tick looks at the timers of a UDP path.
func (p *path) tick(at time.Time) {
	if p.challenge != nil && at.After(p.until) {
		p.candidate, p.challenge = netip.AddrPort{}, nil
	}
	delay := 20 * time.Millisecond
	if p.flaw("late Ack") {
		delay = 200 * time.Millisecond
	}
	many := p.eliciting >= 2 && !p.flaw("one Ack in T_ACK")
	gap := p.gap && !p.flaw("no Ack at a gap")
	if p.eliciting > 0 && (many || gap || at.Sub(p.since) >= delay) {
		p.ack()
	}
	p.sent = slices.DeleteFunc(p.sent, func(own *sent) bool {
		return own.piece.acked || own.piece.m.mid == 0 && at.Sub(own.at) > 3*pto && !p.flaw("pushes stay in flight")
	})
	if len(p.sent) > 0 && at.Sub(p.last) > pto<<min(p.backoff, 6) && !p.flaw("no PTO") {
		p.backoff++
		i := slices.IndexFunc(p.sent, func(own *sent) bool { return own.piece.m.mid != 0 })
		if i >= 0 {
			p.transmit(p.sent[i].piece) // the frame before may still arrive, and counts as in flight
		}
	}
	for i := 0; i < len(p.delayed); i++ {
		if m := p.delayed[i]; !at.Before(m.at) {
			p.delayed = slices.Delete(p.delayed, i, i+1)
			p.session.replies[m.replyTo] = m
			p.queue(m)
			i--
		}
	}
	p.flush()
}

// ack acknowledges what has come.
func (p *path) ack() {
	p.eliciting, p.gap = 0, false
	sequences := make([]uint64, 0, len(p.seen))
	for sequence := range p.seen {
		if !p.unkept[sequence] {
			sequences = append(sequences, sequence)
		}
	}
	spans := testkit.Spans(sequences)
	for i := 1; i < len(spans); i++ {
		if spans[i-1].Low-spans[i].High-1 > 65535 && !p.flaw("wide gaps") {
			spans = spans[:i]
		}
	}
	delay := uint64(time.Since(p.highestAt).Microseconds())
	if p.flaw("no delay") {
		delay = 0
	}
	body := testkit.ComposeAck(delay, spans[:min(len(spans), 33)]...).Encode()
	if p.flaw("cumulative Ack") {
		body = testkit.Compose("ack").SetUint("largest", uint64(p.highest)).SetUint("first_range", uint64(p.highest)).Encode()
	}
	p.send(testkit.NewPlaintext(typeAck, 0, body), typeAck)
}
