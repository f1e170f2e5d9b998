package peer

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Conn is one TCP connection and what our end of it knows: keys, counters, the
// handshake so far, and what was wrong with what came.
type Conn struct {
	nc       net.Conn
	target   Target
	entropy  io.Reader
	clock    func() time.Time
	recorder Recorder
	critic   Critic
	keyLog   KeyLog
	wait     time.Duration

	unread     []byte // received, not yet a whole frame
	recorded   int    // of the unread bytes, how many the recorder has
	last       *Received
	violations []*Deviation
	handshake  exchange
	stamps     clockAnchor // of our own frames

	// What the linter knows of the peer.
	inbound   []*slot
	outbound  []testkit.Keys    // of our own slots, as they are derived
	remote    clockAnchor       // of the peer's frames
	inMid     uint64            // its last new mid
	heard     uint64            // the newest epoch under which it sealed
	rekey     *Rekey            // our last RekeyInit
	incoming  incoming          // what it cuts, numbers and pushes
	exercised time.Time         // when it last sent a frame of a type in 0x80 … 0xEF
	closing   string            // the frame after which it may send nothing; "" if none
	sent      uint64            // our last sequence number under the path key
	anySent   bool              // there is one
	open      map[uint64]uint64 // our reliable frames not covered yet: sequence number → mid
	pings     [][]byte          // what our PINGs said, the newest last
	requests  map[uint64]uint8  // mid → type of every reliable message of ours
	answered  map[uint64]uint64 // mids of ours that had their reply, and its mid
	whole     map[uint64]bool   // mids of ours of which the whole reply has come
}

// A slot is a key slot in which the peer seals. Path slots of all epochs share
// their counter.
type slot struct {
	name  string
	keys  testkit.Keys
	next  *uint64
	epoch uint64
	ours  []byte // key_id of our own slot of this epoch
	used  bool   // we have sealed under it
}

// The names of key slots.
const (
	SlotClear     = "clear"
	SlotHandshake = "handshake"
	SlotPath      = "path"
)

// Dial connects to the target over TCP. The connection is closed when ctx ends.
func Dial(ctx context.Context, target Target, options Options) (*Conn, error) {
	dialer := net.Dialer{Timeout: orDefault(options.Wait)}
	if options.LocalAddr.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: options.LocalAddr.AsSlice()}
	}
	nc, err := dialer.DialContext(ctx, "tcp", target.Addr)
	if err != nil {
		return nil, fmt.Errorf("peer: no connection to %s: %w", target.Addr, err)
	}
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	return New(nc, target, options), nil
}

// New takes over a connection that exists, such as a conformance.Conn or one end
// of a net.Pipe.
func New(nc net.Conn, target Target, options Options) *Conn {
	if options.Entropy == nil {
		panic("peer: Options.Entropy is missing: a script has no randomness of its own")
	}
	c := &Conn{
		nc: nc, target: target, entropy: options.Entropy, clock: options.Clock, recorder: options.Recorder, keyLog: options.KeyLog,
		wait: orDefault(options.Wait), open: map[uint64]uint64{}, requests: map[uint64]uint8{}, answered: map[uint64]uint64{},
		whole: map[uint64]bool{}, incoming: newIncoming(),
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.recorder == nil {
		c.recorder = nobody{}
		if own, ok := nc.(Recorder); ok {
			c.recorder = own
		}
	}
	c.critic = nobody{}
	if own, ok := c.recorder.(Critic); ok {
		c.critic = own
	}
	if c.keyLog == nil {
		c.keyLog = nobody{}
		if own, ok := nc.(KeyLog); ok {
			c.keyLog = own
		}
	}
	return c
}

func orDefault(wait time.Duration) time.Duration {
	if wait == 0 {
		return DefaultWait
	}
	return wait
}

// WriteRaw writes bytes in one write.
func (c *Conn) WriteRaw(raw []byte) error { return c.write("", raw) }

// WriteChunks writes bytes in pieces of the given sizes; what is left over is the
// last piece.
func (c *Conn) WriteChunks(raw []byte, sizes ...int) error {
	for _, size := range sizes {
		size = min(size, len(raw))
		if err := c.write("", raw[:size]); err != nil {
			return err
		}
		raw = raw[size:]
	}
	return c.write("", raw)
}

// SendFrame writes a frame as it is, filling in payload_length and checksum unless
// they were set.
func (c *Conn) SendFrame(f *testkit.Frame) error {
	raw := f.Encode()
	return c.write(frameName(f, nil), raw)
}

// SendDraft encodes and writes a draft that belongs to no session: a ClientHello out
// of place, a ClientFinish, a frame under keys of the caller's choice.
func (c *Conn) SendDraft(d *Draft) error {
	raw := d.Encode()
	return c.write(frameName(d.Frame, d.Plaintext), raw)
}

// Close ends the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// CloseWrite ends our half of the byte stream, where the transport has halves.
func (c *Conn) CloseWrite() error {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	return half.CloseWrite()
}

// NetConn returns the connection underneath.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Violations returns what was wrong with the frames received so far, in order.
func (c *Conn) Violations() []*Deviation { return c.violations }

// Open returns how many reliable frames of ours are neither acknowledged nor answered.
func (c *Conn) Open() int { return len(c.open) }

// Last returns the frame received last, or nil.
func (c *Conn) Last() *Received { return c.last }

// Unread returns the bytes that were received and make no whole frame yet.
func (c *Conn) Unread() []byte { return c.unread }

// write sends bytes and tells the recorder what they are. Bytes without a name are
// the script's own idea; their fields say how a peer will read them.
func (c *Conn) write(name string, raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.wait)) // fails only on a closed connection; the write tells
	_, err := c.nc.Write(raw)
	c.recorder.Sent(name, raw, fieldsOf(c.ownParts(name, raw), raw)...)
	if err != nil {
		return fmt.Errorf("peer: writing %d bytes: %w", len(raw), err)
	}
	return nil
}
