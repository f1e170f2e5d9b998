package security

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/bpci/xtmp/refimpl/wire"
)

// KeySize is the size of a suite key, in bytes.
const KeySize = 32

// Keys are what one key slot needs: derived from a traffic secret, which is
// then no longer needed.
type Keys struct {
	Key   [KeySize]byte
	IV    [wire.NonceSize]byte
	KeyID [wire.KeyIDSize]byte
}

// DeriveKeys derives key, iv and key_id of a traffic secret. [XTMP-KEY-001]
func DeriveKeys(ts *Secret) Keys {
	return Keys{
		Key:   [KeySize]byte(ExpandLabel(ts[:], "key", nil, KeySize)),
		IV:    [wire.NonceSize]byte(ExpandLabel(ts[:], "iv", nil, wire.NonceSize)),
		KeyID: [wire.KeyIDSize]byte(ExpandLabel(ts[:], "key id", nil, wire.KeyIDSize)),
	}
}

// nonce writes iv XOR (00000000 ‖ seq_be64) into dst, NonceSize bytes.
func (k *Keys) nonce(dst *[wire.NonceSize]byte, sequence uint64) {
	copy(dst[:4], k.IV[:4])
	binary.BigEndian.PutUint64(dst[4:], binary.BigEndian.Uint64(k.IV[4:])^sequence)
}

// Errors of sealing and opening. ErrOpen is one and the same for every cause,
// so that a peer learns nothing. [XTMP-KEY-015]
var (
	ErrOpen      = errors.New("xtmp: frame does not open")
	ErrExhausted = errors.New("xtmp: key slot is exhausted")
)

// Blocks under one key after which the key is to be replaced, nothing but
// control frames, and nothing at all, may be sealed. [XTMP-RKY-011] [XTMP-NON-015] [XTMP-NON-016]
const (
	blocksRekey   = 1 << 33
	blocksControl = 1<<34 - 1<<20
	blocksHard    = 1 << 34
	blocksLast    = 1 << 10 // for the Error that says so
)

// Sealer seals frames under the sending key of one slot and owns its counter.
type Sealer struct {
	slot   *slot  // nil while idle
	next   uint64 // next sequence number
	blocks uint64
}

// slot is what a key slot needs only while it works: its keys, the cipher object,
// and memory that is handed to it and would escape otherwise.
type slot struct {
	suite wire.Suite
	keys  Keys
	aead  cipher.AEAD // nil until it is needed
	nonce [wire.NonceField]byte
	spare [wire.TagSize]byte
}

func newSlot(suite wire.Suite, ts *Secret) *slot { return &slot{suite: suite, keys: DeriveKeys(ts)} }

// ready builds the cipher object.
func (t *slot) ready() (err error) {
	if t.aead == nil {
		t.aead, err = newAEAD(t.suite, &t.keys.Key)
	}
	return err
}

// NewSealer returns the sealer of a slot whose counter stands at 0.
func NewSealer(suite wire.Suite, ts *Secret) Sealer {
	return Sealer{slot: newSlot(suite, ts)}
}

// Next returns the sequence number of the frame that is sealed next.
func (s *Sealer) Next() uint64 { return s.next }

// Tired reports whether the key has sealed so much that it is to be replaced.
// [XTMP-RKY-011] [XTMP-RKY-014]
func (s *Sealer) Tired() bool { return s.blocks >= blocksRekey }

// Spent reports whether the budget of the key allows control frames only.
func (s *Sealer) Spent() bool { return s.blocks >= blocksControl }

// Exhausted reports whether the key is good for a last Error and little more.
func (s *Sealer) Exhausted() bool { return s.blocks >= blocksHard-blocksLast }

// Continue makes s, which has sealed nothing, count on from where old stands:
// sequence numbers of a path run on through every epoch. [XTMP-RKY-029]
func (s *Sealer) Continue(old *Sealer) { s.next = old.next }

// SkipTo makes sequence the number of the frame that is sealed next. It is not below
// Next, since no number is used twice, except for handshake frames that are
// not sealed anew. [XTMP-UDP-072]
func (s *Sealer) SkipTo(sequence uint64) { s.next = max(s.next, sequence) }

// KeyID returns the name of the slot.
func (s *Sealer) KeyID() [wire.KeyIDSize]byte { return s.slot.keys.KeyID }

// Drop forgets the keys; the counters stay. Nothing can be sealed until Wake.
func (s *Sealer) Drop() { s.slot = nil }

// Wake derives the keys anew from what NewSealer was given.
func (s *Sealer) Wake(suite wire.Suite, ts *Secret) { s.slot = newSlot(suite, ts) }

// Reserve appends room for the fixed part of a frame and returns its start. The
// room holds anything until the caller has appended the plaintext and called
// Seal, which writes every byte of it.
func Reserve(dst []byte) (grown []byte, start int) {
	start = len(dst)
	return slices.Grow(dst, wire.Overhead)[:start+wire.Overhead], start
}

// Seal turns dst[start:], a reserved head and a plaintext, into a sealed frame
// and returns dst. It fills h.Sequence, h.KeyID, h.Encryption, h.Version,
// h.PayloadLength and the ENCRYPTED flag; the caller has set type, other flags,
// session_id and timestamp. It fails with ErrExhausted at the limits of the
// slot, and then has sent nothing.
func (s *Sealer) Seal(dst []byte, start int, h *wire.Header) ([]byte, error) {
	payload := len(dst) - start - wire.Overhead
	cost := uint64(payload+15)/16 + 6
	control := h.Type <= wire.TypeAck || h.Type == wire.TypeError
	if s.next >= wire.MaxSequence || s.blocks+cost > blocksHard || s.Spent() && !control { // [XTMP-NON-015] [XTMP-NON-016]
		return dst[:start], ErrExhausted
	}
	t := s.slot
	if err := t.ready(); err != nil {
		return dst[:start], err
	}
	h.Version = wire.Version
	if t.suite != wire.SuiteNone {
		h.Flags |= wire.FlagEncrypted
	}
	h.Encryption = t.suite
	h.Sequence = s.next
	h.KeyID = t.keys.KeyID
	h.PayloadLength = uint32(payload)
	s.next++
	s.blocks += cost
	nonce := t.nonce[:wire.NonceSize]
	t.keys.nonce((*[wire.NonceSize]byte)(nonce), h.Sequence)

	// The tag comes out behind the ciphertext and moves into the header.
	dst = slices.Grow(dst, wire.TagSize)
	frame := dst[start:]
	h.Put(frame, nonce)
	plaintext := frame[wire.Overhead : wire.Overhead+payload]
	sealed := t.aead.Seal(plaintext[:0], nonce, plaintext, frame[:wire.AADSize])
	copy(wire.Tag(frame), sealed[payload:])
	wire.Finish(dst[start:])
	return dst, nil
}

// Opener opens frames under the receiving key of one slot.
type Opener struct {
	slot *slot // nil while idle
}

// NewOpener returns the opener of a slot.
func NewOpener(suite wire.Suite, ts *Secret) Opener {
	return Opener{slot: newSlot(suite, ts)}
}

// KeyID returns the name of the slot.
func (o *Opener) KeyID() [wire.KeyIDSize]byte { return o.slot.keys.KeyID }

// Drop forgets the keys. Nothing can be opened until Wake.
func (o *Opener) Drop() { o.slot = nil }

// Wake derives the keys anew from what NewOpener was given.
func (o *Opener) Wake(suite wire.Suite, ts *Secret) { o.slot = newSlot(suite, ts) }

// Open compares the nonce field with the one computed from sequence and opens
// the frame in place: steps 10 and 11 of the order of checks. The checksum
// field of frame is zero. The plaintext aliases frame. Every failure is
// ErrOpen; the frame is then of no further use.
//
// The sixteen bytes behind the frame, where the buffer has them, are borrowed
// and restored, since the cipher wants the tag behind the ciphertext; a frame
// at the very end of its buffer is copied.
func (o *Opener) Open(frame []byte, sequence uint64) ([]byte, error) {
	c := o.slot
	if err := c.ready(); err != nil {
		return nil, err
	}
	c.keys.nonce((*[wire.NonceSize]byte)(c.nonce[:]), sequence)
	if [wire.NonceField]byte(wire.Nonce(frame)) != c.nonce { // [XTMP-NON-006]
		return nil, ErrOpen
	}
	n := len(frame)
	if cap(frame)-n < wire.TagSize {
		grown := make([]byte, n, n+wire.TagSize)
		copy(grown, frame)
		frame = grown
	}
	whole := frame[: n+wire.TagSize : n+wire.TagSize]
	copy(c.spare[:], whole[n:])
	copy(whole[n:], wire.Tag(frame))
	sealed := whole[wire.Overhead:]
	plaintext, err := c.aead.Open(sealed[:0], c.nonce[:wire.NonceSize], sealed, frame[:wire.AADSize])
	copy(whole[n:], c.spare[:])
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}
