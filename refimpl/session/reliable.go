package session

import "time"

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
	last uint64 // last mid sealed
	done uint64 // all up to it are acked
}

// ring is the part of a window that only mids which await an Ack need: each of
// done+1 … last, at its place modulo the length, which is a power of two.
type ring []outstanding

// outstanding is a reliable message of this endpoint that was sealed in part at
// least.
type outstanding struct {
	kept  *message // until it is acked; nil where it is never sent again
	acked bool
}

func (r ring) at(mid uint64) *outstanding { return &r[mid&uint64(len(r)-1)] }

// room reports whether another mid may be sealed. [XTMP-MSG-013]
func (w *window) room() bool { return w.last-w.done < midWindow }

// idle reports whether no mid awaits an Ack.
func (w *window) idle() bool { return w.last == w.done }

// awaits reports whether mid awaits an Ack.
func (w *window) awaits(r ring, mid uint64) bool {
	return mid > w.done && mid <= w.last && !r.at(mid).acked
}

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
	*r.at(w.last) = outstanding{}
	return w.last
}

// settle notes that mid, which awaits an Ack, needs none any more, and returns
// the message that was kept for it.
func (w *window) settle(r ring, mid uint64) *message {
	o := r.at(mid)
	m := o.kept
	*o = outstanding{acked: true}
	for w.done < w.last && r.at(w.done+1).acked {
		w.done++
	}
	return m
}

// ringLeast is the least size of a ring.
const ringLeast = 16

// departed is a reliable message whose last frame went out on a connection.
type departed struct {
	sequence uint64 // of that frame
	mid      uint64
	fragID   uint32 // of the sending, 0 if it was not cut
	at       time.Duration
}

// flight is what went out on one connection and awaits its Ack, oldest first.
type flight struct {
	ring []departed // its length is a power of two
	head int        // index of the oldest
	len  int
}

func (f *flight) push(d departed) {
	if f.len == len(f.ring) {
		grown := make([]departed, max(2*f.len, ringLeast))
		for i := range f.len {
			grown[i] = f.ring[(f.head+i)&(len(f.ring)-1)]
		}
		f.ring, f.head = grown, 0
	}
	f.ring[(f.head+f.len)&(len(f.ring)-1)] = d
	f.len++
}

// oldest returns the oldest, nil if there is none.
func (f *flight) oldest() *departed {
	if f.len == 0 {
		return nil
	}
	return &f.ring[f.head]
}

func (f *flight) pop() {
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.len--
}
