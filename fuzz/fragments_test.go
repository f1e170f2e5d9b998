package fuzz_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// FuzzFragments sends the fragments of up to eight messages, some compressed and
// some without mid, in any order, again, with other frag_ids, cut otherwise,
// disagreeing, mixed with whole messages under the same mids and with time.
//
// Oracle: the model of chapters 8.11, 8.12 and 8.14. What is delivered is the
// fragments in their order; every refusal is the first that fits, at the frame
// that shows it; a fifth incomplete message ends the session; what is refused,
// replaced or complete leaves no memory, and no more than what came is held.
func FuzzFragments(f *testing.F) {
	plan := []byte{0x02, 0, 0x13, 1, 0x25, 2, 0x36, 0x83, 0x42, 0, 0x57, 4, 0x62, 5, 0x79, 0x86}
	f.Add(byte(0), plan, []byte{0x00, 0, 0x01, 0})                         // a message of two
	f.Add(byte(0), plan, []byte{0x11, 0, 0x12, 0, 0x13, 0, 0x10, 0})       // another order
	f.Add(byte(4), plan, []byte{0x30, 0, 0x31, 0, 0x32, 0, 0x33, 0})       // compressed
	f.Add(byte(1), plan, []byte{0x30, 0, 0x31, 0, 0x32, 0, 0x33, 0})       // to a client
	f.Add(byte(0), plan, []byte{0x00, 0, 0x10, 0, 0x20, 0, 0x40, 0, 0x50}) // five at once
	f.Add(byte(0), plan, []byte{0x00, 0, 0x00, 2, 0x01, 2})                // a higher frag_id
	f.Add(byte(0), plan, []byte{0x00, 0, 0x00, 9, 0xf0, 0x91, 0x01, 0})    // a whole message under the same mid
	f.Add(byte(5), plan, []byte{0x70, 0, 0x71, 0, 0xf9, 0, 0x72, 0, 0xff, 0, 0x73, 0})
	for v := range byte(16) {
		f.Add(v&7, plan, []byte{0x00, 0, 0x01, v, 0x00, 0x10 | v, 0x01, 0, 0x10, v, 0x11, 0, 0x12, 0})
	}
	f.Fuzz(func(t *testing.T, mode byte, plan, ops []byte) {
		d := newDuel(t, mode&1 == 0, false, setup{suite: 1, deflate: mode&4 != 0, inflight: 6})
		alive := true
		var passed time.Duration
		for in := (tape{ops}); in.more() && alive; {
			op, change := in.byte(), in.byte()
			if op >= 0xf8 { // time, 15 s at most between fragments
				by := time.Duration(op&7) * 2500 * time.Millisecond
				if passed += by; passed < 60*time.Second {
					alive = d.tick(by)
				}
				continue
			}
			if len(ops)-len(in.left) > 120 {
				break
			}
			typ, flags, plaintext := fragment(plan, op, change, d.m)
			alive = d.fire(typ, flags, plaintext)
		}
		d.finish(alive)
	})
}

// slot is the plan of one message: how it is cut, and whether it has a mid and is
// compressed.
type slot struct {
	count, size, last int
	mid, packed       bool
	body              []byte // as it is sent
	original          int
}

func planned(plan []byte, i int) slot {
	in := tape{plan}
	in.bytes(2 * i)
	a, b := in.byte(), in.byte()
	s := slot{count: 2 + int(a&0x0f), size: 512 << (b & 7), mid: b&8 == 0, packed: b&0x80 != 0}
	if s.size > 8192 && s.count > 9 {
		s.size = 8192
	}
	s.last = 1 + (s.size-1)*int(b>>4&7)/7
	total := (s.count-1)*s.size + s.last
	if !s.packed {
		s.body = bytes.Repeat([]byte{byte(i), 0xaa, 0x55}, total/3+1)[:total]
		s.original = total
		return s
	}
	// A stream of this length: noise that does not deflate, then cut to fit.
	noise := testkit.Draw(testkit.Entropy(string(plan[min(len(plan), 2*i):])), total*31/32)
	s.body, s.original = deflate(noise), len(noise)
	s.size = max(512, (len(s.body)+s.count-1)/s.count)
	s.count = (len(s.body) + s.size - 1) / s.size
	return s
}

// fragment is one fragment of a planned message, or what change makes of it.
func fragment(plan []byte, op, change byte, m *model) (typ uint8, flags uint16, plaintext []byte) {
	n := int(op >> 4 & 7)
	s := planned(plan, n)
	index := int(op&0x0f) % max(s.count, 1)
	typ, flags = 0x70, flagFragment
	switch {
	case s.mid && m.server:
		flags |= flagRequiresAck
	case s.mid:
		flags |= flagRequiresAck | flagReply
	case !m.server:
		flags |= flagStreaming
	}
	if s.packed {
		flags |= flagCompressed
	}
	from := min(index*s.size, len(s.body))
	body := s.body[from:min(from+s.size, len(s.body))]
	values := map[string]uint64{
		"mid": uint64(n) + 1, "reply_to": uint64(n%3) + 1, "sub_id": 1, "n": uint64(n), "frag_id": uint64(n) + 4,
		"index": uint64(index), "count": uint64(s.count), "original_len": uint64(s.original),
	}
	if !m.server {
		values["mid"]++
	}
	switch change & 0x0f {
	case 1:
		values["frag_id"]--
	case 2:
		values["frag_id"]++
	case 3:
		flags ^= flagPriority
	case 4:
		flags ^= flagCompressed
	case 5:
		body = body[:max(0, len(body)-1-int(change>>4))]
	case 6:
		body = append(bytes.Clone(body), make([]byte, 1+int(change>>4))...)
	case 7:
		values["count"] += uint64(int8(change) >> 4)
	case 8:
		values["index"] += uint64(int8(change) >> 4)
	case 9:
		flags &^= flagFragment
	case 10:
		typ = []uint8{0x10, 0x20, 0x01, 0x80, 0x71}[int(change>>4)%5]
	case 11:
		values[[]string{"reply_to", "sub_id", "n", "original_len"}[change>>4&3]] += uint64(int8(change) >> 6)
	case 12:
		values["original_len"] = 1 << (change >> 4 << 1)
	case 13:
		body = bytes.Repeat([]byte{1}, 512<<(change>>4&7))
	case 14:
		flags ^= flagRequiresAck
	case 15:
		values["mid"] = m.base + uint64(change>>4)
	}
	p := testkit.ComposeFlags("prologue", flags)
	for _, field := range p.Layout.Fields {
		if p.Has(field.Name) {
			p.SetUint(field.Name, values[field.Name])
		}
	}
	return typ, flags, append(p.Encode(), body...)
}
