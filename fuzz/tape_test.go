package fuzz_test

// A tape is an input that is read as instructions. What it lacks reads as zero, so
// that every input means something and a cut input means a shorter story.
type tape struct{ left []byte }

func (t *tape) more() bool { return len(t.left) > 0 }

func (t *tape) byte() byte {
	if len(t.left) == 0 {
		return 0
	}
	b := t.left[0]
	t.left = t.left[1:]
	return b
}

func (t *tape) uint16() uint16 { return uint16(t.byte())<<8 | uint16(t.byte()) }

func (t *tape) uint32() uint32 { return uint32(t.uint16())<<16 | uint32(t.uint16()) }

// bytes reads n bytes, or what is left.
func (t *tape) bytes(n int) []byte {
	n = min(n, len(t.left))
	b := t.left[:n:n]
	t.left = t.left[n:]
	return b
}

// near reads a number that is mostly close to base, seldom anything.
func (t *tape) near(base uint64) uint64 {
	switch b := t.byte(); {
	case b < 0xf0:
		return base + uint64(int8(b<<4)>>4) // −8 … 7
	case b < 0xf8:
		return base + 4088 + uint64(b&0x0f)
	case b == 0xff:
		return 1<<64 - 1
	default:
		return uint64(t.uint32())
	}
}
