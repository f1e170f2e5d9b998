package spec

import (
	"fmt"
	"math/bits"
	"slices"
)

// checkUnique: no two entries of a file share a code, or a name.
func checkUnique(t tree) []Problem {
	r := t.registry
	problems := slices.Concat(
		repeated(t, "layouts.json", nil, r.Layouts, func(l Layout) []any { return []any{l.Name} }),
		repeated(t, "types.json", []any{"types"}, r.Types, func(m MessageType) []any { return []any{m.Code, m.Name} }),
		repeated(t, "flags.json", nil, r.Flags, func(f Flag) []any { return []any{f.Value, f.Name} }),
		repeated(t, "suites.json", nil, r.Suites, func(s Suite) []any { return []any{s.Value, s.Name} }),
		repeated(t, "hs_types.json", nil, r.HSTypes, func(h HSType) []any { return []any{h.Value, h.Name} }),
		repeated(t, "flight_types.json", nil, r.FlightTypes, func(f FlightType) []any { return []any{f.Value, f.Name} }),
		repeated(t, "heartbeat_kinds.json", nil, r.HeartbeatKinds, func(c Code) []any { return []any{c.Value, c.Name} }),
		repeated(t, "errors.json", nil, r.Errors, func(e ErrorCode) []any { return []any{e.Code, e.Name} }),
		repeated(t, "bits.json", nil, r.Bits, func(b Bit) []any { return []any{b.Where + " " + b.Name} }),
		repeated(t, "timers.json", nil, r.Timers, func(m Timer) []any { return []any{m.Name} }),
		repeated(t, "profiles.json", nil, r.Profiles, func(p Profile) []any { return []any{p.Name} }),
		repeated(t, "areas.json", nil, r.Areas, func(a Area) []any { return []any{a.Name} }),
		repeated(t, "schedule.json", []any{"functions"}, r.Schedule.Functions, func(f Function) []any { return []any{f.Name} }),
		repeated(t, "schedule.json", []any{"constants"}, r.Schedule.Constants, func(c Constant) []any { return []any{c.Name} }),
		repeated(t, "sizes.json", nil, r.Sizes, func(l Limit) []any { return []any{l.Name} }),
	)
	// A limit is looked up by name alone, so sizes and counts share one space.
	for i, count := range r.Counts {
		named := func(l Limit) bool { return l.Name == count.Name }
		if slices.ContainsFunc(r.Sizes, named) || slices.ContainsFunc(r.Counts[:i], named) {
			problems = append(problems, t.problem(in("counts.json", i),
				"%s is given twice in sizes.json and counts.json; rename one", count.Name))
		}
	}
	for i, flight := range r.FlightTypes {
		if other, ok := r.HSType(flight.Value); ok {
			problems = append(problems, t.problem(in("flight_types.json", i),
				"%s has the value of hs_type %s; both are type bytes of the transcript", flight.Name, other.Name))
		}
	}
	return problems
}

// repeated reports the entries of a list that share a key with an earlier one.
func repeated[T any](t tree, file string, prefix []any, list []T, keys func(T) []any) []Problem {
	var problems []Problem
	seen := make(map[any]bool)
	for i, entry := range list {
		for _, key := range keys(entry) {
			if seen[key] {
				problems = append(problems, t.problem(in(file, append(slices.Clone(prefix), i)...),
					"%s is given twice; change one", shown(key)))
			}
			seen[key] = true
		}
	}
	return problems
}

func shown(key any) string {
	switch key := key.(type) {
	case uint8:
		return code8(key)
	case uint16:
		return code16(key)
	}
	return fmt.Sprint(key)
}

// checkBits: flags and bits are single bits, do not overlap and fit their field.
func checkBits(t tree) []Problem {
	var problems []Problem
	for i, flag := range t.registry.Flags {
		if bits.OnesCount16(flag.Value) != 1 {
			problems = append(problems, t.problem(in("flags.json", i),
				"%s: %s is not a single bit", flag.Name, code16(flag.Value)))
		}
		for _, other := range t.registry.Flags[:i] {
			if flag.Value&other.Value != 0 {
				problems = append(problems, t.problem(in("flags.json", i),
					"%s overlaps %s", flag.Name, other.Name))
			}
		}
	}
	for i, bit := range t.registry.Bits {
		if bits.OnesCount16(bit.Value) != 1 {
			problems = append(problems, t.problem(in("bits.json", i),
				"%s: %s is not a single bit", bit.Name, code16(bit.Value)))
		}
		for _, other := range t.registry.Bits[:i] {
			if bit.Where == other.Where && bit.Value&other.Value != 0 {
				problems = append(problems, t.problem(in("bits.json", i),
					"%s overlaps %s of the same field", bit.Name, other.Name))
			}
		}
		if bit.Layout == "" {
			continue
		}
		layout, _ := t.registry.Layout(bit.Layout)
		field, ok := layout.Field(bit.Field)
		if !ok || field.Kind != KindUint || field.Size == 1 && bit.Value > 0xFF {
			problems = append(problems, t.problem(in("bits.json", i),
				"%s: %s.%s is no uint that holds bit %s", bit.Name, bit.Layout, bit.Field, code16(bit.Value)))
		}
	}
	return problems
}

// neverSent is the name of the ranges of types that no peer ever sends.
const neverSent = "never sent"

// checkTypeRanges: the ranges cover 0x00–0xFF once, and no known type is in a range
// whose unknown types are never sent, Error excepted.
func checkTypeRanges(t tree) []Problem {
	var problems []Problem
	next := 0
	for i, r := range t.registry.TypeRanges {
		if int(r.From) != next || r.To < r.From {
			problems = append(problems, t.problem(in("types.json", "ranges", i),
				"range %s begins at %s and ends at %s, but the next type to cover is %s",
				r.Name, code8(r.From), code8(r.To), code8(uint8(next))))
		}
		if !slices.Contains([]string{UnknownRefused, UnknownUnsupported, UnknownIgnored}, r.Unknown) {
			problems = append(problems, t.problem(in("types.json", "ranges", i),
				"range %s: unknown is %q, not one of refused, unsupported, ignored", r.Name, r.Unknown))
		}
		next = int(r.To) + 1
	}
	if next != 0x100 {
		problems = append(problems, t.problem(in("types.json", "ranges"),
			"the ranges end before %s; they must cover up to 0xFF", code8(uint8(next))))
	}
	for i, m := range t.registry.Types {
		if r, _ := t.registry.TypeRange(m.Code); r.Name == neverSent {
			problems = append(problems, t.problem(in("types.json", "types", i),
				"%s is in a range that is never sent", m.Name))
		}
		if _, ok := t.registry.Layout(m.Layout); m.Layout != "" && !ok {
			problems = append(problems, t.problem(in("types.json", "types", i),
				"%s: layout %q is not in layouts.json", m.Name, m.Layout))
		}
	}
	return problems
}

// checkTLVRanges: the TLV types cover 0x0000–0xFFFF once.
func checkTLVRanges(t tree) []Problem {
	var problems []Problem
	next := 0
	for i, tlv := range t.registry.TLVs {
		if int(tlv.From) != next || tlv.To < tlv.From {
			problems = append(problems, t.problem(in("tlvs.json", i),
				"entry %s begins at %s and ends at %s, but the next type to cover is %s",
				tlv.Name, code16(tlv.From), code16(tlv.To), code16(uint16(next))))
		}
		next = int(tlv.To) + 1
	}
	if next != 0x10000 {
		problems = append(problems, t.problem(in("tlvs.json"),
			"the types end before %s; they must cover up to 0xFFFF", code16(uint16(next))))
	}
	return problems
}

// checkHSTypes: a handshake message travels in a type that its sender may send.
func checkHSTypes(t tree) []Problem {
	var problems []Problem
	for i, h := range t.registry.HSTypes {
		carrier, ok := t.registry.Type(h.Type)
		if !ok || carrier.Layout != "envelope" || carrier.Initiator != h.Direction {
			problems = append(problems, t.problem(in("hs_types.json", i),
				"%s: type %s carries no handshake message of the %s", h.Name, code8(h.Type), h.Direction))
		}
		if _, ok := t.registry.Layout(h.Layout); h.Layout != "" && !ok {
			problems = append(problems, t.problem(in("hs_types.json", i),
				"%s: layout %q is not in layouts.json", h.Name, h.Layout))
		}
	}
	for i, f := range t.registry.FlightTypes {
		for _, name := range f.Layouts {
			if _, ok := t.registry.Layout(name); !ok {
				problems = append(problems, t.problem(in("flight_types.json", i),
					"%s: layout %q is not in layouts.json", f.Name, name))
			}
		}
	}
	return problems
}

// checkErrorScopes: each code has a scope, and the additions fit it.
func checkErrorScopes(t tree) []Problem {
	var problems []Problem
	for i, e := range t.registry.Errors {
		s := e.Scope
		if !s.Message && !s.Path && !s.Session {
			problems = append(problems, t.problem(in("errors.json", i),
				"%s has no scope; it could never be sent", e.Name))
		}
		if s.ReplyOnly && !s.Message {
			problems = append(problems, t.problem(in("errors.json", i),
				"%s is reply_only without scope message; a reply has scope 0", e.Name))
		}
		if s.Clear && !s.Path && !s.Session {
			problems = append(problems, t.problem(in("errors.json", i),
				"%s is clear without scope path or session; a clear frame is about no message", e.Name))
		}
	}
	return problems
}

// checkSteps: the order of checks counts 1, 2, 3 and so on, and no column is empty.
func checkSteps(t tree) []Problem {
	var problems []Problem
	for i, c := range t.registry.Checks {
		if c.Step != i+1 {
			problems = append(problems, t.problem(in("checks.json", i),
				"step %d stands where step %d belongs", c.Step, i+1))
		}
		if c.Check == "" || c.UDP == "" || c.TCP == "" {
			problems = append(problems, t.problem(in("checks.json", i),
				"step %d leaves a column empty", c.Step))
		}
	}
	return problems
}
