package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
)

// headerVectors alter magic and version, and cut frames.
func headerVectors() []vectors.Vector {
	var all []vectors.Vector
	for i := range 4 {
		all = append(all, ping(fmt.Sprintf("header/magic-%d", i)).header(flip("magic", 8*(3-i))).
			invalid("silent", "check2", "HDR-001 ORD-005", fmt.Sprintf("Byte %d of the magic is altered.", i)))
	}
	for _, version := range []uint64{0, 2, 255} {
		all = append(all, ping(fmt.Sprintf("header/version-%d", version)).header(setUint("version", version)).
			invalid("silent", "check2", "HDR-002 ORD-006", fmt.Sprintf("Version byte %d in a session.", version)))
	}
	return append(all,
		pong("header/client-version-2").header(setUint("version", 2)).
			invalid("silent", "check2", "HDR-002 ORD-006", "Version byte 2 in a session, at the client."),
		hello("header/first-magic").header(flip("magic", 0)).
			invalid("silent", "check2", "ORD-005", "A first frame without the magic gets no answer."),
		hello("header/first-version-0").header(setUint("version", 0)).
			invalid("VERSION_UNSUPPORTED", "check2", "HSK-070", "A first frame with the magic and version byte 0."),
		hello("header/first-version-2").header(setUint("version", 2)).
			invalid("VERSION_UNSUPPORTED", "check2", "HSK-070", "A first frame with the magic and version byte 2."),
		hello("header/first-version-2-and-flags").header(setUint("version", 2)).header(setUint("flags", 0x8000)).
			invalid("VERSION_UNSUPPORTED", "check2", "ORD-001 HSK-070", "The version is judged before the flags."),
		cut("header/one-byte", 1, "The first byte of a frame, then nothing."),
		cut("header/95-bytes", 95, "All but the last byte of the fixed part, then nothing."),
		cut("header/payload-without-its-last-byte", 104, "All but the last byte of the frame, then nothing."),
	)
}

// cut is the front of a PING. It is in time until T_FRAME is over.
func cut(id string, size int, comment string) vectors.Vector {
	s := ping(id)
	s.Kind = vectors.KindStream
	s.resize = func(raw []byte) []byte { return raw[:size] }
	return s.invalid("silent", "check1", "ORD-004", comment)
}
