package conformance

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"time"
)

// A ruling is what an exchange has come to so far.
type ruling struct {
	verdict  Verdict // empty while nothing has been judged
	reason   string
	timing   bool // the failure is that something came too late or too early
	observed *Observation
	match    *Match
	diffs    []Difference
}

// A Difference is a field of the peer's bytes that is not what it must be.
type Difference struct {
	Field string
	Want  string // hex for bytes, else as printed
	Got   string
	Mask  string // hex; empty when every bit counts
}

// Judge grades an observation by the case's table. A reaction that passes is
// noted and the case goes on; any other ends the case.
func (x *Exchange) Judge(o Observation) {
	x.checkLive()
	c := x.instance.Case
	if c.Expect.Empty() {
		x.harness("the case has no table of reactions, so nothing can be judged by it")
	}
	match := c.Expect.Match(o)
	verdict := match.verdict(o, c.Level)
	x.mu.Lock()
	x.timeline.add(Entry{Way: WayJudge, Label: fmt.Sprintf("%s: %s", o, match.Grade)})
	if verdict.Passed() && x.ruling.verdict != "" {
		verdict = verdict.Worse(x.ruling.verdict)
	}
	x.ruling = ruling{
		verdict: verdict, observed: &o, match: &match,
		timing: o.Kind == KindSilence && !verdict.Passed(),
	}
	if !verdict.Passed() {
		x.ruling.reason = reasonOf(c.Expect, o, match)
	}
	x.mu.Unlock()
	if !verdict.Passed() {
		panic(stopped{})
	}
}

// reasonOf is one line that stays the same from run to run.
func reasonOf(expect Expect, o Observation, m Match) string {
	reason := fmt.Sprintf("got %s, wanted %s", o, expect.wanted())
	if m.Grade == GradeForbidden {
		if because := expect.Forbidden[m.Index].Because; because != "" {
			reason += " (forbidden: " + because + ")"
		}
	}
	if o.Detail != "" {
		reason += ": " + o.Detail
	}
	return reason
}

// Observe turns the error of a read or a fence into an observation, as Seen
// does. An error that says nothing about the peer is an error of the harness.
func (x *Exchange) Observe(err error, wait string) Observation {
	x.checkLive()
	o, ok := Seen(err, wait)
	if !ok {
		x.harness("an error that says nothing about the peer: %v", err)
	}
	return o
}

// A Fencer asks a known-good question on a conversation that should have
// survived, and returns nil once its answer has come. Its error is one that
// Seen understands. The wait is the name that bounds the answer.
type Fencer interface {
	Fence(wait string) error
}

// Fence shows that nothing happened without waiting for nothing: it puts a
// good question behind the bytes. Ignored means that the question was
// answered; any other observation is what came in place of the answer.
func (x *Exchange) Fence(f Fencer) Observation {
	x.Note("fence: a known-good question behind the bytes")
	err := f.Fence(BudgetFence)
	if err == nil {
		x.checkLive()
		return Ignored()
	}
	return x.Observe(err, BudgetFence)
}

// Require ends the case as failed unless ok. The sentence says what must be
// true, and stays the same from run to run.
func (x *Exchange) Require(ok bool, sentence string, args ...any) {
	x.checkLive()
	if !ok {
		x.end(failAt(x.instance.Level), "not so: "+fmt.Sprintf(sentence, args...))
	}
	x.noteJudged()
}

// RequireInTime is Require for what is only so if nobody stood still for too
// long: that it is not so is a timing failure.
func (x *Exchange) RequireInTime(ok bool, sentence string, args ...any) {
	x.checkLive()
	if !ok {
		x.mu.Lock()
		x.ruling.timing = true
		x.mu.Unlock()
	}
	x.Require(ok, sentence, args...)
}

// RequireField ends the case as failed unless got equals want. Values are
// compared as fmt prints them with %v.
func (x *Exchange) RequireField(field string, want, got any) {
	x.requireEqual(Difference{Field: field, Want: fmt.Sprint(want), Got: fmt.Sprint(got)}, fmt.Sprint(want) == fmt.Sprint(got))
}

// RequireBytes ends the case as failed unless got equals want in the bits that
// mask selects. A nil mask selects all.
func (x *Exchange) RequireBytes(field string, want, mask, got []byte) {
	x.requireEqual(Difference{
		Field: field, Want: hex.EncodeToString(want), Got: hex.EncodeToString(got), Mask: hex.EncodeToString(mask),
	}, len(want) == len(got) && (equalUnderMask(want, got, mask) || bytes.Equal(want, got)))
}

func (x *Exchange) requireEqual(d Difference, equal bool) {
	x.checkLive()
	if !equal {
		x.differ([]Difference{d}, fmt.Sprintf("%s is %s, must be %s", d.Field, d.Got, d.Want))
	}
	x.noteJudged()
}

// RequireSame ends the case as failed when there are differences. What names
// the thing that was compared. The differences go into the report, and into the
// newest received entry of the timeline that has fields of these names.
func (x *Exchange) RequireSame(what string, diffs []Difference) {
	x.checkLive()
	if len(diffs) > 0 {
		reason := fmt.Sprintf("%s: %s is %s, must be %s", what, diffs[0].Field, diffs[0].Got, diffs[0].Want)
		if more := len(diffs) - 1; more > 0 {
			reason += fmt.Sprintf(", and %d more", more)
		}
		x.differ(diffs, reason)
	}
	x.noteJudged()
}

// Fail ends the case as failed. It fits gomega.NewGomega, so that a case can
// use matchers.
func (x *Exchange) Fail(message string, _ ...int) {
	x.checkLive()
	x.end(failAt(x.instance.Level), message)
}

// differ keeps the differences and ends the case.
func (x *Exchange) differ(diffs []Difference, reason string) {
	x.mu.Lock()
	x.ruling.diffs = append(x.ruling.diffs, diffs...)
	for _, d := range diffs {
		x.timeline.expect(0, d)
	}
	x.mu.Unlock()
	x.end(failAt(x.instance.Level), reason)
}

// RequireWithin ends the case as failed when more than the named wait, with
// this machine's slack, has passed since the mark. It is a timing failure.
func (x *Exchange) RequireWithin(name string, since Mark) {
	x.RequireAtMost(name, time.Since(since.at))
}

// RequireNotBefore ends the case as failed when less than the named wait has
// passed since the mark. It is a timing failure.
func (x *Exchange) RequireNotBefore(name string, since Mark) {
	x.RequireAtLeast(name, time.Since(since.at))
}

// RequireAtMost is RequireWithin for a time that was measured elsewhere. What
// the machine itself was late by during this attempt is no fault of the peer.
func (x *Exchange) RequireAtMost(name string, elapsed time.Duration) {
	wait := x.Wait(name)
	limit := wait.Longest()
	if wait.Timer {
		limit += x.steady.worstSince(x.timeline.start)
	}
	x.requireTiming(elapsed <= limit, elapsed, name, "later than")
}

// RequireAtLeast is RequireNotBefore for a time that was measured elsewhere.
// Slack does not soften a lower bound.
func (x *Exchange) RequireAtLeast(name string, elapsed time.Duration) {
	x.requireTiming(elapsed >= x.Wait(name).Limit, elapsed, name, "before the end of")
}

func (x *Exchange) requireTiming(ok bool, elapsed time.Duration, name, how string) {
	x.checkLive()
	x.Note("%v have passed; the bound is %s", elapsed.Round(time.Millisecond), name)
	if !ok {
		x.mu.Lock()
		x.ruling.timing = true
		x.mu.Unlock()
		x.end(failAt(x.instance.Level), fmt.Sprintf("it came %s %s", how, name))
	}
	x.noteJudged()
}

// Inconclusive ends the case without a verdict on the peer.
func (x *Exchange) Inconclusive(format string, args ...any) {
	x.end(Inconclusive, fmt.Sprintf(format, args...))
}

// Unsupported ends the case because the peer declares that it lacks a feature.
func (x *Exchange) Unsupported(feature string) {
	x.end(Unsupported, "the peer declares that it lacks "+feature)
}

// Fatal ends the case because the harness, not the peer, went wrong.
func (x *Exchange) Fatal(err error) { x.harness("%v", err) }

func (x *Exchange) harness(format string, args ...any) {
	x.end(HarnessError, fmt.Sprintf(format, args...))
}

// noteJudged marks that the case has judged something.
func (x *Exchange) noteJudged() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ruling.verdict == "" {
		x.ruling.verdict = Pass
	}
}

// end sets the verdict and unwinds Run.
func (x *Exchange) end(v Verdict, reason string) {
	x.mu.Lock()
	x.ruling.verdict, x.ruling.reason = v, reason
	x.timeline.add(Entry{Way: WayJudge, Label: fmt.Sprintf("%s: %s", v, reason)})
	x.mu.Unlock()
	panic(stopped{})
}
