package spec

import (
	"encoding/hex"
	"fmt"
	"slices"
)

// checkLayoutSizes: fields follow one another without gap or overlap, and add up.
func checkLayoutSizes(t tree) []Problem {
	var problems []Problem
	for i, layout := range t.registry.Layouts {
		next := 0 // offset of the next field, or Variable
		for j, field := range layout.Fields {
			if field.Flag != "" {
				next = Variable
			}
			if field.Offset != next {
				problems = append(problems, t.problem(in("layouts.json", i, "fields", j),
					"%s.%s: offset is %s, but the fields before it end at %s; correct one of them",
					layout.Name, field.Name, known(field.Offset), known(next)))
				next = field.Offset
			}
			switch {
			case next == Variable:
			case field.always():
				next += field.Size
			default:
				next = Variable
			}
		}
		if layout.Size != next {
			problems = append(problems, t.problem(in("layouts.json", i),
				"%s: size is %s, but the fields add up to %s; correct one of them", layout.Name, known(layout.Size), known(next)))
		}
		if layout.Then != nil && layout.Then.Offset != next {
			problems = append(problems, t.problem(in("layouts.json", i, "then"),
				"%s.%s: offset is %s, but the layout before it ends at %s",
				layout.Name, layout.Then.Name, known(layout.Then.Offset), known(next)))
		}
	}
	return problems
}

func known(size int) string {
	if size == Variable {
		return "null"
	}
	return fmt.Sprint(size)
}

// checkLayoutKinds: each field has what its kind needs, and nothing else.
func checkLayoutKinds(t tree) []Problem {
	var problems []Problem
	for i, layout := range t.registry.Layouts {
		for j, field := range layout.Fields {
			for _, text := range fieldFaults(field, j == len(layout.Fields)-1) {
				problems = append(problems, t.problem(in("layouts.json", i, "fields", j),
					"%s.%s: %s", layout.Name, field.Name, text))
			}
		}
		if layout.Then != nil {
			for _, text := range fieldFaults(*layout.Then, true) {
				problems = append(problems, t.problem(in("layouts.json", i, "then"),
					"%s.%s: %s", layout.Name, layout.Then.Name, text))
			}
		}
	}
	return problems
}

func fieldFaults(field Field, last bool) []string {
	var faults []string
	report := func(wrong bool, format string, values ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, values...))
		}
	}
	fixed := field.Kind == KindUint || field.Kind == KindBytes || field.Kind == KindZero
	report(!fixed && !slices.Contains([]string{KindVar, KindRest, KindTLV}, field.Kind),
		"kind %q is not one of uint, bytes, zero, var, rest, tlv", field.Kind)
	report(fixed && field.Size < 1, "kind %s needs a size of at least 1", field.Kind)
	report(field.Kind == KindUint && field.Size > 8, "a uint of %d bytes does not fit 64 bits; make it bytes", field.Size)
	report(!fixed && field.Size != Variable, "kind %s has no size of its own; write null", field.Kind)
	report((field.Kind == KindVar) != (field.LenField != ""), "len_field belongs to kind var, and kind var needs it")
	report(field.LenUnit != 0 && field.Kind != KindVar, "len_unit belongs to kind var")
	report(field.Max != 0 && field.Kind != KindRest, "max belongs to kind rest")
	report(field.Kind == KindRest && !last, "kind rest takes all that is left, so it must be the last field")
	attributes := []string{AttributeFixed, AttributeSession, AttributeDerived, AttributeVolatile, AttributeOpaque}
	report(!slices.Contains(attributes, field.Attribute),
		"attribute %q is not one of fixed, session, derived, volatile, opaque", field.Attribute)
	report(field.Rule == "", "has no rule; say what its bytes are")
	value, err := hex.DecodeString(field.Value)
	report(err != nil || field.Value != "" && len(value) != field.Size, "value %s is not %d bytes in hexadecimal", field.Value, field.Size)
	return faults
}

// checkLayoutReferences: what a field names exists, earlier where it has to.
func checkLayoutReferences(t tree) []Problem {
	var problems []Problem
	for i, layout := range t.registry.Layouts {
		if !slices.ContainsFunc(t.registry.Chapters, func(c Chapter) bool { return c.File == layout.Section+".md" }) {
			problems = append(problems, t.problem(in("layouts.json", i),
				"%s: section %q is no chapter", layout.Name, layout.Section))
		}
		for j, field := range layout.Fields {
			for _, text := range t.danglingIn(layout.Fields[:j], field) {
				problems = append(problems, t.problem(in("layouts.json", i, "fields", j),
					"%s.%s: %s", layout.Name, field.Name, text))
			}
		}
		if layout.Then != nil {
			for _, text := range t.danglingIn(layout.Fields, *layout.Then) {
				problems = append(problems, t.problem(in("layouts.json", i, "then"),
					"%s.%s: %s", layout.Name, layout.Then.Name, text))
			}
		}
	}
	return problems
}

func (t tree) danglingIn(before []Field, field Field) []string {
	var faults []string
	named := func(name string) (Field, bool) {
		return find(before, func(f Field) bool { return f.Name == name })
	}
	if counter, ok := named(field.LenField); field.LenField != "" && (!ok || counter.Kind != KindUint) {
		faults = append(faults, fmt.Sprintf("len_field %q is no uint before it", field.LenField))
	}
	for _, presence := range []*Presence{field.If, field.Unless} {
		if presence == nil {
			continue
		}
		if holder, ok := named(presence.Field); !ok || holder.Kind != KindUint {
			faults = append(faults, fmt.Sprintf("depends on %q, which is no uint before it", presence.Field))
		} else if presence.Mask == 0 || holder.Size < 8 && presence.Mask>>(8*holder.Size) != 0 {
			faults = append(faults, fmt.Sprintf("mask %#x is empty or wider than %s, %d bytes", presence.Mask, holder.Name, holder.Size))
		}
	}
	if _, ok := t.registry.Flag(field.Flag); field.Flag != "" && !ok {
		faults = append(faults, fmt.Sprintf("flag %q is not in flags.json", field.Flag))
	}
	if inner, ok := t.registry.Layout(field.Layout); field.Layout != "" && !ok {
		faults = append(faults, fmt.Sprintf("layout %q is not in layouts.json", field.Layout))
	} else if ok && field.Size != Variable && field.Size != inner.Size {
		faults = append(faults, fmt.Sprintf("has %d bytes, but layout %s has %s", field.Size, field.Layout, known(inner.Size)))
	}
	if _, ok := t.registry.Requirement(field.Req); field.Req != "" && !ok {
		faults = append(faults, fmt.Sprintf("requirement %s does not exist", field.Req))
	}
	return faults
}
