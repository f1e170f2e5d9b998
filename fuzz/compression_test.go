package fuzz_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzCompression sends a server or a client any bytes as a stream of any
// original_len, whole or after good messages, and good streams of any body.
//
// Oracle: a body is delivered exactly when the bytes are one DEFLATE stream that
// yields original_len bytes and ends with the last of them, and then it is those
// bytes; else DECOMPRESS_LIMIT, in a reply or in the client's Error, or nothing
// where there is no mid. The memory taken is bounded by the bytes that came out,
// never by those that were promised. What the core compresses inflates to what was
// asked for.
func FuzzCompression(f *testing.F) {
	body := []byte("0123456789abcdef0123456789abcdef")
	bomb := deflate(make([]byte, messageToClient))
	for mode := range byte(8) {
		f.Add(mode, deflate(body), uint32(len(body)), body)
		f.Add(mode, deflate(body), uint32(len(body)-1), body)
		f.Add(mode, append(deflate(body), 0), uint32(len(body)), body)
		f.Add(mode, deflate(body)[:4], uint32(len(body)), body)
		f.Add(mode, []byte{3, 0}, uint32(0), []byte(nil))
		f.Add(mode, []byte{1, 2, 0, 0xfd, 0xff, 'a', 'b'}, uint32(2), body)
		f.Add(mode, bomb, uint32(messageToServer), bytes.Repeat(body, 100))
		f.Add(mode, bomb[:60], uint32(messageToClient), body)
		f.Add(mode, bomb, uint32(messageToClient+1), body)
	}
	f.Add(byte(1), bomb, uint32(messageToClient), body)
	f.Add(byte(1), bomb, uint32(messageToClient-1), body)
	for _, s := range stepsOfVectors(f) {
		if h, _, _ := testkit.DecodeFrame(s.Frame); s.Plaintext != nil && h.Flags()&flagCompressed != 0 {
			p, _ := testkit.DecodePlaintext(h.Type(), h.Flags(), s.Plaintext)
			f.Add(byte(0), p.Body, uint32(p.Prologue.Uint("original_len")), body)
		}
	}
	f.Fuzz(func(t *testing.T, mode byte, stream []byte, original uint32, body []byte) {
		if len(stream) > 60_000 || len(body) > 2000 {
			return
		}
		server := mode&1 == 0
		d := newDuel(t, server, false, setup{suite: 1, deflate: true, inflight: 8})
		packed := func(mid uint64, stream []byte, original uint32) []byte {
			prologue := testkit.PutUint(mid, 8)
			switch {
			case mid == 0 && server:
				prologue = nil
			case mid == 0:
				prologue = make([]byte, 12)
			case !server:
				prologue = append(prologue, testkit.PutUint(mid-1, 8)...)
			}
			return slices.Concat(prologue, testkit.PutUint(uint64(original), 4), stream)
		}
		flags, without, first := flagRequiresAck|flagCompressed, flagCompressed, uint64(1)
		if !server {
			flags, without, first = flags|flagReply, flagCompressed|flagStreaming, 2
		}
		long := bytes.Repeat(append(body, 1), int(mode>>3)+1)
		alive := d.fire(0x70, flags, packed(first, deflate(long), uint32(len(long))))
		if mode&2 != 0 {
			alive = alive && d.fire(0x70, without, packed(0, stream, original))
		}
		alive = alive && d.fire(0x70, flags, packed(first+1, stream, original))
		d.finish(alive)
	})
}
