package world

import (
	"bytes"
	"encoding/binary"

	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/wire"
)

// caller wants calls made. It stands for the program above a client, and for its
// user, who outlives both: after a crash it goes on where it was.
type caller struct {
	line   *CallLine
	number uint32 // in the bodies
	calls  []call
	at     vtime.Time // when the next burst is due, on the clock of the host since it was switched on
	issued int        // calls that are due
	given  int        // of them, those that a session was given at least once
	retry  []*call    // to be given again: they were not sent
	first  int        // calls below it have a result
	ended  int        // calls with a result
	done   bool       // all have one, and the last session is closed

	dials, sessions int // first contacts that were tried, and sessions established by them
	attached        int // further paths

	// What became of them.
	answered, unsure, refusals, lost int
	last                             vtime.Time // when the last reply came, on the world's clock
	gap                              vtime.Time // the longest time without a reply
}

// call is one call.
type call struct {
	number   uint32
	attempt  uint32 // 0: not given to a session
	executed uint8  // in this attempt
	state    callState
	since    vtime.Time // when it was due, on the world's clock
	took     vtime.Time // until its reply
}

type callState uint8

const (
	callIdle    callState = iota
	callOpen              // a session has it
	callReplied           // and its reply was right
	callUnknown           // the session ended
	callRefused           // the server said no
	callLost              // whoever had made it crashed
)

func newCaller(line *CallLine, number uint32) *caller {
	c := &caller{line: line, number: number, calls: make([]call, line.Requests)}
	for i := range c.calls {
		c.calls[i].number = uint32(i)
	}
	return c
}

// begin says that a client has started; what an earlier one had under way is lost.
func (c *caller) begin(now vtime.Time) {
	c.at = now
	for i := c.first; i < c.given; i++ {
		if k := &c.calls[i]; k.state == callOpen {
			c.lost++
			c.end(k, callLost)
		}
	}
}

// due returns when the next burst is due; false if there is none.
func (c *caller) due() (vtime.Time, bool) { return c.at, c.issued < len(c.calls) }

// tick makes the calls due whose time has come.
func (c *caller) tick(now, world vtime.Time) {
	for c.issued < len(c.calls) && now >= c.at {
		for range min(c.line.Burst, len(c.calls)-c.issued) {
			c.calls[c.issued].since = world
			c.issued++
		}
		c.at += c.line.Every
	}
}

// next returns a call that waits for a session, nil if there is none.
func (c *caller) next() (k *call) {
	switch {
	case len(c.retry) > 0:
		k, c.retry = c.retry[0], c.retry[1:]
	case c.given < c.issued:
		k = &c.calls[c.given]
		c.given++
	default:
		return nil
	}
	k.state, k.executed = callOpen, 0
	k.attempt++
	return k
}

// complete says whether every call has a result.
func (c *caller) complete() bool { return c.ended == len(c.calls) }

// oldest returns since when the oldest call without a result waits; false if none does.
func (c *caller) oldest() (vtime.Time, bool) {
	if c.first >= c.issued {
		return 0, false
	}
	return c.calls[c.first].since, true
}

// body appends the body of a call: a Probe echo of its name and of bytes that follow from it.
//
//	caller u32 · call u32 · attempt u32 · byte i = call + i
func (c *caller) body(dst []byte, k *call) []byte {
	m := wire.Probe{Op: wire.ProbeEcho}
	dst = m.AppendHeader(dst)
	dst = binary.BigEndian.AppendUint32(dst, c.number)
	dst = binary.BigEndian.AppendUint32(dst, k.number)
	dst = binary.BigEndian.AppendUint32(dst, k.attempt)
	for i := range c.line.Size - sizeLeast {
		dst = append(dst, byte(k.number)+byte(i))
	}
	return dst
}

// callName is what the body of a request says.
type callName struct{ caller, call, attempt uint32 }

func parseCall(body []byte) (n callName, ok bool) {
	var m wire.Probe
	if m.Parse(body) != nil || m.Op != wire.ProbeEcho || len(m.Data) < sizeLeast {
		return n, false
	}
	d := m.Data
	return callName{binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:]), binary.BigEndian.Uint32(d[8:])}, true
}

// end gives a call its result.
func (c *caller) end(k *call, s callState) {
	k.state = s
	c.ended++
	for c.first < c.issued && c.calls[c.first].state > callOpen {
		c.first++
	}
}

// answer takes a result of a call, and reports whether the call awaited one.
func (c *caller) answer(w *Watch, k *call, s callState) bool {
	if k.state != callOpen {
		w.fail(checkResult, "%s: call %d has a second result", c.line.Host, k.number)
		return false
	}
	c.end(k, s)
	return true
}

func (c *caller) replied(w *Watch, k *call, body []byte) {
	if !c.answer(w, k, callReplied) {
		return
	}
	c.answered++
	k.took = w.now() - k.since
	c.gap = max(c.gap, w.now()-c.last)
	c.last = w.now()
	if k.executed != 1 {
		w.fail(checkResult, "%s: call %d has a reply and was executed %d times", c.line.Host, k.number, k.executed)
	}
	if w.want = c.body(w.want[:0], k); !bytes.Equal(body, w.want) {
		w.fail(checkResult, "%s: the reply to call %d is another's: %d bytes, want %d", c.line.Host, k.number, len(body), len(w.want))
	}
}

func (c *caller) refused(w *Watch, k *call, why error) {
	if c.answer(w, k, callRefused) {
		c.refusals++
		w.fail(checkConduct, "%s: call %d is refused: %v", c.line.Host, k.number, why)
	}
}

func (c *caller) unknown(w *Watch, k *call) {
	if c.answer(w, k, callUnknown) {
		c.unsure++
	}
}

// notSent takes a call back that was not sent; it will be given again.
func (c *caller) notSent(w *Watch, k *call) {
	switch {
	case k.state != callOpen:
		w.fail(checkResult, "%s: call %d has a second result", c.line.Host, k.number)
	case k.executed != 0:
		w.fail(checkResult, "%s: call %d was executed and is said not to have been sent", c.line.Host, k.number)
	}
	k.state = callIdle
	k.attempt++ // whoever executes it now is wrong
	c.retry = append(c.retry, k)
}

// cut ends every call that is under way: its session is over. It returns how many.
func (c *caller) cut(w *Watch) (n int) {
	for i := c.first; i < c.given; i++ {
		if k := &c.calls[i]; k.state == callOpen {
			c.unknown(w, k)
			n++
		}
	}
	return n
}
