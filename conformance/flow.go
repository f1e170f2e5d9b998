package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A pending is an instance that has run and may have to run again, alone.
type pending struct {
	instance instance
	first    *attempted
	again    *attempted // nil while it has run once
}

// A queue holds the instances that have not begun, in the order in which they
// are to begin.
type queue struct {
	waiting []instance
	open    map[string]int // instances without a verdict, by case ID
	bulk    bool           // a case that moves many bytes is running
}

func newQueue(all []instance) *queue {
	q := &queue{waiting: all, open: map[string]int{}}
	for _, in := range all {
		q.open[in.Case.ID]++
	}
	return q
}

// next removes and returns the first instance that may begin: its control has its
// verdict, and it is not one of two that move many bytes.
func (q *queue) next() (instance, bool) {
	for i, in := range q.waiting {
		if (in.Control == "" || q.open[in.Control] == 0) && !(in.Bulk && q.bulk) {
			q.bulk = q.bulk || in.Bulk
			q.waiting = slices.Delete(q.waiting, i, i+1)
			return in, true
		}
	}
	return instance{}, false
}

// An answer is what came of running an instance with neighbours.
type answer struct {
	bulk   bool
	result Result
	doubt  *pending // the result is not known before a second attempt
}

// flow runs instances with neighbours, each when its control has its verdict,
// until none is ready and none runs. It returns the results, and the instances
// whose verdict may be the neighbours' doing.
func (r *run) flow(ctx context.Context, q *queue, round int) (results []Result, doubts []pending) {
	answers := make(chan answer)
	running := 0
	for {
		if running < r.cfg.Parallel {
			if in, ok := q.next(); ok {
				running++
				go func() {
					result, doubt := r.first(ctx, in, round)
					answers <- answer{in.Bulk, result, doubt}
				}()
				continue
			}
		}
		if running == 0 {
			return results, doubts
		}
		a := <-answers
		running--
		q.bulk = q.bulk && !a.bulk
		if a.doubt != nil {
			doubts = append(doubts, *a.doubt)
			continue
		}
		r.conclude(q, a.result)
		results = append(results, a.result)
		r.progress(Event{ID: a.result.ID, Verdict: a.result.Verdict, Reason: a.result.Reason})
	}
}

// conclude makes a verdict known to the cases that lean on it.
func (r *run) conclude(q *queue, result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := result.Case.ID
	r.verdicts[id] = r.verdicts[id].Worse(result.Verdict)
	q.open[id]--
}

// verdict is the gravest verdict of a case that has one.
func (r *run) verdict(id string) Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdicts[id]
}

// first runs an instance with neighbours. It returns a result, or the doubt
// that only a second attempt can settle.
func (r *run) first(ctx context.Context, in instance, round int) (Result, *pending) {
	if v, reason := r.obstacle(ctx, in); v != "" {
		result := r.unrun(in, v, reason)
		result.Control = r.verdict(in.Control)
		return result, nil
	}
	r.progress(Event{ID: in.ID})
	r.gate.RLock()
	a := r.attempt(ctx, in, round*attemptsPerRound, r.cfg.Parallel == 1)
	r.gate.RUnlock()
	if a.suspect() {
		r.revive(ctx)
	}
	if a.suspect() || a.ruling.timing {
		return Result{}, &pending{instance: in, first: a}
	}
	return r.result(in, a, a.Verdict, a.Reason), nil
}

// attemptsPerRound is one with neighbours and one alone.
const attemptsPerRound = 2

// obstacle says why an instance cannot or may not run now.
func (r *run) obstacle(ctx context.Context, in instance) (Verdict, string) {
	r.mu.Lock()
	lost, failed := r.lost, r.failed
	r.mu.Unlock()
	remote := !r.cfg.Target.Endpoint().Loopback()
	switch {
	case ctx.Err() != nil:
		return Skipped, reasonInterrupted
	case failed && r.cfg.FailFast:
		return Skipped, reasonFailFast
	case in.Disruptive && remote && !r.cfg.AllowDisruptive:
		return Skipped, reasonDisruptive
	case lost != "":
		return Inconclusive, lost
	case in.Control != "" && r.verdict(in.Control) == Unsupported:
		return Unsupported, fmt.Sprintf("its control %s is unsupported", in.Control)
	case in.Control != "" && !r.verdict(in.Control).Passed():
		return Inconclusive, fmt.Sprintf("its control %s did not pass: %s", in.Control, r.verdict(in.Control))
	case r.waits.tooUnsteady(in.Timer):
		return Inconclusive, "this machine is too unsteady to judge " + in.Timer
	}
	return "", ""
}

// again runs the doubtful instances once more, one at a time in order of ID,
// and then settles each.
func (r *run) again(ctx context.Context, alone []pending, round int) []Result {
	slices.SortFunc(alone, func(a, b pending) int { return strings.Compare(a.instance.ID, b.instance.ID) })
	culprit := map[int]bool{} // incarnations whose death one instance explains
	for i := range alone {
		p := &alone[i]
		if v, _ := r.obstacle(ctx, p.instance); v != "" {
			continue
		}
		p.again = r.attempt(ctx, p.instance, round*attemptsPerRound+1, true)
		if p.again.suspect() {
			culprit[p.first.generation] = true
			r.revive(ctx)
		}
		if p.again.Verdict == Fail { // known to those behind it before the results are
			r.mu.Lock()
			r.failed = true
			r.mu.Unlock()
		}
	}
	results := make([]Result, 0, len(alone))
	for _, p := range alone {
		result := r.settle(ctx, p, culprit)
		results = append(results, result)
		r.progress(Event{ID: result.ID, Verdict: result.Verdict, Reason: result.Reason})
	}
	return results
}

// settle weighs two attempts.
func (r *run) settle(ctx context.Context, p pending, culprit map[int]bool) Result {
	first, again := p.first, p.again
	remote := !r.cfg.Target.Endpoint().Loopback()
	var result Result
	switch {
	case again == nil && first.suspect() && first.Alone && !remote && !first.throttled:
		result = r.crashed(p.instance, first) // it cannot be started anew, but nobody else was there
	case again == nil:
		v, reason := r.obstacle(ctx, p.instance)
		if v == "" {
			v, reason = Inconclusive, "it could not be repeated alone"
		}
		result = r.result(p.instance, first, v, reason)
	case again.suspect() && (remote || again.throttled):
		// A remote peer that answers no more may have crashed, or may refuse us
		// for what we just sent. The judge cannot tell.
		result = r.result(p.instance, again, Inconclusive, "afterwards the peer crashed or refuses us: "+again.dead)
	case again.suspect():
		result = r.crashed(p.instance, again)
	case first.suspect() && !culprit[first.generation]:
		result = r.result(p.instance, again, Inconclusive, "the peer died while this case and others ran; alone it did not")
	case first.ruling.timing && again.Verdict.Passed():
		result = r.result(p.instance, first, Inconclusive, "unstable: "+first.Reason+" with neighbours, "+string(again.Verdict)+" alone")
	default:
		result = r.result(p.instance, again, again.Verdict, again.Reason)
	}
	result.Attempts = []Attempt{first.Attempt}
	if again != nil {
		result.Attempts = append(result.Attempts, again.Attempt)
	}
	return result
}

// crashed is the result of an instance of which the peer died.
func (r *run) crashed(in instance, a *attempted) Result {
	crash := Crash(a.dead)
	a.ruling.observed, a.ruling.match = &crash, &Match{Grade: GradeUnlisted, Index: -1}
	return r.result(in, a, Fail, "got "+crash.String()+": "+a.dead)
}

// result makes the result of an instance from the attempt that decided.
func (r *run) result(in instance, a *attempted, v Verdict, reason string) Result {
	result := r.unrun(in, v, reason)
	result.Control = r.verdict(in.Control)
	result.Attempts = []Attempt{a.Attempt}
	result.Observed, result.Match, result.Diffs = a.ruling.observed, a.ruling.match, a.ruling.diffs
	if r.baseline != "" && in.Negative() && v.Passed() {
		// Nobody can say whether the peer survived.
		result.Verdict, result.Reason = Inconclusive, "no liveness probe is possible: "+r.baseline
	}
	if !result.Verdict.Passed() || r.cfg.KeepEvidence {
		result.Timeline, result.Dropped = a.timeline, a.dropped
	}
	result.Traffic = r.keepTraffic(result.Verdict, a)
	if !result.Verdict.Passed() {
		result.Stderr = lastBytes(r.cfg.Target.Stderr(), keptStderrPerResult)
	}
	return result
}

const keptStderrPerResult = 4 << 10

func lastBytes(text string, n int) string {
	if len(text) > n {
		return text[len(text)-n:]
	}
	return text
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// revive looks at the target with nobody else near it, and starts a process
// anew that has ended or answers no more.
func (r *run) revive(ctx context.Context) {
	r.gate.Lock()
	defer r.gate.Unlock()
	if r.lost != "" || ctx.Err() != nil {
		return
	}
	_, ended := r.cfg.Target.Ended(r.cfg.Target.Endpoint().Generation)
	if !ended && (r.baseline != "" || r.probe(ctx, r.plan.all()[0], r.restarts) == nil) {
		return
	}
	err := fmt.Errorf("it was started anew %d times", r.restarts)
	if r.restarts < maxRestarts {
		r.restarts++
		err = r.cfg.Target.Restart(ctx)
	}
	if err != nil {
		r.mu.Lock()
		r.lost = "the target can no longer be driven: " + err.Error()
		r.mu.Unlock()
	}
}
