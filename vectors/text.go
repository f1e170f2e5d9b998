package vectors

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/bpci/xtmp/vectors/testkit"
)

// The marks of sections.
const (
	markGiven     = "--- given"
	markPlaintext = "--- plaintext"
	markResult    = "--- result"
	markStep      = ">>> "
	arrow         = " → "
	markAt        = ", client at "
)

// lineBytes is how many bytes a line holds; more continue on the next.
const lineBytes = 32

const labelWidth = 30

// Text returns the vector as its file has it.
func (v Vector) Text() string {
	var out strings.Builder
	for _, line := range []struct{ key, value string }{
		{"id", v.ID},
		{"kind", v.Kind},
		{"req", strings.Join(v.Req, " ")},
		{"expect", v.Expect.String()},
		{"effect", v.Effect},
		{"receiver", v.Receiver},
		{"state", v.State},
		{"function", v.Function},
		{"needs", v.Needs},
		{"comment", v.Comment},
	} {
		if line.value != "" {
			fmt.Fprintf(&out, "%s: %s\n", line.key, line.value)
		}
	}
	writeValues(&out, markGiven, v.Given)
	for _, step := range v.Steps {
		writeStep(&out, step)
	}
	writeValues(&out, markResult, v.Result)
	return out.String()
}

func writeValues(out *strings.Builder, mark string, values []Value) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", mark)
	for _, value := range values {
		writeLine(out, value.Name, value.Bytes, "")
	}
}

func writeStep(out *strings.Builder, step Step) {
	if step.Plaintext != nil {
		fmt.Fprintf(out, "\n%s\n", markPlaintext)
		writeParts(out, plaintextParts(step))
	}
	fmt.Fprintf(out, "\n%s%s%s%s", markStep, step.From, arrow, other(step.From))
	if step.At != "" {
		out.WriteString(markAt + step.At)
	}
	out.WriteByte('\n')
	writeParts(out, testkit.Annotate(step.Frame))
}

func writeParts(out *strings.Builder, parts []testkit.Part) {
	for _, part := range parts {
		writeLine(out, partLabel(part), part.Bytes, part.Meaning)
	}
}

// partLabel marks a field that the bytes ended in.
func partLabel(part testkit.Part) string {
	if part.Short {
		return part.Label + "!"
	}
	return part.Label
}

func writeLine(out *strings.Builder, label string, data []byte, meaning string) {
	first := data[:min(len(data), lineBytes)]
	line := fmt.Sprintf("%-*s %s", labelWidth, label, hex.EncodeToString(first))
	if meaning != "" {
		line = fmt.Sprintf("%-*s # %s", labelWidth+2*24+1, line, meaning)
	}
	out.WriteString(strings.TrimRight(line, " ") + "\n")
	for rest := data[len(first):]; len(rest) > 0; rest = rest[min(len(rest), lineBytes):] {
		fmt.Fprintf(out, "%-*s %s\n", labelWidth, "", hex.EncodeToString(rest[:min(len(rest), lineBytes)]))
	}
}

// plaintextParts names the bytes of a plaintext by type and flags of its frame.
func plaintextParts(step Step) []testkit.Part {
	f, _, _ := testkit.DecodeFrame(step.Frame)
	return testkit.AnnotatePlaintext(f.Type(), f.Flags(), step.Plaintext)
}

func other(side string) string {
	if side == "client" {
		return "server"
	}
	return "client"
}
