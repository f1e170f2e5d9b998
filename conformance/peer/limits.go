package peer

import (
	"fmt"
	"time"

	"github.com/bpci/xtmp/spec"
)

// limit returns a size or count of the text.
func limit(name string) uint64 {
	l, ok := spec.Default().Limit(name)
	if !ok {
		panic(fmt.Sprintf("peer: the registry has no limit %q", name))
	}
	return l.Value
}

// timer returns a timer of the text.
func timer(name string) time.Duration {
	t, ok := spec.Default().Timer(name)
	if !ok {
		panic(fmt.Sprintf("peer: the registry has no timer %q", name))
	}
	return t.Value
}

// payloadLimit is the payload_length that the peer may send to us now.
func (c *Conn) payloadLimit() uint64 {
	for _, s := range c.inbound {
		if s.name == SlotPath {
			return limit("frame_payload") // [XTMP-LIM-003]
		}
	}
	return limit("payload_before_session") // [XTMP-LIM-001]
}
