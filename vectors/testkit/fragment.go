package testkit

import (
	"bytes"
	"compress/flate"
	"io"
)

// Cut cuts a body into pieces of size bytes, the last of which may be shorter: the
// bodies of the fragments of a message. An empty body is one empty piece.
func Cut(body []byte, size int) [][]byte {
	var pieces [][]byte
	for len(body) > size {
		pieces = append(pieces, body[:size:size])
		body = body[size:]
	}
	return append(pieces, body)
}

// Deflate returns a body as a raw DEFLATE stream. Which stream it is depends on the
// library; bytes that are to stay the same are written down instead.
func Deflate(body []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic("testkit: internal error: " + err.Error())
	}
	// Writing into memory does not fail.
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// Stored returns a body as a raw DEFLATE stream of stored blocks of at most size
// bytes, 65 535 at most, the same bytes for ever.
func Stored(body []byte, size int) []byte {
	var out []byte
	pieces := Cut(body, size)
	for i, piece := range pieces {
		final := byte(0)
		if i == len(pieces)-1 {
			final = 1
		}
		length := len(piece)
		out = append(out, final, byte(length), byte(length>>8), byte(^length), byte(^length>>8))
		out = append(out, piece...)
	}
	return out
}

// Inflate reads a raw DEFLATE stream and returns up to limit bytes of what it
// yields, how many bytes of the stream it took, and whether the stream ended there.
func Inflate(stream []byte, limit int) (body []byte, taken int, ended bool) {
	source := bytes.NewReader(stream)
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(source), int64(limit)+1))
	ended = err == nil && len(body) <= limit
	return body[:min(len(body), limit)], len(stream) - source.Len(), ended
}
