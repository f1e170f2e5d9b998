package spec

import (
	"fmt"
	"time"
)

func renderLimits(limits []Limit) string {
	table := newTable("name", "value", "configurable", "who", "meaning")
	for _, limit := range limits {
		table.row("`"+limit.Name+"`", grouped(limit.Value)+" "+limit.Unit, fixedOrDefault(limit.Configurable), limit.Who, limit.Meaning)
	}
	return table.String()
}

func renderTimers(timers []Timer) string {
	table := newTable("name", "value", "configurable", "who", "meaning")
	for _, timer := range timers {
		table.row(timer.Name, duration(timer.Value), fixedOrDefault(timer.Configurable), timer.Who, timer.Meaning)
	}
	return table.String()
}

func fixedOrDefault(configurable bool) string {
	if configurable {
		return "default"
	}
	return "fixed"
}

// duration writes whole seconds as seconds and anything else in milliseconds.
func duration(value time.Duration) string {
	if value%time.Second == 0 {
		return grouped(uint64(value/time.Second)) + " s"
	}
	return grouped(uint64(value/time.Millisecond)) + " ms"
}

func renderStates(states StateTable) string {
	table := newTable(append([]string{"event"}, states.States...)...)
	for _, event := range states.Events {
		cells := []string{event}
		for _, state := range states.States {
			cells = append(cells, states.Cells[event][state])
		}
		table.row(cells...)
	}
	return table.String()
}

func renderRequirements(requirements []Requirement) string {
	table := newTable("requirement", "level", "role", "profile", "needs", "testability", "section")
	for _, q := range requirements {
		testability := q.Testability
		if q.Reason != "" {
			testability += ": " + q.Reason
		}
		section := q.Section
		if q.Chapter != "" {
			section = fmt.Sprintf("[%s](%s.md#%s)", q.Section, q.Chapter, q.Anchor)
		}
		table.row(q.ID, q.Level, q.Role, q.Profile, q.Needs, testability, section)
	}
	return table.String()
}
