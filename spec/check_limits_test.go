package spec

import (
	"strings"
	"time"
)

// checkLimits: limits and timers say something, in a unit.
func checkLimits(t tree) []Problem {
	var problems []Problem
	for _, list := range []struct {
		file   string
		limits []Limit
	}{{"sizes.json", t.registry.Sizes}, {"counts.json", t.registry.Counts}} {
		for i, limit := range list.limits {
			if limit.Value == 0 || limit.Unit == "" || limit.Meaning == "" {
				problems = append(problems, t.problem(in(list.file, i),
					"%s: value, unit and meaning must be given", limit.Name))
			}
			if list.file == "sizes.json" && limit.Unit != "B" {
				problems = append(problems, t.problem(in(list.file, i),
					"%s: a size is in B; move it to counts.json", limit.Name))
			}
		}
	}
	for i, timer := range t.registry.Timers {
		if timer.Value <= 0 || timer.Meaning == "" {
			problems = append(problems, t.problem(in("timers.json", i),
				"%s: value and meaning must be given", timer.Name))
		}
		if !strings.HasPrefix(timer.Name, "T_") {
			problems = append(problems, t.problem(in("timers.json", i),
				"%s: the name of a timer begins with T_", timer.Name))
		}
	}
	return problems
}

// checkLimitsAgree: a size that also follows from a layout, a suite or another
// limit is the same there.
func checkLimitsAgree(t tree) []Problem {
	r := t.registry
	layout := func(name string) Layout { l, _ := r.Layout(name); return l }
	field := func(of, name string) Field { f, _ := layout(of).Field(name); return f }
	limit := func(name string) int { l, _ := r.Limit(name); return int(l.Value) }
	suite, _ := r.Suite(1)
	agreements := []struct {
		name string
		from string
		want int
	}{
		{"frame_header", "layout frame", layout("frame").Size},
		{"aad", "the AAD of schedule.json", r.Schedule.Seal.AAD.To - r.Schedule.Seal.AAD.From},
		{"key", "suite 1", suite.Key},
		{"nonce", "suite 1", suite.Nonce},
		{"tag", "suite 1", suite.Tag},
		{"tag", "field auth_tag", field("frame", "auth_tag").Size},
		{"payload_before_session", "envelope and handshake_message", layout("envelope").Prefix() + limit("handshake_message")},
		{"handshake_message", "field fragment", field("envelope", "fragment").Max},
		{"heartbeat_payload_min", "layout heartbeat", layout("heartbeat").Prefix()},
		{"heartbeat_payload_max", "layout heartbeat", layout("heartbeat").Prefix() + field("heartbeat", "data").Max},
		{"error_text", "field text", field("error", "text").Max},
	}
	var problems []Problem
	for _, a := range agreements {
		if limit(a.name) != a.want {
			for i, size := range r.Sizes {
				if size.Name == a.name {
					problems = append(problems, t.problem(in("sizes.json", i),
						"%s is %d, but %s gives %d; correct one of them", a.name, size.Value, a.from, a.want))
				}
			}
		}
	}
	rotate, _ := r.Timer("T_ROTATE")
	for i, timer := range r.Timers {
		if timer.Name == "T_AGE" && timer.Value != 7*rotate.Value {
			problems = append(problems, t.problem(in("timers.json", i),
				"T_AGE is %v, but 7 × T_ROTATE is %v", timer.Value.Round(time.Second), 7*rotate.Value))
		}
	}
	return problems
}
