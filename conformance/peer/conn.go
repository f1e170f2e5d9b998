package peer

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Conn is one path, a TCP connection, a WebSocket or UDP sockets, and what our end of it knows:
// keys, counters, what was wrong with what came, and what it shares with the other
// paths of its session.
type Conn struct {
	*dialogue

	nc       net.Conn   // on UDP the socket that sends
	udp      *sockets   // nil on TCP
	ws       *WebSocket // nc, if the path is a WebSocket
	recorder Recorder   // of nc; on UDP, of the socket at which the last datagram came
	critic   Critic
	wait     time.Duration

	unread   []byte // received, not yet a whole frame
	recorded int    // of the unread bytes, how many the recorder has
	last     *Received

	number uint64      // of the path, from 0, for the key log
	binder []byte      // of an attached path; nil on the path of the handshake
	remote clockAnchor // of the peer's frames

	// What the linter knows of the peer.
	inbound  []*slot
	outbound []testkit.Keys    // of our own slots, as they are derived
	heard    uint64            // the newest epoch under which it sealed
	heardAt  uint64            // the lowest sequence number under that epoch
	closing  string            // the frame after which it may send nothing; "" if none
	sent     uint64            // our last sequence number under the path key
	anySent  bool              // there is one
	open     map[uint64]uint64 // our reliable frames not covered yet: sequence number → mid
	pings    [][]byte          // what our PINGs said, the newest last
	window   window            // UDP: which sequence numbers came and went
}

// A dialogue is what all paths of a session share.
type dialogue struct {
	target  Target
	entropy io.Reader
	clock   func() time.Time
	keyLog  KeyLog
	has     func(profile string) bool // what the peer declares
	paths   []*Conn                   // in the order in which they were made

	violations []*Deviation
	handshake  exchange
	contacts   map[uint64]bool // handshake_ids of contacts that are only questions
	stamps     clockAnchor     // of our own frames
	mid        uint64          // our next
	fragID     uint64          // our next
	roots      [][]byte        // by epoch
	attempts   []uint64        // by epoch: our next attach counter

	// What the linter knows of the peer.
	inMid     uint64           // its last new mid
	rekey     *Rekey           // our last RekeyInit
	incoming  incoming         // what it cuts, numbers and pushes
	exercised time.Time        // when it last sent a frame of a type in 0x80 … 0xEF
	requests  map[uint64]uint8 // mid → type of every reliable message of ours
	answered  map[uint64]uint64
	whole     map[uint64]bool // mids of ours of which the whole reply has come
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
	SlotAttach    = "attach"
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

// New takes over a connection that exists, such as a conformance.Conn, a
// conformance.Socket, a WebSocket that is open or one end of a net.Pipe. It speaks UDP
// if the local address is one of UDP.
func New(nc net.Conn, target Target, options Options) *Conn {
	if options.Entropy == nil {
		panic("peer: Options.Entropy is missing: a script has no randomness of its own")
	}
	d := &dialogue{
		target: target, entropy: options.Entropy, clock: options.Clock, keyLog: options.KeyLog, has: options.Declares,
		requests: map[uint64]uint8{}, answered: map[uint64]uint64{}, whole: map[uint64]bool{},
		incoming: newIncoming(), contacts: map[uint64]bool{},
	}
	if d.clock == nil {
		d.clock = time.Now
	}
	if d.has == nil {
		d.has = func(string) bool { return false }
	}
	if d.keyLog == nil {
		d.keyLog = nobody{}
		if own, ok := nc.(KeyLog); ok {
			d.keyLog = own
		}
	}
	return d.path(nc, options)
}

// path makes a connection one of the dialogue.
func (d *dialogue) path(nc net.Conn, options Options) *Conn {
	c := &Conn{dialogue: d, nc: nc, wait: orDefault(options.Wait), open: map[uint64]uint64{}, number: uint64(len(d.paths))}
	c.recorder, c.critic = observers(nc, options.Recorder)
	if _, udp := nc.LocalAddr().(*net.UDPAddr); udp {
		c.udp = newSockets(d.clock)
		c.udp.add(nc, c.recorder, c.critic)
		c.window = newWindow()
	}
	c.ws, _ = nc.(*WebSocket)
	d.paths = append(d.paths, c)
	return c
}

// observers returns who is told of the frames of a connection: the recorder that was
// given, or else the connection itself.
func observers(nc net.Conn, recorder Recorder) (Recorder, Critic) {
	if recorder == nil {
		recorder = nobody{}
		if own, ok := nc.(Recorder); ok {
			recorder = own
		}
	}
	if own, ok := recorder.(Critic); ok {
		return recorder, own
	}
	return recorder, nobody{}
}

func orDefault(wait time.Duration) time.Duration {
	if wait == 0 {
		return DefaultWait
	}
	return wait
}

// UDP reports whether the path is one of UDP.
func (c *Conn) UDP() bool { return c.udp != nil }

// apart reports whether each frame has to be written by itself.
func (c *Conn) apart() bool { return c.udp != nil || c.ws != nil }

// WriteRaw writes bytes in one write, which on UDP is one datagram and on a WebSocket
// one binary message.
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

// Close ends the connection, or closes the sockets.
func (c *Conn) Close() error {
	if c.udp != nil {
		return c.udp.close()
	}
	return c.nc.Close()
}

// CloseWrite ends our half of the byte stream, where the transport has halves; on a
// WebSocket it sends the close that stands for that.
func (c *Conn) CloseWrite() error {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	return half.CloseWrite()
}

// NetConn returns the connection underneath, on UDP the socket that sends.
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
	if c.udp != nil {
		return c.udp.write(name, raw, fieldsOf(c.ownParts(name, raw), raw))
	}
	if len(raw) == 0 && c.ws == nil {
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
