package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// movesOf writes a talk in words, without its times.
func movesOf(talk Talk) (words []string) {
	for _, m := range talk.Moves {
		word := string(m.Way)
		if len(m.Bytes) > 0 {
			word += fmt.Sprintf(" %q", m.Bytes)
		}
		if m.Way == WayEnd {
			word += fmt.Sprintf(" by peer %t, reset %t", m.ByPeer, m.Reset)
		}
		words = append(words, word)
	}
	return words
}

// TestTrafficIsKept: what does not pass hands over its bytes, with the keys that
// somebody logged, once each; what passes, or said nothing, does not.
func TestTrafficIsKept(t *testing.T) {
	say := func(line string) func(x *Exchange) {
		return func(x *Exchange) {
			c := converse(x)
			for _, key := range []string{"KEY 1", "KEY 2", "KEY 1"} {
				c.LogKey(key)
			}
			x.Judge(c.ask(line, BudgetReply))
		}
	}
	for _, test := range []struct {
		name string
		run  func(x *Exchange)
		want []string // of the first connection; nil if no traffic is kept
	}{
		{"a pass", say("BAD"), nil},
		{"a failure", say("GOOD"), []string{`open`, `sent "GOOD\n"`, `received "TAKEN\n"`, "end by peer false, reset false"}},
		{"a close", say("CLOSE"), nil},
		{"a reset", say("RESET"), []string{`open`, `sent "RESET\n"`, "end by peer true, reset true", "end by peer false, reset false"}},
		{"a doubt", func(x *Exchange) {
			converse(x).say("IGNORE")
			x.Inconclusive("who knows")
		}, []string{`open`, `sent "IGNORE\n"`, "end by peer false, reset false"}},
		{"our reset", func(x *Exchange) {
			c := converse(x)
			c.say("IGNORE")
			_ = c.Reset()
			x.Inconclusive("who knows")
		}, []string{`open`, `sent "IGNORE\n"`, "end by peer false, reset true"}},
		{"no bytes", func(x *Exchange) {
			x.Dial()
			x.Inconclusive("who knows")
		}, nil},
		{"another feature", func(x *Exchange) {
			converse(x).say("IGNORE")
			x.Unsupported("udp")
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := negative("XC-0002", "", refused())
			c.Run = test.run
			r := resultOf(t, judge(t, lineTarget(t), nil, control(), c), "XC-0002")
			if test.want == nil {
				if r.Traffic != nil {
					t.Errorf("%s keeps %+v", r.Verdict, r.Traffic)
				}
				return
			}
			if r.Traffic == nil || len(r.Traffic.Talks) != 1 || r.Traffic.Cut {
				t.Fatalf("%s keeps %+v", r.Verdict, r.Traffic)
			}
			talk := r.Traffic.Talks[0]
			if got := movesOf(talk); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !talk.Local.IsValid() || talk.Remote.Port() == 0 || talk.Number != 1 {
				t.Errorf("the talk is of %v and %v", talk.Local, talk.Remote)
			}
			if strings.Contains(test.name, "a failure") && !slices.Equal(r.Traffic.Keys, []string{"KEY 1", "KEY 2"}) {
				t.Errorf("keys %q", r.Traffic.Keys)
			}
		})
	}
}

// TestTrafficIsBounded: a flood is cut at its beginning, and nothing follows the
// cut on any connection.
func TestTrafficIsBounded(t *testing.T) {
	c := negative("XC-0002", "", refused())
	c.Run = func(x *Exchange) {
		first, second := converse(x), converse(x)
		first.say("FLOOD")
		first.Within(BudgetCase)
		n, err := io.CopyN(io.Discard, first, maxTraffic+1)
		if n <= maxTraffic && (err == nil || !strings.Contains(err.Error(), "the peer sent more than")) {
			x.Fatal(fmt.Errorf("%d bytes: %w", n, err))
		}
		second.say("GOOD")
		x.Inconclusive("enough")
	}
	r := resultOf(t, judge(t, lineTarget(t), nil, control(), c), "XC-0002")
	if r.Verdict != Inconclusive || r.Traffic == nil || !r.Traffic.Cut {
		t.Fatalf("%s %s keeps %v", r.Verdict, r.Reason, r.Traffic)
	}
	size := 0
	for _, talk := range r.Traffic.Talks {
		for _, m := range talk.Moves {
			size += len(m.Bytes)
		}
	}
	if size > maxTraffic || len(r.Traffic.Talks[1].Moves) != 1 {
		t.Errorf("%d bytes are kept, and %q of the second connection", size, movesOf(r.Traffic.Talks[1]))
	}
}

// TestTrafficOfARunIsBounded: a server that fails everything at length does not
// fill the memory.
func TestTrafficOfARunIsBounded(t *testing.T) {
	r := &run{trafficKept: maxTrafficKept - 3}
	of := func(n int) *attempted {
		return &attempted{traffic: &Traffic{Talks: []Talk{{Moves: []Move{{Bytes: make([]byte, n)}}}}}}
	}
	if r.keepTraffic(Fail, of(4)) != nil || r.keepTraffic(Fail, of(3)) == nil || r.keepTraffic(Fail, of(1)) != nil {
		t.Error("the bound is not kept")
	}
}

// TestFaultsStandAtTheBytes that they are about, on the right connection.
func TestFaultsStandAtTheBytes(t *testing.T) {
	c := negative("XC-0002", "", refused())
	c.Run = func(x *Exchange) {
		first, second := converse(x), converse(x)
		first.Fault("nothing has come yet")
		first.ask("GOOD", BudgetReply)
		second.ask("GOOD", BudgetReply)
		second.Received("answer", []byte("TAKEN\n"), Field{Name: "word", Size: 2})
		first.Fault("it is wrong")
		second.Expected(Difference{Field: "word", Want: "4142"})
		first.Expected(Difference{Field: "word", Want: "4344"})
		x.Inconclusive("who knows")
	}
	r := resultOf(t, judge(t, lineTarget(t), nil, control(), c), "XC-0002")
	faults, wants := 0, 0
	for _, e := range r.Timeline {
		for _, fault := range e.Faults {
			if faults++; e.Conn != 1 || e.Way != WayReceived || fault != "it is wrong" {
				t.Errorf("%q stands at %+v", fault, e)
			}
		}
		for _, f := range e.Fields {
			if f.Want != nil {
				if wants++; e.Conn != 2 || string(f.Want) != "AB" {
					t.Errorf("%+v stands at %+v", f, e)
				}
			}
		}
	}
	if faults != 1 || wants != 1 {
		t.Errorf("%d faults and %d expectations, want one of each", faults, wants)
	}
}
