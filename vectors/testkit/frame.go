package testkit

import (
	"hash/crc32"
	"slices"
)

// HeaderSize is the size of header and security layer in bytes.
const HeaderSize = 96

// A Frame is the 96 bytes of layout "frame" and the payload as it travels.
type Frame struct {
	Header  *Message
	Payload []byte
}

// NewFrame returns a clear frame of that type with an empty payload. The flags do
// not stand: Seal adds ENCRYPTED to them.
func NewFrame(messageType uint8, flags uint16) *Frame {
	header := Compose("frame").DefaultUint("message_type", uint64(messageType)).DefaultUint("flags", uint64(flags))
	return &Frame{Header: header}
}

// DecodeFrame reads one frame from the front of bytes. Whole says that header and
// payload are there as payload_length demands; if not, the frame holds what there
// is.
func DecodeFrame(data []byte) (f *Frame, rest []byte, whole bool) {
	header, rest := Decode("frame", 0, data)
	if header.Short() {
		return &Frame{Header: header}, rest, false
	}
	length := header.Uint("payload_length")
	if uint64(len(rest)) < length {
		return &Frame{Header: header, Payload: rest}, nil, false
	}
	return &Frame{Header: header, Payload: rest[:length:length]}, rest[length:], true
}

// Type returns message_type.
func (f *Frame) Type() uint8 { return uint8(f.Header.Uint("message_type")) }

// Flags returns the flags of the header.
func (f *Frame) Flags() uint16 { return uint16(f.Header.Uint("flags")) }

// Sequence returns sequence_number.
func (f *Frame) Sequence() uint64 { return f.Header.Uint("sequence_number") }

// Clear reports whether key_id, nonce and auth_tag are all zero, which is what the
// text calls a clear frame.
func (f *Frame) Clear() bool {
	return allZero(f.Header.Bytes("key_id")) && allZero(f.Header.Bytes("nonce")) && allZero(f.Header.Bytes("auth_tag"))
}

// Encode returns the bytes of the frame. It fills in payload_length and, last,
// checksum, unless the caller has set them.
func (f *Frame) Encode() []byte {
	f.Header.DefaultUint("payload_length", uint64(len(f.Payload)))
	out := append(f.Header.Encode(), f.Payload...)
	f.Header.DefaultUint("checksum", uint64(Checksum(out)))
	return append(f.Header.Encode(), f.Payload...)
}

// Checksum returns the CRC-32/IEEE of a frame with its checksum field taken as
// zero [XTMP-HDR-021].
func Checksum(frame []byte) uint32 { return crc32.ChecksumIEEE(zeroed(frame, []string{"checksum"})) }

// FixChecksum returns a copy of a frame with the right checksum. A frame that is
// too short to hold one is returned as it is.
func FixChecksum(frame []byte) []byte {
	out := slices.Clone(frame)
	field, _ := Layout("frame").Field("checksum")
	if len(out) >= field.Offset+field.Size {
		copy(out[field.Offset:], PutUint(uint64(Checksum(out)), field.Size))
	}
	return out
}

// zeroed returns a copy of a frame, or of its front, with some header fields zero.
func zeroed(frame []byte, fields []string) []byte {
	out := slices.Clone(frame)
	layout := Layout("frame")
	for _, name := range fields {
		f, _ := layout.Field(name)
		if f.Offset < len(out) {
			clear(out[f.Offset:min(f.Offset+f.Size, len(out))])
		}
	}
	return out
}

func allZero(data []byte) bool {
	return !slices.ContainsFunc(data, func(b byte) bool { return b != 0 })
}
