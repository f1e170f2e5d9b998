package conformance

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// known is an error that says what was observed, as a scripted peer's do.
type observable struct{ o Observation }

func (e observable) Error() string            { return e.o.String() }
func (e observable) Observation() Observation { return e.o }

func TestSeen(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "Accepted"},
		{io.EOF, "CleanClose"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "CleanClose"},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), "Reset"},
		{syscall.EPIPE, "Reset"},
		{os.ErrDeadlineExceeded, "Silence(reply)"},
		{fmt.Errorf("frame: %w", observable{ErrorFrame(3, ScopePath)}), "ErrorFrame(0x03, path)"},
	} {
		o, ok := Seen(test.err, BudgetReply)
		if !ok || o.String() != test.want {
			t.Errorf("%v: got %s, want %s", test.err, o, test.want)
		}
	}
	if o, ok := Seen(io.ErrClosedPipe, ""); ok {
		t.Errorf("our own closed pipe gave %s, want nothing", o)
	}
}

func TestMatch(t *testing.T) {
	e := Expect{
		Strict:    Rows(ErrorFrame(3, ScopePath), ErrorFrame(4, AnyScope)),
		Allowed:   Rows(Silence("T_TEST")),
		Tolerated: Closed(),
		Forbidden: Rows(ErrorFrame(AnyCode, AnyScope), Silence("")),
	}
	for _, test := range []struct {
		o    Observation
		want Match
	}{
		{ErrorFrame(3, ScopePath), Match{GradeStrict, 0}},
		{ErrorFrame(3, ScopeSession), Match{GradeForbidden, 0}},
		{ErrorFrame(4, ScopeSession), Match{GradeStrict, 1}},
		{Silence("T_TEST"), Match{GradeAllowed, 0}},
		{Silence(BudgetReply), Match{GradeForbidden, 1}},
		{Reset(), Match{GradeTolerated, 1}},
		{Accepted(), Match{GradeUnlisted, -1}},
		{Malformed("x"), Match{GradeUnlisted, -1}},
	} {
		if got := e.Match(test.o); got != test.want {
			t.Errorf("%s: got %v, want %v", test.o, got, test.want)
		}
	}
}

func TestEntropy(t *testing.T) {
	first := newEntropy(1, 0, "XC-0001", "key").Bytes(32)
	if again := newEntropy(1, 0, "XC-0001", "key").Bytes(32); !bytes.Equal(first, again) {
		t.Error("the same stream gives other bytes")
	}
	for name, other := range map[string]*Entropy{
		"seed":    newEntropy(2, 0, "XC-0001", "key"),
		"attempt": newEntropy(1, 1, "XC-0001", "key"),
		"case":    newEntropy(1, 0, "XC-0002", "key"),
		"label":   newEntropy(1, 0, "XC-0001", "nonce"),
		"split":   newEntropy(1, 0, "XC-0001k", "ey"),
	} {
		if bytes.Equal(first, other.Bytes(32)) {
			t.Errorf("another %s gives the same bytes", name)
		}
	}
	if token := newEntropy(1, 0).Token(); len(token) != 16 {
		t.Errorf("token %q, want 16 hex digits", token)
	}
}

func TestWaits(t *testing.T) {
	w, err := NewWaits(testRegistry(), 2, 7*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	w.slack = 5 * time.Millisecond
	if got, ok := w.Lookup("T_TEST"); !ok || !got.Timer || got.Limit != time.Second || got.Longest() != 1005*time.Millisecond {
		t.Errorf("T_TEST: %+v; a scale must not change a spec timer, and slack is on top", got)
	}
	if got, ok := w.Lookup(BudgetReply); !ok || got.Timer || got.Longest() != 6*time.Second {
		t.Errorf("reply: %+v, want 6 s", got)
	}
	if _, ok := w.Lookup("never"); ok {
		t.Error("an unknown name resolves")
	}
	if got := w.deadline(&Case{Budget: BudgetCase, Timer: "T_TEST"}); got != 7*time.Second+1005*time.Millisecond {
		t.Errorf("deadline %v, want the case's 7 s and the timer", got)
	}
	w.jitter = 35 * time.Millisecond
	if !w.tooUnsteady("T_SHORT") || w.tooUnsteady("T_TEST") || w.tooUnsteady("") {
		t.Error("35 ms of jitter must spoil a timer of 60 ms, and not one of 1 s")
	}
	for _, scale := range []float64{0, -1, 1e9} {
		if _, err := NewWaits(testRegistry(), scale, 0); err == nil {
			t.Errorf("a scale of %v is taken", scale)
		}
	}
}

func TestTimelineLabels(t *testing.T) {
	tl := timeline{start: time.Now()}
	tl.add(Entry{Conn: 1, Way: WayReceived, Bytes: []byte("ab")})
	tl.add(Entry{Conn: 2, Way: WayReceived, Bytes: []byte("ab")})
	tl.label(1, WayReceived, "whole", []byte("ab"), nil)
	tl.label(1, WayReceived, "joined", []byte("abcd"), nil)
	tl.add(Entry{Way: WayNote, Bytes: make([]byte, maxEntryBytes+1)})
	tl.sealed = true
	tl.add(Entry{Way: WayNote, Label: "too late"})
	got := ""
	for _, e := range tl.entries {
		got += fmt.Sprintf("%d %s %s %d/%d\n", e.Conn, e.Way, e.Label, len(e.Bytes), e.Length)
	}
	want := "1 received whole 2/2\n2 received  2/2\n1 received joined 4/4\n0 note  4096/4097\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTimelineExpects(t *testing.T) {
	tl := timeline{start: time.Now()}
	fields := []Field{{Name: "code", Offset: 1, Size: 1}}
	tl.label(1, WayReceived, "first", []byte("ab"), fields)
	tl.label(1, WayReceived, "second", []byte("cd"), fields)
	tl.label(1, WaySent, "ours", []byte("ef"), fields)
	tl.expect(0, Difference{Field: "code", Want: "0a", Mask: "0f"})
	tl.expect(0, Difference{Field: "code", Want: "not hex"})
	tl.expect(0, Difference{Field: "code", Want: "0a0b"})
	for i, want := range []string{"", "0a/0f", ""} {
		got := ""
		if f := tl.entries[i].Fields[0]; f.Want != nil {
			got = fmt.Sprintf("%x/%x", f.Want, f.Mask)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", tl.entries[i].Label, got, want)
		}
	}
	if fields[0].Want != nil {
		t.Error("the caller's fields have changed")
	}
}

func TestFieldDiffers(t *testing.T) {
	for _, test := range []struct {
		f    Field
		got  []byte
		want bool
	}{
		{Field{}, []byte{1}, false},
		{Field{Want: []byte{1}}, []byte{1}, false},
		{Field{Want: []byte{1}}, []byte{2}, true},
		{Field{Want: []byte{1}}, []byte{1, 1}, true},
		{Field{Want: []byte{0x81}, Mask: []byte{0x80}}, []byte{0x80}, false},
		{Field{Want: []byte{0x81, 2}, Mask: []byte{0x80}}, []byte{0x80, 3}, true},
	} {
		if got := test.f.Differs(test.got); got != test.want {
			t.Errorf("%+v against %x: %v, want %v", test.f, test.got, got, test.want)
		}
	}
}

func TestEndpointLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		"192.0.2.1:1": false, "example.org:1": false, "[2001:db8::1]:1": false, "nonsense": false, "0.0.0.0:1": false,
	} {
		if got := (Endpoint{TCP: address}).Loopback(); got != want {
			t.Errorf("%s: loopback is %v, want %v", address, got, want)
		}
	}
}

func TestBadTargets(t *testing.T) {
	for _, args := range [][2]string{{"", ""}, {"host", ""}, {":1", ""}, {"host:", ""}, {"host:1", "xyz"}, {"host:1", "0a0b"}} {
		if _, err := NewAddress(args[0], args[1]); err == nil {
			t.Errorf("target %q with pin %q is taken", args[0], args[1])
		}
	}
	a, err := NewAddress("host:1", "0A:"+strings.Repeat("0b", 31))
	if err != nil || a.Endpoint().Fingerprint[0] != 0x0a {
		t.Errorf("got %v, %v; colons between the digits are fine", a, err)
	}
	first, second := strings.Repeat("01", 32), strings.Repeat("02", 32)
	a, err = NewAddress("host:1", first, "2:"+second, "1:"+first, "-")
	if err != nil || len(a.Endpoint().Pins) != 2 || a.Endpoint().Fingerprint[0] != 1 || a.Endpoint().Pins[1].Kind != 2 {
		t.Errorf("got %+v, %v; want two pins, the second of kind 2", a, err)
	}
	if _, err := NewAddress("host:1", "3:"+first); err == nil {
		t.Error("a pin of kind 3 is taken")
	}
}

func TestSteadiness(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	s := &steadiness{}
	s.record(at(0), 40*time.Millisecond)
	s.record(at(10), 7*time.Millisecond)
	s.record(at(20), hiccupSize-1)
	for ms, want := range map[int]time.Duration{0: 40 * time.Millisecond, 1: 7 * time.Millisecond, 10: 7 * time.Millisecond, 11: 0} {
		if got := s.worstSince(at(ms)); got != want {
			t.Errorf("since %d ms: %v, want %v", ms, got, want)
		}
	}
	s.record(at(30), time.Hour)
	if got := s.worstSince(at(30)); got != maxSlack {
		t.Errorf("an hour excuses %v, want %v", got, maxSlack)
	}
	for range 2 * hiccupsKept {
		s.record(at(40), 2*time.Millisecond)
	}
	if got := s.worstSince(at(0)); got != 2*time.Millisecond || len(s.hiccups) != hiccupsKept {
		t.Errorf("%d hiccups kept, the worst %v; want the newest %d", len(s.hiccups), got, hiccupsKept)
	}
}
