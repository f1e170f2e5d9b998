package session

import (
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// EventKind says what an Event reports.
type EventKind uint8

// Kinds of events.
const (
	EventEstablished EventKind = iota + 1 // the peer has proved itself; Identity is set at a client
	EventPong                             // an answer to Ping; Token names it
	EventPeerError                        // an unsolicited Error of scope 0
	EventClosed                           // the session ended; Err says why
	EventRekeyed                          // the peer seals under fresh keys; Token is the epoch
)

// Event is something the caller should know.
type Event struct {
	Kind     EventKind
	Token    uint64
	Err      error
	Identity Identity
}

// Identity is what a server has proved to be.
type Identity struct {
	Kind        uint8
	Fingerprint security.Fingerprint
	Key         []byte // identity key bytes
	Suite       wire.Suite
}
