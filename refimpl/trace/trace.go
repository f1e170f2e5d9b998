// Package trace names what happens inside the core, for debugging, the
// simulator and tests.
//
//	session, endpoint ─ Event ─▶ Hook (nil: nothing is built, nothing is called)
//
// An Event is a small value; a Hook must not keep what it points to. Events
// carry no secret. They are observations, never decisions: nothing in the core
// depends on whether a Hook is set.
package trace

import (
	"fmt"
	"time"
)

// Kind says what happened.
type Kind uint8

// Kinds of events.
const (
	FrameReceived Kind = iota + 1 // a frame passed steps 1 to 12
	FrameRefused                  // a frame failed at Step, for Reason
	FrameSent
	StateChanged // State is the new state
	PathClosed
	Rekeyed  // both ends have the keys of epoch Sequence
	Moved    // Path is the current path
	Pathless // every path is closed, the last one for Reason

	FrameDropped // a frame was forgotten at Step, for Reason: nothing but counters has changed
)

// String returns the name of the kind, in the manner of qlog.
func (k Kind) String() string {
	switch k {
	case FrameReceived:
		return "frame_received"
	case FrameRefused:
		return "frame_refused"
	case FrameSent:
		return "frame_sent"
	case StateChanged:
		return "state_changed"
	case PathClosed:
		return "path_closed"
	case Rekeyed:
		return "key_updated"
	case Moved:
		return "path_changed"
	case Pathless:
		return "pathless"
	case FrameDropped:
		return "frame_dropped"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Event is one observation.
type Event struct {
	Elapsed   time.Duration // the observer's monotonic time
	Kind      Kind
	Step      uint8 // of the order of checks, in FrameRefused and FrameDropped
	Type      uint8 // message_type
	Path      uint8
	Flags     uint16
	SessionID uint64
	Sequence  uint64 // of a frame; in Rekeyed the epoch
	Size      int    // whole frame, bytes
	State     string // in StateChanged
	Reason    string // in FrameRefused, FrameDropped, PathClosed and Pathless
}

// String renders the event on one line.
func (e Event) String() string {
	s := fmt.Sprintf("%v %v session=%x path=%d", e.Elapsed, e.Kind, e.SessionID, e.Path)
	switch e.Kind {
	case StateChanged:
		return s + " state=" + e.State
	case PathClosed, Pathless:
		return s + " reason=" + e.Reason
	case Moved:
		return s
	case Rekeyed:
		return s + fmt.Sprintf(" epoch=%d", e.Sequence)
	case FrameReceived, FrameSent:
	case FrameRefused, FrameDropped:
		s += fmt.Sprintf(" step=%d reason=%q", e.Step, e.Reason)
	}
	return s + fmt.Sprintf(" type=%02x flags=%04x seq=%d size=%d", e.Type, e.Flags, e.Sequence, e.Size)
}

// Hook receives events. It is called synchronously by the owner of the core.
type Hook func(Event)
