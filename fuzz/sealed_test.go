package fuzz_test

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzSealed lets a peer with the right keys say anything, to a server or to a
// client: any type, flags, prologue and body, one frame after another, with
// output held back and time passing in between.
//
// Oracle: the core reacts to every frame as the model of the text does. That
// includes: no panic; nothing is delivered twice, or against the flag matrix; each
// request has one reply; Acks come when they are due and never else; an end is
// silent or says the right Error, once; memory is counted, is allocated for bytes
// that have come only, and is given back.
func FuzzSealed(f *testing.F) {
	for i, s := range stepsOfVectors(f) {
		if s.Plaintext == nil {
			continue
		}
		h, _, _ := testkit.DecodeFrame(s.Frame)
		f.Add(byte(i), spelt(h.Type(), h.Flags(), s.Plaintext))
	}
	for _, s := range sessionsOfVectors(f) {
		if s.server {
			f.Add(byte(1), s.script)
		} else {
			f.Add(byte(0), s.script)
		}
	}
	f.Fuzz(func(t *testing.T, mode byte, script []byte) {
		how := setup{suite: mode >> 6 % 3, deflate: mode&4 != 0, inflight: 6}
		d := newDuel(t, mode&1 == 0, mode&2 != 0, how)
		d.rests = mode&8 != 0
		d.finish(d.play(&tape{script}))
	})
}

// spelt is a frame that is spelt out on a tape.
func spelt(typ uint8, flags uint16, plaintext []byte) []byte {
	out := []byte{0, byte(len(shotTypes)), typ, byte(flags >> 8), byte(flags), byte(len(plaintext) >> 8), byte(len(plaintext))}
	return append(out, plaintext...)
}

// play plays a tape, 40 frames and 20 s at most. It reports whether the session
// goes on.
func (d *duel) play(in *tape) bool {
	var passed time.Duration
	for range 40 {
		if !in.more() {
			break
		}
		switch op := in.byte(); {
		case op >= 0xf0 && passed < 20*time.Second:
			by := time.Duration(op&0xf) * 100 * time.Millisecond
			if op == 0xff {
				by = 16 * time.Second
			}
			passed += by
			if !d.tick(by) {
				return false
			}
		case op >= 0xd0 && op < 0xf0:
			d.hold = int(op & 0x1f)
		default:
			typ, flags, plaintext := shot(in, d.m)
			if !d.fire(typ, flags, plaintext) {
				return false
			}
		}
	}
	return true
}
