package endpoint

import (
	"container/heap"
	"time"
)

// timers is a heap of sessions by deadline. A session is in it at most
// once and knows its slot; −1 means it is not in it.
type timers []*seat

func (t *timers) push(st *seat) { heap.Push((*seatHeap)(t), st) }

func (t *timers) update(st *seat, deadline time.Duration) {
	st.deadline = deadline
	heap.Fix((*seatHeap)(t), int(st.slot))
}

func (t *timers) remove(st *seat) {
	if st.slot >= 0 {
		heap.Remove((*seatHeap)(t), int(st.slot))
	}
}

// seatHeap implements heap.Interface.
type seatHeap []*seat

func (h seatHeap) Len() int           { return len(h) }
func (h seatHeap) Less(i, j int) bool { return h[i].deadline < h[j].deadline }

func (h seatHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *seatHeap) Push(x any) {
	st := x.(*seat)
	st.slot = int32(len(*h))
	*h = append(*h, st)
}

// Pop implements heap.Interface.
func (h *seatHeap) Pop() any {
	old := *h
	st := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	st.slot = -1
	return st
}
