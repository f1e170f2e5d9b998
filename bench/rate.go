package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// wanted reports whether a row is to be run.
func wanted(name string) bool { return strings.Contains(name, *only) }

// median runs f several times and returns the median of its results.
func median(f func() (float64, error)) (float64, error) {
	var all []float64
	for range *rounds {
		v, err := f()
		if err != nil {
			return 0, err
		}
		all = append(all, v)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// together runs n workers until all are done and returns the sum of their results
// per second.
func together(n int, work func(i int, deadline time.Time) (int, error)) (float64, error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, n), make([]error, n)
	start := time.Now()
	deadline := start.Add(*span)
	for i := range n {
		wg.Go(func() { counts[i], errs[i] = work(i, deadline) })
	}
	wg.Wait()
	elapsed := time.Since(start).Seconds()
	total := 0
	for i := range n {
		if errs[i] != nil {
			return 0, errs[i]
		}
		total += counts[i]
	}
	return float64(total) / elapsed, nil
}

// perSecond prints a rate.
func perSecond(r float64) string {
	switch {
	case r >= 1e6:
		return fmt.Sprintf("%.2f M/s", r/1e6)
	case r >= 1e4:
		return fmt.Sprintf("%.0f k/s", r/1e3)
	default:
		return fmt.Sprintf("%.0f /s", r)
	}
}

// latencies is a set of measured times.
type latencies []time.Duration

// at returns the q-quantile.
func (l latencies) at(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// two prints two quantiles.
func (l latencies) two(p, q float64) string { return micro(l.at(p)) + " / " + micro(l.at(q)) }

func micro(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1e3) }
