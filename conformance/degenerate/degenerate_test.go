package degenerate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPeers sends each peer the same bytes and looks at what comes back.
func TestPeers(t *testing.T) {
	said := append([]byte("hello, "), make([]byte, 133)...) // a frame of 96 bytes, and 44 of the next
	for _, test := range []struct {
		name string
		want func(got []byte, err error) bool
	}{
		{"black-hole", func(got []byte, err error) bool { return len(got) == 0 && errors.Is(err, os.ErrDeadlineExceeded) }},
		{"instant-close", func(got []byte, err error) bool {
			return len(got) == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		}},
		{"echo", func(got []byte, err error) bool { return err == nil && bytes.Equal(got, said) }},
		{"random", func(got []byte, err error) bool { return err == nil && !bytes.Equal(got, said) }},
		{"trickle", func(got []byte, err error) bool { return len(got) > 0 && len(got) < 10 && err != nil }},
		{"half-open", func(got []byte, err error) bool { return err == nil && bytes.HasPrefix(got, []byte("XTMP\x01\x02")) }},
		{"yes", func(got []byte, err error) bool { return err == nil && bytes.HasPrefix(got, []byte("XTMP\x01\x02")) }},
		{"no", func(got []byte, err error) bool {
			return len(got) == 112 && bytes.HasPrefix(got, []byte("XTMP\x01\xfe"))
		}},
	} {
		peer, ok := Named(test.name)
		if !ok {
			t.Fatalf("no peer is called %s", test.name)
		}
		ctx, cancel := context.WithCancel(context.Background())
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- peer.Serve(ctx, listener, 1) }()
		if ready := peer.Ready(listener.Addr()); !strings.HasPrefix(ready, "READY tcp=127.0.0.1:") {
			t.Errorf("%s says %q", test.name, ready)
		}
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = conn.Write(said) // a peer that closes may refuse it
		got := make([]byte, len(said))
		n, err := io.ReadFull(conn, got)
		if !test.want(got[:n], err) {
			t.Errorf("%s: got %q, %v", test.name, got[:n], err)
		}
		_ = conn.Close()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("%s: %v after its end", test.name, err)
		}
	}
	if len(Peers()) != 8 {
		t.Errorf("%d peers, and this test knows 8", len(Peers()))
	}
}
