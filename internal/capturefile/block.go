package capturefile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// The bounds of a file that is read, in bytes.
const (
	MaxPacket     = 256 << 10 // of one packet, as tcpdump has it
	maxBlock      = MaxSecrets + 64<<10
	maxOption     = 32 << 10
	maxInterfaces = 1024
)

// The types of blocks that packets need. Blocks of other types are left out.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 0x00000001
	blockPacket    = 0x00000002 // obsolete
	blockSimple    = 0x00000003
	blockEnhanced  = 0x00000006

	byteOrderMagic = 0x1A2B3C4D
)

// blocks is a pcapng file as gopacket can read it: only blocks that packets need,
// whole, and with every length within its bounds. Secrets are taken out.
type blocks struct {
	r       io.Reader
	order   binary.ByteOrder // of the section
	ready   []byte           // checked and not read yet
	snap    []uint32         // of each interface of the section
	secrets []Secrets
	size    int // of the secrets
}

// Read implements io.Reader. It returns io.EOF at the end of a block only, and a
// *FormatError for what is not in order.
func (b *blocks) Read(p []byte) (int, error) {
	for len(b.ready) == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// next reads one block.
func (b *blocks) next() error {
	var head [12]byte
	switch n, err := io.ReadFull(b.r, head[:]); {
	case n == 0 && err == io.EOF:
		return io.EOF
	case err != nil:
		return cut(err)
	}
	if binary.LittleEndian.Uint32(head[:]) == blockSection {
		switch {
		case binary.LittleEndian.Uint32(head[8:]) == byteOrderMagic:
			b.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]) == byteOrderMagic:
			b.order = binary.BigEndian
		default:
			return &FormatError{Reason: "a section header without byte order"}
		}
	}
	if b.order == nil {
		return &FormatError{Reason: "it does not begin with a section header"}
	}
	kind, total := b.order.Uint32(head[:]), b.order.Uint32(head[4:])
	if total < blockOverhead || total%4 != 0 || total > maxBlock {
		return &FormatError{Reason: fmt.Sprintf("a block of type 0x%08X with a length of %d", kind, total)}
	}
	block, err := readWhole(b.r, head[:], int(total))
	if err != nil {
		return err
	}
	if again := b.order.Uint32(block[total-4:]); again != total {
		return &FormatError{Reason: fmt.Sprintf("a block of type 0x%08X with the lengths %d and %d", kind, total, again)}
	}
	keep, err := b.check(kind, block[8:total-4])
	if err != nil {
		return &FormatError{Reason: err.Error()}
	}
	if keep {
		b.ready = block
	}
	return nil
}

// readWhole reads the rest of a block of that length. Memory grows with the bytes
// that have come, not with the length that was promised.
func readWhole(r io.Reader, head []byte, total int) ([]byte, error) {
	block := bytes.NewBuffer(bytes.Clone(head))
	if _, err := io.CopyN(block, r, int64(total-len(head))); err != nil {
		return nil, cut(err)
	}
	return block.Bytes(), nil
}

// cut makes the end of a file within a block or a record a format error.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // both come unwrapped from package io
		return &FormatError{Reason: "it is cut off"}
	}
	return err
}

// check judges the body of a block. Keep says whether packets need it.
func (b *blocks) check(kind uint32, body []byte) (keep bool, err error) {
	switch kind {
	case blockSection:
		b.snap = nil
		if len(body) < 16 {
			return false, fmt.Errorf("a section header of %d bytes", len(body))
		}
		return true, b.checkOptions(body[16:], nil)
	case blockInterface:
		return true, b.checkInterface(body)
	case blockSimple:
		return true, b.checkSimple(body)
	case blockEnhanced, blockPacket:
		return true, b.checkPacket(kind, body)
	case blockSecrets:
		secrets, err := parseSecrets(b.order, body)
		if b.size += len(secrets.Data); b.size > MaxSecrets {
			return false, fmt.Errorf("more than %d bytes of secrets", MaxSecrets)
		}
		if err == nil {
			b.secrets = append(b.secrets, secrets)
		}
		return false, err
	}
	return false, nil
}

// The options of an interface that change how its packets are read.
const (
	optionResolution = 9
	optionOffset     = 14
)

func (b *blocks) checkInterface(body []byte) error {
	if len(body) < 8 {
		return fmt.Errorf("an interface block of %d bytes", len(body))
	}
	if len(b.snap) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	b.snap = append(b.snap, b.order.Uint32(body[4:]))
	return b.checkOptions(body[8:], func(code uint16, value []byte) error {
		switch {
		case code == optionResolution && (len(value) != 1 || !resolvable(value[0])):
			return fmt.Errorf("an interface with the resolution %x", value)
		case code == optionOffset && len(value) != 8:
			return fmt.Errorf("an interface with a time offset of %d bytes", len(value))
		}
		return nil
	})
}

// resolvable reports whether a second has a number of units that 64 bits hold:
// 10^n of them, or 2^n with the first bit set.
func resolvable(resolution byte) bool {
	if resolution&0x80 != 0 {
		return resolution&0x7F < 64
	}
	return resolution < 20
}

// checkOptions walks over a list of options, which may lack its end.
func (b *blocks) checkOptions(list []byte, check func(code uint16, value []byte) error) error {
	for len(list) > 0 {
		if len(list) < 4 {
			return fmt.Errorf("%d bytes in place of an option", len(list))
		}
		code, length := b.order.Uint16(list), int(b.order.Uint16(list[2:]))
		if code == 0 && length == 0 {
			return nil
		}
		padded := (length + 3) &^ 3
		if code == 0 || length > maxOption || padded > len(list)-4 {
			return fmt.Errorf("an option %d with a length of %d", code, length)
		}
		if check != nil {
			if err := check(code, list[4:4+length]); err != nil {
				return err
			}
		}
		list = list[4+padded:]
	}
	return nil
}

// checkPacket judges a packet block, the obsolete one included: only the number of
// its interface is narrower.
func (b *blocks) checkPacket(kind uint32, body []byte) error {
	if len(body) < 20 {
		return fmt.Errorf("a packet block of %d bytes", len(body))
	}
	number := b.order.Uint32(body)
	if kind == blockPacket {
		number = uint32(b.order.Uint16(body))
	}
	if uint64(number) >= uint64(len(b.snap)) {
		return fmt.Errorf("a packet of interface %d of %d", number, len(b.snap))
	}
	return checkLengths(b.order.Uint32(body[12:]), b.order.Uint32(body[16:]), len(body)-20)
}

// checkSimple judges a simple packet block, which says its captured length by that
// of the block and of interface 0.
func (b *blocks) checkSimple(body []byte) error {
	if len(body) < 4 || len(b.snap) == 0 {
		return fmt.Errorf("a simple packet block of %d bytes and %d interfaces", len(body), len(b.snap))
	}
	captured := b.order.Uint32(body)
	if snap := b.snap[0]; snap != 0 {
		captured = min(captured, snap)
	}
	return checkLengths(captured, captured, len(body)-4)
}

// checkLengths compares what was captured of a packet with its length and with the
// bytes that there are.
func checkLengths(captured, length uint32, available int) error {
	if captured > MaxPacket || captured > length || uint64(captured) > uint64(available) {
		return fmt.Errorf("%d bytes captured of a packet of %d, with %d in the file", captured, length, available)
	}
	return nil
}
