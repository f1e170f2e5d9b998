package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// attempted is what one attempt came to, before the engine weighs it.
type attempted struct {
	Attempt
	ruling     ruling
	timeline   []Entry
	dropped    int
	traffic    *Traffic
	generation int
	dead       string // why the peer seems dead after it; empty if it lives
	throttled  bool   // the probe met a refusal, not a death
}

// suspect reports whether the peer may have died of this attempt.
func (a *attempted) suspect() bool { return a.dead != "" }

// attempt runs one instance once, within its absolute deadline, and asks
// afterwards whether the peer still lives.
func (r *run) attempt(ctx context.Context, in instance, number int, alone bool) *attempted {
	ctx, cancel := context.WithTimeout(ctx, r.waits.deadline(in.Case))
	defer cancel()
	x := r.exchange(ctx, in, number)
	start := time.Now()
	end := x.run()
	a := &attempted{generation: x.endpoint.Generation}
	x.mu.Lock()
	x.timeline.sealed, x.recording.sealed = true, true
	a.traffic = &x.recording.traffic
	a.ruling, a.timeline, a.dropped = x.ruling, x.timeline.entries, x.timeline.dropped
	x.mu.Unlock()
	a.Alone, a.Elapsed = alone, time.Since(start)
	a.settle(ctx, end)
	if (in.Negative() || !a.Verdict.Passed()) && a.Verdict != HarnessError {
		r.checkPulse(context.WithoutCancel(ctx), in, number, a)
	}
	return a
}

// exchange makes the Exchange of an attempt. Attempts of all instances have
// different numbers, hence different source addresses and entropy.
func (r *run) exchange(ctx context.Context, in instance, number int) *Exchange {
	endpoint := r.cfg.Target.Endpoint()
	block := 2 * (number*len(r.plan.suite.instances) + in.Number)
	return &Exchange{
		ctx: ctx, instance: in, declares: r.plan.declares, endpoint: endpoint, waits: r.waits, pacer: r.pacer, steady: r.steady,
		sources: sourcesFor(r.cfg.Seed, block, endpoint), seed: r.cfg.Seed, attempt: number,
		timeline: timeline{start: time.Now()}, streams: map[string]*Entropy{},
	}
}

// An ending is how the goroutine of a case ended.
type ending struct {
	returned  bool   // by itself, or by a judgement
	abandoned bool   // it did not return, even after its connections were closed
	panicked  string // value and stack
}

// run executes the case in a goroutine of its own.
func (x *Exchange) run() ending {
	done := make(chan ending, 1)
	go func() {
		var end ending
		defer func() {
			switch value := recover().(type) {
			case nil, stopped:
			default:
				end = ending{panicked: fmt.Sprintf("%v\n%s", value, debug.Stack())}
			}
			done <- end
		}()
		x.instance.Run(x)
		end.returned = true
	}()
	stop := context.AfterFunc(x.ctx, x.closeAll)
	defer stop()
	defer x.closeAll()
	select {
	case end := <-done:
		return end
	case <-x.ctx.Done():
	}
	grace := time.NewTimer(x.waits.budget(BudgetGrace))
	defer grace.Stop()
	select {
	case end := <-done:
		return end
	case <-grace.C:
		return ending{abandoned: true}
	}
}

// settle turns the ruling and the way the case ended into a verdict.
func (a *attempted) settle(ctx context.Context, end ending) {
	v, reason := a.ruling.verdict, a.ruling.reason
	switch {
	case end.panicked != "":
		v, reason = HarnessError, "the case panicked: "+firstLine(end.panicked)
		a.timeline = append(a.timeline, Entry{At: a.Elapsed, Way: WayNote, Label: end.panicked})
	case end.abandoned:
		v, reason = HarnessError, "the case did not return after its deadline"
	case !end.returned && !a.ruling.decided() && errors.Is(ctx.Err(), context.DeadlineExceeded):
		v, reason = Inconclusive, "the case's deadline came before it could judge"
		a.ruling.timing = true
	case !end.returned && !a.ruling.decided() && ctx.Err() != nil:
		v, reason = Skipped, reasonInterrupted
	case v == "":
		v, reason = HarnessError, "the case judged nothing"
	}
	a.Verdict, a.Reason = v, reason
}

// decided reports whether a judgement ended the case.
func (r ruling) decided() bool { return r.verdict != "" && !r.verdict.Passed() }

// checkPulse runs the liveness probe, and gives a process that answers no more
// a moment to be noticed as ended.
func (r *run) checkPulse(ctx context.Context, in instance, number int, a *attempted) {
	if how, ended := r.cfg.Target.Ended(a.generation); ended {
		a.dead = "the process ended: " + how
		return
	}
	if r.baseline != "" {
		return // the probe says nothing about this peer
	}
	err := r.probe(ctx, in, number)
	if err == nil {
		return
	}
	a.dead = "it serves no new connection: " + err.Error()
	if o, ok := Seen(err, ""); ok && o.Kind == KindThrottled {
		a.throttled = true
	}
	limit := time.NewTimer(r.waits.budget(BudgetExit))
	defer limit.Stop()
	for poll := time.NewTicker(exitPoll); ; {
		select {
		case <-poll.C:
			if how, ended := r.cfg.Target.Ended(a.generation); ended {
				a.dead = "the process ended: " + how
				return
			}
		case <-limit.C:
			return
		}
	}
}

const exitPoll = 10 * time.Millisecond

// probe asks, from a host that the peer has not met, whether the peer lives.
func (r *run) probe(ctx context.Context, in instance, number int) error {
	ctx, cancel := context.WithTimeout(ctx, r.waits.budget(BudgetProbe))
	defer cancel()
	x := r.exchange(ctx, in, number)
	x.sources = x.sources.next()
	x.instance.ID += " probe"
	var failure error
	x.instance.Case = &Case{ID: in.Case.ID, Run: func(x *Exchange) { failure = r.cfg.Probe(x) }}
	end := x.run()
	switch {
	case end.returned:
		return failure
	case end.panicked != "":
		return fmt.Errorf("the probe panicked: %s", firstLine(end.panicked))
	case x.ruling.reason != "":
		return errors.New(x.ruling.reason)
	}
	return errors.New("the probe did not end within budget " + BudgetProbe)
}

// DialProbe is the liveness probe of a caller that has no better one: the
// target accepts a connection.
func DialProbe(x *Exchange) error {
	c, err := x.DialAs(0)
	if err != nil {
		return errors.New(dialFailure(err))
	}
	return c.Close()
}
