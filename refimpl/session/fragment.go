package session

import (
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// partial is a message of which some fragments have arrived.
//
//	fragment 0 │ 1 │ 2 │ … │ count−1      each but the last of size bytes, ≥ 512; the last of 1 … size
type partial struct {
	typ     wire.MessageType
	flags   wire.Flags
	mid     uint64
	replyTo uint64
	n       uint64
	subID   uint32
	fragID  uint32
	count   uint16

	original uint32            // with COMPRESSED, of index 0
	size     int               // body bytes of a fragment; 0: only the last has arrived
	last     int               // body bytes of the last fragment; 0: it has not arrived
	joined   []byte            // fragments 0 … next−1
	next     uint16            // lowest index that has not arrived
	ahead    map[uint16][]byte // fragments above it
	arrived  time.Duration     // of the newest fragment
	on       uint8             // paths on which fragments with frag_id came, a bit each

	epoch    uint32 // ack epoch in which
	frames   uint16 // so many of its frames arrived
	reserved int    // bytes that Admission counts
}

// matches reports whether a fragment agrees with those before.
func (q *partial) matches(h *wire.Header, pro *wire.Prologue) bool {
	return h.Type == q.typ && h.Flags == q.flags && pro.ReplyTo == q.replyTo && pro.N == q.n && pro.SubID == q.subID &&
		pro.Count == q.count
}

// fits reports whether a fragment of n bytes may have index: all but the last
// have the same size, at least 512, and the last is not larger and not empty.
// [XTMP-FRG-005] [XTMP-FRG-006]
func (q *partial) fits(index uint16, n int) bool {
	if index == q.count-1 {
		return n > 0 && (q.size == 0 || n <= q.size)
	}
	return n >= fragmentLeast && (q.size == 0 || n == q.size) && n >= q.last
}

// least is the least number of bytes that the whole message can have, once a
// fragment of n bytes at index has come.
func (q *partial) least(index uint16, n int) int {
	size, last := max(q.size, fragmentLeast), max(q.last, 1)
	if index < q.count-1 {
		size = n
	} else {
		last = n
		if q.size == 0 {
			size = max(size, n)
		}
	}
	return int(q.count-1)*size + last
}

// add takes a fragment that fits, once. It reports whether the fragment was new
// and whether the message is whole. [XTMP-FRG-012] [XTMP-FRG-016]
func (q *partial) add(index uint16, body []byte) (fresh, whole bool) {
	if index == q.count-1 {
		q.last = len(body)
	} else {
		q.size = len(body)
	}
	switch {
	case index < q.next || q.ahead[index] != nil:
		return false, false
	case index == q.next:
		q.joined = append(q.joined, body...)
		for q.next++; q.ahead[q.next] != nil; q.next++ {
			q.joined = append(q.joined, q.ahead[q.next]...)
			delete(q.ahead, q.next)
		}
	default:
		if q.ahead == nil {
			q.ahead = make(map[uint16][]byte)
		}
		q.ahead[index] = append([]byte(nil), body...)
	}
	return true, q.next == q.count
}

// countFrame notes one more frame of the message that waits for an Ack or a reply.
func (q *partial) countFrame(p *Path) {
	if q.epoch != p.ackEpoch {
		q.epoch, q.frames = p.ackEpoch, 0
	}
	q.frames++
}

// fragmentResult says what became of a fragment.
type fragmentResult uint8

const (
	fragmentTaken      fragmentResult = iota
	fragmentWhole                     // its message is whole
	fragmentMalformed                 // it disagrees with the others, or with the rules
	fragmentTooLarge                  // its message exceeds the limit
	fragmentInflates                  // its message will exceed the limit once it is inflated
	fragmentOverBudget                // no receive memory is left for its message
	fragmentFifth                     // four messages are incomplete already
)

// takeFragment adds a fragment to its message, whose body may have limit bytes.
// What is refused is forgotten.
func (s *Session) takeFragment(now Now, p *Path, h *wire.Header, pro *wire.Prologue, body []byte, limit int,
) (*partial, fragmentResult) {
	i := s.find(pro)
	q := &partial{
		typ: h.Type, flags: h.Flags, mid: pro.Mid, replyTo: pro.ReplyTo, n: pro.N, subID: pro.SubID,
		fragID: pro.FragID, count: pro.Count,
	}
	if i >= 0 {
		switch held := s.partials[i]; {
		case pro.FragID < held.fragID: // [XTMP-FRG-018]
			held.countFrame(p)
			return held, fragmentTaken
		case pro.FragID > held.fragID: // [XTMP-FRG-017]
			q.epoch, q.frames = held.epoch, held.frames // its reply covers them too
			s.forgetFragments(pro)
			i = -1
		default:
			q = held
		}
	}
	if result := s.judgeFragment(p, q, h, pro, len(body), limit); result != fragmentTaken {
		s.unreserve(q)
		if i >= 0 {
			s.forget(i)
		}
		return q, result
	}
	if i < 0 {
		i = len(s.partials)
		s.partials = append(s.partials, q)
	}
	q.countFrame(p)
	q.on |= 1 << p.id
	fresh, whole := q.add(pro.Index, body)
	if fresh {
		q.arrived = now.Elapsed
		q.original = max(q.original, pro.OriginalLen) // it is in index 0 alone
	}
	if !whole {
		return q, fragmentTaken
	}
	s.forget(i)
	s.unreserve(q)
	return q, fragmentWhole
}

// judgeFragment finds the first refusal that fits a fragment of n body bytes, which
// may begin a message.
// [XTMP-MSG-069]
func (s *Session) judgeFragment(p *Path, q *partial, h *wire.Header, pro *wire.Prologue, n, limit int) fragmentResult {
	switch {
	case pro.Count < 2 || pro.Index >= pro.Count || !q.matches(h, pro) || !q.fits(pro.Index, n):
		return fragmentMalformed
	case q.least(pro.Index, n) > limit:
		return fragmentTooLarge
	case h.Flags.Has(wire.FlagCompressed) && pro.Index == 0 && int64(pro.OriginalLen) > int64(limit): // [XTMP-CMP-008]
		return fragmentInflates
	case q.reserved == 0 && !s.reserve(q, pro.Index, n, limit):
		return fragmentOverBudget
	case s.fifth(p, q): // [XTMP-FRG-015] [XTMP-UDP-094]
		return fragmentFifth
	default:
		return fragmentTaken
	}
}

// unreliable reports whether q is a message without mid that has come on the UDP path
// p: nobody sends what it lacks again. [XTMP-UDP-096]
func (q *partial) unreliable(p *Path) bool { return q.mid == 0 && q.on&(1<<p.id) != 0 }

// fifth reports whether a fragment on p would make q the fifth message that is
// incomplete there: on one connection, or on the UDP paths together.
func (s *Session) fifth(p *Path, q *partial) bool {
	where := uint8(1) << p.id
	if p.kind == UDP {
		for _, o := range s.paths {
			if o != nil && o.kind == UDP {
				where |= 1 << o.id
			}
		}
	}
	n := 0
	for _, o := range s.partials {
		if o != q && o.on&where != 0 {
			n++
		}
	}
	return q.on&where == 0 && n >= partialsMax
}

// forgetFragmentsOf drops the messages that are incomplete on no path once p is closed.
// [XTMP-PRK-021]
func (s *Session) forgetFragmentsOf(p *Path) {
	for i := len(s.partials) - 1; i >= 0; i-- {
		q := s.partials[i]
		if q.on &^= 1 << p.id; q.on == 0 {
			s.unreserve(q)
			s.forget(i)
		}
	}
}

// reserve books receive memory for a whole message at its first fragment, so
// that it is never refused in the middle: as much as the message can have.
// [XTMP-FRG-024] [XTMP-LIM-011]
func (s *Session) reserve(q *partial, index uint16, n, limit int) bool {
	q.reserved = limit
	if index < q.count-1 {
		q.reserved = min(limit, int(q.count)*n)
	}
	if s.role == Client || s.cfg.Server.Admission.Hold(s.source, q.reserved) {
		return true
	}
	s.unreserve(q)
	return false
}

func (s *Session) unreserve(q *partial) {
	if s.role == Server && q.reserved != 0 {
		s.cfg.Server.Admission.Hold(s.source, -q.reserved)
	}
	q.reserved = 0
}

// messageLimit is the greatest body, after reassembly and inflation, that this
// endpoint accepts.
func (s *Session) messageLimit() int {
	if s.role == Server {
		return messageToServer
	}
	return messageToClient
}

// staleAt is when the oldest incomplete message closes the connection p. [XTMP-FRG-019]
func (w *work) staleAt(p *Path) time.Duration {
	at := never
	for _, q := range w.partials {
		if p.kind == TCP && q.on&(1<<p.id) != 0 {
			at = min(at, q.arrived+reassemblyTimeout)
		}
	}
	return at
}

// find returns the index of the incomplete message that a fragment belongs to,
// or −1: by mid, and without mid by frag_id.
func (w *work) find(pro *wire.Prologue) int {
	for k, q := range w.partials {
		if q.mid == pro.Mid && (pro.Mid != 0 || q.fragID == pro.FragID) {
			return k
		}
	}
	return -1
}

// forgetFragments drops the incomplete message that a frame belongs to, if there is one.
func (s *Session) forgetFragments(pro *wire.Prologue) {
	if i := s.find(pro); i >= 0 {
		s.unreserve(s.partials[i])
		s.forget(i)
	}
}

// forget drops an incomplete message.
func (w *work) forget(k int) {
	last := len(w.partials) - 1
	w.partials[k] = w.partials[last]
	w.partials[last] = nil
	if w.partials = w.partials[:last]; last == 0 {
		w.partials = nil
	}
}
