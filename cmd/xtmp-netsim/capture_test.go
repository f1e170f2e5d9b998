package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bpci/xtmp/internal/capturefile"
	"github.com/bpci/xtmp/internal/capturefile/keylog"
	"github.com/bpci/xtmp/vectors/testkit"
)

// heard is what a capture has of one protocol.
type heard struct{ packets, frames, unopened int }

func (h *heard) String() string {
	return fmt.Sprintf("%d packets, %d frames, %d unopened", h.packets, h.frames, h.unopened)
}

// take takes the frames at the front of b, of which a key log has the keys, and
// returns what is behind them.
func (h *heard) take(b []byte, keys map[string]testkit.Keys) (rest []byte) {
	for len(b) > 0 {
		f, rest, whole := testkit.DecodeFrame(b)
		if !whole {
			return b
		}
		h.frames++
		k, known := keys[string(f.Header.Bytes("key_id"))]
		switch {
		case f.Clear(), !known && f.Type() <= 2: // no key log has the keys of Attach
		case !known:
			h.unopened++
		default:
			if _, err := f.Open(k); err != nil {
				h.unopened++
			}
		}
		b = rest
	}
	return nil
}

// readCapture is the command of scripts that says what is in a capture of a network
// that keeps the order of packets.
func readCapture(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	r, err := capturefile.NewReader(f)
	ts.Check(err)
	var tcp, udp heard
	var keys map[string]testkit.Keys
	streams := map[[2]netip.AddrPort][]byte{}
	for p, err := r.Next(); !errors.Is(err, io.EOF); p, err = r.Next() {
		ts.Check(err)
		if keys == nil {
			keys, err = keysOf(r.Secrets())
			ts.Check(err)
		}
		s, err := p.Segment()
		ts.Check(err)
		if s.UDP {
			udp.packets++
			if rest := udp.take(s.Payload, keys); len(rest) > 0 {
				ts.Fatalf("a datagram with %d bytes that are no frame", len(rest))
			}
			continue
		}
		tcp.packets++
		way := [2]netip.AddrPort{s.From, s.To}
		streams[way] = slices.Clone(tcp.take(append(streams[way], s.Payload...), keys))
	}
	fmt.Fprintf(ts.Stdout(), "%s\ntcp: %v\nudp: %v\n", r.Section().Comment, &tcp, &udp)
}

func keysOf(secrets []capturefile.Secrets) (map[string]testkit.Keys, error) {
	keys := map[string]testkit.Keys{}
	for _, s := range secrets {
		if s.Type != capturefile.SecretsXTMP {
			return nil, fmt.Errorf("secrets of type %08x", uint32(s.Type))
		}
		entries, err := keylog.Parse(s.Data)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			k := testkit.DeriveKeys(e.Secret[:])
			keys[string(k.KeyID)] = k
		}
	}
	return keys, nil
}
