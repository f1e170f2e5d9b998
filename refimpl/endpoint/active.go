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

// active is the set of sessions that hold what a session needs only
// while it works: cipher objects, and room for mids. It is bounded, and looked
// through once a second: what was not used since the last time rests.
type active struct {
	seats []*seat
	hand  int           // where the search for one to replace goes on
	at    time.Duration // when the set is looked through; meaningless if it is empty
}

// use notes that a session works. If the set is full another one, which has not been
// used lately, rests.
func (a *active) use(now session.Now, st *seat) {
	st.used = true
	if st.active {
		return
	}
	st.active = true
	if len(a.seats) == 0 {
		a.at = now.Elapsed + restEvery
	}
	if len(a.seats) < activeMax {
		a.seats = append(a.seats, st)
		return
	}
	for ; ; a.hand++ {
		if a.hand >= len(a.seats) {
			a.hand = 0
		}
		old := a.seats[a.hand]
		if old.used {
			old.used = false
			continue
		}
		old.session.Rest()
		old.active = false
		a.seats[a.hand] = st
		a.hand++
		return
	}
}

// leave takes a seat, which is vacated, out of the set.
func (a *active) leave(st *seat) {
	if !st.active {
		return
	}
	st.active = false
	for i, o := range a.seats {
		if o == st {
			a.remove(i)
			return
		}
	}
}

func (a *active) remove(i int) {
	last := len(a.seats) - 1
	a.seats[i] = a.seats[last]
	a.seats[last] = nil
	a.seats = a.seats[:last]
}

// rest looks the set through if it is time.
func (a *active) rest(now session.Now) {
	if len(a.seats) == 0 || now.Elapsed < a.at {
		return
	}
	a.at = now.Elapsed + restEvery
	for i := len(a.seats) - 1; i >= 0; i-- {
		st := a.seats[i]
		if st.used {
			st.used = false
			continue
		}
		if st.session.Rest() {
			st.active = false
			a.remove(i)
		}
	}
}

// next is when the set is to be looked through.
func (a *active) next() time.Duration {
	if len(a.seats) == 0 {
		return 1<<63 - 1
	}
	return a.at
}
