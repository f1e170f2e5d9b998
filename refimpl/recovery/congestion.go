package recovery

import "time"

// congestion is NewReno with pacing, RFC 9002, 7, in bytes.
type congestion struct {
	datagram  int
	window    int
	threshold int // of slow start
	inFlight  int
	credit    int    // acknowledged since the window grew by a datagram
	recovery  uint64 // losses below this sequence were answered

	tokens   int // of the bucket, at tokensAt; below 0 after probes
	tokensAt time.Duration
}

func newCongestion(datagram int) congestion {
	return congestion{ // [XTMP-REC-012]
		datagram: datagram, window: windowInitial * datagram, threshold: windowMax, tokens: windowInitial * datagram,
	}
}

// used reports whether the window is in use, so that it may grow: half of it, and
// after slow start all but what one Ack may cover. [XTMP-REC-017]
func (c *congestion) used() bool {
	return 2*c.inFlight >= c.window && (c.window < c.threshold || c.inFlight+(ackEvery+1)*c.datagram > c.window)
}

// grow answers bytes that were newly acknowledged. [XTMP-REC-013]
func (c *congestion) grow(bytes int) {
	if c.window < c.threshold {
		c.window = min(c.window+bytes, windowMax)
		return
	}
	if c.credit += bytes; c.credit >= c.window {
		c.credit -= c.window
		c.window = min(c.window+c.datagram, windowMax)
	}
}

// loss answers the loss of the frame seq, once per recovery period, which ends
// with frames from next on, and reports whether it did. [XTMP-REC-014] [XTMP-REC-015]
func (c *congestion) loss(seq, next uint64) bool {
	if seq < c.recovery {
		return false
	}
	c.recovery = next
	c.window = max(c.window/2, windowMin*c.datagram)
	c.threshold = c.window
	c.credit = 0
	return true
}

// collapse answers persistent congestion among frames before next. [XTMP-REC-016]
func (c *congestion) collapse(next uint64) {
	c.window = windowMin * c.datagram
	c.recovery, c.credit = next, 0
}

// bucket returns the tokens at now: they fill at 5/4 of the window per srtt.
// [XTMP-REC-018] [XTMP-REC-019]
func (c *congestion) bucket(now, srtt time.Duration) int {
	burst := windowInitial * c.datagram
	if srtt == 0 || c.tokens >= burst {
		return min(c.tokens, burst)
	}
	elapsed := min(now-c.tokensAt, paceMax)
	fill := int64(elapsed) * int64(c.window) * 5 / (int64(srtt) * 4)
	return int(min(int64(c.tokens)+fill, int64(burst)))
}

// paced returns when the bucket has room for size bytes.
func (c *congestion) paced(now, srtt time.Duration, size int) time.Duration {
	lack := size - c.bucket(now, srtt)
	if lack <= 0 || srtt == 0 {
		return now
	}
	return now + time.Duration((int64(lack)*int64(srtt)*4+int64(c.window)*5-1)/(int64(c.window)*5))
}

// spend takes a datagram of ack-eliciting frames out of the bucket.
func (c *congestion) spend(now, srtt time.Duration, size int) {
	c.tokens = c.bucket(now, srtt) - size
	c.tokensAt = now
	c.inFlight += size
}
