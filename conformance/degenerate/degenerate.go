// Package degenerate holds peers that are no XTMP peers at all, each as stupid
// as its name: a suite that lets one of them pass a requirement has no teeth.
//
//	black-hole      accepts connections, reads, says nothing
//	instant-close   accepts connections and closes them
//	echo            sends back what it is sent
//	random          answers whatever comes with random bytes
//	trickle         answers whatever comes with a zero byte now and then
//	half-open       answers the first bytes with the beginning of a ServerHello, and ends its sending direction
//	yes             answers every frame with a ServerHello that promises everything and proves nothing
//	no              answers every frame with the clear Error MALFORMED
//
// The self-test runs the whole suite against each. The package speaks no
// protocol and judges nothing.
package degenerate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

// A Peer is one degenerate peer.
type Peer struct {
	Name string
	Does string
	// serve handles one connection; its caller closes it.
	serve func(conn net.Conn, random io.Reader)
}

// Peers returns them all.
func Peers() []Peer {
	return []Peer{
		{"black-hole", "accepts connections, reads, says nothing", func(conn net.Conn, _ io.Reader) {
			_, _ = io.Copy(io.Discard, conn)
		}},
		{"instant-close", "accepts connections and closes them", func(net.Conn, io.Reader) {}},
		{"echo", "sends back what it is sent", func(conn net.Conn, _ io.Reader) {
			_, _ = io.Copy(conn, conn)
		}},
		{"random", "answers whatever comes with random bytes", babble},
		{"trickle", "answers whatever comes with a zero byte now and then", trickle},
		{"half-open", "answers the first bytes with the beginning of a ServerHello, and ends its sending direction", halfOpen},
		{"yes", "answers every frame with a ServerHello that promises everything and proves nothing", func(conn net.Conn, random io.Reader) {
			answerFrames(conn, func([]byte) []byte { return serverHello(random) })
		}},
		{"no", "answers every frame with the clear Error MALFORMED", func(conn net.Conn, _ io.Reader) {
			answerFrames(conn, func([]byte) []byte { return malformed() })
		}},
	}
}

// Named finds a peer.
func Named(name string) (Peer, bool) {
	for _, p := range Peers() {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// babbleSize is how many random bytes answer one read: more than a header, so
// that a client finds a whole one.
const babbleSize = 512

func babble(conn net.Conn, random io.Reader) {
	buffer := make([]byte, 4096)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		if _, err := io.CopyN(conn, random, babbleSize); err != nil {
			return
		}
	}
}

// Ready is the line that says where the peer listens. The fingerprint is made
// up: no degenerate peer has an identity.
func (p Peer) Ready(addr net.Addr) string {
	return fmt.Sprintf("READY tcp=%s udp=- fingerprint=%x", addr, sha256.Sum256([]byte(p.Name)))
}

// Serve handles connections until the context ends, and closes the listener.
// The seed decides the random bytes of each connection.
func (p Peer) Serve(ctx context.Context, listener net.Listener, seed uint64) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for number := uint64(0); ; number++ {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var key [32]byte
		copy(key[:], fmt.Sprintf("%016x%016x", seed, number))
		go func() {
			defer conn.Close()
			done := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer done()
			p.serve(conn, rand.NewChaCha8(key))
		}()
	}
}
