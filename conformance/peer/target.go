package peer

import (
	"io"
	"net/netip"
	"time"

	"github.com/bpci/xtmp/conformance"
)

// A Target is the endpoint to connect to and what is known of its identity.
type Target struct {
	Addr    string // host:port
	Pin     []byte // 32 bytes of fingerprint; nil to take whatever identity it shows
	PinKind uint8  // kind of the pinned identity; 0 if any will do
}

// Options are what a Conn needs besides its target. The zero value of a field
// stands for the default named beside it; Entropy has none.
type Options struct {
	LocalAddr netip.Addr                // source address; the host's choice
	Entropy   io.Reader                 // everything random that is sent
	Clock     func() time.Time          // stamps and hellos, from any goroutine; time.Now
	Recorder  Recorder                  // the connection itself if it is one; nobody
	KeyLog    KeyLog                    // the connection itself if it is one; nobody
	Declares  func(profile string) bool // what the target declares; core alone
	Wait      time.Duration             // how long a read or write waits that is given 0; DefaultWait
}

// DefaultWait is how long a read waits if neither the call nor the options say it.
const DefaultWait = 5 * time.Second

// A Recorder is told of every frame that is sent or received, field by field.
// conformance.Conn is one.
type Recorder interface {
	Sent(name string, raw []byte, fields ...conformance.Field)
	Received(name string, raw []byte, fields ...conformance.Field)
}

// A Critic is told what is wrong with the frame that was received last. A Recorder
// that is one, such as conformance.Conn, hears of every Deviation.
type Critic interface {
	Fault(sentence string)
	Expected(d conformance.Difference)
}

// A KeyLog is told of every secret that the script derives, as a line of a key log
// (package keylog). conformance.Conn is one.
type KeyLog interface{ LogKey(line string) }

// nobody records nothing.
type nobody struct{}

func (nobody) LogKey(string)                   {}
func (nobody) Fault(string)                    {}
func (nobody) Expected(conformance.Difference) {}

func (nobody) Sent(string, []byte, ...conformance.Field)     {}
func (nobody) Received(string, []byte, ...conformance.Field) {}
