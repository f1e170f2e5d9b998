package conformance

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bpci/xtmp/spec"
)

// The harness budgets: how long the judge gives a peer where the spec sets no
// bound. A user may scale them all; a spec timer cannot be scaled.
const (
	BudgetCase    = "case"    // one attempt of one case, whatever happens in it
	BudgetConnect = "connect" // a TCP connection
	BudgetReply   = "reply"   // the answer to a good message
	BudgetFence   = "fence"   // the answer to the good message behind bad bytes
	BudgetClose   = "close"   // the end of a connection that is to be closed
	BudgetQuiet   = "quiet"   // a window in which nothing may come, where no fence is possible
	BudgetProbe   = "probe"   // the liveness probe, whole
	BudgetStart   = "start"   // a process, from its start to its READY line
	BudgetStop    = "stop"    // a process, from SIGTERM to SIGKILL
	BudgetExit    = "exit"    // the notice that a process which answers no more has ended
	BudgetGrace   = "grace"   // a case, from its deadline to its return
	BudgetPace    = "pace"    // between two connections to a remote target
)

// budgets holds the unscaled value of each harness budget.
func budgets() map[string]time.Duration {
	return map[string]time.Duration{
		BudgetCase:    15 * time.Second,
		BudgetConnect: 5 * time.Second,
		BudgetReply:   3 * time.Second,
		BudgetFence:   3 * time.Second,
		BudgetClose:   3 * time.Second,
		BudgetQuiet:   250 * time.Millisecond,
		BudgetProbe:   5 * time.Second,
		BudgetStart:   15 * time.Second,
		BudgetStop:    3 * time.Second,
		BudgetExit:    300 * time.Millisecond,
		BudgetGrace:   2 * time.Second,
		BudgetPace:    50 * time.Millisecond,
	}
}

// A Wait is a named span of time: a spec timer with its longest conformant
// value and the slack of this machine, or a harness budget.
type Wait struct {
	Name  string
	Timer bool          // a spec timer, not a budget
	Limit time.Duration // the timer's value, or the scaled budget
	Slack time.Duration // zero for a budget
}

// Longest is how long the judge waits before it says that nothing came.
func (w Wait) Longest() time.Duration { return w.Limit + w.Slack }

// Waits resolves names to spans of time for one run.
type Waits struct {
	timers  map[string]time.Duration
	budgets map[string]time.Duration
	slack   time.Duration
	jitter  time.Duration
}

// NewWaits takes the timers of reg and the harness budgets times scale.
// CaseTimeout replaces BudgetCase when it is positive. It refuses a scale that
// is not positive.
func NewWaits(reg *spec.Registry, scale float64, caseTimeout time.Duration) (*Waits, error) {
	if !(scale > 0 && scale <= 1000) {
		return nil, &UsageError{Message: fmt.Sprintf("budget scale %v is not between 0 and 1000", scale)}
	}
	w := &Waits{timers: map[string]time.Duration{}, budgets: budgets()}
	for _, timer := range reg.Timers {
		w.timers[timer.Name] = timer.Value
	}
	for name, value := range w.budgets {
		w.budgets[name] = time.Duration(float64(value) * scale)
	}
	if caseTimeout > 0 {
		w.budgets[BudgetCase] = caseTimeout
	}
	return w, nil
}

// Lookup resolves a name.
func (w *Waits) Lookup(name string) (Wait, bool) {
	if value, ok := w.timers[name]; ok {
		return Wait{Name: name, Timer: true, Limit: value, Slack: w.slack}, true
	}
	if value, ok := w.budgets[name]; ok {
		return Wait{Name: name, Limit: value}, true
	}
	return Wait{}, false
}

// Budgets returns the harness budgets in order of name.
func (w *Waits) Budgets() []Wait {
	list := make([]Wait, 0, len(w.budgets))
	for _, name := range slices.Sorted(maps.Keys(w.budgets)) {
		list = append(list, Wait{Name: name, Limit: w.budgets[name]})
	}
	return list
}

// budget returns a budget that the package itself names.
func (w *Waits) budget(name string) time.Duration {
	value, ok := w.budgets[name]
	if !ok {
		panic("conformance: internal error: no budget " + name)
	}
	return value
}

// deadline is how long one attempt of a case may take: its budget, and its
// spec timer on top.
func (w *Waits) deadline(c *Case) time.Duration {
	limit := w.budgets[c.Budget]
	if c.Timer != "" {
		limit += w.timers[c.Timer] + w.slack
	}
	return limit
}
