package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	transition = regexp.MustCompile(`→ ([A-Z]\w*)`)
	timerName  = regexp.MustCompile(`\bT_[A-Z_]+\b`)
)

// checkStates: each event has an answer in each state, and answers name only what
// exists.
func checkStates(t tree) []Problem {
	var problems []Problem
	for _, name := range t.registry.stateTables() {
		table := t.registry.States[name]
		report := func(text string, entry ...any) {
			problems = append(problems, t.problem(in("states.json", append([]any{name}, entry...)...),
				"%s: %s", name, text))
		}
		for i, event := range table.Events {
			if slices.Contains(table.Events[:i], event) {
				report(fmt.Sprintf("event %q is listed twice", event), "events")
			}
			for _, state := range table.States {
				if table.Cells[event][state] == "" {
					text := fmt.Sprintf("event %q has no answer in state %s; write one, or n/a if it cannot occur", event, state)
					report(text, missingFrom(table, event)...)
				}
			}
			for _, unknown := range t.unknownTimers(event) {
				report(fmt.Sprintf("event %q names %s, which is not in timers.json", event, unknown), "events")
			}
		}
		for _, event := range sortedKeys(table.Cells) {
			if !slices.Contains(table.Events, event) {
				report(fmt.Sprintf("cells has event %q, which is not in events", event), "cells", event)
			}
			for _, state := range sortedKeys(table.Cells[event]) {
				for _, text := range t.cellFaults(table, state, table.Cells[event][state]) {
					report(fmt.Sprintf("event %q in state %s: %s", event, state, text), "cells", event, state)
				}
			}
		}
	}
	return problems
}

func missingFrom(table StateTable, event string) []any {
	if _, ok := table.Cells[event]; ok {
		return []any{"cells", event}
	}
	return []any{"cells"}
}

func (t tree) cellFaults(table StateTable, state, cell string) []string {
	var faults []string
	if !slices.Contains(table.States, state) {
		faults = append(faults, "the state is not in states")
	}
	for _, match := range transition.FindAllStringSubmatch(cell, -1) {
		if !slices.Contains(table.States, match[1]) {
			faults = append(faults, fmt.Sprintf("goes to %s, which is not in states", match[1]))
		}
	}
	if other, ok := strings.CutPrefix(cell, "as "); ok && !slices.Contains(table.States, other) && !slices.Contains(table.Events, other) {
		faults = append(faults, fmt.Sprintf("%q is neither a state nor an event", other))
	}
	for _, unknown := range t.unknownTimers(cell) {
		faults = append(faults, fmt.Sprintf("names %s, which is not in timers.json", unknown))
	}
	return faults
}

func (t tree) unknownTimers(text string) []string {
	var unknown []string
	for _, name := range timerName.FindAllString(text, -1) {
		if _, ok := t.registry.Timer(name); !ok {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
