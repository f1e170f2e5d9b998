package netsim

import (
	"slices"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Minimise returns a part of items for which fails holds and of which no single
// item can be left out: ddmin, after Zeller and Hildebrandt. It holds for items
// themselves, or nothing is taken away.
func Minimise[T any](items []T, fails func([]T) bool) []T {
	if !fails(items) {
		return items
	}
	if fails(nil) {
		return nil
	}
	for parts := 2; len(items) >= 2; {
		next, found := reduce(items, parts, fails)
		switch {
		case found && len(next) <= len(items)/parts+1 && parts > 2:
			items, parts = next, 2
		case found:
			items, parts = next, max(parts-1, 2)
		case parts >= len(items):
			return items
		default:
			parts = min(2*parts, len(items))
		}
	}
	return items
}

// reduce looks for one of so many parts that fails alone, and then for one that
// can be left out.
func reduce[T any](items []T, parts int, fails func([]T) bool) ([]T, bool) {
	cut := func(i int) int { return i * len(items) / parts }
	for i := range parts {
		if part := slices.Clone(items[cut(i):cut(i+1)]); parts > 1 && len(part) < len(items) && fails(part) {
			return part, true
		}
	}
	for i := range parts {
		rest := slices.Concat(items[:cut(i)], items[cut(i+1):])
		if parts > 2 && fails(rest) {
			return rest, true
		}
	}
	return items, false
}

// Shrink returns a scenario that still fails and has as few edits, faults and
// links with impairments as can be, in numbers as round as can be. The function
// says whether a scenario fails in the same way; it should compare the name of
// the check, not only that there is a violation.
func Shrink(s *Scenario, fails func(*Scenario) bool) *Scenario {
	least := *s
	try := func(c Scenario) bool {
		if c.Validate() != nil || !fails(&c) {
			return false
		}
		least = c
		return true
	}
	with := func(f func(*Scenario)) Scenario {
		c := least
		c.Edits, c.Faults, c.Links = slices.Clone(least.Edits), slices.Clone(least.Faults), slices.Clone(least.Links)
		f(&c)
		return c
	}
	for before := ""; before != least.String(); {
		before = least.String()
		Minimise(least.Edits, func(e []EditLine) bool { return try(with(func(c *Scenario) { c.Edits = slices.Clone(e) })) })
		Minimise(least.Faults, func(f []Fault) bool { return try(with(func(c *Scenario) { c.Faults = slices.Clone(f) })) })
		for i := range least.Links {
			for _, simple := range simpler(least.Links[i].Impairment) {
				try(with(func(c *Scenario) { c.Links[i].Impairment = simple }))
			}
		}
		for i := range least.Edits {
			for _, simple := range simplerEdits(least.Edits[i].Edit) {
				if try(with(func(c *Scenario) { c.Edits[i].Edit = simple })) {
					break
				}
			}
		}
		for i := range least.Faults {
			roundTime(least.Faults[i].At, func(t vtime.Time) bool { return try(with(func(c *Scenario) { c.Faults[i].At = t })) })
		}
		roundTime(least.For, func(t vtime.Time) bool { return try(with(func(c *Scenario) { c.For = t })) })
	}
	return &least
}

// simpler returns what an impairment may become, the simplest first.
func simpler(i link.Impairment) []link.Impairment {
	without := func(f func(*link.Impairment)) link.Impairment {
		c := i
		f(&c)
		return c
	}
	var all []link.Impairment
	for _, c := range []link.Impairment{
		{Delay: i.Delay},
		i.Certain(),
		without(func(c *link.Impairment) { c.MTU = 0 }),
		without(func(c *link.Impairment) { c.Rate, c.Queue, c.CoDel = 0, 0, link.CoDel{} }),
		without(func(c *link.Impairment) { c.CoDel = link.CoDel{} }),
		without(func(c *link.Impairment) { c.SlotEvery, c.SlotPackets = 0, 0 }),
	} {
		if c.String() != i.String() {
			all = append(all, c)
		}
	}
	return all
}

// simplerEdits returns what an edit may become.
func simplerEdits(e link.Edit) (all []link.Edit) {
	if e.Drop != link.Passed {
		if e.Drop == link.Listed {
			return nil
		}
		return []link.Edit{{Drop: link.Listed}}
	}
	for _, c := range []link.Edit{
		{Late: e.Late}, {Copy: e.Copy, CopyLate: e.CopyLate}, {Copy: e.Copy}, {Flip: e.Flip, Bit: e.Bit}, {Flip: e.Flip},
	} {
		if c != e && c != (link.Edit{}) {
			all = append(all, c)
		}
	}
	return all
}

// roundTime tries rounder times near t, the roundest first.
func roundTime(t vtime.Time, try func(vtime.Time) bool) {
	for _, unit := range []vtime.Time{vtime.Minute, 10 * vtime.Second, vtime.Second, 100 * vtime.Millisecond, vtime.Millisecond} {
		if t%unit == 0 {
			return // it is as round already
		}
		if try(t/unit*unit) || try((t/unit+1)*unit) {
			return
		}
	}
}
