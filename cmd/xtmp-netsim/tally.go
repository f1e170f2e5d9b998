package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// tally counts what came of a swarm.
type tally struct {
	app    *app
	swarm  *swarm
	from   uint64
	bar    *bar // nil: none
	began  time.Time
	hashes []uint64 // by seed

	runs, broken                  int
	calls, replied, unknown, lost int
	sessions                      int
	steps                         uint64
	simulated                     time.Duration
}

// take counts one run, and prints how to see it again if it broke a rule.
func (t *tally) take(r *result) {
	o := &r.outcome
	for uint64(len(t.hashes)) <= r.seed-t.from {
		t.hashes = append(t.hashes, 0)
	}
	t.hashes[r.seed-t.from] = o.Hash
	t.runs++
	t.calls += o.Calls
	t.replied += o.Replied
	t.unknown += o.Unknown
	t.lost += o.Lost
	t.sessions += o.Sessions
	t.steps += o.Steps
	t.simulated += time.Duration(o.At) * time.Microsecond
	if o.Violation != nil {
		t.broken++
		t.bar.clear()
		light := ""
		if t.swarm.light {
			light = " --light"
		}
		fmt.Fprintf(t.app.stdout, "seed %d: %v\n  xtmp-netsim replay %d%s\n", r.seed, o.Violation, r.seed, light)
	}
	t.bar.show(t.runs, t.broken)
}

// report prints the sums.
func (t *tally) report() {
	wall := time.Since(t.began)
	fmt.Fprintf(t.app.stdout, "%d runs, %d break a rule; %d sessions, %d calls: %d replied, %d unknown, %d lost with their client; ",
		t.runs, t.broken, t.sessions, t.calls, t.replied, t.unknown, t.lost)
	fmt.Fprintf(t.app.stdout, "%d steps; hash %016x\n", t.steps, t.hash())
	fmt.Fprintf(t.app.stdout, "%.1f s: %.0f runs/s, %.0f simulated hours per minute\n",
		wall.Seconds(), float64(t.runs)/wall.Seconds(), t.simulated.Hours()/wall.Minutes())
}

// hash mixes the hashes of all runs, by seed.
func (t *tally) hash() (h uint64) {
	for _, one := range t.hashes {
		h = (h ^ one) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return h
}

// lines lists the hashes.
func (t *tally) lines() []byte {
	var b strings.Builder
	for i, h := range t.hashes {
		fmt.Fprintf(&b, "%d %016x\n", t.from+uint64(i), h)
	}
	return []byte(b.String())
}

// bar shows on one line of a terminal how far a swarm is.
type bar struct {
	w     io.Writer
	total uint64
	began time.Time
	drawn time.Time
}

const (
	barWidth = 20
	barEvery = 100 * time.Millisecond
)

// newBar returns a bar, or nil where there is no terminal for it.
func newBar(w io.Writer, total uint64) *bar {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &bar{w: w, total: total, began: time.Now()}
}

func (b *bar) show(done, broken int) {
	if b == nil || time.Since(b.drawn) < barEvery {
		return
	}
	b.drawn = time.Now()
	fmt.Fprintf(b.w, "\r\x1b[K%s", b.line(done, broken, time.Since(b.began)))
}

// line is the bar, the count, the speed, and how long it will take.
func (b *bar) line(done, broken int, wall time.Duration) string {
	full := int(uint64(barWidth*done) / max(b.total, 1))
	s := strings.Repeat("━", full) + strings.Repeat("─", barWidth-full)
	s += fmt.Sprintf("  %*d/%d", len(fmt.Sprint(b.total)), done, b.total)
	if broken > 0 {
		s += fmt.Sprintf("  %d broken", broken)
	}
	if done > 0 && wall > 0 {
		left := time.Duration(float64(wall) * float64(b.total-uint64(done)) / float64(done))
		s += fmt.Sprintf("  %.0f/s  %s left", float64(done)/wall.Seconds(), left.Round(time.Second))
	}
	return s
}

func (b *bar) clear() {
	if b != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
