package peer

import (
	"encoding/hex"
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// noted is a deviation that did not prevent going on: Conn.Violations has it. It is
// told apart from one that did by its type.
type noted struct{ *Deviation }

func (n *noted) Unwrap() error { return n.Deviation }

// note records a deviation after which the exchange can go on. Got and want are a
// text, bytes, or a number; "" says nothing.
func (c *Conn) note(req, what string, got, want any) { _ = c.violation(req, what, got, want) }

// violation records a deviation and returns it.
func (c *Conn) violation(req, what string, got, want any) error {
	d := &Deviation{Req: req, What: what, Got: text(got), Want: text(want)}
	c.violations = append(c.violations, d)
	c.critic.Fault(d.Error())
	return d
}

// wants says what a field of the frame received last should have been: a number, or
// all bytes of it. It comes beside a note, for the eye of a reader.
func (c *Conn) wants(label string, want any) {
	if c.last == nil {
		return
	}
	for _, p := range c.last.Parts {
		if p.Label != label {
			continue
		}
		value := wantedBytes(want, len(p.Bytes))
		if len(value) == len(p.Bytes) {
			c.critic.Expected(conformance.Difference{Field: label, Want: hex.EncodeToString(value), Got: hex.EncodeToString(p.Bytes)})
		}
		return
	}
}

func wantedBytes(want any, size int) []byte {
	switch v := want.(type) {
	case []byte:
		return v
	case uint64:
		return testkit.PutUint(v, size)
	}
	panic(fmt.Sprintf("peer: internal error: a field cannot be %v", want))
}

// firstSince returns the first deviation after a point in the list, or nil.
func (c *Conn) firstSince(from int) error {
	if len(c.violations) == from {
		return nil
	}
	return &noted{c.violations[from]}
}

func text(value any) string {
	if b, ok := value.([]byte); ok {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprint(value)
}
