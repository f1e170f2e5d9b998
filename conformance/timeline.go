package conformance

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"
)

// A Way says what kind of line an Entry is.
type Way string

// The ways.
const (
	WaySent     Way = "sent"     // bytes to the peer
	WayReceived Way = "received" // bytes from the peer
	WayOpen     Way = "open"     // a connection was made
	WayEnd      Way = "end"      // a connection ended, by either side
	WayWait     Way = "wait"     // the judge waits, up to a named bound
	WayNote     Way = "note"     // the case explains itself
	WayJudge    Way = "judge"    // an observation met a row
)

// An Entry is one line of the timeline of an exchange.
type Entry struct {
	At     time.Duration // since the attempt began
	Conn   int           // number of the connection from 1; 0 for none
	Way    Way
	Label  string   // what it is, in words; the frame's name for bytes that were parsed
	Bytes  []byte   // as many as were kept
	Length int      // as many as there were
	Fields []Field  // the parts of Bytes, in order of offset
	Faults []string // what is wrong with received bytes, a sentence each
}

// A Field names a range of an entry's bytes.
type Field struct {
	Name    string
	Offset  int
	Size    int
	Meaning string // the value in words; may be empty
	Opened  []byte // the plaintext at this place; nil where Bytes are not sealed
	Want    []byte // what it should have been; nil if the case has no opinion
	Mask    []byte // which bits of Want count; nil means all
}

// Differs reports whether actual is not what the field should have been.
func (f Field) Differs(actual []byte) bool {
	if f.Want == nil {
		return false
	}
	return !equalUnderMask(f.Want, actual, f.Mask)
}

// equalUnderMask compares the bits that mask selects; a nil mask selects all,
// and bytes beyond a short mask are selected.
func equalUnderMask(want, got, mask []byte) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		bits := byte(0xFF)
		if i < len(mask) {
			bits = mask[i]
		}
		if want[i]&bits != got[i]&bits {
			return false
		}
	}
	return true
}

// The bounds of what one attempt keeps for its report.
const (
	maxEntries      = 2000
	maxEntryBytes   = 4 << 10
	maxTimelineSize = 256 << 10
)

// A timeline collects entries within its bounds.
type timeline struct {
	start   time.Time
	entries []Entry
	size    int
	dropped int
	sealed  bool // the attempt is over: nothing more is taken
}

func (t *timeline) add(e Entry) {
	if t.sealed {
		return
	}
	if len(t.entries) >= maxEntries {
		t.dropped++
		return
	}
	e.At = time.Since(t.start)
	e.Length = max(e.Length, len(e.Bytes))
	keep := min(len(e.Bytes), maxEntryBytes, maxTimelineSize-t.size)
	e.Bytes = bytes.Clone(e.Bytes[:keep])
	t.size += keep
	t.entries = append(t.entries, e)
}

// label names bytes that were sent or received whole: the newest unnamed entry
// with the same bytes gets the name, else a new entry is added.
func (t *timeline) label(conn int, way Way, name string, raw []byte, fields []Field) {
	if t.sealed {
		return
	}
	for i := len(t.entries) - 1; i >= 0; i-- {
		e := &t.entries[i]
		if e.Conn == conn && e.Way == way && e.Label == "" && e.Length == len(raw) && bytes.HasPrefix(raw, e.Bytes) {
			e.Label, e.Fields = name, slices.Clone(fields)
			return
		}
	}
	t.add(Entry{Conn: conn, Way: way, Label: name, Bytes: raw, Fields: slices.Clone(fields)})
}

// fault writes what is wrong into the newest received entry of a connection.
func (t *timeline) fault(conn int, sentence string) {
	for i := len(t.entries) - 1; i >= 0 && !t.sealed; i-- {
		if e := &t.entries[i]; e.Way == WayReceived && e.Conn == conn {
			if len(e.Faults) < maxFaults {
				e.Faults = append(e.Faults, sentence)
			}
			return
		}
	}
}

// maxFaults bounds the sentences of one entry.
const maxFaults = 16

// expect writes what a field should have been beside what it was, in the newest
// received entry that has a field of this name; conn 0 stands for every connection.
// A difference whose values are no hex leaves no trace here.
func (t *timeline) expect(conn int, d Difference) {
	want, err := hex.DecodeString(d.Want)
	mask, errMask := hex.DecodeString(d.Mask)
	if err != nil || errMask != nil || t.sealed {
		return
	}
	for i := len(t.entries) - 1; i >= 0; i-- {
		if t.entries[i].Way != WayReceived || conn != 0 && t.entries[i].Conn != conn {
			continue
		}
		fields := t.entries[i].Fields
		for j := range fields {
			if fields[j].Name == d.Field && len(want) == fields[j].Size {
				fields[j].Want, fields[j].Mask = want, mask
				return
			}
		}
	}
}
