package endpoint

import (
	"container/heap"
	"time"
)

// timers is a heap of connections by deadline. A connection is in it at most
// once and knows its slot; −1 means it is not in it.
type timers []*conn

func (t *timers) push(c *conn) { heap.Push((*connHeap)(t), c) }

func (t *timers) update(c *conn, deadline time.Duration) {
	c.deadline = deadline
	heap.Fix((*connHeap)(t), int(c.slot))
}

func (t *timers) remove(c *conn) {
	if c.slot >= 0 {
		heap.Remove((*connHeap)(t), int(c.slot))
	}
}

// connHeap implements heap.Interface.
type connHeap []*conn

func (h connHeap) Len() int           { return len(h) }
func (h connHeap) Less(i, j int) bool { return h[i].deadline < h[j].deadline }

func (h connHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = int32(i), int32(j)
}

// Push implements heap.Interface.
func (h *connHeap) Push(x any) {
	c := x.(*conn)
	c.slot = int32(len(*h))
	*h = append(*h, c)
}

// Pop implements heap.Interface.
func (h *connHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	c.slot = -1
	return c
}
