package udp

import "net/netip"

// Implementation constants.
const (
	// Room is the capacity in bytes that Batch.Room offers: the largest datagram of
	// the protocol and a tag. [XTMP-UDP-004]
	Room = 1500

	// Spare is the spare capacity in bytes behind every datagram that has arrived:
	// ciphers borrow it.
	Spare = 16

	batchBytes     = 256 << 10 // B of a batch
	batchDatagrams = 512       // of a batch
)

// Datagram is a datagram that arrived.
type Datagram struct {
	From netip.AddrPort
	// Bytes are valid until the next Receive. Behind them are Spare bytes of another
	// datagram, which who takes one after the other may change and restore.
	Bytes []byte
}

// Batch is what waits to be sent, in one piece of memory.
type Batch struct {
	bytes []byte
	items []item
	head  int // the first item that is not sent
}

// item is one datagram of a batch.
type item struct {
	start, end int // in Batch.bytes
	to         netip.AddrPort
}

func newBatch() Batch {
	return Batch{bytes: make([]byte, 0, batchBytes), items: make([]item, 0, batchDatagrams)}
}

// Room returns memory for one datagram: no bytes, and a capacity of Room. It is
// nil when the batch is full and must be flushed first.
func (b *Batch) Room() []byte {
	n := len(b.bytes)
	if n+Room > cap(b.bytes) || len(b.items) == batchDatagrams {
		return nil
	}
	return b.bytes[n : n : n+Room]
}

// Add appends a datagram, which is copied unless it was written into Room.
func (b *Batch) Add(datagram []byte, to netip.AddrPort) {
	start := len(b.bytes)
	end := start + len(datagram)
	if end <= cap(b.bytes) && len(datagram) > 0 && &datagram[0] == &b.bytes[:end][start] {
		b.bytes = b.bytes[:end]
	} else {
		b.bytes = append(b.bytes, datagram...)
	}
	b.items = append(b.items, item{start, end, to})
}

// Waiting returns the number of datagrams that are not sent.
func (b *Batch) Waiting() int { return len(b.items) - b.head }

// sent takes n datagrams out.
func (b *Batch) sent(n int) {
	if b.head += n; b.head == len(b.items) {
		b.bytes, b.items, b.head = b.bytes[:0], b.items[:0], 0
	}
}
