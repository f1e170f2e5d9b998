package spec

import (
	"fmt"
	"slices"
	"strconv"
)

func renderLayout(layout Layout) string {
	if slices.ContainsFunc(layout.Fields, func(f Field) bool { return f.Flag != "" }) {
		return renderFlaggedLayout(layout)
	}
	table := newTable("offset", "size", "field", "attribute", "rule")
	for _, field := range layout.Fields {
		table.row(offsetOf(field), sizeOf(field), "`"+field.Name+"`", field.Attribute, field.Rule)
	}
	if layout.Then != nil {
		table.row(offsetOf(*layout.Then), sizeOf(*layout.Then), "`"+layout.Then.Name+"`", layout.Then.Attribute, layout.Then.Rule)
	}
	return table.String()
}

// renderFlaggedLayout is for a layout whose fields depend on flags and have no
// fixed offset.
func renderFlaggedLayout(layout Layout) string {
	table := newTable("flag", "size", "field", "attribute", "rule")
	for _, field := range layout.Fields {
		table.row(field.Flag, sizeOf(field), "`"+field.Name+"`", field.Attribute, field.Rule)
	}
	return table.String()
}

func offsetOf(field Field) string {
	if field.Offset == Variable {
		return "…"
	}
	return strconv.Itoa(field.Offset)
}

func sizeOf(field Field) string {
	size := strconv.Itoa(field.Size)
	switch field.Kind {
	case KindVar:
		size = "`" + field.LenField + "`"
		if field.LenUnit > 1 {
			size = fmt.Sprintf("%d × %s", field.LenUnit, size)
		}
	case KindRest:
		size = "rest"
		if field.Max > 0 {
			size = "0 … " + strconv.Itoa(field.Max)
		}
	case KindTLV:
		size = "2 + n"
	}
	if field.If != nil {
		return size + " or 0"
	}
	return size
}
