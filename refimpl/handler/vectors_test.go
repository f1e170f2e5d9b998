package handler

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestVectors gives Probe the body of every golden vector that reaches it at a
// server, and compares what comes of it: content, code, or silence.
func TestVectors(t *testing.T) {
	judged := 0
	for _, v := range vectors.All() {
		if v.Needs != "probe" || v.Receiver != "server" || v.Expect.Result != vectors.Valid || !reaches(v) {
			continue
		}
		judged++
		t.Run(v.ID, func(t *testing.T) { judge(t, v) })
	}
	if judged != 50 {
		t.Errorf("%d vectors were judged, want 50", judged)
	}
}

// reaches reports whether the message of a vector comes as far as its application.
func reaches(v vectors.Vector) bool {
	answers := []string{"reply Probe", "reply INVALID_PAYLOAD", "reply FAIL", "Error MALFORMED"}
	return strings.HasPrefix(v.ID, "probe/") || strings.HasSuffix(v.ID, "/sink-without-mid") || slices.Contains(answers, v.Effect)
}

// body joins and inflates the message that the last frame of a vector completes.
func body(t *testing.T, v vectors.Vector) (body []byte, mid uint64) {
	t.Helper()
	parts := map[uint16][]byte{}
	var pro wire.Prologue
	var original uint32
	var flags wire.Flags
	for _, step := range slices.Backward(v.Steps) {
		var h wire.Header
		h.Decode(step.Frame)
		var p wire.Prologue
		part, err := p.Parse(h.Flags, step.Plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) == 0 {
			pro, flags = p, h.Flags
		}
		if p.Mid != pro.Mid || p.FragID != pro.FragID || h.Type != wire.TypeProbe {
			continue
		}
		parts[p.Index] = part
		if p.Index == 0 {
			original = p.OriginalLen
		}
	}
	for i := range uint16(len(parts)) {
		body = append(body, parts[i]...)
	}
	if !flags.Has(wire.FlagCompressed) {
		return body, pro.Mid
	}
	body, err := io.ReadAll(flate.NewReader(bytes.NewReader(body)))
	if err != nil || len(body) != int(original) {
		t.Fatalf("%d bytes of %d: %v", len(body), original, err)
	}
	return body, pro.Mid
}

// judge compares what Probe does with one vector.
func judge(t *testing.T, v vectors.Vector) {
	b := newBench(t)
	request, mid := body(t, v)
	b.send(request, mid == 0)
	b.pass(0)              // what is due at once
	if v.Effect == "Ack" { // a delay
		wait := time.Duration(binary.BigEndian.Uint32(request[4:])) * time.Millisecond
		b.pass(wait - time.Millisecond)
		if len(b.got) != 0 {
			t.Error("answered before its time")
		}
		b.pass(time.Millisecond)
	}
	code, refused := b.refused()
	switch {
	case v.Effect == "nothing":
		if len(b.got) != 0 || refused {
			t.Errorf("%s: %d messages, %v; want silence", v.Comment, len(b.got), code)
		}
	case v.Effect == "Error MALFORMED":
		if len(b.got) != 0 || !refused || code != wire.Malformed {
			t.Errorf("%s: %d messages, %v; want an unsolicited MALFORMED", v.Comment, len(b.got), code)
		}
	case len(b.got) == 0 || refused:
		t.Errorf("%s: no reply (%v)", v.Comment, code)
	case v.Effect == "reply Probe" || v.Effect == "Ack":
		b.judgeReply(request)
	default:
		want := strings.TrimPrefix(v.Effect, "reply ")
		if want == "FAIL" {
			want = wire.Code(binary.BigEndian.Uint32(request[4:])).String()
		}
		if _, code := b.read(b.got[0]); code.String() != want || len(b.got) != 1 {
			t.Errorf("%s: %v, want %s", v.Comment, code, want)
		}
	}
}

// refused returns the code of an unsolicited Error.
func (b *bench) refused() (code wire.Code, refused bool) {
	for e, ok := b.client.NextEvent(); ok; e, ok = b.client.NextEvent() {
		if err := (*session.Error)(nil); e.Kind == session.EventPeerError && errors.As(e.Err, &err) {
			code, refused = err.Code, true
		}
	}
	return code, refused
}

// judgeReply compares a reply, and the pushes behind it, with the table of chapter
// 18. [XTMP-PRB-006] [XTMP-PRB-007]
func (b *bench) judgeReply(request []byte) {
	b.t.Helper()
	op, arg, data := request[0], request[4:8], request[8:]
	want := []byte{op, 0, 0, 0, 0, 0, 0, 0}
	pushes := 0
	switch op {
	case 0, 4:
		want = append(want, data...)
	case 1:
		binary.BigEndian.PutUint32(want[4:], uint32(len(data)))
	case 2:
		for i := range binary.BigEndian.Uint32(arg) {
			want = append(want, byte(i%251))
		}
	case 5:
		copy(want[4:], arg)
		want = append(want, 0, 0, 0, 1) // the first sub_id of the session
		pushes = int(binary.BigEndian.Uint32(arg))
	}
	if !bytes.Equal(b.got[0].Body, want) {
		b.t.Errorf("reply %x, want %x", b.got[0].Body, want)
	}
	if len(b.got) != 1+pushes {
		b.t.Fatalf("%d messages, want a reply and %d pushes", len(b.got), pushes)
	}
	push := append([]byte{5, 0, 0, 0, 0, 0, 0, 0}, data...)
	for i, m := range b.got[1:] {
		if m.SubID != 1 || m.N != uint64(i+1) || !bytes.Equal(m.Body, push) {
			b.t.Errorf("push %d is %d of %d: %x", i+1, m.N, m.SubID, m.Body)
		}
	}
}
