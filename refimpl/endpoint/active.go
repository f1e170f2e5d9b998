package endpoint

import (
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Implementation constants.
const (
	activeMax = 2048        // sessions that keep their cipher objects, about 1.5 KB each
	restEvery = time.Second // a session that was not used for so long gives them up
)

// active is the set of connections whose sessions hold what a session needs only
// while it works: cipher objects, and room for mids. It is bounded, and looked
// through once a second: what was not used since the last time rests.
type active struct {
	conns []*conn
	hand  int           // where the search for one to replace goes on
	at    time.Duration // when the set is looked through; meaningless if it is empty
}

// use notes that c works. If the set is full another one, which has not been
// used lately, rests.
func (a *active) use(now session.Now, c *conn) {
	c.used = true
	if c.active {
		return
	}
	c.active = true
	if len(a.conns) == 0 {
		a.at = now.Elapsed + restEvery
	}
	if len(a.conns) < activeMax {
		a.conns = append(a.conns, c)
		return
	}
	for ; ; a.hand++ {
		if a.hand >= len(a.conns) {
			a.hand = 0
		}
		old := a.conns[a.hand]
		if old.used {
			old.used = false
			continue
		}
		old.session.Rest()
		old.active = false
		a.conns[a.hand] = c
		a.hand++
		return
	}
}

// leave takes c, which is gone, out of the set.
func (a *active) leave(c *conn) {
	if !c.active {
		return
	}
	c.active = false
	for i, o := range a.conns {
		if o == c {
			a.remove(i)
			return
		}
	}
}

func (a *active) remove(i int) {
	last := len(a.conns) - 1
	a.conns[i] = a.conns[last]
	a.conns[last] = nil
	a.conns = a.conns[:last]
}

// rest looks the set through if it is time.
func (a *active) rest(now session.Now) {
	if len(a.conns) == 0 || now.Elapsed < a.at {
		return
	}
	a.at = now.Elapsed + restEvery
	for i := len(a.conns) - 1; i >= 0; i-- {
		c := a.conns[i]
		if c.used {
			c.used = false
			continue
		}
		if c.session.Rest() {
			c.active = false
			a.remove(i)
		}
	}
}

// next is when the set is to be looked through.
func (a *active) next() time.Duration {
	if len(a.conns) == 0 {
		return 1<<63 - 1
	}
	return a.at
}
