package endpoint

import (
	"net/netip"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Limits bound what sources may hold. Zero means the default of the
// specification, a negative value no limit.
type Limits struct {
	HalfOpen             int // half-open connections of all sources: 4096
	HalfOpenPerSource    int // half-open connections of one source: 8
	SessionsPerSource    int // sessions without a wallet of one source: 100
	ConnectionsPerClient int // established connections of one source without a wallet: 10
	FirstFrameRate       int // first frames per second of one source, on average: 50
	FirstFrameBurst      int // first frames of one source at once: 100
	// Bytes of incomplete frames and messages of all sources: 256 MiB, half of it for
	// sources without a session; as much again of complete requests that wait.
	ReceiveMemory    int
	ReceivePerSource int // bytes of incomplete frames of one source: 32 MiB
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.HalfOpen, 4096)
	set(&l.HalfOpenPerSource, 8)
	set(&l.SessionsPerSource, 100)
	set(&l.ConnectionsPerClient, 10)
	set(&l.FirstFrameRate, 50)
	set(&l.FirstFrameBurst, 100)
	set(&l.ReceiveMemory, 256<<20)
	set(&l.ReceivePerSource, 32<<20)
	return l
}

// Limiter counts what each source holds. It implements session.Admission for
// one endpoint; an instance of several shards shares one behind a lock.
type Limiter struct {
	limits   Limits
	halfOpen int
	memory   int
	strange  int // of memory, that of sources without a session
	retained int // bytes of requests that are complete and unanswered
	sources  map[netip.Addr]held
	buckets  map[netip.Addr]time.Duration // when the bucket of a source is full again
	sweepAt  int                          // number of buckets at which full ones are dropped
	resets   map[netip.Addr]time.Duration // likewise, of resets
	sweptAt  time.Duration                // when full ones of them were dropped last
}

// held is what one source holds.
type held struct {
	open               int32 // connections, from acceptance until they are closed
	halfOpen, sessions int32 // sessions with a path
	parked             int32 // sessions without one
	memory             int
	retained           int
}

// known reports whether somebody at the source has proved to be a client.
func (h *held) known() bool { return h.sessions+h.parked > 0 }

// NewLimiter returns a Limiter that holds nothing.
func NewLimiter(l Limits) *Limiter {
	return &Limiter{
		limits: l.withDefaults(), sources: make(map[netip.Addr]held),
		buckets: make(map[netip.Addr]time.Duration), sweepAt: sweepLeast,
		resets: make(map[netip.Addr]time.Duration),
	}
}

// source is what counts as one: an IPv4 address, or the /64 prefix of an IPv6
// address.
func source(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// reached reports whether have has reached limit.
func reached(have, limit int) bool { return limit >= 0 && have >= limit }

// arrivalFactor bounds the connections of a source that carry no session, in
// units of its half-open limit: those that are judged at their ClientHello, and
// those that linger.
const arrivalFactor = 4

// Arrive says that a source has a new connection, before anything is known of it.
// It reports false if the source has so many beside those that its sessions may have
// that this one is to be cut: the limits of all must not be used up by one. [XTMP-LIM-011]
func (l *Limiter) Arrive(a netip.Addr) bool {
	h := l.sources[source(a)]
	others := int(h.open) - session.MaxPaths*int(h.sessions)
	if limit := l.limits.HalfOpenPerSource; limit >= 0 && others >= arrivalFactor*max(limit, 1) {
		return false
	}
	l.change(a, func(h *held) { h.open++ })
	return true
}

// Depart says that a connection for which Arrive returned true is closed.
func (l *Limiter) Depart(a netip.Addr) { l.change(a, func(h *held) { h.open-- }) }

// sweepLeast is the least number of buckets that is swept.
const sweepLeast = 1024

// Pace implements session.Admission by a token bucket per source. A bucket is
// known by the moment at which it is full again; each frame puts that off by one
// token's time. [XTMP-ORD-014]
func (l *Limiter) Pace(now time.Duration, a netip.Addr) time.Duration {
	if l.limits.FirstFrameRate < 0 || l.limits.FirstFrameBurst < 0 {
		return 0
	}
	a = source(a)
	token := time.Second / time.Duration(l.limits.FirstFrameRate)
	full := max(l.buckets[a], now) + token
	wait := full - now - time.Duration(l.limits.FirstFrameBurst)*token
	if wait > paceMax {
		return wait // it will not be served: T_HANDSHAKE_TCP comes first
	}
	l.buckets[a] = full
	if len(l.buckets) >= l.sweepAt {
		l.sweep(now)
	}
	return wait
}

// Pass implements session.Admission by the same bucket. A frame that finds it empty
// is dropped and takes no token. [XTMP-ORD-035]
func (l *Limiter) Pass(now time.Duration, a netip.Addr) bool {
	if l.limits.FirstFrameRate < 0 || l.limits.FirstFrameBurst < 0 {
		return true
	}
	a = source(a)
	token := time.Second / time.Duration(l.limits.FirstFrameRate)
	full := max(l.buckets[a], now) + token
	if full-now > time.Duration(l.limits.FirstFrameBurst)*token {
		return false
	}
	l.buckets[a] = full
	if len(l.buckets) >= l.sweepAt {
		l.sweep(now)
	}
	return true
}

// Resets to one source: five at once, then one every fifth of a second, so that no
// second sees more than ten. [XTMP-RST-005]
const (
	resetBurst   = 5
	resetEvery   = time.Second / resetBurst
	resetSources = 1024                   // that are told apart
	resetSweep   = 100 * time.Millisecond // least time between two looks through them
)

// MayReset implements session.Admission. With too many sources at a time there are
// no resets: they are a courtesy.
func (l *Limiter) MayReset(now time.Duration, a netip.Addr) bool {
	a = source(a)
	if len(l.resets) >= resetSources && now >= l.sweptAt+resetSweep {
		for a, full := range l.resets { //xtmp:unordered only deletes
			if full <= now {
				delete(l.resets, a)
			}
		}
		l.sweptAt = now
	}
	full, known := l.resets[a]
	full = max(full, now) + resetEvery
	if full-now > resetBurst*resetEvery || !known && len(l.resets) >= resetSources {
		return false
	}
	l.resets[a] = full
	return true
}

// paceMax bounds the debt of a bucket: a frame that would wait longer is closed
// by T_HANDSHAKE_TCP and takes no token.
const paceMax = 5 * time.Second

// sweep drops the buckets that are full, so that memory follows the sources of
// the last seconds.
func (l *Limiter) sweep(now time.Duration) {
	for a, full := range l.buckets { //xtmp:unordered only deletes
		if full <= now {
			delete(l.buckets, a)
		}
	}
	l.sweepAt = max(sweepLeast, 2*len(l.buckets))
}

// Enter implements session.Admission.
func (l *Limiter) Enter(a netip.Addr) {
	l.halfOpen++
	l.change(a, func(h *held) { h.halfOpen++ })
}

// Admit implements session.Admission. The asking connection is half-open
// itself and does not count against itself. [XTMP-LIM-005]
func (l *Limiter) Admit(a netip.Addr) bool {
	h := l.sources[source(a)]
	return !reached(l.halfOpen-1, l.limits.HalfOpen) &&
		!reached(int(h.halfOpen)-1, l.limits.HalfOpenPerSource) &&
		!reached(int(h.sessions+h.parked), l.limits.SessionsPerSource) &&
		!reached(int(h.sessions), l.limits.ConnectionsPerClient) &&
		!reached(l.memory, l.limits.ReceiveMemory) &&
		!reached(h.memory, l.limits.ReceivePerSource)
}

// AdmitPath implements session.Admission.
func (l *Limiter) AdmitPath(a netip.Addr, halfOpen bool) bool {
	h := l.sources[source(a)]
	self := 0
	if halfOpen {
		self = 1
	}
	return !reached(l.halfOpen-self, l.limits.HalfOpen) && !reached(int(h.halfOpen)-self, l.limits.HalfOpenPerSource) &&
		!reached(l.memory, l.limits.ReceiveMemory) && !reached(h.memory, l.limits.ReceivePerSource)
}

// Settle implements session.Admission.
func (l *Limiter) Settle(a netip.Addr) {
	l.halfOpen--
	l.change(a, func(h *held) {
		if !h.known() {
			l.strange -= h.memory
		}
		h.halfOpen--
		h.sessions++
	})
}

// Leave implements session.Admission.
func (l *Limiter) Leave(a netip.Addr, settled bool) {
	if !settled {
		l.halfOpen--
	}
	l.change(a, func(h *held) {
		switch {
		case !settled:
			h.halfOpen--
		case h.sessions+h.parked == 1:
			l.strange += h.memory
			fallthrough
		default:
			h.sessions--
		}
	})
}

// Park implements session.Admission. [XTMP-LIM-016]
func (l *Limiter) Park(a netip.Addr) {
	l.change(a, func(h *held) { h.sessions--; h.parked++ })
}

// Unpark implements session.Admission.
func (l *Limiter) Unpark(a netip.Addr) {
	l.change(a, func(h *held) { h.sessions++; h.parked-- })
}

// Hold implements session.Admission. Sources without a session share half of the
// memory, so that strangers cannot take it from those who proved themselves.
// [XTMP-LIM-011]
func (l *Limiter) Hold(a netip.Addr, n int) bool {
	l.memory += n
	ok := !reached(l.memory, l.limits.ReceiveMemory)
	l.change(a, func(h *held) {
		h.memory += n
		ok = ok && !reached(h.memory, l.limits.ReceivePerSource)
		if h.known() {
			return
		}
		if l.strange += n; l.limits.ReceiveMemory >= 0 {
			ok = ok && !reached(l.strange, l.limits.ReceiveMemory/2)
		}
	})
	return ok
}

// retainFactor bounds the requests that a source has complete and unanswered, in
// units of its receive memory: what one session may have unanswered, twice.
const retainFactor = 2

// Retain implements session.Admission.
func (l *Limiter) Retain(a netip.Addr, n int) bool {
	l.retained += n
	ok := !reached(l.retained, l.limits.ReceiveMemory)
	l.change(a, func(h *held) {
		h.retained += n
		ok = ok && (l.limits.ReceivePerSource < 0 || h.retained <= retainFactor*l.limits.ReceivePerSource)
	})
	return ok
}

// change edits what a source holds and forgets a source that holds nothing.
func (l *Limiter) change(a netip.Addr, edit func(*held)) {
	a = source(a)
	h := l.sources[a]
	edit(&h)
	if h == (held{}) {
		delete(l.sources, a)
		return
	}
	l.sources[a] = h
}
