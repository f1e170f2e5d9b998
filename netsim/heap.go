package netsim

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// planned is something that will happen.
type planned struct {
	at     vtime.Time
	number uint64 // order of planning; decides among equals
	packet *Packet
	host   int32
	arg    int32 // a fault, or a stream
	boot   uint32
	kind   plannedKind
}

type plannedKind uint8

const (
	planFault   plannedKind = iota // arg is its index
	planArrival                    // packet reaches host
	planWake                       // host's node has a deadline
	planStream                     // host's stream arg has one
	planSynced                     // host's disk has arg records
)

// heap is a 4-ary heap of what is planned. container/heap would box each one.
type heap struct {
	p []planned
}

func (a *planned) before(b *planned) bool {
	return a.at < b.at || a.at == b.at && a.number < b.number
}

func (h *heap) push(p planned) {
	h.p = append(h.p, p)
	i := len(h.p) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !p.before(&h.p[up]) {
			break
		}
		h.p[i] = h.p[up]
		i = up
	}
	h.p[i] = p
}

// pop takes the first; the heap must not be empty.
func (h *heap) pop() planned {
	first, n := h.p[0], len(h.p)-1
	last := h.p[n]
	h.p[n] = planned{}
	h.p = h.p[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		low := 4*i + 1
		if low >= n {
			break
		}
		for c := low + 1; c < min(low+4, n); c++ {
			if h.p[c].before(&h.p[low]) {
				low = c
			}
		}
		if !h.p[low].before(&last) {
			break
		}
		h.p[i] = h.p[low]
		i = low
	}
	h.p[i] = last
	return first
}
