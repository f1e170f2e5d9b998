package recovery

import "time"

// sent is a frame whose fate is open, or was decided while an older one's is open.
type sent[T any] struct {
	seq       uint64
	at        time.Duration
	size      int32 // bytes in flight; 0: not counted
	eliciting bool
	reliable  bool
	done      bool // acknowledged or lost
	acked     bool // of what is done
	item      T
}

// open reports whether an ack-eliciting frame is neither acknowledged nor lost.
func (f *sent[T]) open() bool { return f.eliciting && !f.done }

// lost is a frame that was taken for lost and may still be acknowledged.
type lost[T any] struct {
	seq      uint64
	at       time.Duration
	until    time.Duration // it is remembered
	reliable bool
	item     T
}

// Flight is what a Sender works with: the frames that were sent, by sequence
// number, from the oldest whose fate is open. The zero Flight is empty.
type Flight[T any] struct {
	frames []sent[T] // a ring; its length is 0 or a power of two
	head   int
	n      int

	open     int // ack-eliciting frames that are neither acknowledged nor lost
	reliable int // of them

	lost       []lost[T]
	lossAt     time.Duration // when the oldest candidate is lost; never
	ackedItems []T           // for the caller
	lostItems  []T
}

// reset empties the flight and keeps its memory, if it is little.
func (q *Flight[T]) reset() {
	if len(q.frames) > flightKept {
		*q = Flight[T]{}
	}
	*q = Flight[T]{
		frames: q.frames, lost: q.lost[:0], lossAt: never, ackedItems: q.ackedItems[:0], lostItems: q.lostItems[:0],
	}
}

func (q *Flight[T]) at(i int) *sent[T] { return &q.frames[(q.head+i)&(len(q.frames)-1)] }

func (q *Flight[T]) push(f sent[T]) {
	if q.n == len(q.frames) {
		grown := make([]sent[T], max(2*q.n, 16))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.frames, q.head = grown, 0
	}
	q.n++
	*q.at(q.n - 1) = f
	if f.eliciting {
		q.open++
		if f.reliable {
			q.reliable++
		}
	}
}

// trim forgets the oldest frames as long as they are not open.
func (q *Flight[T]) trim() {
	for q.n > 0 && !q.at(0).open() {
		*q.at(0) = sent[T]{}
		q.head = (q.head + 1) & (len(q.frames) - 1)
		q.n--
	}
}

// search returns the index of the oldest frame of seq or above.
func (q *Flight[T]) search(seq uint64) int {
	low, high := 0, q.n
	for low < high {
		if middle := (low + high) / 2; q.at(middle).seq < seq {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// settle decides the fate of a frame.
func (q *Flight[T]) settle(f *sent[T], acked bool) {
	f.done, f.acked = true, acked
	if f.eliciting {
		q.open--
		if f.reliable {
			q.reliable--
		}
	}
}

// oldest returns when the oldest open frame was sent of those with a mid, or of
// those without; never if there is none.
func (q *Flight[T]) oldest(reliable bool) time.Duration {
	if reliable && q.reliable == 0 || !reliable && q.open == q.reliable {
		return never
	}
	for i := range q.n {
		if f := q.at(i); f.open() && f.reliable == reliable {
			return f.at
		}
	}
	return never
}
