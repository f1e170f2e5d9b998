package session

import (
	"bytes"
	"compress/flate"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

const rafr = ra | wire.FlagFragment

// piece is one fragment that a test sends.
type piece struct {
	index, count uint16
	size         int
	frag         uint32
	flags        wire.Flags
}

func (k *talk) sendPiece(mid uint64, f piece) {
	k.t.Helper()
	body := bytes.Repeat([]byte{byte(f.index + 1)}, f.size)
	k.fromClientOnly(wire.TypeProbe, rafr|f.flags, &wire.Prologue{Mid: mid, FragID: f.frag, Index: f.index, Count: f.count}, body)
}

// codesAfter lets everybody speak and returns the codes of the Error replies
// that the client received, without a client's opinion of them.
func (k *talk) replies() (codes []wire.Code, others int) {
	out := k.server.AppendOutput(k.now, 0, nil)
	for len(out) > 0 {
		var h wire.Header
		if err := wire.ParseHeader(out, &h); err != nil {
			k.t.Fatal(err)
		}
		size := wire.Overhead + int(h.PayloadLength)
		f := slices.Clone(out[:size])
		if !wire.VerifyChecksum(f, h.Checksum) {
			k.t.Fatal("checksum")
		}
		plaintext, err := k.client.paths[0].keys.recv.Open(f, h.Sequence)
		if err != nil {
			k.t.Fatal(err)
		}
		var pro wire.Prologue
		body, err := pro.Parse(h.Flags, plaintext)
		if err != nil {
			k.t.Fatal(err)
		}
		var e wire.Error
		if h.Type == wire.TypeError && e.Parse(body, true) == nil {
			codes = append(codes, e.Code)
		} else {
			others++
		}
		out = out[size:]
	}
	return codes, others
}

// TestFragmentRules sends fragments within and against the rules of 8.11.
func TestFragmentRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces []piece
		code   wire.Code // of the one reply; 0: none
		whole  int       // bytes delivered; 0: nothing
	}{
		{"in order", []piece{{index: 0, count: 3, size: 600}, {index: 1, count: 3, size: 600}, {index: 2, count: 3, size: 1}}, 0, 1201},
		{"backwards", []piece{{index: 2, count: 3, size: 9}, {index: 1, count: 3, size: 512}, {index: 0, count: 3, size: 512}}, 0, 1033},
		{"an index again", []piece{{index: 0, count: 2, size: 600}, {index: 0, count: 2, size: 600}, {index: 1, count: 2, size: 600}}, 0, 1200},
		{"a later index again", []piece{{index: 1, count: 3, size: 600}, {index: 1, count: 3, size: 600}}, 0, 0},
		{"higher frag_id", []piece{
			{index: 0, count: 2, size: 600}, {index: 0, count: 2, size: 700, frag: 1}, {index: 1, count: 2, size: 5, frag: 1},
		}, 0, 705},
		{"lower frag_id", []piece{
			{index: 0, count: 2, size: 600, frag: 1}, {index: 1, count: 2, size: 600}, {index: 1, count: 2, size: 5, frag: 1},
		}, 0, 605},
		{"count 1", []piece{{index: 0, count: 1, size: 600}}, wire.Malformed, 0},
		{"count 0", []piece{{index: 0, count: 0, size: 600}}, wire.Malformed, 0},
		{"index = count", []piece{{index: 2, count: 2, size: 600}}, wire.Malformed, 0},
		{"511 bytes", []piece{{index: 0, count: 2, size: 511}}, wire.Malformed, 0},
		{"empty last", []piece{{index: 0, count: 2, size: 600}, {index: 1, count: 2}}, wire.Malformed, 0},
		{"larger last", []piece{{index: 0, count: 2, size: 600}, {index: 1, count: 2, size: 601}}, wire.Malformed, 0},
		{"smaller than the last", []piece{{index: 1, count: 2, size: 601}, {index: 0, count: 2, size: 600}}, wire.Malformed, 0},
		{"other size", []piece{{index: 0, count: 3, size: 600}, {index: 1, count: 3, size: 601}}, wire.Malformed, 0},
		{"other count", []piece{{index: 0, count: 3, size: 600}, {index: 1, count: 4, size: 600}}, wire.Malformed, 0},
		{"other flags", []piece{{index: 0, count: 3, size: 600}, {index: 1, count: 3, size: 600, flags: wire.FlagPriority}}, wire.Malformed, 0},
		{"least total 65536", []piece{{index: 0, count: 2, size: 65535}, {index: 1, count: 2, size: 1}}, 0, 65536},
		{"least total 65537", []piece{{index: 0, count: 129, size: 512}}, wire.PayloadTooLarge, 0},
		{"the last decides", []piece{{index: 128, count: 129, size: 1}}, wire.PayloadTooLarge, 0},
		{"a large last decides", []piece{{index: 1, count: 2, size: 65536}}, wire.PayloadTooLarge, 0},
		{"too large at the end", []piece{{index: 0, count: 2, size: 65500}, {index: 1, count: 2, size: 37}}, wire.PayloadTooLarge, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			for _, f := range c.pieces {
				k.sendPiece(1, f)
			}
			codes, others := k.replies()
			want, echoes := []wire.Code(nil), 0
			if c.code != 0 {
				want = []wire.Code{c.code}
			}
			if c.whole > 0 {
				echoes = 1
			}
			if !slices.Equal(codes, want) || others != echoes {
				t.Errorf("replies %v and %d others, want %v and %d", codes, others, want, echoes)
			}
			got := 0
			for _, m := range k.atServer.got {
				got += len(m.Body)
			}
			if got != c.whole {
				t.Errorf("%d bytes delivered, want %d", got, c.whole)
			}
			if c.whole > 0 || c.code != 0 {
				if k.admission.memory != 0 || len(k.server.partials) != 0 {
					t.Errorf("%d bytes and %d messages are still held", k.admission.memory, len(k.server.partials))
				}
			}
			k.established()
		})
	}
}

// TestFifthIncomplete begins five messages. [XTMP-FRG-015]
func TestFifthIncomplete(t *testing.T) {
	k := newTalk(t, nil)
	for mid := uint64(1); mid <= 4; mid++ {
		k.sendPiece(mid, piece{count: 2, size: 600})
	}
	k.established()
	k.sendPiece(5, piece{count: 2, size: 600})
	if !wants(wire.ProtocolViolation)(k) {
		t.Errorf("server ends with %v", k.server.Err())
	}
	if k.admission.memory != 0 {
		t.Errorf("%d bytes are still held", k.admission.memory)
	}
}

// TestReassemblyTimeout leaves a message incomplete. [XTMP-FRG-019]
func TestReassemblyTimeout(t *testing.T) {
	k := newTalk(t, nil)
	k.sendPiece(1, piece{count: 3, size: 600})
	k.pass(10 * time.Second)
	k.sendPiece(1, piece{index: 1, count: 3, size: 600})
	k.pass(14 * time.Second)
	k.established()
	k.pass(2 * time.Second)
	if k.server.State() != Closed {
		t.Error("an incomplete message is waited for longer than T_REASSEMBLY")
	}
}

// TestReassemblyBudget has no memory for a message. [XTMP-FRG-024]
func TestReassemblyBudget(t *testing.T) {
	k := newTalk(t, nil)
	k.admission.memory = 256<<20 - 1000
	k.sendPiece(1, piece{count: 3, size: 600})
	k.sendPiece(1, piece{index: 1, count: 3, size: 600})
	if codes, _ := k.replies(); !slices.Equal(codes, []wire.Code{wire.ServerBusy}) {
		t.Errorf("codes %v", codes)
	}
	k.established()
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 9)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// TestInflationRules sends streams and lies about them. [XTMP-CMP-009]
func TestInflationRules(t *testing.T) {
	text := bytes.Repeat([]byte("text "), 2000)
	stream := deflated(text)
	bomb := deflated(make([]byte, 64<<20))
	for _, c := range []struct {
		name     string
		original uint32
		body     []byte
		code     wire.Code
	}{
		{"exact", 10000, stream, 0},
		{"empty", 0, deflated(nil), 0},
		{"one less", 9999, stream, wire.DecompressLimit},
		{"one more", 10001, stream, wire.DecompressLimit},
		{"trailing byte", 10000, append(bytes.Clone(stream), 0), wire.DecompressLimit},
		{"cut", 10000, stream[:len(stream)-1], wire.DecompressLimit},
		{"no stream", 5, []byte("hello"), wire.DecompressLimit},
		{"nothing", 5, nil, wire.DecompressLimit},
		{"bomb", 65536, bomb[:65000], wire.DecompressLimit},
		{"above the limit", 65537, stream, wire.DecompressLimit},
		{"far above the limit", 1<<32 - 1, stream, wire.DecompressLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			k.fromClientOnly(wire.TypeProbe, ra|wire.FlagCompressed, &wire.Prologue{Mid: 1, OriginalLen: c.original}, c.body)
			codes, others := k.replies()
			if c.code == 0 && (len(codes) != 0 || others != 1) || c.code != 0 && !slices.Equal(codes, []wire.Code{c.code}) {
				t.Errorf("replies %v and %d others, want %v", codes, others, c.code)
			}
			if got := cap(k.server.cfg.Buffers.plaintext); got > plaintextKept {
				t.Errorf("%d bytes are kept for the next", got)
			}
			k.established()
		})
	}
	t.Run("not announced", func(t *testing.T) {
		k := newTalk(t, func(p *pair) { p.serverCfg.Compression = false })
		k.fromClientOnly(wire.TypeProbe, rafr|wire.FlagCompressed, &wire.Prologue{Mid: 1, Count: 0, OriginalLen: 1 << 30}, nil)
		if codes, _ := k.replies(); !slices.Equal(codes, []wire.Code{wire.CompressionRefused}) { // before every other refusal
			t.Errorf("codes %v", codes)
		}
	})
	t.Run("in fragments", func(t *testing.T) {
		k := newTalk(t, nil)
		noise := make([]byte, 3000)
		_, _ = deterministic(3).Read(noise)
		b := deflated(noise)
		for i := range 3 {
			part := b[i*1100 : min(len(b), (i+1)*1100)]
			k.fromClientOnly(wire.TypeProbe, rafr|wire.FlagCompressed,
				&wire.Prologue{Mid: 1, Index: uint16(i), Count: 3, OriginalLen: 3000}, part)
		}
		if len(k.atServer.got) != 1 || !bytes.Equal(k.atServer.got[0].Body, noise) {
			t.Error("not what was sent")
		}
	})
}

// TestRefusedReplies sends a client replies that it cannot take: their calls end
// as unknown, the server is told, the session lives. [XTMP-MSG-072] [XTMP-MSG-074]
func TestRefusedReplies(t *testing.T) {
	const reply = ra | wire.FlagReply
	for _, c := range []struct {
		name  string
		flags wire.Flags
		pro   wire.Prologue
		body  []byte
		code  wire.Code
	}{
		{"fragments", reply | wire.FlagFragment, wire.Prologue{Count: 1}, make([]byte, 600), wire.Malformed},
		{"size", reply | wire.FlagFragment, wire.Prologue{Count: 65535}, make([]byte, 600), wire.PayloadTooLarge},
		{"stream", reply | wire.FlagCompressed, wire.Prologue{OriginalLen: 10}, []byte("xx"), wire.DecompressLimit},
		{"bomb", reply | wire.FlagCompressed, wire.Prologue{OriginalLen: 1<<24 + 1}, []byte("xx"), wire.DecompressLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			k.atServer.react = func(Now, *Session, Message) bool { return true }
			k.send(Request{Owner: 7})
			k.settle()
			c.pro.Mid, c.pro.ReplyTo = 2, 1
			k.fromServer(wire.TypeProbe, c.flags, &c.pro, c.body)
			if len(k.atClient.got) != 1 || !errors.Is(k.atClient.got[0].Err, ErrUnknownResult) || k.atClient.got[0].Owner != 7 {
				t.Errorf("the caller got %+v", k.atClient.got)
			}
			var e *Error
			events := k.events[k.server]
			if len(events) == 0 || !errors.As(events[len(events)-1].Err, &e) || e.Code != c.code {
				t.Errorf("the server learned %v", events)
			}
			k.established()
		})
	}
}

// TestReplyViolations sends replies that answer nothing. [XTMP-MSG-007] [XTMP-MSG-008] [XTMP-MSG-009]
func TestReplyViolations(t *testing.T) {
	const reply = ra | wire.FlagReply
	for _, c := range []struct {
		name    string
		typ     wire.MessageType
		replyTo uint64
		lives   bool
	}{
		{"mid 0", wire.TypeProbe, 0, false},
		{"mid never sent", wire.TypeProbe, 2, false},
		{"another type", wire.TypeWalletAuth, 1, false},
		{"a second reply of any type", wire.TypeWalletAuth, 1, true},
		{"an Error to nobody", wire.TypeError, 2, false},
		{"RekeyResp to a call", wire.TypeHandshakeAck, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, nil)
			if !c.lives {
				k.atServer.react = func(Now, *Session, Message) bool { return true }
			}
			k.send(Request{})
			k.settle()
			k.fromServer(c.typ, reply, &wire.Prologue{Mid: 2 + k.server.out.last, ReplyTo: c.replyTo}, nil)
			if (k.client.Err() == nil) != c.lives {
				t.Errorf("client: %v", k.client.Err())
			}
		})
	}
}

// fragmentModel says what must become of fragments of one message.
func TestFragmentsOfAnyDivision(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.IntRange(512, 3000).Draw(r, "size")
		count := rapid.IntRange(2, 20).Draw(r, "count")
		last := rapid.IntRange(1, size).Draw(r, "last")
		order := rapid.Permutation(indices(count)).Draw(r, "order")
		k := newTalk(t, nil)
		var want []byte
		for i := range count {
			n := size
			if i == count-1 {
				n = last
			}
			want = append(want, bytes.Repeat([]byte{byte(i + 1)}, n)...)
		}
		for _, i := range order {
			n := size
			if i == count-1 {
				n = last
			}
			k.sendPiece(1, piece{index: uint16(i), count: uint16(count), size: n})
		}
		if len(k.atServer.got) != 1 || !bytes.Equal(k.atServer.got[0].Body, want) || k.admission.memory != 0 {
			r.Fatalf("%d messages; %v", len(k.atServer.got), k.server.Err())
		}
	})
}

func indices(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}
