package session

import "fmt"

// Role is the side of a session.
type Role uint8

// Roles.
const (
	Client Role = iota
	Server
)

// State is the state of a session.
type State uint8

// States, in the order in which they can follow each other.
const (
	Idle        State = iota // client: Open was not called
	Start                    // server: no ClientHello yet
	Hello                    // client: ClientHello sent, flight not verified
	Half                     // server: ServerHello sent, ClientFinish not verified
	Established              // both sides have proved themselves
	Closing                  // no new work; replies and Acks are awaited
	Closed                   // erased; a last frame may still be on its way out
)

// String returns the name of the state.
func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Start:
		return "start"
	case Hello:
		return "hello"
	case Half:
		return "half"
	case Established:
		return "established"
	case Closing:
		return "closing"
	case Closed:
		return "closed"
	default:
		return fmt.Sprintf("state %d", uint8(s))
	}
}

// PathState is the state of a path.
type PathState uint8

// States of a path, in the order in which they can follow each other.
const (
	PathOpen    PathState = iota // keys may exist, no path frame was opened
	PathLive                     // a path frame was opened
	PathSuspect                  // silent for too long
	PathDrain                    // the final frame is on its way; what arrives is discarded
	PathShut                     // final
)

// String returns the name of the state.
func (s PathState) String() string {
	switch s {
	case PathOpen:
		return "open"
	case PathLive:
		return "live"
	case PathSuspect:
		return "suspect"
	case PathDrain:
		return "drain"
	case PathShut:
		return "shut"
	default:
		return fmt.Sprintf("path state %d", uint8(s))
	}
}
