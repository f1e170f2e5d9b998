package spec

import (
	"fmt"
	"slices"
	"strings"
)

// checkScheduleNames: names are defined once and every operand names something.
func checkScheduleNames(t tree) []Problem {
	var problems []Problem
	s := t.registry.Schedule
	for i, function := range s.Functions {
		defined := make(map[string]bool)
		for _, constant := range s.Constants {
			defined[constant.Name] = true
		}
		define := func(name string, entry ...any) {
			if defined[name] {
				problems = append(problems, t.problem(in("schedule.json", append([]any{"functions", i}, entry...)...),
					"%s: %s is defined twice, as input, step or constant; rename one", function.Name, name))
			}
			defined[name] = true
		}
		for j, input := range function.Inputs {
			define(input.Name, "inputs", j)
		}
		for j, step := range function.Steps {
			define(step.Name, "steps", j)
		}
		for j, step := range function.Steps {
			for _, name := range step.references() {
				if !defined[name] {
					problems = append(problems, t.problem(in("schedule.json", "functions", i, "steps", j),
						"%s.%s names %s, which is no input, step or constant", function.Name, step.Name, name))
				}
			}
		}
	}
	return problems
}

// references returns the names that a step needs.
func (s Step) references() []string {
	var names []string
	for _, operand := range s.operands() {
		for _, term := range operand {
			if term.Name != "" {
				names = append(names, term.Name)
			}
		}
	}
	if s.SizeFrom != "" {
		names = append(names, s.SizeFrom)
	}
	return names
}

// operands returns the operands by their key in schedule.json.
func (s Step) operands() map[string]Operand {
	return map[string]Operand{
		"parts": s.Parts, "key": s.Key, "salt": s.Salt, "ikm": s.IKM, "secret_in": s.SecretIn,
		"label": s.Label, "context": s.Context, "left": s.Left, "right": s.Right,
	}
}

// checkScheduleOperations: each step has the operands of its operation and the size
// that the operation gives.
func checkScheduleOperations(t tree) []Problem {
	var problems []Problem
	for i, function := range t.registry.Schedule.Functions {
		for j, step := range function.Steps {
			for _, text := range t.stepFaults(function, step) {
				problems = append(problems, t.problem(in("schedule.json", "functions", i, "steps", j),
					"%s.%s: %s", function.Name, step.Name, text))
			}
		}
	}
	return problems
}

func (t tree) stepFaults(function Function, step Step) []string {
	needs, ok := map[string][]string{
		OpConcat: {"parts"}, OpHash: {"parts"}, OpHMAC: {"key", "parts"}, OpExtract: {"salt", "ikm"},
		OpExpand: {"secret_in", "label"}, OpXOR: {"left", "right"}, OpTake: {"parts"},
	}[step.Op]
	if !ok {
		return []string{fmt.Sprintf("operation %q is not one of concat, hash, hmac, extract, expand, xor, take", step.Op)}
	}
	var faults []string
	operands := step.operands()
	for _, name := range sortedKeys(operands) {
		given, needed := len(operands[name]) > 0, slices.Contains(needs, name)
		if needed && !given {
			faults = append(faults, fmt.Sprintf("operation %s needs %s", step.Op, name))
		}
		if given && !needed && (name != "context" || step.Op != OpExpand) {
			faults = append(faults, fmt.Sprintf("operation %s has no %s", step.Op, name))
		}
	}
	if (step.Size > 0) == (step.SizeFrom != "") || step.SizeFrom != "" && step.Op != OpExpand {
		faults = append(faults, "give size, or size_from in an expand")
	}
	if input, _ := find(function.Inputs, func(in Input) bool { return in.Name == step.SizeFrom }); step.SizeFrom != "" && !input.Number {
		faults = append(faults, fmt.Sprintf("size_from %q is no input that is a number", step.SizeFrom))
	}
	if want, ok := t.resultSize(function, step); ok && step.SizeFrom == "" && want != step.Size {
		faults = append(faults, fmt.Sprintf("size is %d, but the operation gives %d", step.Size, want))
	}
	if whole, ok := t.operandSize(function, step.Parts); ok && step.Op == OpTake && whole <= step.Size {
		faults = append(faults, fmt.Sprintf("takes %d bytes of %d; take fewer, or use concat", step.Size, whole))
	}
	if left, ok := t.operandSize(function, step.Left); ok && step.Op == OpXOR && left != step.Size {
		faults = append(faults, fmt.Sprintf("left has %d bytes, not %d; both sides of xor are equally long", left, step.Size))
	}
	return faults
}

// resultSize returns the bytes that a step gives, if they follow from its operands.
func (t tree) resultSize(function Function, step Step) (int, bool) {
	switch step.Op {
	case OpConcat:
		return t.operandSize(function, step.Parts)
	case OpXOR:
		return t.operandSize(function, step.Right)
	case OpHash, OpHMAC, OpExtract:
		hash := step.Hash
		if hash == "" {
			hash = t.registry.Schedule.Hash
		}
		size, ok := map[string]int{"SHA-256": 32, "SHA-384": 48}[hash]
		return size, ok
	}
	return 0, false
}

func (t tree) operandSize(function Function, operand Operand) (int, bool) {
	total := 0
	for _, term := range operand {
		size := len(term.Bytes)
		if term.Name != "" {
			size = t.namedSize(function, term.Name)
		}
		if size == 0 {
			return 0, false
		}
		total += size
	}
	return total, true
}

// namedSize returns the bytes of an input, step or constant, or 0 if they vary.
func (t tree) namedSize(function Function, name string) int {
	if constant, ok := t.registry.Schedule.Constant(name); ok {
		size, _ := t.operandSize(function, constant.Value)
		return size
	}
	if step, ok := function.Step(name); ok {
		return step.Size
	}
	input, _ := find(function.Inputs, func(in Input) bool { return in.Name == name })
	return input.Size
}

// checkScheduleOrder: no step needs itself, not even through others.
func checkScheduleOrder(t tree) []Problem {
	var problems []Problem
	for i, function := range t.registry.Schedule.Functions {
		for j, step := range function.Steps {
			if function.reaches(step.Name, step.Name, make(map[string]bool)) {
				problems = append(problems, t.problem(in("schedule.json", "functions", i, "steps", j),
					"%s.%s needs itself; break the circle", function.Name, step.Name))
			}
		}
	}
	return problems
}

// reaches reports whether a step needs another one, directly or through others.
func (f Function) reaches(from, to string, seen map[string]bool) bool {
	step, ok := f.Step(from)
	if !ok || seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(step.references(), func(name string) bool {
		return name == to || f.reaches(name, to, seen)
	})
}

// checkScheduleSeparation: no secret is expanded twice to the same bytes, in any
// two functions that call the secret by the same name.
func checkScheduleSeparation(t tree) []Problem {
	var problems []Problem
	seen := make(map[string]string)
	for i, function := range t.registry.Schedule.Functions {
		for j, step := range function.Steps {
			if step.Op != OpExpand {
				continue
			}
			what := strings.Join([]string{step.SecretIn.String(), step.Label.String(), step.Context.String()}, ", ")
			name := function.Name + "." + step.Name
			if other, ok := seen[what]; ok {
				problems = append(problems, t.problem(in("schedule.json", "functions", i, "steps", j),
					"%s expands (%s) as %s does; give it a label of its own", name, what, other))
			}
			seen[what] = name
		}
	}
	return problems
}

// checkScheduleSlots: every slot that seals has a traffic secret for each sender,
// of the size that function slot takes; the AAD and the zeroed fields exist.
func checkScheduleSlots(t tree) []Problem {
	var problems []Problem
	s := t.registry.Schedule
	slotFunction, _ := s.Function("slot")
	ts, _ := find(slotFunction.Inputs, func(in Input) bool { return in.Name == "ts" })
	for i, slot := range s.Slots {
		function, _ := s.Function(slot.Function)
		if step, ok := function.Step(slot.Secret); !ok || step.Size != ts.Size || !step.Secret {
			problems = append(problems, t.problem(in("schedule.json", "slots", i),
				"slot %s, %s: %s.%s is no secret step of %d bytes", slot.Slot, slot.Direction, slot.Function, slot.Secret, ts.Size))
		}
	}
	for _, name := range slots()[1:] {
		for _, direction := range []string{"client", "server"} {
			if _, ok := s.Slot(name, direction); !ok {
				problems = append(problems, t.problem(in("schedule.json", "slots"),
					"slot %s has no traffic secret for the %s; add it", name, direction))
			}
		}
	}
	layout, _ := t.registry.Layout(s.Seal.AAD.Layout)
	if layout.Size < s.Seal.AAD.To || s.Seal.AAD.To <= s.Seal.AAD.From {
		problems = append(problems, t.problem(in("schedule.json", "seal", "aad"),
			"aad: bytes %d to %d are not in layout %s", s.Seal.AAD.From, s.Seal.AAD.To, s.Seal.AAD.Layout))
	}
	for _, name := range slices.Concat(s.Seal.AAD.Zeroed, s.Seal.Checksum.Zeroed) {
		if _, ok := layout.Field(name); !ok {
			problems = append(problems, t.problem(in("schedule.json", "seal"),
				"zeroed field %s is not in layout %s", name, layout.Name))
		}
	}
	return problems
}
