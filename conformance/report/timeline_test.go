package report

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/internal/capturefile"
)

// frameEntry is a received frame of 3 bytes of header and 1 byte that is sealed.
func frameEntry(label string, mid string) Entry {
	return Entry{
		Way: "received", Conn: 1, Label: label, Bytes: "020003ee", Length: 4,
		Fields: []Field{
			{Name: "frame.message_type", Size: 1, Meaning: "HandshakeAck"},
			{Name: "frame.flags", Offset: 1, Size: 2, Meaning: "ENCRYPTED"},
			{Name: "prologue.mid", Offset: 3, Size: 1, Opened: "02", Want: mid},
		},
	}
}

func TestEntriesOpenWhatWasSealed(t *testing.T) {
	e := entryOf(frameEntry("HandshakeDone", "01"))
	if e.Head != "type 0x02 HandshakeAck · flags 0x0003 ENCRYPTED" {
		t.Errorf("head %q", e.Head)
	}
	if got := e.Dump[0].Runs; len(got) != 3 || got[2].Hex != "02" || !got[2].Bad || !e.Opened {
		t.Errorf("dump %+v", got)
	}
	if len(e.Bad) != 1 || e.Bad[0].Actual != "02" || e.Bad[0].Want != "01" {
		t.Errorf("bad fields %+v", e.Bad)
	}
	// The ciphertext is not what is compared.
	if e := entryOf(frameEntry("HandshakeDone", "02")); len(e.Bad) != 0 {
		t.Errorf("a field that is as it must be is bad: %+v", e.Bad)
	}
}

func TestDecisiveEntry(t *testing.T) {
	hello, done := frameEntry("ServerHello", ""), frameEntry("HandshakeDone", "01")
	hello.Faults, done.Faults = []string{"XTMP-HSK-014: late"}, []string{"XTMP-HSK-054: not mid 1"}
	raw := Entry{Way: "received", Conn: 1, Bytes: "00", Length: 1}
	sent := Entry{Way: "sent", Conn: 1, Label: "PING", Bytes: "01", Length: 1}
	wait := Entry{Way: "wait", Label: "waits at most reply"}
	note := Entry{Way: "note"}
	judge := Entry{Way: "judge", Label: "fail: so"}
	silence := Entry{Way: "judge", Label: "Silence(reply): unlisted"}
	diff := []Diff{{Field: "prologue.mid", Want: "01", Got: "02"}}
	for _, test := range []struct {
		name     string
		verdict  string
		reason   string
		diffs    []Diff
		timeline []Entry
		want     int
	}{
		{"the fault that the reason names", "fail", "not so: XTMP-HSK-014: late", nil, []Entry{hello, done, note, judge}, 0},
		{"the field that differs", "fail", "done: prologue.mid is 02, must be 01", diff, []Entry{hello, done, raw, judge}, 1},
		{"what came last", "fail", "got Accepted", nil, []Entry{hello, sent, done, note, judge, raw}, 2},
		{"what did not come", "fail", "got Silence(reply)", nil, []Entry{hello, sent, wait, note, silence}, 2},
		{"nothing came", "inconclusive", "no connection", nil, []Entry{sent, note}, -1},
		{"a pass", "pass", "", nil, []Entry{hello, judge}, -1},
	} {
		c := Case{Verdict: test.verdict, Reason: test.reason, Diffs: test.diffs, Timeline: test.timeline}
		if got := decisiveEntry(c); got != test.want {
			t.Errorf("%s: entry %d, want %d", test.name, got, test.want)
		}
	}
}

// TestEntriesLeaveNoBytesOut: reads whose frames follow are left out; bytes that no
// frame shows, and all that was sent, are not.
func TestEntriesLeaveNoBytesOut(t *testing.T) {
	raw := Entry{Way: "received", Conn: 1, Bytes: "00", Length: 1}
	other := Entry{Way: "received", Conn: 2, Bytes: "00", Length: 1}
	faulty := raw
	faulty.Faults = []string{"XTMP-HDR-001: no frame"}
	sent := Entry{Way: "sent", Conn: 1, Bytes: "01", Length: 1}
	list, omitted := entriesOf(Case{Verdict: "pass", Timeline: []Entry{raw, frameEntry("ServerHello", ""), sent, other, faulty}})
	var got []string
	for _, e := range list {
		got = append(got, strings.Join([]string{e.Way, e.Label, strings.Join(e.Faults, "")}, " "))
		if len(e.Dump) == 0 {
			t.Errorf("no bytes of %+v", e)
		}
	}
	want := []string{"received ServerHello ", "sent  ", "received  ", "received  XTMP-HDR-001: no frame"}
	if diff := cmp.Diff(want, got); diff != "" || omitted != 0 {
		t.Errorf("%d omitted; %s", omitted, diff)
	}
}

func TestMinimalParams(t *testing.T) {
	of := func(verdict, bit, state string) Case {
		return Case{Verdict: verdict, Params: []Param{{"bit", bit}, {"state", state}}}
	}
	for _, test := range []struct {
		name   string
		cases  []Case
		want   []string
		always bool
	}{
		{
			"one value",
			[]Case{of("pass", "1", "a"), of("fail", "1", "b"), of("pass", "2", "a"), of("fail", "2", "b")},
			[]string{"state=b"},
			false,
		},
		{
			"two together",
			[]Case{of("pass", "1", "a"), of("fail", "1", "b"), of("pass", "2", "a"), of("pass", "2", "b")},
			[]string{"bit=1, state=b"},
			false,
		},
		{
			"two reasons",
			[]Case{of("fail", "1", "a"), of("fail", "1", "b"), of("pass", "2", "a"), of("warn", "2", "b")},
			[]string{"bit=1", "state=b"},
			false,
		},
		{"all", []Case{of("fail", "1", "a"), of("fail", "2", "a")}, nil, true},
		{"none", []Case{of("pass", "1", "a"), of("pass-tolerated", "2", "a")}, nil, false},
		{"what did not run says nothing", []Case{of("fail", "1", "a"), of("skipped", "1", "b"), of("pass", "2", "a")}, []string{"bit=1"}, false},
		{"no params", []Case{{Verdict: "fail"}}, nil, false},
	} {
		got, always := minimalParams(test.cases)
		if diff := cmp.Diff(test.want, got); diff != "" || always != test.always {
			t.Errorf("%s: always %t, %s", test.name, always, diff)
		}
	}
}

func TestCaptureName(t *testing.T) {
	for id, want := range map[string]string{
		"XC-0142":                      "XC-0142.pcapng",
		"XC-0142[bit=3,state=a/../ b]": "XC-0142-bit-3-state-a-----b.pcapng",
		"XC-0142[x=" + strings.Repeat("é", 200) + "]": "XC-0142-x.pcapng",
		"XC-0142[x=" + strings.Repeat("y", 200) + "]": "XC-0142-x-" + strings.Repeat("y", maxCaptureName-len("XC-0142-x-")) + ".pcapng",
	} {
		if got := CaptureName(id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

// TestWriteCapture: what an attempt kept is what the file says, and the file says
// which case it is of.
func TestWriteCapture(t *testing.T) {
	local, remote := netip.MustParseAddrPort("127.0.0.7:40000"), netip.MustParseAddrPort("127.0.0.1:8090")
	at := time.Unix(1700000000, 0)
	r := conformance.Result{
		ID: "XC-0002[bit=3]", Case: conformance.Case{Title: "A title."},
		Verdict: conformance.Fail, Reason: "a reason " + strings.Repeat("é", 3000),
		Traffic: &conformance.Traffic{
			Keys: []string{"LABEL 1", "LABEL 2"}, Cut: true,
			Talks: []conformance.Talk{{Number: 1, Local: local, Remote: remote, Moves: []conformance.Move{
				{At: at, Way: conformance.WayOpen},
				{At: at, Way: conformance.WaySent, Bytes: []byte("question")},
				{At: at, Way: conformance.WayReceived, Bytes: []byte("answer")},
				{At: at, Way: conformance.WayEnd, ByPeer: true},
				{At: at, Way: conformance.WayEnd, Reset: true},
			}}},
		},
	}
	var file bytes.Buffer
	if err := WriteCapture(&file, r, "judge", "xtmp-conform run"); err != nil {
		t.Fatal(err)
	}
	reader, err := capturefile.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	section := reader.Section()
	about := "XC-0002[bit=3]: A title.\nreplay: xtmp-conform run\nOnly the beginning"
	if section.Application != "judge" || !strings.HasPrefix(section.Comment, about) {
		t.Errorf("section %+.200v", section)
	}
	said := map[netip.AddrPort]string{}
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		s, errSegment := p.Segment()
		if err != nil || errSegment != nil {
			t.Fatal(err, errSegment)
		}
		said[s.From] += string(s.Payload)
		if s.FIN && s.From == remote {
			said[s.From] += " FIN"
		}
		if s.RST && s.From == local {
			said[s.From] += " RST"
		}
	}
	if said[local] != "question RST" || said[remote] != "answer FIN" {
		t.Errorf("said %q", said)
	}
	if s := reader.Secrets(); len(s) != 1 || s[0].Type != capturefile.SecretsXTMP || string(s[0].Data) != "LABEL 1\nLABEL 2\n" {
		t.Errorf("secrets %v", s)
	}
}
