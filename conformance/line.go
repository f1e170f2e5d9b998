package conformance

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// A line is what a connection and a UDP socket have in common: a number, its two
// ends, and what is recorded of it.
type line struct {
	x             *Exchange
	id            int
	local, remote netip.AddrPort
	udp           bool
}

// opened gives a line the next number and records it. Its owner is closed when the
// exchange ends.
func (x *Exchange) opened(owner io.Closer, into *line, l line, transport string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = append(x.open, owner)
	l.x, l.id = x, len(x.open)
	*into = l
	x.recording.add(into, Move{Way: WayOpen})
	x.timeline.add(Entry{Conn: l.id, Way: WayOpen, Label: fmt.Sprintf("%s%v → %v", transport, l.local, l.remote)})
}

// Number is the connection's number in the timeline, from 1.
func (l *line) Number() int { return l.id }

// passed records bytes for the timeline and for the capture.
func (l *line) passed(way Way, raw []byte) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.recording.add(l, Move{Way: way, Bytes: raw})
	l.x.timeline.add(Entry{Conn: l.id, Way: way, Bytes: raw})
}

// Sent names bytes that were just written: the frame they are, and its fields.
func (l *line) Sent(name string, raw []byte, fields ...Field) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.timeline.label(l.id, WaySent, name, raw, fields)
}

// Received names bytes that were read and parsed as one frame. Beyond MaxFrames
// the case is inconclusive.
func (l *line) Received(name string, raw []byte, fields ...Field) {
	l.x.mu.Lock()
	l.x.timeline.label(l.id, WayReceived, name, raw, fields)
	l.x.mu.Unlock()
	_ = l.x.count(0, 1) // the next judgement ends the case
}

// Fault says what is wrong with what was received last. It judges nothing: the
// sentence stands in the timeline, at the bytes that it is about.
func (l *line) Fault(sentence string) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.timeline.fault(l.id, sentence)
}

// Expected says what a field of what was received last should have been. It judges
// nothing: the value stands in the timeline, beside what was received.
func (l *line) Expected(d Difference) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	l.x.timeline.expect(l.id, d)
}

// LogKey adds a line to the key log of the attempt. The line says nothing to this
// package; it stands beside the capture of a case that does not pass.
func (l *line) LogKey(line string) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	t := &l.x.recording.traffic
	if !l.x.recording.sealed && len(t.Keys) < maxKeys && !slices.Contains(t.Keys, line) {
		t.Keys = append(t.Keys, line)
	}
}
