package client

// callList is a list of calls. A call may be in two at once: the list of all and
// one of those that wait; index says which of its links a list uses.
type callList struct {
	head, tail *call
}

type links struct{ next, prev *call }

// The two kinds of lists.
const (
	inActive = iota
	inWaiting
)

// insert puts c behind after, or first if after is nil.
func (l *callList) insert(index int, c, after *call) {
	own := &c.links[index]
	own.prev = after
	if after == nil {
		own.next, l.head = l.head, c
	} else {
		own.next, after.links[index].next = after.links[index].next, c
	}
	if own.next == nil {
		l.tail = c
	} else {
		own.next.links[index].prev = c
	}
}

// remove takes out c, which is in the list.
func (l *callList) remove(index int, c *call) {
	own := &c.links[index]
	if own.prev == nil {
		l.head = own.next
	} else {
		own.prev.links[index].next = own.next
	}
	if own.next == nil {
		l.tail = own.prev
	} else {
		own.next.links[index].prev = own.prev
	}
	*own = links{}
}
