package peer

import "fmt"

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
	return d
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
