package fuzz_test

import (
	"bytes"
	"slices"

	"github.com/bpci/xtmp/vectors/testkit"
)

// shotTypes are the types of frames that a tape draws; the last entry of the draw
// stands for a frame that is spelt out.
var shotTypes = []uint8{0x70, 0x70, 0x70, 0x01, 0x02, 0x03, 0x03, 0x04, 0x05, 0x10, 0x20, 0x7f, 0x80, 0xef, 0xfe, 0xfe}

// shot reads type, flags and plaintext of a frame from a tape. Numbers are drawn
// near those that mean something to m.
func shot(in *tape, m *model) (typ uint8, flags uint16, plaintext []byte) {
	kind := int(in.byte()) % (len(shotTypes) + 1)
	if kind == len(shotTypes) {
		typ, flags = in.byte(), in.uint16()
		return typ, flags, in.bytes(int(in.uint16()))
	}
	typ = shotTypes[kind]
	f := in.byte()
	flags = uint16(f) << 1 & 0x7e
	if f&0x40 != 0 {
		flags |= in.uint16()
	}
	p := testkit.ComposeFlags("prologue", flags)
	p.SetUint("mid", in.when(flags&flagRequiresAck != 0, m.base)).Fields[0].Fixed = false
	set := func(name string, flag uint16, value uint64) {
		if flags&flag != 0 && p.Has(name) {
			p.SetUint(name, value)
		}
	}
	set("reply_to", flagReply, in.when(flags&flagReply != 0, m.lastMid))
	set("sub_id", flagStreaming, uint64(in.byte()))
	set("n", flagStreaming, uint64(in.byte()))
	if flags&flagFragment != 0 {
		set("frag_id", flagFragment, in.near(uint64(len(m.partials))))
		set("index", flagFragment, uint64(in.byte()))
		count := uint64(in.byte())
		if count >= 0xf0 {
			count = uint64(in.uint16())
		}
		set("count", flagFragment, count)
	}
	body, original := shotBody(in, typ, m)
	if flags&flagCompressed != 0 && p.Has("original_len") {
		p.SetUint("original_len", in.near(uint64(original)))
	}
	plaintext = append(p.Encode(), body...)
	if cut := in.byte(); cut >= 0xf8 {
		plaintext = plaintext[:len(plaintext)-min(len(plaintext), int(cut&7)+1)]
	}
	return typ, flags, plaintext
}

// when is near, or 0 if nothing is asked for.
func (t *tape) when(asked bool, base uint64) uint64 {
	if !asked {
		return 0
	}
	return t.near(base)
}

// shotBody reads a body and its length before compression.
func shotBody(in *tape, typ uint8, m *model) (body []byte, original int) {
	switch k := in.byte(); k % 6 {
	case 0:
		body = in.bytes(int(in.byte() & 0x1f))
	case 1:
		body = bytes.Repeat([]byte{in.byte()}, int(in.uint16())<<(k>>6))
	case 2:
		body = bytes.Repeat([]byte{in.byte(), 1, 2, 3}, int(in.uint16())<<(k>>6))
		original = len(body)
		body = deflate(body)
		if spoil := in.byte(); spoil > 0xf0 {
			body[int(spoil&7)%len(body)] ^= in.byte()
		} else if spoil > 0xe0 {
			body = append(body, in.bytes(int(spoil&0xf))...)
		}
		return body, original
	case 3:
		inner := bytes.Repeat([]byte{in.byte()}, []int{0, 1, 56, 1124, 1220, 8192, 8193}[in.byte()%7])
		if len(inner) > 1000 {
			copy(inner, []byte{0, 0, 0, in.byte()}) // epoch
		}
		e := testkit.Compose("envelope").Cut("fragment").SetUint("hs_type", []uint64{32, 33, 6, 5, uint64(in.byte())}[in.byte()%5])
		e.SetUint("frag_count", 1+uint64(in.byte())/250).SetUint("frag_index", uint64(in.byte())/250)
		e.SetUint("token_len", uint64(in.byte())/250).SetUint("total_len", uint64(len(inner))+uint64(in.byte())/250)
		e.SetUint("handshake_id", []uint64{m.rekeyID, m.handshakeID, 7}[in.byte()%3])
		body = slices.Concat(e.Encode(), inner)
	case 4:
		layout, _ := testkit.BodyLayout(typ, 0)
		if layout == "" || layout == "envelope" {
			layout = "probe"
		}
		body = testkit.Compose(layout).Encode()
		for n := in.byte() % 8; n > 0 && len(body) > 0; n-- {
			body[int(in.byte())%len(body)] = in.byte()
		}
		body = append(body, bytes.Repeat([]byte{'x'}, int(in.byte())<<(k>>7))...)
	default:
		body = bytes.Repeat([]byte{in.byte()}, 512+int(in.byte())/32)
	}
	return body, len(body)
}
