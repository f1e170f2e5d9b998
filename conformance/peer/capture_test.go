package peer

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/report"
	"github.com/bpci/xtmp/internal/capturefile"
	"github.com/bpci/xtmp/internal/capturefile/keylog"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// failing runs one case against a counterpart and returns its result.
func failing(t *testing.T, server *counterpart, run func(*conformance.Exchange)) conformance.Result {
	t.Helper()
	at := server.start(t)
	suite, err := conformance.NewSuite(spec.Default(), []conformance.Case{{
		ID: "XC-0001", Title: "It fails.", Proves: []string{"XTMP-HBT-004"}, Run: run,
		Expect:  conformance.Expect{Strict: conformance.Rows(conformance.Accepted())},
		Explain: conformance.Explain{Why: "why", Sends: "what", UsualCauses: []string{"cause"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suite.Select(conformance.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := conformance.NewAddress(at.Addr, "")
	if err != nil {
		t.Fatal(err)
	}
	waits, err := conformance.NewWaits(spec.Default(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := plan.Run(t.Context(), conformance.Config{
		Target: target, Waits: waits, Seed: 1, Probe: func(*conformance.Exchange) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcome.Results[0]
}

// TestCaptureIsEnough: with the file alone, every sealed frame of both sides opens.
func TestCaptureIsEnough(t *testing.T) {
	r := failing(t, &counterpart{}, func(x *conformance.Exchange) {
		s, err := New(x.Dial(), Target{}, Options{Entropy: x.Entropy("peer")}).Handshake(Script{})
		if err == nil {
			_, err = s.Ping([]byte("hello"))
		}
		if err != nil {
			x.Fatal(err)
		}
		x.Fail("on purpose")
	})
	if r.Reason != "on purpose" {
		t.Fatal(r.Reason)
	}
	var file bytes.Buffer
	if err := report.WriteCapture(&file, r, "test", "replay"); err != nil {
		t.Fatal(err)
	}
	streams, entries := readCapture(t, &file)
	if len(entries) != 4 || !entries[0].Handshake || entries[3].Label() != "SERVER_PATH_SECRET_0_0" {
		t.Fatalf("the key log holds %v", entries)
	}
	opened := 0
	for from, stream := range streams {
		for len(stream) > 0 {
			f, rest, whole := testkit.DecodeFrame(stream)
			if !whole {
				t.Fatalf("%v: %d bytes are no frame", from, len(stream))
			}
			stream = rest
			if f.Clear() {
				continue
			}
			if !slices.ContainsFunc(entries, func(e keylog.Entry) bool {
				_, err := f.Open(testkit.DeriveKeys(e.Secret[:]))
				return err == nil && f.Header.Uint("session_id") == e.Session
			}) {
				t.Errorf("%v: a frame of type 0x%02X does not open", from, f.Type())
			}
			opened++
		}
	}
	if opened < 5 { // ServerFlight, ClientFinish, HandshakeDone, PING, PONG
		t.Errorf("%d sealed frames", opened)
	}
}

// readCapture returns the bytes that each side sent, and the key log.
func readCapture(t *testing.T, r io.Reader) (map[netip.AddrPort][]byte, []keylog.Entry) {
	t.Helper()
	reader, err := capturefile.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	streams := map[netip.AddrPort][]byte{}
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.Segment()
		if err != nil {
			t.Fatal(err)
		}
		streams[s.From] = append(streams[s.From], s.Payload...)
	}
	secrets := reader.Secrets()
	if len(secrets) != 1 || secrets[0].Type != capturefile.SecretsXTMP {
		t.Fatalf("secrets %v", secrets)
	}
	entries, err := keylog.Parse(secrets[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	return streams, entries
}

// TestTimelineOpensBothSides: a reader sees the plaintext of what was sent and of
// what was received, and what is wrong stands at the frame, with the value that the
// field should have had.
func TestTimelineOpensBothSides(t *testing.T) {
	spoiled := &counterpart{prologue: func(p *testkit.Message) { p.SetUint("mid", 7) }}
	r := failing(t, spoiled, func(x *conformance.Exchange) {
		_, _ = New(x.Dial(), Target{}, Options{Entropy: x.Entropy("peer")}).Handshake(Script{Lenient: true})
		x.Fail("on purpose")
	})
	opened := map[conformance.Way]bool{}
	var wrong *conformance.Field
	for _, e := range r.Timeline {
		for i, f := range e.Fields {
			opened[e.Way] = opened[e.Way] || f.Name == "envelope.hs_type" && f.Opened != nil
			if f.Name == "prologue.mid" && f.Want != nil && len(e.Faults) > 0 && strings.HasPrefix(e.Faults[0], "XTMP-MSG-011: ") {
				wrong = &e.Fields[i]
			}
		}
	}
	if !opened[conformance.WaySent] || !opened[conformance.WayReceived] {
		t.Errorf("opened: %v", opened)
	}
	if wrong == nil || testkit.Uint(wrong.Want) != 1 || testkit.Uint(wrong.Opened) != 7 {
		t.Errorf("the mid is %+v", wrong)
	}
}

// TestBytesThatAreNoFrame are in the timeline, named and annotated, once.
func TestBytesThatAreNoFrame(t *testing.T) {
	for name, test := range map[string]struct {
		instead []byte
		label   string
		want    string // what magic should have been
	}{
		"other bytes":  {[]byte("HTTP/1.1 400 Bad Request"), "bytes that are no frame", "XTMP"},
		"half a frame": {[]byte("XTMP\x01\x02"), "the beginning of a frame", ""},
		"an endless frame": {
			slices.Concat([]byte("XTMP\x01\x02"), bytes.Repeat([]byte{0xFF}, 100)), "the beginning of a frame that is too long", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := failing(t, &counterpart{instead: test.instead}, func(x *conformance.Exchange) {
				c := New(x.Dial(), Target{}, Options{Entropy: x.Entropy("peer")})
				_, err := c.Handshake(Script{})
				_, again := c.ReadFrame(0)
				if err == nil || again == nil {
					x.Fatal(errors.New("it was a frame"))
				}
				x.Fail("on purpose")
			})
			var found []conformance.Entry
			for _, e := range r.Timeline {
				if e.Label == test.label {
					found = append(found, e)
				}
			}
			if len(found) != 1 || found[0].Way != conformance.WayReceived || !bytes.Equal(found[0].Bytes, test.instead) {
				t.Fatalf("%s: got %+v", r.Reason, found)
			}
			if f := found[0].Fields[0]; f.Name != "frame.magic" || string(f.Want) != test.want {
				t.Errorf("the first field is %+v", f)
			}
		})
	}
}

// TestAnotherPong is no answer, and the timeline says why.
func TestAnotherPong(t *testing.T) {
	server := &counterpart{reply: func(s *counterpart, f frame) {
		if f.Type() == typeHeartbeat {
			s.send(typeHeartbeat, 0, HeartbeatBody(Pong, []byte("jello")))
		}
	}}
	r := failing(t, server, func(x *conformance.Exchange) {
		options := Options{Entropy: x.Entropy("peer"), Wait: x.Wait(conformance.BudgetQuiet).Longest()}
		s, err := New(x.Dial(), Target{}, options).Handshake(Script{})
		if err != nil {
			x.Fatal(err)
		}
		_, err = s.Ping([]byte("hello"))
		if o := x.Observe(err, conformance.BudgetQuiet); o.Kind != conformance.KindSilence || len(s.Violations()) > 0 {
			x.Fatal(err)
		}
		x.Fail("on purpose")
	})
	for _, e := range r.Timeline {
		for _, f := range e.Fields {
			if f.Name == "heartbeat.data" && string(f.Want) == "hello" && string(f.Opened) == "jello" && len(e.Faults) == 1 {
				return
			}
		}
	}
	t.Errorf("%s: no entry says what the PONG should have been", r.Reason)
}
