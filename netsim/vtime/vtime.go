// Package vtime is the time of the simulator: whole microseconds, written with
// the largest unit that leaves no fraction.
//
//	0s   1us   1500us   20ms   90s   -90s
//
// It is not time.Time, so that no real clock can slip in, and not
// time.Duration, so that a microsecond is one everywhere. It knows no calendar.
package vtime

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Time is an instant, counted from the start of the run, or a span.
type Time int64

// The units.
const (
	Microsecond Time = 1
	Millisecond      = 1000 * Microsecond
	Second           = 1000 * Millisecond
	Minute           = 60 * Second
	Hour             = 60 * Minute
)

// Never is later than any instant.
const Never Time = math.MaxInt64

// String writes t as Parse reads it.
func (t Time) String() string {
	switch {
	case t == Never:
		return "never"
	case t%Second == 0:
		return strconv.FormatInt(int64(t/Second), 10) + "s"
	case t%Millisecond == 0:
		return strconv.FormatInt(int64(t/Millisecond), 10) + "ms"
	default:
		return strconv.FormatInt(int64(t), 10) + "us"
	}
}

var errForm = errors.New("a time is a whole number of us, ms, s, m or h")

// Parse reads a whole number followed by us, ms, s, m or h, or never.
func Parse(s string) (Time, error) {
	if s == "never" {
		return Never, nil
	}
	digits := strings.TrimRight(s, "umsh")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, errForm
	}
	unit, ok := units[s[len(digits):]]
	if !ok || n > int64(Never/unit) || n < int64(math.MinInt64/unit) {
		return 0, errForm
	}
	return Time(n) * unit, nil
}

var units = map[string]Time{"us": Microsecond, "ms": Millisecond, "s": Second, "m": Minute, "h": Hour}
