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
	last    uint64   // last mid sealed
	done    uint64   // all up to it are acked
	ring    []uint64 // of done+1 … last, by mid: the sequence whose Ack covers it
	ackedTo uint64   // highest sequence acked, plus 1
}

// unfinished is the sequence of a mid whose last fragment is not sealed.
const unfinished = 1<<64 - 1

// room reports whether another mid may be sealed. [XTMP-MSG-013]
func (w *window) room() bool { return w.last-w.done < midWindow }

// idle reports whether no mid awaits an Ack.
func (w *window) idle() bool { return w.last == w.done }

// next takes the next mid.
func (w *window) next() uint64 {
	if n := len(w.ring); w.last-w.done == uint64(n) {
		grown := make([]uint64, max(2*n, ringLeast))
		for mid := w.done + 1; mid <= w.last; mid++ {
			grown[mid%uint64(len(grown))] = w.ring[mid%uint64(n)]
		}
		w.ring = grown
	}
	w.last++
	w.ring[w.last%uint64(len(w.ring))] = unfinished
	return w.last
}

// sealed notes the sequence of the last frame of mid.
func (w *window) sealed(mid, sequence uint64) { w.ring[mid%uint64(len(w.ring))] = sequence }

// ack notes an Ack of everything up to sequence largest.
func (w *window) ack(largest uint64) {
	w.ackedTo = max(w.ackedTo, largest+1)
	w.advance()
}

// answered notes that a reply to mid has come, which says more than an Ack.
// [XTMP-MSG-014]
func (w *window) answered(mid uint64) {
	if mid > w.done {
		w.ring[mid%uint64(len(w.ring))] = 0
		w.ackedTo = max(w.ackedTo, 1)
		w.advance()
	}
}

func (w *window) advance() {
	for w.done < w.last && w.ring[(w.done+1)%uint64(len(w.ring))] < w.ackedTo {
		w.done++
	}
}

// rest gives up memory that an idle window does not need.
func (w *window) rest() {
	if w.idle() {
		w.ring = nil
	}
}

// ringLeast is the least size of the ring of a window.
const ringLeast = 16
