package report

import (
	"fmt"
	"strings"
)

// A dumpLine is up to 16 bytes as hex and as text.
type dumpLine struct {
	Offset string
	Runs   []dumpRun
	Pad    string // in place of the bytes that the line lacks
	Text   string
}

// A dumpRun is bytes of one field. Shade alternates from field to field; Bad
// marks a field that is not what it must be.
type dumpRun struct {
	Hex   string // with a space before each byte but the first of the run
	Field string
	Shade int // -1 outside of every field
	Bad   bool
}

const dumpWidth = 16

// dump arranges bytes in lines, coloured by the fields that cover them.
func dump(raw []byte, fields []fieldView) []dumpLine {
	var lines []dumpLine
	for start := 0; start < len(raw); start += dumpWidth {
		end := min(start+dumpWidth, len(raw))
		line := dumpLine{Offset: fmt.Sprintf("%04x", start), Pad: strings.Repeat("   ", dumpWidth-(end-start))}
		var last *fieldView
		for i, b := range raw[start:end] {
			f := covering(fields, start+i)
			if i == 0 || f != last {
				line.Runs = append(line.Runs, newRun(f))
			} else {
				line.Runs[len(line.Runs)-1].Hex += " "
			}
			line.Runs[len(line.Runs)-1].Hex += fmt.Sprintf("%02x", b)
			last = f
			if b < 0x20 || b > 0x7E {
				b = '.'
			}
			line.Text += string(rune(b))
		}
		lines = append(lines, line)
	}
	return lines
}

func newRun(f *fieldView) dumpRun {
	if f == nil {
		return dumpRun{Shade: -1}
	}
	return dumpRun{Field: f.Name, Shade: f.Shade, Bad: f.Bad}
}

// covering finds the field that holds the byte at offset; of several the last,
// which is the most precise.
func covering(fields []fieldView, offset int) *fieldView {
	var found *fieldView
	for i := range fields {
		if f := &fields[i]; f.Offset <= offset && offset < f.Offset+f.Size {
			found = f
		}
	}
	return found
}
