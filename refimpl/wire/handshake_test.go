package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFragments cuts messages of every length into fragments and reads them back.
func TestFragments(t *testing.T) {
	for total := 1; total <= MaxHandshakeMessage; total++ {
		body := fill(total, byte(total))
		f := Fragment{Envelope: Envelope{HSType: HSClientHello, HandshakeID: 9}, Total: uint16(total), Token: fill(TokenSize, 1)}
		var joined []byte
		for f.Index = 0; f.Index < f.Count(); f.Index++ {
			var got Fragment
			piece, err := got.Parse(f.Append(nil, body))
			if err != nil {
				t.Fatalf("fragment %d of %d bytes: %v", f.Index, total, err)
			}
			if diff := cmp.Diff(f, got); diff != "" {
				t.Fatal(diff)
			}
			joined = append(joined, piece...)
		}
		if !bytes.Equal(joined, body) {
			t.Fatalf("%d bytes come back as %d others", total, len(joined))
		}
	}
}

// TestFragmentRefused changes one field of a good envelope. [XTMP-UDP-021]
func TestFragmentRefused(t *testing.T) {
	good := Fragment{Envelope: Envelope{HSType: HSClientHello, HandshakeID: 9}, Index: 1, Total: 1298, Token: fill(TokenSize, 1)}
	whole := good.Append(nil, fill(1298, 2))
	edit := func(at int, value byte) []byte {
		b := bytes.Clone(whole)
		b[at] = value
		return b
	}
	cases := map[string][]byte{
		"index beyond count": edit(1, 2), "index of a longer place": edit(1, 0), "count of one more": edit(2, 3), "count of one less": edit(2, 1),
		"count 0": edit(2, 0), "another token_len": edit(3, 47), "a token in ServerHello": edit(0, byte(HSServerHello)),
		"total_len of one more": edit(7, whole[7]+1), "total_len above 65 535": edit(5, 1), "total_len above 8192": edit(6, 0x21),
		"a byte more": append(bytes.Clone(whole), 0),
	}
	for i := range len(whole) {
		cases["a prefix"] = whole[:i]
		for name, b := range cases {
			if _, err := new(Fragment).Parse(b); err == nil {
				t.Fatalf("%s (%d bytes) is accepted", name, len(b))
			}
		}
	}
	var empty Fragment
	if _, err := empty.Parse(make([]byte, EnvelopeSize)); err == nil {
		t.Error("total_len 0 is accepted")
	}
}

// TestFragmentStrict: what is accepted is written back as it was.
func TestFragmentStrict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Fragment{
			Envelope: Envelope{HSType: HSType(rapid.ByteRange(1, 5).Draw(t, "type"))}, Total: rapid.Uint16Range(1, 3000).Draw(t, "total"),
			Token: fill(rapid.SampledFrom([]int{0, TokenSize}).Draw(t, "token"), 1),
		}
		f.Index = rapid.Uint8Range(0, f.Count()-1).Draw(t, "index")
		b := f.Append(nil, make([]byte, f.Total))
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			b[rapid.IntRange(0, EnvelopeSize-1).Draw(t, "at")] = rapid.Byte().Draw(t, "value")
		}
		piece, err := f.Parse(b)
		if err != nil {
			return
		}
		body := make([]byte, f.Total)
		copy(body[int(f.Index)*HandshakeFragment:], piece)
		if !bytes.Equal(f.Append(nil, body), b) {
			t.Fatalf("%x is accepted and written otherwise", b)
		}
	})
}

// TestRetry has the size that the specification counts with.
func TestRetry(t *testing.T) {
	cookie := [TokenSize]byte{1, 2}
	b := AppendRetry(nil, 77, 5, &cookie)
	var h Header
	var f Fragment
	if err := ParseHeader(b, &h); err != nil || len(b) != 160 || h.Type != TypeHandshakeAck || h.SessionID != 0 || !h.Clear() {
		t.Fatalf("%d bytes, %+v: %v", len(b), h, err)
	}
	if piece, err := f.Parse(b[Overhead:]); err != nil || !bytes.Equal(piece, cookie[:]) || f.HSType != HSRetry || f.HandshakeID != 77 {
		t.Fatalf("%+v: %v", f, err)
	}
}

// TestAttachRefused lists bodies of Attach and AttachAck that differ from good ones
// in a byte.
func TestAttachRefused(t *testing.T) {
	good := (&Attach{Kind: PathStream}).Append(nil)
	for at, value := range map[int]byte{0: 3, 1: 2, 2: 1, 3: 1} {
		b := bytes.Clone(good)
		b[at] = value
		if new(Attach).Parse(b) == nil {
			t.Errorf("Attach with %d at %d is accepted", value, at)
		}
	}
	if good[0] = 0; new(Attach).Parse(good) == nil {
		t.Error("kind 0 is accepted")
	}
	ack := (&AttachAck{}).Append(nil)
	for at := 2; at < 8; at++ {
		b := bytes.Clone(ack)
		b[at] = 1
		if new(AttachAck).Parse(b) == nil {
			t.Errorf("AttachAck with 1 at %d is accepted", at)
		}
	}
}

// TestEndpoints reads lists of attach endpoints. [XTMP-PTH-060]
func TestEndpoints(t *testing.T) {
	one := AttachEndpoint{PathDatagram, 8090, "bpci.example.com"}
	got, err := ParseEndpoints(one.Append(one.Append(nil)))
	if diff := cmp.Diff([]AttachEndpoint{one, one}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "port 0": {1, 0, 0, 1, 'h'}, "no host": {1, 0, 1, 0}, "not ASCII": {1, 0, 1, 1, 0x80},
		"half an entry": append(one.Append(nil), 1, 0, 1), "a byte more": append(one.Append(nil), 1),
	} {
		if _, err := ParseEndpoints(b); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
