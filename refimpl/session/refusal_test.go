package session

import (
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

// TestCompleteMessageLeavesNoFragments makes a mid complete by another frame than
// its last fragment. What had arrived of it is of no more use: it takes no memory,
// is none of four incomplete messages, and nobody waits for its rest.
// [XTMP-FRG-023] [XTMP-MSG-052]
func TestCompleteMessageLeavesNoFragments(t *testing.T) {
	for _, c := range []struct {
		name  string
		typ   wire.MessageType
		flags wire.Flags
		pro   wire.Prologue
	}{
		{"a whole message", wire.TypeProbe, ra, wire.Prologue{Mid: 1}},
		{"a type that is not implemented", wire.TypeBundleSync, rafr, wire.Prologue{Mid: 1, Index: 1, Count: 2}},
		{"an extension", 0x80, ra, wire.Prologue{Mid: 1}},
		{"a compressed fragment", wire.TypeProbe, rafr | wire.FlagCompressed, wire.Prologue{Mid: 1, Index: 1, Count: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, func(p *pair) { p.serverCfg.Compression = false })
			k.sendPiece(1, piece{count: 2, size: 600})
			k.fromClientOnly(c.typ, c.flags, &c.pro, []byte{1})
			if k.admission.memory != 0 || len(k.server.partials) != 0 {
				t.Errorf("%d bytes and %d messages are still held", k.admission.memory, len(k.server.partials))
			}
			k.now.Elapsed += 2 * reassemblyTimeout
			if k.server.Advance(k.now); k.server.State() != Established {
				t.Errorf("somebody waited for the rest: %v", k.server.Err())
			}
		})
	}
}

// TestRefusedWithoutMidIsForgotten refuses a later fragment of a message without
// mid for its compression. [XTMP-CMP-011]
func TestRefusedWithoutMidIsForgotten(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.serverCfg.Compression = false })
	k.fromClientOnly(wire.TypeProbe, wire.FlagFragment, &wire.Prologue{Count: 2}, make([]byte, 600))
	k.fromClientOnly(wire.TypeProbe, wire.FlagFragment|wire.FlagCompressed, &wire.Prologue{Count: 2, Index: 1}, []byte{1})
	if k.admission.memory != 0 || len(k.server.partials) != 0 {
		t.Errorf("%d bytes and %d messages are still held", k.admission.memory, len(k.server.partials))
	}
}

// TestReplyClosesAllFrames answers a request of several frames; none of them is
// open after the reply, and no Ack follows. [XTMP-ACK-012]
func TestReplyClosesAllFrames(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces []piece
	}{
		{"refused at the second", []piece{{count: 3, size: 600}, {index: 1, count: 4, size: 600}}},
		{"after a lower frag_id", []piece{{count: 2, size: 600, frag: 1}, {count: 2, size: 600}, {index: 1, count: 2, size: 5, frag: 1}}},
		{"after a higher frag_id", []piece{{count: 2, size: 600}, {count: 2, size: 600, frag: 1}, {index: 1, count: 2, size: 5, frag: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			for _, f := range c.pieces {
				k.sendPiece(1, f)
			}
			k.takeFrames(k.server, &k.toClient)
			if n := k.server.paths[0].ackCount; n != 0 {
				t.Errorf("%d frames are open after the reply", n)
			}
		})
	}
}

// TestMemoryIsCountedBeforeItIsHeld sends the small last fragment first: how large
// the others are does not show yet. [XTMP-LIM-011]
func TestMemoryIsCountedBeforeItIsHeld(t *testing.T) {
	k := newTalk(t, nil)
	k.sendPiece(1, piece{index: 2, count: 3, size: 1})
	k.sendPiece(1, piece{index: 0, count: 3, size: 30_000})
	if k.admission.memory < 30_001 {
		t.Errorf("%d bytes are counted, 30 001 are held", k.admission.memory)
	}
}

// TestRepeatedFragmentChangesNothing repeats index 0 with another original_len.
// [XTMP-FRG-016]
func TestRepeatedFragmentChangesNothing(t *testing.T) {
	k := newTalk(t, nil)
	noise := make([]byte, 2048)
	_, _ = deterministic(5).Read(noise) // never fails
	stream := deflated(noise)
	send := func(index uint16, original uint32, body []byte) {
		k.fromClientOnly(wire.TypeProbe, rafr|wire.FlagCompressed,
			&wire.Prologue{Mid: 1, Index: index, Count: 2, OriginalLen: original}, body)
	}
	half := (len(stream) + 1) / 2
	send(0, 2048, stream[:half])
	send(0, 2049, stream[:half])
	send(1, 0, stream[half:])
	if got := k.atServer.bodies(); len(got) != 1 || len(got[0]) != 2048 {
		codes, _ := k.replies()
		t.Errorf("%d messages are delivered, replies %v", len(got), codes)
	}
}

// TestRefusalsAreBounded refuses requests for what one frame shows, to a client
// that reads nothing. [XTMP-MSG-025]
func TestRefusalsAreBounded(t *testing.T) {
	k := newTalk(t, func(p *pair) { p.serverCfg.Server.MaxInflight = 10; p.serverCfg.Compression = false })
	for mid := uint64(1); k.server.State() == Established; mid++ {
		if mid > 21 {
			t.Fatal("a client that reads nothing makes the server queue replies without end")
		}
		k.fromClientOnly(wire.TypeProbe, ra|wire.FlagCompressed, &wire.Prologue{Mid: mid}, nil)
	}
	if !wants(wire.ProtocolViolation)(k) {
		t.Errorf("server ends with %v", k.server.Err())
	}
}
