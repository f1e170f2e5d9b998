package main

import (
	"bytes"
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// fragmentBody is cut into fragments of 512, 512 and 484 bytes.
func fragmentBody() []byte { return probe(opEcho, 0, bytes.Repeat([]byte("0123456789"), 150)) }

// A piece is one fragment of a message that the vectors send.
type piece struct {
	index, count uint64
	body         []byte
	more         func(*testkit.Draft) // changes the draft
}

// draft returns a fragment of type 0x70. Its mid is 1 toward the server and 2 toward
// the client, its frag_id 0.
func (p piece) draft(withMid bool) *testkit.Draft {
	f := flags("FRAGMENT")
	if withMid {
		f |= flags("REQUIRES_ACK")
	}
	d := testkit.NewDraft(typeProbe, f, clock)
	d.Plaintext.Body = p.body
	prologue := d.Plaintext.Prologue.SetUint("index", p.index).SetUint("count", p.count)
	if withMid {
		prologue.SetUint("mid", 1)
	}
	if p.more != nil {
		p.more(d)
	}
	return d
}

// pieces cuts a body.
func pieces(body []byte, size int) []piece {
	var all []piece
	cut := testkit.Cut(body, size)
	for i, part := range cut {
		all = append(all, piece{index: uint64(i), count: uint64(len(cut)), body: part})
	}
	return all
}

// fragments sends pieces to a server with Probe; the last is judged.
func fragments(id string, withMid bool, sent ...piece) *scenario {
	s := toServer("fragment/"+id, typeProbe, 0, nil).needs("probe")
	for _, p := range sent[:len(sent)-1] {
		s.before(p.draft(withMid))
	}
	return s.last(sent[len(sent)-1].draft(withMid))
}

// last puts a draft into the place of the frame that is judged.
func (s *scenario) last(d *testkit.Draft) *scenario {
	d.Keys, d.Sequence = s.draft.Keys, s.draft.Sequence
	d.Frame.Header.Default("session_id", s.draft.Frame.Header.Bytes("session_id"))
	s.draft = d
	return s
}

func fragmentVectors() []vectors.Vector {
	return slices.Concat(fragmentsJoined(), fragmentsInconsistent(), fragmentsTooLarge(), fragmentsCounted(), fragmentsAtClient())
}

func fragmentsJoined() []vectors.Vector {
	three := pieces(fragmentBody(), 512)
	long := pieces(fragmentBody(), 1000)
	other := func(p piece, fragID, mid uint64) piece {
		p.more = func(d *testkit.Draft) { d.Plaintext.Prologue.SetUint("frag_id", fragID).SetUint("mid", mid) }
		return p
	}
	interleaved := toServer("fragment/ping-between", typeHeartbeat, 0, []byte{kindPing}).needs("probe")
	interleaved.before(three[0].draft(true))
	sink := pieces(probe(opSink, 0, bytes.Repeat([]byte{1}, 600)), 512)
	return []vectors.Vector{
		fragments("in-order", true, three...).
			valid("reply Probe", "FRG-011 FRG-012 FRG-013", "An echo of 1500 bytes in fragments of 512, 512 and 484."),
		fragments("last-first", true, three[2], three[1], three[0]).valid("reply Probe", "FRG-011 FRG-012", "The same from the end."),
		fragments("two-of-1000", true, long...).valid("reply Probe", "FRG-013", "Fragments of 1000 and 508 bytes."),
		fragments("last-of-one-byte", true, pieces(probe(opEcho, 0, make([]byte, 505)), 512)...).
			valid("reply Probe", "FRG-006 FRG-013", "The last fragment has one byte."),
		fragments("last-full", true, pieces(probe(opEcho, 0, make([]byte, 1016)), 512)...).
			valid("reply Probe", "FRG-006 FRG-013", "The last fragment is as long as the other."),
		fragments("first-alone", true, three[0]).valid("Ack", "ACK-010 FRG-012", "Nothing is answered before the message is complete."),
		fragments("repeated-index", true, three[0], three[0]).valid("Ack", "FRG-016", "An index that has arrived is discarded."),
		fragments("repeated-index-then-rest", true, three[0], three[0], three[1], three[2]).
			valid("reply Probe", "FRG-016 FRG-012", "The message is complete all the same."),
		interleaved.valid("PONG", "FRG-011", "A PING between the fragments."),
		fragments("two-messages", true, other(three[0], 0, 1), other(long[0], 1, 2), other(three[1], 0, 1), other(long[1], 1, 2)).
			valid("reply Probe", "FRG-011 FRG-012", "Two messages at a time; the second is complete first."),
		fragments("begun-anew", true, other(three[0], 0, 1), other(long[0], 1, 1), other(long[1], 1, 1)).
			valid("reply Probe", "FRG-017", "A higher frag_id under the same mid begins anew."),
		fragments("older-frag-id", true, other(long[0], 1, 1), other(three[0], 0, 1)).
			valid("Ack", "FRG-018", "A lower frag_id under the same mid is discarded."),
		fragments("complete-mid", true, three[0]).knows("base", 2).valid("Ack", "MSG-052 MSG-019", "A fragment of a mid that is complete."),
		fragments("sink-without-mid", false, sink...).valid("nothing", "FRG-012 PRB-013", "A sink without REQUIRES_ACK in two fragments."),
	}
}

func fragmentsInconsistent() []vectors.Vector {
	three := pieces(fragmentBody(), 512)
	alter := func(p piece, more func(*testkit.Draft)) piece {
		p.more = more
		return p
	}
	bad := func(id, comment string, sent ...piece) vectors.Vector {
		return fragments(id, true, sent...).valid("reply MALFORMED", "FRG-020 MSG-071", comment)
	}
	full := bytes.Repeat([]byte{1}, 512)
	return []vectors.Vector{
		bad("count-0", "A count of 0.", piece{0, 0, full, nil}),
		bad("count-1", "A count of 1.", piece{0, 1, full, nil}),
		bad("index-is-count", "An index that is the count.", piece{3, 3, full, nil}),
		bad("index-all-ones", "An index of 65 535.", piece{65535, 3, full, nil}),
		bad("511-bytes", "A fragment that is not the last has 511 bytes.", piece{0, 3, full[:511], nil}),
		bad("empty-first", "A fragment that is not the last is empty.", piece{0, 3, nil, nil}),
		bad("empty-last", "The last fragment is empty.", piece{2, 3, nil, nil}),
		bad("other-size",
			"Two fragments that are not the last have 512 and 513 bytes.", three[0], piece{1, 3, append(slices.Clone(full), 1), nil}),
		bad("last-longer", "The last fragment is longer than the first.", three[0], piece{2, 3, append(slices.Clone(full), 1), nil}),
		bad("last-longer-first",
			"The last fragment comes first and is longer than the others.", piece{2, 3, append(slices.Clone(full), 1), nil}, three[0]),
		bad("other-count", "Another count.", three[0], piece{1, 4, full, nil}),
		bad("other-flags", "PRIORITY on one fragment alone.", three[0],
			alter(three[1], func(d *testkit.Draft) {
				d.Frame.Header.DefaultUint("flags", uint64(flags("REQUIRES_ACK", "FRAGMENT", "PRIORITY")))
			})),
		fragments("after-refusal", true, piece{0, 1, full, nil}, three[1]).
			valid("Ack", "MSG-052 MSG-069", "What follows a refusal is acknowledged and discarded."),
		fragments("inconsistent-without-mid", false, piece{0, 1, full, nil}).
			valid("nothing", "FRG-022", "Without mid the message is discarded."),
	}
}

func fragmentsTooLarge() []vectors.Vector {
	full := bytes.Repeat([]byte{1}, 600)
	return []vectors.Vector{
		fragments("least-total-65025", true, piece{0, 128, full[:512], nil}).
			valid("Ack", "FRG-021 FRG-013", "127 fragments of 512 and one byte are within the message limit."),
		fragments("least-total-65537", true, piece{0, 129, full[:512], nil}).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-021 MSG-071", "128 fragments of 512 and one byte are above the message limit."),
		fragments("least-total-by-last", true, piece{110, 111, full, nil}).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-021", "The last fragment has 600 bytes, so the others have as many."),
		fragments("total-65536", true, piece{0, 110, full, nil}, piece{109, 110, full[:136], nil}).
			valid("Ack", "FRG-021 FRG-013", "109 fragments of 600 and one of 136 are exactly the message limit."),
		fragments("total-65537", true, piece{0, 110, full, nil}, piece{109, 110, full[:137], nil}).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-021", "109 fragments of 600 and one of 137 are one byte more."),
		fragments("least-total-assumed", true, piece{128, 129, full[:1], nil}).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-021", "A last fragment of one byte: the others have at least 512."),
		fragments("count-65535", true, piece{0, 65535, full[:512], nil}).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-021", "The greatest count."),
		fragments("malformed-before-too-large", true, piece{0, 65535, full[:511], nil}).
			valid("reply MALFORMED", "FRG-020 MSG-069", "Too short and too many: MALFORMED comes first."),
		fragments("too-large-without-mid", false, piece{0, 129, full[:512], nil}).
			valid("nothing", "FRG-022", "Without mid the message is discarded."),
	}
}

// fragmentsCounted are about the number of incomplete messages.
func fragmentsCounted() []vectors.Vector {
	first := pieces(fragmentBody(), 512)[0]
	beyond := piece{0, 129, bytes.Repeat([]byte{1}, 512), nil}
	return []vectors.Vector{
		fragments("fourth-incomplete", true, first).knows("incomplete", 3).valid("Ack", "FRG-014 FRG-015", "Three messages are incomplete."),
		fragments("fifth-incomplete", true, first).knows("incomplete", 4).
			invalid("PROTOCOL_VIOLATION", "check13", "FRG-009 FRG-015", "Four messages are incomplete."),
		fragments("fifth-without-mid", false, first).knows("incomplete", 4).
			invalid("PROTOCOL_VIOLATION", "check13", "FRG-015", "Messages without mid count too."),
		fragments("refused-is-no-fifth", true, beyond).knows("incomplete", 4).
			valid("reply PAYLOAD_TOO_LARGE", "FRG-015 MSG-069", "A message that is refused does not become incomplete."),
	}
}

// fragmentsAtClient arrive at a client that has sent one Probe request, mid 1.
func fragmentsAtClient() []vectors.Vector {
	reply := func(id string, sent ...piece) *scenario {
		s := toClient("fragment/client-"+id, typeProbe, 0, nil).needs("probe").knows("sent_mid", 1).given("sent_type", []byte{typeProbe})
		draft := func(p piece) *testkit.Draft {
			d := testkit.NewDraft(typeProbe, flags("REQUIRES_ACK", "REPLY", "FRAGMENT"), clock)
			d.Plaintext.Body = p.body
			d.Plaintext.Prologue.SetUint("mid", 2).SetUint("reply_to", 1).SetUint("index", p.index).SetUint("count", p.count)
			return d
		}
		for _, p := range sent[:len(sent)-1] {
			s.before(draft(p))
		}
		return s.last(draft(sent[len(sent)-1]))
	}
	three := pieces(fragmentBody(), 512)
	full := bytes.Repeat([]byte{1}, 512)
	return []vectors.Vector{
		reply("reply", three...).valid("Ack", "FRG-012 MSG-006", "A reply in three fragments."),
		reply("inconsistent", piece{0, 1, full, nil}).
			valid("Error MALFORMED", "MSG-072 MSG-073",
				"A reply that cannot be put together: an unsolicited Error of scope 0, and the reply is acknowledged."),
		reply("least-total-16777217", piece{0, 32769, full, nil}).
			valid("Error PAYLOAD_TOO_LARGE", "MSG-072 MSG-074", "32 768 fragments of 512 and one byte are above the message limit."),
		reply("least-total-16776705", piece{0, 32768, full, nil}).valid("Ack", "FRG-013", "32 767 fragments of 512 and one byte are within it."),
		toClient("fragment/client-push", typeProbe, flags("STREAMING", "FRAGMENT"), full).needs("probe").
			prologue(setUint("sub_id", 9)).prologue(setUint("n", 1)).prologue(setUint("count", 1)).
			valid("nothing", "MSG-075 FRG-022", "An inconsistent push is discarded."),
	}
}
