package peer

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bpci/xtmp/vectors/testkit"
)

const (
	flagStreaming  = 0x0008
	flagCompressed = 0x0010
	flagFragment   = 0x0020
)

// A piece is one fragment of a reply of the counterpart.
type piece struct {
	body    []byte
	spoil   func(*testkit.Message)
	flags   uint16
	next    bool // it begins another message
	another uint8
}

// sendPieces sends fragments of replies to mid 1.
func sendPieces(s *counterpart, count int, pieces ...piece) {
	id := uint64(0)
	for i, p := range pieces {
		if p.next {
			id++
			s.mid++
		}
		flags := flagAck | flagReply | flagFragment | p.flags
		kind := uint8(0x70)
		if p.another != 0 {
			kind = p.another
		}
		plain := testkit.NewPlaintext(kind, flags, p.body)
		plain.Prologue.SetUint("mid", s.mid).SetUint("reply_to", 1).SetUint("frag_id", id)
		plain.Prologue.SetUint("index", uint64(i)).SetUint("count", uint64(count))
		spoil(p.spoil, plain.Prologue)
		s.sendPlain(kind, flags, plain)
	}
	s.mid++
}

// answered runs one request against a counterpart and returns the session and what came.
func answered(t *testing.T, send func(*counterpart)) (*Session, []*Received) {
	t.Helper()
	s := connect(t, &counterpart{reply: func(s *counterpart, f frame) {
		if f.Type() == 0x70 {
			send(s)
			_ = s.nc.Close()
		}
	}})
	if _, err := s.Request(0x70, nil); err != nil {
		t.Fatal(err)
	}
	frames, _ := s.Drain(0)
	return s, frames
}

func TestFragmentsAreJoined(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 150)
	s, frames := answered(t, func(s *counterpart) {
		pieces := testkit.Cut(body, 600)
		sendPieces(s, 3, piece{body: pieces[0]}, piece{body: pieces[1]}, piece{body: pieces[2]})
	})
	if len(s.Violations()) > 0 {
		t.Errorf("reported %v", s.Violations())
	}
	last := frames[len(frames)-1]
	if last.Message == nil || !bytes.Equal(last.Message.Body, body) || len(last.Message.Frames) != 3 || s.Unfinished() != 0 || !s.Answered(1) {
		t.Errorf("the message is %+v", last.Message)
	}
	for _, r := range frames[:len(frames)-1] {
		if r.ReplyTo() == 1 && r.Message != nil {
			t.Error("a message is complete too early")
		}
	}
}

func TestCompressedMessages(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 50)
	send := func(original uint64, stream []byte) func(*counterpart) {
		return func(s *counterpart) {
			plain := testkit.NewPlaintext(0x70, flagAck|flagReply|flagCompressed, stream)
			plain.Prologue.SetUint("mid", s.mid).SetUint("reply_to", 1).SetUint("original_len", original)
			s.sendPlain(0x70, flagAck|flagReply|flagCompressed, plain)
		}
	}
	s, frames := answered(t, send(500, testkit.Deflate(body)))
	if last := frames[len(frames)-1]; last.Message == nil || !bytes.Equal(last.Message.Body, body) {
		t.Errorf("the message is %+v", last.Message)
	}
	if !reported(s, "XTMP-CMP-001") || reported(s, "XTMP-CMP-003") {
		t.Errorf("reported %v", s.Violations())
	}
	for name, test := range map[string]struct {
		original uint64
		stream   []byte
	}{
		"another length": {499, testkit.Deflate(body)}, "more behind it": {500, append(testkit.Deflate(body), 0)},
		"no stream": {500, []byte{0xFF}}, "no end": {500, testkit.Stored(body, 500)[:505]},
	} {
		if s, _ := answered(t, send(test.original, test.stream)); name != "no end" && !reported(s, "XTMP-CMP-003") {
			t.Errorf("%s: reported %v", name, s.Violations())
		}
	}
}

func reported(s *Session, req string) bool {
	return slices.ContainsFunc(s.Violations(), func(d *Deviation) bool { return d.Req == req })
}

// TestFragmentDeviations spoils how a server cuts.
func TestFragmentDeviations(t *testing.T) {
	full, rest := make([]byte, 600), make([]byte, 100)
	set := func(field string, value uint64) func(*testkit.Message) {
		return func(m *testkit.Message) { m.SetUint(field, value) }
	}
	for _, tt := range []struct {
		req, name string
		send      func(*counterpart)
	}{
		{"XTMP-FRG-001", "another count", func(s *counterpart) {
			sendPieces(s, 2, piece{body: full}, piece{body: rest, spoil: set("count", 3)})
		}},
		{"XTMP-FRG-001", "another reply_to", func(s *counterpart) {
			sendPieces(s, 2, piece{body: full}, piece{body: rest, spoil: set("reply_to", 2)})
		}},
		{"XTMP-FRG-001", "other flags", func(s *counterpart) {
			sendPieces(s, 2, piece{body: full}, piece{body: rest, flags: 0x0004})
		}},
		{"XTMP-FRG-001", "another type", func(s *counterpart) {
			sendPieces(s, 2, piece{body: full}, piece{body: rest, another: 0x71})
		}},
		{"XTMP-FRG-002", "frag_id", func(s *counterpart) { sendPieces(s, 2, piece{body: full, spoil: set("frag_id", 5)}) }},
		{"XTMP-FRG-003", "count 1", func(s *counterpart) { sendPieces(s, 1, piece{body: full}) }},
		{"XTMP-FRG-004", "index", func(s *counterpart) { sendPieces(s, 2, piece{body: full, spoil: set("index", 2)}) }},
		{"XTMP-FRG-005", "short", func(s *counterpart) { sendPieces(s, 2, piece{body: rest}, piece{body: rest}) }},
		{"XTMP-FRG-005", "unequal", func(s *counterpart) {
			sendPieces(s, 3, piece{body: full}, piece{body: make([]byte, 700)}, piece{body: rest})
		}},
		{"XTMP-FRG-006", "empty", func(s *counterpart) { sendPieces(s, 2, piece{body: full}, piece{}) }},
		{"XTMP-FRG-006", "longer", func(s *counterpart) { sendPieces(s, 2, piece{body: full}, piece{body: make([]byte, 601)}) }},
		{"XTMP-FRG-007", "long body, small pieces", func(s *counterpart) {
			sendPieces(s, 2, piece{body: make([]byte, 200_000)}, piece{body: make([]byte, 100_000)})
		}},
		{"XTMP-FRG-009", "five at a time", func(s *counterpart) {
			sendPieces(s, 9, piece{body: full}, piece{body: full, next: true}, piece{body: full, next: true},
				piece{body: full, next: true}, piece{body: full, next: true})
		}},
		{"XTMP-MSG-062", "sub_id 0", func(s *counterpart) { pushes(s, 0, 1) }},
		{"XTMP-MSG-063", "n from 0", func(s *counterpart) { pushes(s, 1, 0) }},
		{"XTMP-MSG-063", "n skips", func(s *counterpart) { pushes(s, 1, 1); pushes(s, 1, 3) }},
		{"XTMP-MSG-065", "n twice", func(s *counterpart) { pushes(s, 1, 1); pushes(s, 1, 1) }},
	} {
		if s, _ := answered(t, tt.send); !reported(s, tt.req) {
			t.Errorf("%s (%s): reported %v", tt.req, tt.name, s.Violations())
		}
	}
}

func pushes(s *counterpart, sub, n uint64) {
	plain := testkit.NewPlaintext(0x70, flagStreaming, nil)
	plain.Prologue.SetUint("sub_id", sub).SetUint("n", n)
	s.sendPlain(0x70, flagStreaming, plain)
}

func TestFragmentsOfOurs(t *testing.T) {
	s := connect(t, &counterpart{})
	first := s.Fragments(0x70, flagAck, make([]byte, 1100), 512)
	second := s.Fragments(0x70, 0, make([]byte, 600), 512)
	if len(first) != 3 || len(second) != 2 {
		t.Fatalf("%d and %d fragments", len(first), len(second))
	}
	for i, d := range first {
		p := d.Plaintext.Prologue
		if d.Mid() != first[0].Mid() || p.Uint("frag_id") != 0 || p.Uint("index") != uint64(i) || p.Uint("count") != 3 {
			t.Errorf("fragment %d: %v", i, p)
		}
	}
	if p := second[1].Plaintext.Prologue; p.Has("mid") || p.Uint("frag_id") != 1 || len(second[1].Plaintext.Body) != 88 {
		t.Errorf("without mid: %v", p)
	}
	if sequence, mid := s.Counters(); sequence != second[1].Sequence+1 || mid != first[0].Mid()+1 {
		t.Errorf("the next numbers are %d and %d", sequence, mid)
	}
}
