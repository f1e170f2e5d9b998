package peer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A Received is one frame of the peer.
type Received struct {
	Name      string // what it is, in words
	Frame     *testkit.Frame
	Raw       []byte
	At        time.Time          // when it was complete, by the Conn's clock; on UDP, when the system handed it over
	Slot      string             // SlotClear, SlotHandshake, SlotAttach, SlotPath; "" if no key of ours fits
	Epoch     uint64             // of the path keys
	Plaintext *testkit.Plaintext // nil if it did not open
	Message   *Message           // the message that this frame completes; nil if it opened none, or one that goes on
	Whole     []byte             // the body of the handshake message that this frame completes, else nil
	Repeated  bool               // on UDP: a frame under this path key with this sequence number came before
	Again     bool               // its message, or this fragment of it, came before under the same mid
	UDP       bool               // it came in a datagram
	Socket    int                // on UDP: number of the socket at which it came
	Opened    []byte             // the bytes of the plaintext
	Parts     []testkit.Part     // every byte with its name; the plaintext in place of the payload
}

// Type returns message_type.
func (r *Received) Type() uint8 { return r.Frame.Type() }

// Is reports whether the frame opened and has that type.
func (r *Received) Is(messageType uint8) bool { return r.Plaintext != nil && r.Type() == messageType }

// AckEliciting reports whether the frame opened under a path key and calls for an Ack
// on UDP (12.8).
func (r *Received) AckEliciting() bool {
	return r.Slot == SlotPath && r.Plaintext != nil && elicits(r.Type(), r.Frame.Flags())
}

// Mid returns the mid of a reliable message that opened, else 0.
func (r *Received) Mid() uint64 { return r.prologue("mid") }

// ReplyTo returns the mid that a reply answers, else 0.
func (r *Received) ReplyTo() uint64 { return r.prologue("reply_to") }

func (r *Received) prologue(field string) uint64 {
	if r.Plaintext == nil {
		return 0
	}
	return r.Plaintext.Prologue.Uint(field)
}

// Body returns the body as a message of the layout.
func (r *Received) Body(layout string) *testkit.Message {
	m, _ := testkit.Decode(layout, 0, r.Plaintext.Body)
	return m
}

// Error returns the Error in a frame of type 0xFE, or nil.
func (r *Received) Error() *ErrorFrame {
	if !r.Is(typeError) {
		return nil
	}
	return errorFrame(r)
}

// ReadFrame waits for one frame, for at most wait (0: the default of the options).
// It opens the frame if it has the key, lints it and records it. Errors wrap io.EOF
// (the peer closed), a network error (reset) or os.ErrDeadlineExceeded (silence),
// or are a *Deviation if the bytes are no frame.
func (c *Conn) ReadFrame(wait time.Duration) (*Received, error) {
	if wait == 0 {
		wait = c.wait
	}
	if c.udp != nil {
		return c.readDatagram(wait)
	}
	if c.ws != nil {
		return c.readFrameOfMessage(wait)
	}
	until := time.Now().Add(wait)
	for {
		if err := c.checkFront(); err != nil {
			return nil, err
		}
		if frame, rest, whole := testkit.DecodeFrame(c.unread); whole {
			raw := c.unread[:len(c.unread)-len(rest)]
			c.unread = rest
			return c.receive(frame, raw, c.clock(), 0), nil
		}
		if err := c.fill(until); err != nil {
			return nil, err
		}
	}
}

// Drain reads until the peer ends the connection, for at most wait (0: the
// default), and returns the frames that came before. The error is that of ReadFrame; io.EOF is the peer's
// orderly close.
func (c *Conn) Drain(wait time.Duration) ([]*Received, error) {
	return drain(orWait(wait, c.wait), c.ReadFrame)
}

func drain(wait time.Duration, read func(time.Duration) (*Received, error)) ([]*Received, error) {
	until := time.Now().Add(wait)
	var frames []*Received
	for {
		left := time.Until(until)
		if left <= 0 {
			return frames, silence(wait)
		}
		r, err := read(left)
		if err != nil {
			return frames, err
		}
		frames = append(frames, r)
	}
}

// checkFront judges the bytes that tell whether a frame follows at all.
func (c *Conn) checkFront() error {
	if magic := "XTMP"; len(c.unread) > 0 {
		n := min(len(magic), len(c.unread))
		if string(c.unread[:n]) != magic[:n] {
			c.recordUnread("bytes that are no frame")
			c.critic.Expected(conformance.Difference{Field: "frame.magic", Want: fmt.Sprintf("%x", magic)})
			return c.violation("XTMP-HDR-001", "a frame begins with other bytes", c.unread[:n], "58544d50")
		}
	}
	if len(c.unread) < testkit.HeaderSize {
		return nil
	}
	header, _ := testkit.Decode("frame", 0, c.unread)
	if length, limit := header.Uint("payload_length"), c.payloadLimit(); length > limit {
		c.recordUnread("the beginning of a frame that is too long")
		return c.violation("XTMP-HDR-004", "payload_length is above the limit of our state", length, fmt.Sprint("at most ", limit))
	}
	return nil
}

// fill reads once.
func (c *Conn) fill(until time.Time) error {
	_ = c.nc.SetReadDeadline(until) // fails only on a closed connection; the read tells
	var piece [16 << 10]byte
	n, err := c.nc.Read(piece[:])
	c.unread = append(c.unread, piece[:n]...)
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF) && len(c.unread) > 0:
		c.recordUnread("the beginning of a frame")
		return fmt.Errorf("peer: the connection ended %d bytes into a frame: %w", len(c.unread), io.EOF)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("peer: the connection ended: %w", io.EOF)
	case err != nil:
		return fmt.Errorf("peer: reading: %w", err)
	}
	return nil
}

// recordUnread tells the recorder of bytes that make no frame, once no more are to
// come.
func (c *Conn) recordUnread(name string) {
	if c.recorded == len(c.unread) {
		return // a second read of the same bytes
	}
	c.recorded = len(c.unread)
	c.recorder.Received(name, c.unread, fieldsOf(testkit.Annotate(c.unread), c.unread)...)
}

func silence(wait time.Duration) error {
	return fmt.Errorf("peer: nothing ended the connection within %v: %w", wait, os.ErrDeadlineExceeded)
}

// receive opens, lints and records a frame.
func (c *Conn) receive(f *testkit.Frame, raw []byte, at time.Time, socket int) *Received {
	r, s := c.unseal(f, raw)
	r.At, r.Socket, r.UDP = at, socket, c.udp != nil
	if r.Slot == SlotPath && r.Plaintext != nil && !r.Plaintext.Prologue.Short() {
		r.Repeated = c.udp != nil && !c.window.comes(r)
		r.Message = c.incoming.take(r, c.resent())
	} else if p := r.Plaintext; p != nil && p.Envelope != nil && !p.Envelope.Short() {
		r.Whole = c.handshake.join(r)
	}
	c.recorder.Received(r.Name, raw, fieldsOf(r.Parts, raw)...)
	c.last = r
	c.lint(r, s)
	return r
}

// unseal opens a frame, if it has the key, and names it. It changes nothing.
func (c *Conn) unseal(f *testkit.Frame, raw []byte) (*Received, *slot) {
	r := &Received{Frame: f, Raw: raw, Parts: testkit.Annotate(raw)}
	s := c.slotOf(f)
	switch {
	case f.Header.Uint("encryption_type") == 0 && f.Clear():
		r.Slot, r.Opened = SlotClear, f.Payload
		r.Plaintext, _ = testkit.DecodePlaintext(f.Type(), 0, f.Payload)
	case s != nil:
		r.Slot, r.Epoch = s.name, s.epoch
		if opened, err := f.Open(s.keys); err == nil {
			r.Opened = opened
			r.Plaintext, _ = testkit.DecodePlaintext(f.Type(), f.Flags(), opened)
			r.Parts = openedParts(r.Parts, f, opened)
		}
	}
	r.Name = frameName(f, r.Plaintext)
	return r, s
}

func (c *Conn) slotOf(f *testkit.Frame) *slot {
	for _, s := range c.inbound {
		if string(s.keys.KeyID) == string(f.Header.Bytes("key_id")) {
			return s
		}
	}
	return nil
}

// openedParts replaces the payload among the parts of a frame by what is in it.
func openedParts(parts []testkit.Part, f *testkit.Frame, opened []byte) []testkit.Part {
	if len(parts) > 0 && parts[len(parts)-1].Label == "frame.payload" {
		parts = parts[:len(parts)-1]
	}
	for _, p := range testkit.AnnotatePlaintext(f.Type(), f.Flags(), opened) {
		p.Offset += testkit.HeaderSize
		parts = append(parts, p)
	}
	return parts
}
