package spec

import (
	"fmt"
	"strconv"
	"strings"
)

func renderSchedule(s Schedule) string {
	var text strings.Builder
	constants := newTable("constant", "value", "meaning")
	constants.row("`label_prefix`", "`"+s.LabelPrefix.formula()+"`", "before every label of ExpandLabel")
	for _, constant := range s.Constants {
		constants.row("`"+constant.Name+"`", "`"+constant.Value.formula()+"`", constant.Meaning)
	}
	text.WriteString(constants.String())
	for _, function := range s.Functions {
		text.WriteString("\n**" + function.Title + "**")
		text.WriteString(" (profile `" + function.Profile + "`), from " + inputList(function.Inputs) + ":\n\n")
		table := newTable("value", "formula", "bytes")
		for _, step := range function.Steps {
			table.row("`"+step.Name+"`", "`"+s.formula(step)+"`"+yes(step.Meaning != "", "; "+step.Meaning), stepSize(step))
		}
		text.WriteString(table.String())
	}
	text.WriteString("\n**Traffic secrets of the key slots**\n\n")
	slots := newTable("key slot", "sender", "traffic secret", "sequence_number")
	for _, slot := range s.Slots {
		slots.row(slot.Slot, slot.Direction, "`"+slot.Secret+"` of `"+slot.Function+"`", slot.Sequence)
	}
	text.WriteString(slots.String())
	return text.String()
}

func inputList(inputs []Input) string {
	var list []string
	for _, input := range inputs {
		text := "`" + input.Name
		if input.Size > 0 {
			text += "[" + strconv.Itoa(input.Size) + "]"
		}
		list = append(list, text+"` "+input.Meaning)
	}
	return strings.Join(list, ", ")
}

func stepSize(step Step) string {
	if step.SizeFrom != "" {
		return "`" + step.SizeFrom + "`"
	}
	return strconv.Itoa(step.Size)
}

// formula writes a step as the text writes it.
func (s Schedule) formula(step Step) string {
	hash := step.Hash
	if hash == "" {
		hash = s.Hash
	}
	switch step.Op {
	case OpConcat:
		return step.Parts.formula()
	case OpHash:
		return hash + "(" + step.Parts.formula() + ")"
	case OpHMAC:
		return fmt.Sprintf("HMAC-%s(%s, %s)", hash, step.Key.formula(), step.Parts.formula())
	case OpExtract:
		return fmt.Sprintf("HKDF-Extract(salt = %s, ikm = %s)", step.Salt.formula(), step.IKM.formula())
	case OpExpand:
		return fmt.Sprintf("ExpandLabel(%s, %s, %s, %s)",
			step.SecretIn.formula(), step.Label.formula(), step.Context.formula(), strings.Trim(stepSize(step), "`"))
	case OpXOR:
		return step.Left.formula() + " XOR " + step.Right.formula()
	case OpTake:
		return fmt.Sprintf("(%s)[0:%d]", step.Parts.formula(), step.Size)
	}
	return step.Op
}

// formula writes an operand as the text writes it: texts in double quotes, bytes
// without x:, the empty operand as "".
func (o Operand) formula() string {
	if len(o) == 0 {
		return `""`
	}
	texts := make([]string, len(o))
	for i, term := range o {
		texts[i] = strings.ReplaceAll(strings.TrimPrefix(term.Text, "x:"), "'", `"`)
	}
	return strings.Join(texts, " ‖ ")
}
