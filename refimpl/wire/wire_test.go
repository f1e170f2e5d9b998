package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fill(n int, from byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

// body is one codec under test: a value, its bytes, and how to read them back.
type body struct {
	name  string
	bytes []byte
	parse func([]byte) (any, error)
	want  any
	exact bool // a longer body is refused as well
}

func bodies() []body {
	hello := &ClientHello{
		MinVersion: 1, MaxVersion: 1, Suites: [4]Suite{1, SuiteUnused, SuiteUnused, SuiteUnused}, Flags: HelloWantKey,
		ClientTime: 1790000000000000, KeyShare: KeyShare{MLKEM: fill(EncapsulationKey, 3)}, Grease: 0x8a8a,
	}
	read := *hello
	read.Grease = 0 // an ignored TLV leaves no trace
	answer := &ServerHello{Version: 1, Suite: 1, SessionID: 77, ServerTime: 5, KeyShare: KeyShare{MLKEM: fill(Ciphertext, 9)}}
	identity := &ServerIdentity{
		Kind: 1, Fingerprint: [32]byte{1, 2}, Key: fill(33, 1),
		Params: Params{MaxPayload: 65536, IdleTimeoutMS: 1, KeyRotationS: 1, MaxDatagram: 1200, ReassemblyBytes: 262144},
	}
	done := &HandshakeDone{AddressToken: [48]byte{7}, ServerTime: 9}
	bye := &Disconnect{Reason: SessionExpired, LastSent: 3, LastComplete: 2}
	fault := &Error{Code: Malformed, Scope: ScopePath, RefSequence: 4, HasToken: true, Token: [16]byte{1}, Text: []byte("why")}
	attach := &Attach{Kind: PathDatagram, Standby: true, Counter: 7, Random: [32]byte{3}, ClientTime: 8}
	attached := &AttachAck{Status: uint8(ServerBusy), PathID: 2, Random: [32]byte{4}, ServerTime: 9}
	entries := []AttachEndpoint{{PathStream, 8090, "b"}, {77, 1, "2001:db8::1"}}
	routed := *identity
	routed.Endpoints = entries[1].Append(entries[0].Append(nil))
	return []body{
		{"Attach", attach.Append(nil), parser[Attach], attach, true},
		{"AttachAck", attached.Append(nil), parser[AttachAck], attached, true},
		{"endpoint", entries[0].Append(nil), func(b []byte) (any, error) { return ParseEndpoints(b) }, entries[:1], true},
		{"ServerIdentity with endpoints", routed.Append(nil), parser[ServerIdentity], &routed, true},
		{"ClientHello", hello.Append(nil), parser[ClientHello], &read, true},
		{"ServerHello", answer.Append(nil), parser[ServerHello], answer, true},
		{"ServerIdentity", identity.Append(nil), parser[ServerIdentity], identity, true},
		{"HandshakeDone", done.Append(nil), parser[HandshakeDone], done, true},
		{"Disconnect", bye.Append(nil), parser[Disconnect], bye, true},
		{"Ack", AppendStreamAck(nil, 99), func(b []byte) (any, error) { return ParseStreamAck(b) }, uint64(99), true},
		{"Error with token", fault.Append(nil)[:32], func(b []byte) (any, error) { return nil, new(Error).Parse(b, false) }, nil, false},
		{"Envelope", append(Envelope{HSType: 5, HandshakeID: 6}.AppendStream(nil, 3), 1, 2, 3), func(b []byte) (any, error) {
			var e Envelope
			_, err := ParseStreamEnvelope(b, &e)
			return e, err
		}, Envelope{HSType: 5, HandshakeID: 6}, true},
	}
}

// parser reads a T with its Parse method.
func parser[T any, P interface {
	*T
	Parse(b []byte) error
}](b []byte) (any, error) {
	m := new(T)
	err := P(m).Parse(b)
	return m, err
}

// TestBodies reads each body back, refuses every strict prefix of it, and shows
// that Append appends.
func TestBodies(t *testing.T) {
	for _, c := range bodies() {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.parse(c.bytes)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for n := range c.bytes {
				if _, err := c.parse(c.bytes[:n:n]); err == nil {
					t.Errorf("the first %d of %d bytes are accepted", n, len(c.bytes))
				}
			}
			if _, err := c.parse(append(bytes.Clone(c.bytes), 0)); c.exact && err == nil {
				t.Error("a body that is a byte too long is accepted")
			}
		})
	}
}

func TestFlight(t *testing.T) {
	part := func(typ byte, n int) []byte { return append(AppendMessageHeader(nil, typ, n), fill(n, typ)...) }
	flight := append(append(part(0x41, 80), part(0x42, 64)...), part(0x43, 48)...)
	si, ss, sf, err := SplitFlight(flight)
	if err != nil || len(si) != 84 || len(ss) != 68 || len(sf) != 52 {
		t.Fatalf("%d %d %d, %v", len(si), len(ss), len(sf), err)
	}
	for n := range flight {
		if _, _, _, err := SplitFlight(flight[:n]); err == nil {
			t.Errorf("the first %d bytes are accepted", n)
		}
	}
	for _, bad := range [][]byte{append(bytes.Clone(flight), 0), append(part(0x42, 64), flight[84:]...)} {
		if _, _, _, err := SplitFlight(bad); !errors.Is(err, ErrFlight) {
			t.Errorf("%v", err)
		}
	}
}

func TestTLV(t *testing.T) {
	entry := func(typ uint16, n int) []byte {
		return append([]byte{byte(typ >> 8), byte(typ), byte(n >> 8), byte(n)}, fill(n, 1)...)
	}
	block := func(entries ...[]byte) []byte {
		all := bytes.Join(entries, nil)
		return append([]byte{byte(len(all) >> 8), byte(len(all))}, all...)
	}
	for _, c := range []struct {
		name  string
		b     []byte
		known uint16
		want  error
	}{
		{"empty", block(), 0, nil},
		{"ignorable", block(entry(0x8000, 0), entry(0xffff, 5)), 0, nil},
		{"known", block(entry(2, 3), entry(0x9000, 1)), 2, nil},
		{"unknown", block(entry(2, 3)), 0, ErrTLVUnknown},
		{"type 0 is unknown", block(entry(0, 0)), 0, ErrTLVUnknown},
		{"0x7fff", block(entry(0x7fff, 0)), 2, ErrTLVUnknown},
		{"twice", block(entry(0x8000, 0), entry(0x8000, 0)), 0, ErrTLVOrder},
		{"descending", block(entry(0x8001, 0), entry(0x8000, 0)), 0, ErrTLVOrder},
		{"entry overruns", block(entry(0x8000, 2)[:5]), 0, ErrTLVLength},
		{"header cut", block([]byte{0x80, 0, 0}), 0, ErrTLVLength},
		{"bytes behind", append(block(), 0), 0, ErrTLVLength},
		{"no ext_len", []byte{0}, 0, ErrTLVLength},
	} {
		value, err := parseTLVs(c.b, c.known)
		if !errors.Is(err, c.want) && !(err == nil && c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.name == "known" && len(value) != 3 {
			t.Errorf("known: value %x", value)
		}
	}
}

func TestParamsBounds(t *testing.T) {
	good := Params{MaxPayload: 65536, IdleTimeoutMS: 1, KeyRotationS: 1, ReassemblyBytes: 262144}
	for _, c := range []struct {
		name string
		edit func(*Params)
		ok   bool
	}{
		{"least", func(*Params) {}, true},
		{"max_payload 2^24", func(p *Params) { p.MaxPayload = 1 << 24 }, true},
		{"max_payload 65 535", func(p *Params) { p.MaxPayload = 65535 }, false},
		{"max_payload above 2^24", func(p *Params) { p.MaxPayload = 1<<24 + 1 }, false},
		{"idle_timeout 0", func(p *Params) { p.IdleTimeoutMS = 0 }, false},
		{"key_rotation 0", func(p *Params) { p.KeyRotationS = 0 }, false},
		{"reassembly_bytes 262 143", func(p *Params) { p.ReassemblyBytes = 262143 }, false},
		{"max_datagram without UDP", func(p *Params) { p.MaxDatagram = 9 }, true},
		{"max_datagram 1199 with UDP", func(p *Params) { p.MaxDatagram, p.Policy = 1199, PolicyAttachUDP }, false},
		{"max_datagram 1452 with UDP", func(p *Params) { p.MaxDatagram, p.Policy = 1452, PolicyAttachUDP }, true},
		{"max_datagram 1453 with UDP", func(p *Params) { p.MaxDatagram, p.Policy = 1453, PolicyAttachUDP }, false},
		{"unknown policy bits", func(p *Params) { p.Policy = 0xff00 }, true},
	} {
		p := good
		c.edit(&p)
		m := ServerIdentity{Kind: 1, Params: p}
		var got ServerIdentity
		if err := got.Parse(m.Append(nil)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPrologueRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Flags(rapid.Uint16Range(0, 0x7f).Draw(t, "flags"))
		p := Prologue{
			Mid: rapid.Uint64Min(1).Draw(t, "mid"), ReplyTo: rapid.Uint64().Draw(t, "reply_to"), N: rapid.Uint64().Draw(t, "n"),
			SubID: rapid.Uint32().Draw(t, "sub_id"), FragID: rapid.Uint32().Draw(t, "frag_id"),
			Index: rapid.Uint16Range(0, 2).Draw(t, "index"), Count: rapid.Uint16().Draw(t, "count"),
			OriginalLen: rapid.Uint32().Draw(t, "original_len"),
		}
		rest := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "body")
		b := append(p.Append(nil, f), rest...)
		var got Prologue
		left, err := got.Parse(f, b)
		if err != nil || !bytes.Equal(left, rest) {
			t.Fatalf("body %x, %v; want %x", left, err, rest)
		}
		if again := got.Append(nil, f); !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("written again: %x, want %x", again, b)
		}
		for n := range len(b) - len(rest) {
			if _, err := got.Parse(f, b[:n]); !errors.Is(err, ErrPrologue) {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
		}
	})
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), Overhead, Overhead).Draw(t, "header")
		copy(b, "XTMP\x01")
		clear(b[28:32])
		clear(b[68:80])
		var h Header
		if err := ParseHeader(b, &h); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, AADSize)
		h.Put(got, Nonce(b)[:NonceSize])
		if !bytes.Equal(got, b[:AADSize]) {
			t.Fatalf("\n got %x\nwant %x", got, b[:AADSize])
		}
	})
}

func TestParseHeaderRefuses(t *testing.T) {
	good := AppendClear(nil, TypeError, 0, 1, nil)
	var h Header
	for n := range Overhead {
		if err := ParseHeader(good[:n], &h); !errors.Is(err, ErrShortHeader) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for i := range 5 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		want := error(ErrMagic)
		if i == 4 {
			want = ErrVersion
		}
		if err := ParseHeader(bad, &h); !errors.Is(err, want) {
			t.Errorf("byte %d: %v, want %v", i, err, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"", 0},
		{string(fill(20, 'a')), 20},
		{strings.Repeat("ü", 200), 256},
		{"x" + strings.Repeat("ü", 200), 255},
	} {
		e := Error{Text: []byte(c.text)}
		var got Error
		if err := got.Parse(e.Append(nil), true); err != nil || len(got.Text) != c.want {
			t.Errorf("%q: %d bytes, %v; want %d", c.text, len(got.Text), err, c.want)
		}
	}
	bad := append((&Error{Code: Internal}).Append(nil), 0xff, 0xfe)
	var got Error
	if err := got.Parse(bad, true); err != nil || got.Text != nil || got.Code != Internal {
		t.Errorf("text that is not UTF-8: %+v, %v", got, err)
	}
}
