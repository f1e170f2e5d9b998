package spec

import (
	"fmt"
	"slices"
)

// checkFlagMatrix: the rows use known words and types, and every known type has a
// row for each role that sends it.
func checkFlagMatrix(t tree) []Problem {
	var problems []Problem
	for i, row := range t.registry.FlagMatrix {
		for _, text := range t.rowFaults(row) {
			problems = append(problems, t.problem(in("flag_matrix.json", i),
				"%s: %s", row.Frame, text))
		}
	}
	for i, m := range t.registry.Types {
		if r, _ := t.registry.TypeRange(m.Code); r.Name == neverSent {
			continue // reported with the ranges
		}
		for _, sender := range senders(m) {
			if !slices.ContainsFunc(t.registry.FlagMatrix, func(row FlagRow) bool {
				return !row.UnknownOnly && row.holds(m.Code) && (row.Sender == "both" || row.Sender == sender)
			}) {
				problems = append(problems, t.problem(in("types.json", "types", i),
					"%s has no row in flag_matrix.json for the %s; add one", m.Name, sender))
			}
		}
	}
	return problems
}

func (t tree) rowFaults(row FlagRow) []string {
	var faults []string
	for _, rule := range []FlagRule{row.RequiresAck, row.Reply, row.Streaming, row.Priority, row.Fragment, row.Compressed} {
		if !slices.Contains([]FlagRule{FlagSet, FlagClear, FlagOptional}, rule) {
			faults = append(faults, fmt.Sprintf("%q is not one of set, clear, optional", rule))
		}
	}
	if len(row.Types) == 0 || len(row.Slots) == 0 {
		faults = append(faults, "has no types or no slots")
	}
	for _, s := range row.Types {
		for code := int(s.From); code <= int(s.To); code++ {
			if r, _ := t.registry.TypeRange(uint8(code)); r.Name == neverSent {
				faults = append(faults, fmt.Sprintf("type %s is never sent", code8(uint8(code))))
			}
		}
		if s.To < s.From {
			faults = append(faults, fmt.Sprintf("types end at %s before they begin at %s", code8(s.To), code8(s.From)))
		}
	}
	for _, value := range row.HSTypes {
		if h, ok := t.registry.HSType(value); !ok || !row.holds(h.Type) || !slices.Contains(row.Slots, h.Slot) {
			faults = append(faults, fmt.Sprintf("hs_type %d does not travel in these types and slots", value))
		}
	}
	for _, slot := range row.Slots {
		if !slices.Contains(slots(), slot) {
			faults = append(faults, fmt.Sprintf("slot %q is not one of clear, handshake, attach, path", slot))
		}
	}
	return faults
}

func (f FlagRow) holds(code uint8) bool {
	return slices.ContainsFunc(f.Types, func(s TypeSpan) bool { return s.From <= code && code <= s.To })
}

func slots() []string { return []string{"clear", "handshake", "attach", "path"} }

// senders returns the roles that send a type: a request is answered in its own type.
func senders(m MessageType) []string {
	if m.Initiator == "both" || m.Code >= 0x10 {
		return []string{"client", "server"}
	}
	return []string{m.Initiator}
}

// checkClosedWords: profiles, roles, classes and slots are from their lists.
func checkClosedWords(t tree) []Problem {
	var problems []Problem
	r := t.registry
	roles := []string{"client", "server", "both"}
	var profiles []string
	for _, p := range r.Profiles {
		profiles = append(profiles, p.Name)
	}
	want := func(list []string, what, word, file string, entry ...any) {
		if !slices.Contains(list, word) {
			problems = append(problems, t.problem(in(file, entry...),
				"%s %q is not one of %q", what, word, list))
		}
	}
	for i, m := range r.Types {
		want(profiles, "profile", m.Profile, "types.json", "types", i)
		want(roles, "initiator", m.Initiator, "types.json", "types", i)
		want([]string{"binary", "I-JSON"}, "body", m.Body, "types.json", "types", i)
	}
	for i, row := range r.FlagMatrix {
		want(roles, "sender", row.Sender, "flag_matrix.json", i)
	}
	for i, s := range r.Suites {
		want(profiles, "profile", s.Profile, "suites.json", i)
	}
	for i, h := range r.HSTypes {
		want(profiles, "profile", h.Profile, "hs_types.json", i)
		want(slots(), "slot", h.Slot, "hs_types.json", i)
		want(roles[:2], "direction", h.Direction, "hs_types.json", i)
	}
	for i, k := range r.HeartbeatKinds {
		want(profiles, "profile", k.Profile, "heartbeat_kinds.json", i)
	}
	for i, e := range r.Errors {
		want(profiles, "profile", e.Profile, "errors.json", i)
		want(errorClasses(), "class", e.Class, "errors.json", i)
	}
	for i, b := range r.Bits {
		want(profiles, "profile", b.Profile, "bits.json", i)
	}
	for i, tlv := range r.TLVs {
		want(profiles, "profile", tlv.Profile, "tlvs.json", i)
	}
	for i, f := range r.Schedule.Functions {
		want(profiles, "profile", f.Profile, "schedule.json", "functions", i)
	}
	for i, m := range r.Timers {
		want(profiles, "profile", m.Profile, "timers.json", i)
		want(roles, "who", m.Who, "timers.json", i)
	}
	for i, l := range r.Sizes {
		want(profiles, "profile", l.Profile, "sizes.json", i)
		want(roles, "who", l.Who, "sizes.json", i)
	}
	for i, l := range r.Counts {
		want(profiles, "profile", l.Profile, "counts.json", i)
		want(roles, "who", l.Who, "counts.json", i)
	}
	return problems
}

// errorClasses are the public error names.
func errorClasses() []string {
	return []string{
		"ConnectionFailed", "InvalidMessageFormat", "EncryptionFailed",
		"SessionExpired", "AuthenticationFailed", "ProtocolVersionMismatch",
	}
}
