package session

import (
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

// TestEveryBitOfTheHandshake flips each bit of each handshake frame in turn,
// checksum recomputed, as somebody on the wire could. A flipped body never
// yields a session; a flipped header or envelope yields none, or one with the
// same keys on both sides. [XTMP-HSK-090]
func TestEveryBitOfTheHandshake(t *testing.T) {
	if testing.Short() {
		t.Skip("25 000 handshakes")
	}
	const clearBody = wire.Overhead + wire.EnvelopeSize
	for _, c := range []struct {
		name  string
		dir   byte // who sends it
		index int  // which frame of that sender
		body  int  // where its body begins; what is sealed is body, envelope included
	}{
		{"ClientHello", 'c', 0, clearBody},
		{"ServerHello", 's', 0, clearBody},
		{"ServerFlight", 's', 1, wire.Overhead},
		{"ClientFinish", 'c', 1, wire.Overhead},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			same := 0
			for bit := 0; ; bit++ {
				p, size := flipped(t, c.dir, c.index, bit)
				if bit >= size*8 {
					t.Logf("%d bits flipped, %d sessions with the same keys", bit, same)
					break
				}
				session := p.client.State() == Established && p.server.State() == Established
				switch at := bit / 8; {
				case p.server.State() == Established && p.client.State() != Established:
					t.Fatalf("byte %d bit %d: only the server is established", at, bit%8)
				case session && at >= c.body:
					t.Fatalf("byte %d bit %d: a session in spite of an altered body", at, bit%8)
				case session && (p.client.root != p.server.root || p.client.exporter != p.server.exporter):
					t.Fatalf("byte %d bit %d: a session with different keys", at, bit%8)
				case session:
					same++
				}
			}
		})
	}
}

// flipped runs a handshake in which one bit of one frame is flipped, and
// returns the size of that frame.
func flipped(t *testing.T, dir byte, index, bit int) (*pair, int) {
	p := newPair(t, nil)
	size := 0
	seen := 0
	p.mangle = func(from byte, b []byte) {
		for from == dir && len(b) > 0 {
			var h wire.Header
			h.Decode(b)
			n := wire.Overhead + int(h.PayloadLength)
			if seen == index {
				size = n
				if bit < n*8 {
					b[bit/8] ^= 1 << (bit % 8)
					if at := bit / 8; at < 28 || at >= 32 { // else the checksum itself is flipped
						clear(b[28:32])
						wire.Finish(b[:n])
					}
				}
			}
			seen++
			b = b[n:]
		}
	}
	p.connect()
	return p, size
}

// TestEveryBitInsideServerFlight flips each bit of the flight's plaintext before
// it is sealed: a server that holds the keys and yet lies.
func TestEveryBitInsideServerFlight(t *testing.T) {
	const plaintext = wire.EnvelopeSize + 202 + 33
	for bit := range plaintext * 8 {
		p := newPair(t, nil)
		p.open()
		p.write('c', p.client, &p.toServer)
		p.deliver(p.server, &p.toServer)
		p.write('s', p.server, &p.toClient)
		var h wire.Header
		h.Decode(p.toClient)
		hello := wire.Overhead + int(h.PayloadLength)
		p.client.Receive(p.now, 0, append([]byte(nil), p.toClient[:hello]...))
		flight := append(make([]byte, 0, 1024), p.toClient[hello:]...)
		h.Decode(flight)
		clear(flight[28:32])
		opened, err := p.client.handshake.recv.Open(flight, 0)
		if err != nil || len(opened) != plaintext {
			t.Fatalf("flight opens to %d bytes, %v", len(opened), err)
		}
		opened[bit/8] ^= 1 << (bit % 8)
		p.client.receiveHandshakeMessage(p.now, p.client.paths[0], &h, opened)
		if p.client.State() == Established {
			t.Fatalf("byte %d bit %d: the client is satisfied", bit/8, bit%8)
		}
	}
}
