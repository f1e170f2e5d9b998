package security

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

// BenchmarkSealOpen seals and opens one frame, checksum included. Beside it
// stands what the standard library's AES-256-GCM alone needs.
func BenchmarkSealOpen(b *testing.B) {
	for _, size := range []int{64, 256, 1024, 16384} {
		b.Run(fmt.Sprintf("frame/%d", size), func(b *testing.B) { benchFrame(b, size) })
		b.Run(fmt.Sprintf("raw-AES-256-GCM/%d", size), func(b *testing.B) { benchRaw(b, size) })
	}
}

func benchFrame(b *testing.B, size int) {
	s, o := pair(1)
	plaintext := make([]byte, size)
	buf := make([]byte, 0, size+256)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		dst, start := Reserve(buf)
		h := wire.Header{Type: wire.TypeHeartbeat, SessionID: 1, Timestamp: 2}
		frame, err := s.Seal(append(dst, plaintext...), start, &h)
		if err != nil {
			b.Fatal(err)
		}
		var got wire.Header
		if wire.ParseHeader(frame, &got) != nil || !wire.VerifyChecksum(frame, got.Checksum) {
			b.Fatal("refused")
		}
		if _, err := o.Open(frame, got.Sequence); err != nil {
			b.Fatal(err)
		}
	}
}

func benchRaw(b *testing.B, size int) {
	block, err := aes.NewCipher(make([]byte, KeySize))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce, aad := make([]byte, wire.NonceSize), make([]byte, wire.AADSize)
	plaintext := make([]byte, size)
	buf := make([]byte, 0, size+wire.TagSize)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		sealed := gcm.Seal(buf, nonce, plaintext, aad)
		if _, err := gcm.Open(sealed[:0], nonce, sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}
