package session

// midSet is the set of complete mids of one direction: everything up to done,
// and what the bitmap marks above it. Bit i stands for done + 1 + i.
type midSet struct {
	done   uint64                  // base − 1
	bitmap *[midWindow / 64]uint64 // nil while no mid above done is complete
}

// midStatus is the answer of de-duplication.
type midStatus uint8

const (
	midNew midStatus = iota
	midKnown
	midBeyond // above the window
)

// status tells whether mid, which is not 0, may be accepted. [XTMP-MSG-017] [XTMP-MSG-018]
func (m *midSet) status(mid uint64) midStatus {
	switch {
	case mid <= m.done:
		return midKnown
	case mid-m.done > midWindow:
		return midBeyond
	case m.bitmap != nil && m.marked(mid-m.done-1):
		return midKnown
	default:
		return midNew
	}
}

func (m *midSet) marked(i uint64) bool { return m.bitmap[i/64]&(1<<(i%64)) != 0 }

// complete adds a mid whose status is midNew.
func (m *midSet) complete(mid uint64) {
	if mid != m.done+1 {
		if m.bitmap == nil {
			m.bitmap = new([midWindow / 64]uint64)
		}
		i := mid - m.done - 1
		m.bitmap[i/64] |= 1 << (i % 64)
		return
	}
	m.done++
	if m.bitmap == nil {
		return
	}
	for m.shift(); m.marked(0); m.shift() {
		m.done++
	}
	if *m.bitmap == ([midWindow / 64]uint64{}) {
		m.bitmap = nil
	}
}

// shift moves the bitmap down by one mid.
func (m *midSet) shift() {
	for i := range m.bitmap {
		m.bitmap[i] >>= 1
		if i+1 < len(m.bitmap) {
			m.bitmap[i] |= m.bitmap[i+1] << 63
		}
	}
}

// window is the sender's view of its own mids: which of them await an Ack.
type window struct {
	last    uint64 // last mid sealed
	done    uint64 // all up to it are acked
	ackedTo uint64 // highest sequence acked, plus 1
}

// ring is the part of a window that only mids which await an Ack need: for each
// of done+1 … last, at its place modulo the length, the sequence whose Ack covers
// it. The length is a power of two.
type ring []uint64

func (r ring) at(mid uint64) *uint64 { return &r[mid&uint64(len(r)-1)] }

// unfinished is the sequence of a mid whose last fragment is not sealed.
const unfinished = 1<<64 - 1

// room reports whether another mid may be sealed. [XTMP-MSG-013]
func (w *window) room() bool { return w.last-w.done < midWindow }

// idle reports whether no mid awaits an Ack.
func (w *window) idle() bool { return w.last == w.done }

// next takes the next mid.
func (w *window) next(r *ring) uint64 {
	if n := len(*r); w.last-w.done == uint64(n) {
		grown := make(ring, max(2*n, ringLeast))
		for mid := w.done + 1; mid <= w.last; mid++ {
			*grown.at(mid) = *r.at(mid)
		}
		*r = grown
	}
	w.last++
	*r.at(w.last) = unfinished
	return w.last
}

// ack notes an Ack of everything up to sequence largest.
func (w *window) ack(r ring, largest uint64) {
	w.ackedTo = max(w.ackedTo, largest+1)
	w.advance(r)
}

// answered notes that a reply to mid has come, which says more than an Ack.
// [XTMP-MSG-014]
func (w *window) answered(r ring, mid uint64) {
	if mid > w.done {
		*r.at(mid) = 0
		w.ackedTo = max(w.ackedTo, 1)
		w.advance(r)
	}
}

func (w *window) advance(r ring) {
	for w.done < w.last && *r.at(w.done + 1) < w.ackedTo {
		w.done++
	}
}

// ringLeast is the least size of a ring.
const ringLeast = 16
