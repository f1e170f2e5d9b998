package fuzz_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// parts are the fragments of one incomplete message, as chapter 8.11 has them.
type parts struct {
	mid      uint64
	fragID   uint64
	first    message // what the others have to agree with
	count    int
	size     int // of a fragment that is not the last, 0 until one has arrived
	last     int // of the last, 0 until it has arrived
	got      map[int][]byte
	original uint64
	arrived  time.Duration
}

func (q *parts) bytes() (all []byte) {
	for i := range q.count {
		all = append(all, q.got[i]...)
	}
	return all
}

// least is the least possible total with a fragment of n bytes at index.
func (q *parts) least(index, n int) int {
	size, last := q.size, q.last
	if index == q.count-1 {
		last = n
	} else {
		size = n
	}
	if size == 0 {
		size = max(512, last)
	}
	return (q.count-1)*size + max(1, last)
}

// consistent reports whether a fragment agrees with those before.
func (q *parts) consistent(f message, index int) bool {
	n := len(f.body)
	for _, name := range []string{"reply_to", "sub_id", "n", "count"} {
		if f.prologue.Uint(name) != q.first.prologue.Uint(name) {
			return false
		}
	}
	if f.typ != q.first.typ || f.flags != q.first.flags {
		return false
	}
	if index == q.count-1 {
		return n > 0 && (q.size == 0 || n <= q.size)
	}
	return n >= 512 && (q.size == 0 || n == q.size) && n >= q.last
}

// find returns the incomplete message that a fragment belongs to, nil for none.
func (m *model) find(f message) *parts {
	for _, q := range m.partials {
		if q.mid == f.mid() && (f.mid() != 0 || q.fragID == f.prologue.Uint("frag_id")) {
			return q
		}
	}
	return nil
}

func (m *model) drop(q *parts) {
	m.partials = slices.DeleteFunc(m.partials, func(p *parts) bool { return p == q })
}

// fifth is the refusal of a fifth incomplete message, which is a violation.
const fifth = 0xffff

// join adds a fragment of a message with at most limit bytes. It returns the
// message, whether it is whole, and the code of a refusal; a refused message is
// forgotten.
func (m *model) join(f message, limit int) (q *parts, whole bool, refusal uint16) {
	index, count := int(f.prologue.Uint("index")), int(f.prologue.Uint("count"))
	q = m.find(f)
	if q != nil && f.prologue.Uint("frag_id") < q.fragID {
		m.open[len(m.open)-1].sure = false
		return q, false, 0
	}
	if q != nil && f.prologue.Uint("frag_id") > q.fragID {
		m.drop(q)
		for i := range m.open { // frames of what was dropped
			m.open[i].sure = m.open[i].sure && m.open[i].mid != q.mid
		}
		m.open[len(m.open)-1].sure = true
		q = nil
	}
	begins := q == nil
	if begins {
		q = &parts{mid: f.mid(), fragID: f.prologue.Uint("frag_id"), first: f, count: count, got: map[int][]byte{}}
	}
	refusal = m.judgeFragment(q, f, index, limit, begins)
	if refusal != 0 {
		m.drop(q)
		return q, false, refusal
	}
	if begins {
		m.partials = append(m.partials, q)
	}
	if index == count-1 {
		q.last = len(f.body)
	} else {
		q.size = len(f.body)
	}
	if f.has(flagCompressed) && index == 0 && q.got[0] == nil {
		q.original = f.prologue.Uint("original_len")
	}
	if q.got[index] == nil {
		q.got[index], q.arrived = slices.Clone(f.body), m.now
	}
	if len(q.got) < count {
		return q, false, 0
	}
	m.drop(q)
	return q, true, 0
}

func (m *model) judgeFragment(q *parts, f message, index, limit int, begins bool) uint16 {
	switch {
	case q.count < 2 || index >= int(f.prologue.Uint("count")) || !q.consistent(f, index):
		return code("MALFORMED")
	case q.least(index, len(f.body)) > limit:
		return code("PAYLOAD_TOO_LARGE")
	case f.has(flagCompressed) && index == 0 && f.prologue.Uint("original_len") > uint64(limit):
		return code("DECOMPRESS_LIMIT")
	case begins && len(m.partials) == 4:
		return fifth
	}
	return 0
}

// request is a message of a type from 06 to 7F at a server.
func (m *model) request(f message) outcome {
	known := f.typ == 0x70
	switch {
	case !known && f.has(flagStreaming):
		m.completed(f)
		return outcome{}
	case !known && !f.has(flagRequiresAck):
		m.warn("UNSUPPORTED_TYPE")
		return outcome{}
	case known && f.has(flagStreaming):
		return m.violation()
	case !known && m.unanswered >= 2*m.inflight:
		return m.violation()
	case !known && m.unanswered >= m.inflight:
		return m.refuse(f, code("RATE_LIMITED"))
	case !known:
		return m.refuse(f, code("UNSUPPORTED_TYPE"))
	}
	body, whole, refusal := m.assemble(f, messageToServer)
	switch {
	case refusal == fifth:
		return m.violation()
	case refusal != 0:
		return m.refuse(f, refusal)
	case !whole:
		return outcome{}
	case f.has(flagRequiresAck) && m.unanswered >= 2*m.inflight:
		return m.violation()
	case f.has(flagRequiresAck) && m.unanswered >= m.inflight:
		return m.refuse(f, code("RATE_LIMITED"))
	}
	if f.has(flagCompressed) {
		var ok bool
		if body, ok = m.inflate(body); !ok {
			return m.refuse(f, code("DECOMPRESS_LIMIT"))
		}
	}
	if m.completed(f); !f.has(flagRequiresAck) {
		if m.delivered = append(m.delivered, fmt.Sprintf("%x", body)); !executes(body) {
			m.warn("MALFORMED")
		}
		return outcome{}
	}
	m.delivered = append(m.delivered, fmt.Sprintf("%x", body))
	m.unanswered++
	m.said = append(m.said, fmt.Sprintf("reply %d type 70 %x", f.mid(), body))
	return outcome{}
}

// executes is what the application does of a message without mid.
func executes(body []byte) bool { return len(body) > 0 && body[0] == 1 }

// assemble is the part of chapter 8.14 that each frame shows, and the joining. It
// returns the body as it was sent.
func (m *model) assemble(f message, limit int) (body []byte, whole bool, refusal uint16) {
	fragment := f.has(flagFragment)
	switch {
	case f.has(flagCompressed) && !m.deflate:
		if q := m.find(f); fragment && q != nil {
			m.drop(q)
		}
		return nil, false, code("COMPRESSION_REFUSED")
	case !fragment && len(f.body) > limit:
		return nil, false, code("PAYLOAD_TOO_LARGE")
	case !fragment && f.prologue.Uint("original_len") > uint64(limit):
		return nil, false, code("DECOMPRESS_LIMIT")
	case !fragment:
		m.originalLen = f.prologue.Uint("original_len")
		return f.body, true, 0
	}
	q, whole, refusal := m.join(f, limit)
	if whole {
		body, m.originalLen = q.bytes(), q.original
	}
	return body, whole, refusal
}

// refuse answers a request, or discards a message without mid.
func (m *model) refuse(f message, why uint16) outcome {
	if m.completed(f); !f.has(flagRequiresAck) {
		return outcome{}
	}
	if m.unanswered >= 2*m.inflight { // [XTMP-MSG-025]
		return m.violation()
	}
	m.unanswered++
	m.said = append(m.said, fmt.Sprintf("reply %d error %04x", f.mid(), why))
	return outcome{}
}

// warn is an unsolicited Error of scope 0, at most one per second and code.
func (m *model) warn(name string) {
	c := code(name)
	line := fmt.Sprintf("error %04x scope 0 ref %d", c, m.sequence)
	recent := func(when map[uint16]time.Duration) bool {
		last, was := when[c]
		return was && m.now-last < time.Second
	}
	switch {
	case recent(m.warned):
	case m.held || recent(m.mayWarn):
		m.mayWarn[c] = m.now
		m.maybe = append(m.maybe, line)
	default:
		m.warned[c] = m.now
		m.said = append(m.said, line)
	}
}

// fromServer is a message of a type from 06 to 7F at a client.
func (m *model) fromServer(f message) outcome {
	switch {
	case f.has(flagReply):
		return m.reply(f)
	case f.typ != 0x70 && f.has(flagRequiresAck):
		return m.violation()
	case f.typ != 0x70:
		return outcome{}
	case !f.has(flagStreaming):
		return m.violation()
	}
	body, whole, refusal := m.assemble(f, messageToClient)
	if refusal == fifth {
		return m.violation()
	}
	if whole && f.has(flagCompressed) {
		body, whole = m.inflate(body)
	}
	if whole {
		m.delivered = append(m.delivered, fmt.Sprintf("push %d %d %x", f.prologue.Uint("sub_id"), f.prologue.Uint("n"), body))
	}
	return outcome{}
}

// reply is a reply at a client. Its mid is new.
func (m *model) reply(f message) outcome {
	to := f.prologue.Uint("reply_to")
	c, waiting := m.calls[to]
	switch {
	case to == 0 || to > m.lastMid:
		return m.violation()
	case !waiting:
		m.completed(f)
		return outcome{}
	case f.typ != c.typ:
		return m.violation()
	}
	body, whole, refusal := m.assemble(f, messageToClient)
	if refusal == fifth {
		return m.violation()
	}
	if whole && f.has(flagCompressed) {
		var ok bool
		if body, ok = m.inflate(body); !ok {
			refusal = code("DECOMPRESS_LIMIT")
		}
	}
	switch {
	case refusal != 0:
		m.completed(f)
		line := fmt.Sprintf("error %04x scope 0 ref %d", refusal, m.sequence)
		if m.held {
			m.maybe = append(m.maybe, line)
		} else {
			m.said = append(m.said, line)
		}
		m.finish(to, "unknown")
	case whole:
		m.completed(f)
		m.finish(to, fmt.Sprintf("%x", body))
	}
	return outcome{}
}

// finish ends a call.
func (m *model) finish(mid uint64, how string) {
	m.delivered = append(m.delivered, fmt.Sprintf("call %d %s", m.calls[mid].owner, how))
	delete(m.calls, mid)
}

// errorReply is an Error that is a reply, at a client.
func (m *model) errorReply(f message, body *testkit.Message, malformed bool) outcome {
	to := f.prologue.Uint("reply_to")
	if to == 0 || to > m.lastMid {
		return outcome{verdict: closes}
	}
	m.completed(f)
	if to == m.rekey {
		return outcome{verdict: ends}
	}
	if _, waiting := m.calls[to]; !waiting {
		return outcome{}
	}
	how := fmt.Sprintf("error %04x", body.Uint("code"))
	if malformed {
		how = "unknown"
	}
	m.finish(to, how)
	return outcome{}
}

// inflate notes how many bytes came out of the stream of the message that is judged.
func (m *model) inflate(stream []byte) ([]byte, bool) {
	out, ok := inflate(stream, m.originalLen)
	m.yielded += len(out)
	return out, ok
}

// inflate returns the bytes of a raw DEFLATE stream that has to yield exactly want
// bytes and to fill its input, and whether it does. [XTMP-CMP-009]
func inflate(stream []byte, want uint64) ([]byte, bool) {
	in := bytes.NewReader(stream)
	r := flate.NewReader(in)
	out, err := io.ReadAll(io.LimitReader(r, int64(want)+1))
	if err != nil || uint64(len(out)) != want {
		return out, false
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return out, false
	}
	return out, in.Len() == 0
}

// deflate returns a body as one raw DEFLATE stream.
func deflate(body []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
