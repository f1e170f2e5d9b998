package websocket

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// frame returns a frame of XTMP with n bytes of payload.
func frame(n int) []byte { return wire.AppendClear(nil, wire.TypeError, 1, 2, make([]byte, n)) }

// keys is an endless reader of masking keys, none of which is 0.
type keys struct{ next byte }

func (k *keys) Read(b []byte) (int, error) {
	for i := range b {
		k.next = k.next%255 + 1
		b[i] = k.next
	}
	return len(b), nil
}

// encoded returns a frame of RFC 6455 as a client sends it, or a server.
func encoded(client bool, f ws.Frame) []byte {
	if client {
		f = ws.MaskFrameWith(f, [4]byte{1, 2, 3, 4})
	}
	return ws.MustCompileFrame(f)
}

func data(op ws.OpCode, fin bool, payload []byte) ws.Frame { return ws.NewFrame(op, fin, payload) }

func closeFrame(code ws.StatusCode, reason string) ws.Frame {
	return ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason))
}

// outcome is everything that can be seen of a Conn.
type outcome struct {
	frames        []string
	pongs         []string
	failed, ended bool
	closes        ws.StatusCode // that AppendClose writes
	held          bool
}

// hear feeds a stream to a Conn in pieces of the given sizes, the rest at once.
func hear(t rapid.TB, c *Conn, stream []byte, sizes []int) (o outcome) {
	t.Helper()
	for len(stream) > 0 {
		n := len(stream)
		if len(sizes) > 0 {
			n, sizes = min(n, sizes[0]), sizes[1:]
		}
		piece := append(make([]byte, 0, n), stream[:n]...) // what was handed over is not kept
		stream = stream[n:]
		c.Feed(piece)
		for f, ok := c.Next(); ok; f, ok = c.Next() {
			o.frames = append(o.frames, string(f))
		}
		clear(piece)
		if has := c.Held(); has > 2*len(c.message)+growthMax+2*wire.TagSize+1 {
			t.Fatalf("%d bytes of memory for %d that have come", has, len(c.message))
		}
	}
	o.failed, o.ended, o.held = c.Failed(), c.Ended(), c.Held() > 0
	if f := framesOf(t, c.AppendPong(nil)); len(f) > 0 {
		o.pongs = append(o.pongs, string(f[0].Payload))
	}
	code, _ := ws.ParseCloseFrameData(framesOf(t, c.AppendClose(nil))[0].Payload)
	o.closes = code
	return o
}

// readFrame reads one frame of RFC 6455.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err == nil {
		f.Payload = make([]byte, f.Header.Length)
		_, err = io.ReadFull(r, f.Payload)
	}
	return f, err
}

// framesOf reads what a Conn has appended.
func framesOf(t rapid.TB, b []byte) (all []ws.Frame) {
	t.Helper()
	for r := bytes.NewReader(b); r.Len() > 0; {
		f, err := readFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.Masked {
			f = ws.UnmaskFrameInPlace(f)
		}
		all = append(all, f)
	}
	return all
}

// What the rules of chapter 14 and of RFC 6455 make of one stream.
func TestReactions(t *testing.T) {
	small, large := frame(10), frame(MaxMessage-wire.Overhead)
	stream := func(frames ...ws.Frame) []byte {
		var b []byte
		for _, f := range frames {
			b = append(b, encoded(true, f)...)
		}
		return b
	}
	long := ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 1 << 40}
	var promise bytes.Buffer
	if err := ws.WriteHeader(&promise, long); err != nil {
		t.Fatal(err)
	}
	reserved := ws.NewBinaryFrame(small)
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	ping, binary := ws.NewPingFrame([]byte("hi")), ws.NewBinaryFrame
	for name, test := range map[string]struct {
		in     []byte
		frames int
		pong   string
		failed bool
		ended  bool
		code   ws.StatusCode
	}{
		"one frame":             {in: stream(binary(small)), frames: 1, code: 1000},
		"the largest":           {in: stream(binary(large)), frames: 1, code: 1000},
		"one behind another":    {in: stream(binary(small), binary(large), binary(small)), frames: 3, code: 1000},
		"fragments":             {in: stream(data(2, false, small[:9]), data(0, false, nil), data(0, true, small[9:])), frames: 1, code: 1000},
		"an empty last piece":   {in: stream(data(2, false, small), data(0, true, nil)), frames: 1, code: 1000},
		"empty first pieces":    {in: stream(data(2, false, nil), data(0, false, nil), data(0, true, small)), frames: 1, code: 1000},
		"a Ping":                {in: stream(ping), pong: "hi", code: 1000},
		"the last of two Pings": {in: stream(ws.NewPingFrame([]byte("first")), ping), pong: "hi", code: 1000},
		"a Pong":                {in: stream(ws.NewPongFrame([]byte("x"))), code: 1000},
		"a Ping within a message": {
			in: stream(data(2, false, small[:96]), ping, data(0, true, small[96:])), frames: 1, pong: "hi", code: 1000,
		},
		"Close":               {in: stream(binary(small), closeFrame(1001, "bye")), frames: 1, ended: true, code: 1001},
		"Close without code":  {in: stream(ws.NewCloseFrame(nil)), ended: true, code: 1000},
		"Close, then a frame": {in: stream(closeFrame(4000, ""), binary(small)), ended: true, code: 4000},
		"Close in a message":  {in: stream(data(2, false, small[:9]), closeFrame(1000, "")), ended: true, code: 1000},

		"a text":                    {in: stream(ws.NewTextFrame([]byte("XTMP"))), failed: true, code: 1003},
		"a text in fragments":       {in: stream(data(1, false, small[:9]), data(0, true, small[9:])), failed: true, code: 1003},
		"an empty text":             {in: stream(ws.NewTextFrame(nil)), failed: true, code: 1003},
		"an empty message":          {in: stream(binary(nil)), failed: true, code: 1002},
		"95 bytes":                  {in: stream(binary(small[:95])), failed: true, code: 1002},
		"a byte short":              {in: stream(binary(small[:len(small)-1])), failed: true, code: 1002},
		"a byte long":               {in: stream(binary(append(slices.Clone(small), 0))), failed: true, code: 1002},
		"two frames in a message":   {in: stream(binary(append(slices.Clone(small), small...))), failed: true, code: 1002},
		"a frame, then a bad one":   {in: stream(binary(small), binary(small[:95]), binary(small)), frames: 1, failed: true, code: 1002},
		"too long":                  {in: stream(binary(append(slices.Clone(large), 0))), failed: true, code: 1009},
		"too long, promised":        {in: promise.Bytes(), failed: true, code: 1009},
		"too long, in pieces":       {in: stream(data(2, false, large), data(0, true, []byte{0})), failed: true, code: 1009},
		"too long, and then Close":  {in: stream(data(2, true, append(large, 0)), closeFrame(1000, "")), failed: true, ended: true, code: 1009},
		"a reserved opcode":         {in: stream(data(3, true, nil)), failed: true, code: 1002},
		"a reserved bit":            {in: stream(reserved), failed: true, code: 1002},
		"without a mask":            {in: encoded(false, binary(small)), failed: true, code: 1002},
		"a length of 2^63":          {in: []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, failed: true, code: 1002},
		"a continuation of nothing": {in: stream(data(0, true, small)), failed: true, code: 1002},
		"a message in a message":    {in: stream(data(2, false, small[:9]), binary(small)), failed: true, code: 1002},
		"a Ping in pieces":          {in: stream(data(9, false, nil)), failed: true, code: 1002},
		"a Ping of 126 bytes":       {in: stream(ws.NewPingFrame(make([]byte, 126))), failed: true, code: 1002},
		"Close with half a code":    {in: stream(ws.NewCloseFrame([]byte{3})), failed: true, ended: true, code: 1002},
		"Close with code 1005":      {in: stream(closeFrame(1005, "")), failed: true, ended: true, code: 1002},
		"Close with code 999":       {in: stream(closeFrame(999, "")), failed: true, ended: true, code: 1002},
		"Close that is no UTF-8":    {in: stream(closeFrame(1000, "\xff")), failed: true, ended: true, code: 1007},
		"nothing after a violation": {in: stream(ws.NewTextFrame(nil), binary(small), ping), failed: true, code: 1003},
	} {
		for _, sizes := range [][]int{nil, {1, 1, 1, 1, 1, 1, 1, 1}, {3, 5, 93, 4, 300}} {
			got := hear(t, NewServer(), test.in, sizes)
			pong := strings.Join(got.pongs, ",")
			if len(got.frames) != test.frames || pong != test.pong ||
				got.failed != test.failed || got.ended != test.ended || got.closes != test.code {
				t.Errorf("%s, in pieces of %v: %d frames, pong %q, failed %v, ended %v, Close %d", name, sizes,
					len(got.frames), pong, got.failed, got.ended, got.closes)
			}
			for _, f := range got.frames {
				if f != string(small) && f != string(large) {
					t.Errorf("%s, in pieces of %v: a frame is changed", name, sizes)
				}
			}
		}
	}
}

// A client is held to the mirror of it: nothing that it hears is masked, everything
// that it says is.
func TestClient(t *testing.T) {
	c := NewClient(&keys{})
	if got := hear(t, c, encoded(false, ws.NewBinaryFrame(frame(3))), nil); len(got.frames) != 1 {
		t.Error("a frame is not taken")
	}
	if got := hear(t, NewClient(&keys{}), encoded(true, ws.NewBinaryFrame(frame(3))), nil); !got.failed || got.closes != 1002 {
		t.Error("a mask is accepted")
	}
	c = NewClient(&keys{})
	said := c.AppendMessages(nil, append(frame(3), frame(70_000)...))
	said = c.AppendClose(said)
	masks := map[[4]byte]bool{}
	for r := bytes.NewReader(said); r.Len() > 0; {
		f, err := readFrame(r)
		if err != nil || !f.Header.Masked || f.Header.Mask == [4]byte{} {
			t.Fatalf("%v: %+v", err, f.Header)
		}
		masks[f.Header.Mask] = true
	}
	if len(masks) != 3 {
		t.Errorf("three frames have %d masks", len(masks))
	}
	got := hear(t, NewServer(), said, nil)
	if want := []string{string(frame(3)), string(frame(70_000))}; !slices.Equal(got.frames, want) || !got.ended {
		t.Error("a server understands something else")
	}
}

// After the own Close nothing counts but the peer's. [XTMP-WSK-023]
func TestCloseIsLast(t *testing.T) {
	c := NewServer()
	c.Feed(encoded(true, ws.NewPingFrame(nil)))
	if _, ok := c.Next(); ok || !c.Owes() {
		t.Fatal("no Pong is owed")
	}
	first, second := c.AppendClose(nil), c.AppendClose(nil)
	if code, _ := ws.ParseCloseFrameData(framesOf(t, first)[0].Payload); code != 1000 || second != nil || !c.Said() {
		t.Errorf("Close is %x, then %x", first, second)
	}
	if pong := c.AppendPong(nil); pong != nil || c.Owes() {
		t.Error("a Pong follows Close")
	}
	for _, f := range []ws.Frame{ws.NewBinaryFrame(frame(100)), ws.NewTextFrame(nil), closeFrame(1001, "")} {
		c.Feed(encoded(true, f))
		if _, ok := c.Next(); ok || c.Failed() || c.Held() > 0 {
			t.Error("something counts behind Close")
		}
	}
	if !c.Ended() {
		t.Error("the peer's Close is overheard")
	}
}

// However a stream is cut, and however messages are cut into fragments with
// control frames between them, the same comes out.
func TestAnyDivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		client := rapid.Bool().Draw(t, "from a client")
		var stream []byte
		var frames []string
		pong := ""
		say := func(f ws.Frame) {
			if client {
				f = ws.MaskFrameWith(f, [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "mask")))
			}
			stream = append(stream, ws.MustCompileFrame(f)...)
		}
		for range rapid.IntRange(0, 5).Draw(t, "messages") {
			rest := frame(rapid.SampledFrom([]int{0, 1, 29, 30, 125, 300, 66_000}).Draw(t, "payload"))
			frames = append(frames, string(rest))
			op := ws.OpBinary
			for more := true; more; op = ws.OpContinuation {
				n := rapid.IntRange(0, len(rest)).Draw(t, "piece")
				if more = rapid.Bool().Draw(t, "more"); !more {
					n = len(rest)
				}
				say(data(op, !more, slices.Clone(rest[:n])))
				rest = rest[n:]
				switch rapid.IntRange(0, 3).Draw(t, "between") {
				case 0:
					pong = rapid.StringN(0, 20, 125).Draw(t, "ping")
					say(ws.NewPingFrame([]byte(pong)))
				case 1:
					say(ws.NewPongFrame([]byte("unasked")))
				}
			}
		}
		end := rapid.SampledFrom([]ws.StatusCode{0, 1000, 1001}).Draw(t, "end")
		if end != 0 {
			say(closeFrame(end, "reason"))
		}
		c := NewServer()
		if !client {
			c = NewClient(&keys{})
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 400), 0, 300).Draw(t, "sizes")
		got := hear(t, c, stream, sizes)
		if !slices.Equal(got.frames, frames) || got.failed || got.held || got.ended != (end != 0) {
			t.Fatalf("%d of %d frames, failed %v, held %v, ended %v", len(got.frames), len(frames), got.failed, got.held, got.ended)
		}
		if want := fmt.Sprint([]string{pong}); end == 0 && pong != "" && fmt.Sprint(got.pongs) != want {
			t.Fatalf("pongs %q, want %q", got.pongs, want)
		}
	})
}

// Frames that were said are heard, whoever says them.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var frames []byte
		var want []string
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 70_000), 0, 4).Draw(t, "payloads") {
			f := frame(n)
			frames = append(frames, f...)
			want = append(want, string(f))
		}
		from, to := NewServer(), NewClient(&keys{})
		if rapid.Bool().Draw(t, "up") {
			from, to = to, from
		}
		got := hear(t, to, from.AppendMessages(nil, frames), rapid.SliceOf(rapid.IntRange(1, 3000)).Draw(t, "sizes"))
		if !slices.Equal(got.frames, want) || got.failed {
			t.Fatalf("%d of %d frames, failed %v", len(got.frames), len(want), got.failed)
		}
	})
}

// A message that arrives whole, and one that is sent, allocate nothing.
func TestAllocations(t *testing.T) {
	server, client := NewServer(), NewClient(&keys{})
	frames := slices.Concat(frame(10), frame(200), frame(2000))
	up, down := make([]byte, 0, 4096), make([]byte, 0, 4096)
	n := testing.AllocsPerRun(100, func() {
		up = client.AppendMessages(up[:0], frames)
		down = down[:0]
		server.Feed(up)
		for f, ok := server.Next(); ok; f, ok = server.Next() {
			down = server.AppendMessages(down, f)
		}
		client.Feed(down)
		heard := 0
		for f, ok := client.Next(); ok; f, ok = client.Next() {
			heard += len(f)
		}
		if heard != len(frames) {
			t.Fatalf("%d bytes of %d came back", heard, len(frames))
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// T_FRAME runs from the first byte of a message to its last.
func TestHeld(t *testing.T) {
	c := NewServer()
	steps := []struct {
		says string
		b    []byte
		held bool
	}{
		{"the header of a Ping", []byte{0x89, 0x81}, false},
		{"the rest of it", []byte{1, 2, 3, 4, 'x'}, false},
		{"a part of a header", encoded(true, data(2, false, nil))[:3], false},
		{"the rest of an empty piece", encoded(true, data(2, false, nil))[3:], true},
		{"a Ping in between", encoded(true, ws.NewPingFrame(nil)), true},
		{"all but the last byte", encoded(true, data(0, true, frame(9)))[:6+104], true},
		{"the last byte", encoded(true, data(0, true, frame(9)))[6+104:], false},
	}
	for _, step := range steps {
		c.Feed(slices.Clone(step.b))
		for _, ok := c.Next(); ok; _, ok = c.Next() {
			continue
		}
		if got := c.Held() > 0; got != step.held || c.Failed() {
			t.Errorf("%s: held %v, failed %v", step.says, got, c.Failed())
		}
	}
}
