package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Sizes of the fixed part of a frame, in bytes. [XTMP-HDR-001]
const (
	HeaderSize   = 32                        // magic … checksum
	SecuritySize = 64                        // encryption_type … auth_tag
	Overhead     = HeaderSize + SecuritySize // everything before the payload
	AADSize      = 80                        // bytes 0 … 79 are authenticated
	TagSize      = 16                        // auth_tag, bytes 80 … 95
	KeyIDSize    = 16
	NonceSize    = 12 // AEAD nonce; the field holds twelve zero bytes more
	NonceField   = 24
)

// Version is the only protocol version of this text; clear frames carry it in
// every future version too.
const Version = 1

// MaxPayload is the greatest payload_length of any state.
const MaxPayload = 1 << 24

// MaxSequence bounds sequence numbers: every value is below it.
const MaxSequence = 1 << 62

// Offsets of the fields that are read or written alone.
const (
	offVersion    = 4
	offType       = 5
	offFlags      = 6
	offSessionID  = 8
	offSequence   = 16
	offLength     = 24
	offChecksum   = 28
	offEncryption = 32
	offKeyID      = 40
	offNonce      = 56
	offTag        = 80
)

// Magic is the first four bytes of every frame, as a big-endian integer.
const Magic = 0x58544d50

// Header is the decoded fixed part of a frame without its magic and tag.
type Header struct {
	Version       uint8
	Type          MessageType
	Flags         Flags
	Encryption    Suite
	PayloadLength uint32
	Checksum      uint32
	SessionID     uint64
	Sequence      uint64
	Timestamp     uint64 // µs since the Unix epoch, 56 bits
	KeyID         [KeyIDSize]byte
}

// Decode reads the fixed part of a frame and checks nothing.
// The caller has made sure that b holds Overhead bytes.
func (h *Header) Decode(b []byte) {
	_ = b[Overhead-1]
	h.Version = b[offVersion]
	h.Type = MessageType(b[offType])
	h.Flags = Flags(binary.BigEndian.Uint16(b[offFlags:]))
	h.SessionID = binary.BigEndian.Uint64(b[offSessionID:])
	h.Sequence = binary.BigEndian.Uint64(b[offSequence:])
	h.PayloadLength = binary.BigEndian.Uint32(b[offLength:])
	h.Checksum = binary.BigEndian.Uint32(b[offChecksum:])
	h.Encryption = Suite(b[offEncryption])
	h.Timestamp = binary.BigEndian.Uint64(b[offEncryption:]) & (1<<56 - 1)
	h.KeyID = [KeyIDSize]byte(b[offKeyID:])
}

// ParseHeader decodes the fixed part of a frame and refuses a wrong magic or
// version: steps 1 and 2 of the order of checks. On ErrVersion the header is
// filled, so that its origin can be told.
func ParseHeader(b []byte, h *Header) error {
	if len(b) < Overhead {
		return ErrShortHeader
	}
	if binary.BigEndian.Uint32(b) != Magic {
		return ErrMagic
	}
	h.Decode(b)
	if h.Version != Version {
		return ErrVersion
	}
	return nil
}

// ParseDatagram decodes the fixed part of a datagram and refuses what no state
// allows: steps 1 to 3 of the order of checks. [XTMP-UDP-009]
func ParseDatagram(b []byte, h *Header) error {
	if len(b) < Overhead {
		return ErrShortHeader
	}
	if err := ParseHeader(b, h); err != nil {
		return err
	}
	if uint64(len(b)) != Overhead+uint64(h.PayloadLength) {
		return ErrLength
	}
	return h.CheckShape()
}

// CheckShape refuses a type and flags that no state allows: step 3.
func (h *Header) CheckShape() error {
	switch {
	case h.Type.Reserved():
		return ErrType
	case h.Flags.Has(FlagEncrypted) != (h.Encryption != SuiteNone): // [XTMP-FLG-016]
		return ErrEncryption
	case h.Clear() && h.Flags != 0: // [XTMP-FLG-015]
		return ErrFlags
	case !LegalFlags(h.Type, h.Flags):
		return ErrFlags
	default:
		return nil
	}
}

// Put writes bytes 0 … 79 of a frame with a zero checksum, which is the AAD.
// nonce is the 12-byte AEAD nonce, or nil in a clear frame. dst holds at least
// AADSize bytes.
func (h *Header) Put(dst []byte, nonce []byte) {
	_ = dst[AADSize-1]
	binary.BigEndian.PutUint32(dst, Magic)
	dst[offVersion] = h.Version
	dst[offType] = byte(h.Type)
	binary.BigEndian.PutUint16(dst[offFlags:], uint16(h.Flags))
	binary.BigEndian.PutUint64(dst[offSessionID:], h.SessionID)
	binary.BigEndian.PutUint64(dst[offSequence:], h.Sequence)
	binary.BigEndian.PutUint32(dst[offLength:], h.PayloadLength)
	binary.BigEndian.PutUint32(dst[offChecksum:], 0)
	binary.BigEndian.PutUint64(dst[offEncryption:], uint64(h.Encryption)<<56|h.Timestamp&(1<<56-1))
	copy(dst[offKeyID:offNonce], h.KeyID[:])
	clear(dst[offNonce:offTag])
	copy(dst[offNonce:], nonce)
}

// Clear reports whether the frame is a clear frame: no key, no nonce, no tag.
// Only the key_id decides which key opens a frame; the rest is checked after.
func (h *Header) Clear() bool { return h.KeyID == [KeyIDSize]byte{} }

// PayloadLength returns payload_length of a fixed part that is there whole, and
// checks nothing.
func PayloadLength(b []byte) uint32 { return binary.BigEndian.Uint32(b[offLength:offChecksum]) }

// Nonce returns the nonce field of a frame, NonceField bytes.
func Nonce(frame []byte) []byte { return frame[offNonce:offTag] }

// Tag returns the auth_tag of a frame.
func Tag(frame []byte) []byte { return frame[offTag:Overhead] }

// ClearFields reports whether nonce and tag of a frame are zero, as in a clear frame.
func ClearFields(frame []byte) bool {
	for _, b := range frame[offNonce:Overhead] {
		if b != 0 {
			return false
		}
	}
	return true
}

// Finish computes the checksum of a whole frame whose checksum field is zero
// and writes it. [XTMP-HDR-021]
func Finish(frame []byte) {
	binary.BigEndian.PutUint32(frame[offChecksum:], crc32.ChecksumIEEE(frame))
}

// VerifyChecksum zeroes the checksum field of a whole frame, which leaves the
// AAD in place, and reports whether the frame matches want.
func VerifyChecksum(frame []byte, want uint32) bool {
	binary.BigEndian.PutUint32(frame[offChecksum:], 0)
	return crc32.ChecksumIEEE(frame) == want
}

// AppendClear appends a whole clear frame around payload. sessionID is zero
// before a session exists; wallMicros is the sender's wall time.
func AppendClear(dst []byte, t MessageType, sessionID, wallMicros uint64, payload []byte) []byte {
	start := len(dst)
	h := Header{
		Version: Version, Type: t, SessionID: sessionID,
		PayloadLength: uint32(len(payload)), Timestamp: wallMicros,
	}
	var fixed [Overhead]byte
	h.Put(fixed[:], nil)
	dst = append(dst, fixed[:]...)
	dst = append(dst, payload...)
	Finish(dst[start:])
	return dst
}
