package conformance

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/rand/v2"
)

// An Entropy is a stream of bytes that depends only on the run's seed, the
// case instance, the attempt and the stream's label. Streams with different
// labels are independent, so that one more draw from one does not shift
// another.
type Entropy struct{ source *rand.ChaCha8 }

// Read fills p. It never fails.
func (e *Entropy) Read(p []byte) (int, error) { return e.source.Read(p) }

// Bytes returns the next n bytes.
func (e *Entropy) Bytes(n int) []byte {
	p := make([]byte, n)
	_, _ = e.source.Read(p) // [rand.ChaCha8.Read] never fails
	return p
}

// IntN returns a number in [0, n). It panics if n is not positive.
func (e *Entropy) IntN(n int) int { return rand.New(e.source).IntN(n) }

// Token returns 16 hex digits that say nothing about the case: what goes on
// the wire or to a driver in place of a name.
func (e *Entropy) Token() string { return hex.EncodeToString(e.Bytes(8)) }

// newEntropy derives a stream. Each part is hashed with its length before it,
// so that no two lists of parts give the same stream.
func newEntropy(seed uint64, attempt int, parts ...string) *Entropy {
	h := sha256.New()
	writePart(h, []byte("xtmp-conform entropy v1"))
	var number [16]byte
	binary.BigEndian.PutUint64(number[:8], seed)
	binary.BigEndian.PutUint64(number[8:], uint64(attempt))
	writePart(h, number[:])
	for _, part := range parts {
		writePart(h, []byte(part))
	}
	var key [32]byte
	h.Sum(key[:0])
	return &Entropy{source: rand.NewChaCha8(key)}
}

func writePart(h hash.Hash, part []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	h.Write(length[:])
	h.Write(part)
}
