package session

import (
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

// EventKind says what an Event reports.
type EventKind uint8

// Kinds of events.
const (
	EventEstablished  EventKind = iota + 1 // the peer has proved itself; Identity is set at a client
	EventPong                              // an answer to Ping; Token names it
	EventPeerError                         // an unsolicited Error of scope 0
	EventClosed                            // the session ended; Err says why
	EventRekeyed                           // the peer seals under fresh keys; Token is the epoch
	EventPathWanted                        // client: open a path and call Attach, or AttachFailed; Transport and Standby say which
	EventAttached                          // client: Path is a path of the session now; Standby tells whether it stands by
	EventMoved                             // Path is the current path now
	EventAddressToken                      // client: AddressToken is for the next first contact with the server on UDP
	EventPathless                          // every path is closed, Err says why of the last; the session waits
	EventResumed                           // the session has a path again
)

// Event is something the caller should know.
type Event struct {
	Kind     EventKind
	Token    uint64
	Err      error
	Identity Identity
	// Endpoints of EventEstablished are where the server wants further paths, in the
	// order of its preference, entries of unknown kind included; none means the address of
	// the handshake. [XTMP-PTH-057] [XTMP-PTH-058]
	Endpoints []wire.AttachEndpoint

	Path         PathID
	AddressToken []byte
	Transport    Transport
	Standby      bool
}

// Identity is what a server has proved to be.
type Identity struct {
	Kind        uint8
	Fingerprint security.Fingerprint
	Key         []byte // identity key bytes
	Suite       wire.Suite
}
