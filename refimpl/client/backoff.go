package client

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Constants of the specification.
const retries = 3 // N_RETRY: attempts after the first, without a first session

// Implementation constants.
const (
	backoffLeast = 100 * time.Millisecond
	backoffMost  = 30 * time.Second
	stableAfter  = 10 * time.Second // a session that lasted so long shows that the server is well
)

// backoff is the time between attempts.
type backoff struct {
	failures int // in a row
	since    time.Time
}

// began notes a session.
func (b *backoff) began(now time.Time) { b.since = now }

// ended notes its end.
func (b *backoff) ended(now time.Time) {
	if now.Sub(b.since) >= stableAfter {
		b.failures = 0
	}
}

// next returns how long to wait after another failure: up to backoffLeast ×
// 2^failures, of which at most half is left out, so that the clients of a server
// that fails do not come back as one; and never less than the server asks for.
func (b *backoff) next(err error) time.Duration {
	d := backoffMost
	if b.failures < 16 {
		d = min(backoffLeast<<b.failures, backoffMost)
	}
	b.failures++
	d -= rand.N(d / 2) // spreads load, hides nothing
	var coded *Error
	if errors.As(err, &coded) {
		d = max(d, coded.RetryAfter)
	}
	return d
}
