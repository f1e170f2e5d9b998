package spec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// TableNames returns the names that a table marker may carry, in a fixed order.
func (r *Registry) TableNames() []string {
	var names []string
	for _, layout := range r.Layouts {
		names = append(names, layoutTable+layout.Name)
	}
	names = append(names, "types", "type-ranges", "flags", "flag-matrix", "suites", "hs-types", "flight-types",
		"heartbeat-kinds", "error-codes", "bits", "tlvs", "sizes", "counts", "timers", "checks")
	for _, states := range r.stateTables() {
		names = append(names, statesTable+states)
	}
	return append(names, "schedule", "profiles", "areas", "requirements")
}

// Table renders a table of the registry as Markdown, ending in a newline. It
// reports false if there is no table of that name.
func (r *Registry) Table(name string) (string, bool) {
	if layout, ok := r.Layout(strings.TrimPrefix(name, layoutTable)); ok && strings.HasPrefix(name, layoutTable) {
		return renderLayout(layout), true
	}
	if states, ok := r.States[strings.TrimPrefix(name, statesTable)]; ok && strings.HasPrefix(name, statesTable) {
		return renderStates(states), true
	}
	switch name {
	case "types":
		return renderTypes(r.Types), true
	case "type-ranges":
		return renderTypeRanges(r.TypeRanges), true
	case "flags":
		return renderFlags(r.Flags), true
	case "flag-matrix":
		return renderFlagMatrix(r.FlagMatrix), true
	case "suites":
		return renderSuites(r.Suites), true
	case "hs-types":
		return renderHSTypes(r.HSTypes), true
	case "flight-types":
		return renderFlightTypes(r.FlightTypes), true
	case "heartbeat-kinds":
		return renderHeartbeatKinds(r.HeartbeatKinds), true
	case "error-codes":
		return renderErrors(r.Errors), true
	case "bits":
		return renderBits(r.Bits), true
	case "tlvs":
		return renderTLVs(r.TLVs), true
	case "sizes":
		return renderLimits(r.Sizes), true
	case "counts":
		return renderLimits(r.Counts), true
	case "timers":
		return renderTimers(r.Timers), true
	case "checks":
		return renderChecks(r.Checks), true
	case "schedule":
		return renderSchedule(r.Schedule), true
	case "profiles":
		return renderProfiles(r.Profiles), true
	case "areas":
		return renderAreas(r.Areas), true
	case "requirements":
		return renderRequirements(r.Requirements), true
	}
	return "", false
}

// FillTables returns the text of a chapter with the block behind each table marker
// replaced by the rendered table. Blocks with an unknown name or without an end
// are left as they are.
func (r *Registry) FillTables(text string) string {
	lines := strings.SplitAfter(text, "\n")
	var filled strings.Builder
	for i := 0; i < len(lines); i++ {
		filled.WriteString(lines[i])
		match := tableStart.FindStringSubmatch(strings.TrimSpace(lines[i]))
		if match == nil {
			continue
		}
		table, known := r.Table(match[1])
		length := slices.IndexFunc(lines[i+1:], func(line string) bool { return strings.TrimSpace(line) == tableEnd })
		if known && length >= 0 {
			filled.WriteString(table)
			i += length
		}
	}
	return filled.String()
}

const (
	layoutTable = "layout:"
	statesTable = "states:"
)

// stateTables returns the names of the state tables in a fixed order.
func (r *Registry) stateTables() []string {
	return slices.Sorted(maps.Keys(r.States))
}

// markdown is a table under construction.
type markdown struct{ text strings.Builder }

func newTable(columns ...string) *markdown {
	table := &markdown{}
	table.row(columns...)
	table.text.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	return table
}

func (m *markdown) row(cells ...string) {
	for _, cell := range cells {
		m.text.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	m.text.WriteString("|\n")
}

func (m *markdown) String() string { return m.text.String() }

// grouped writes a number with a space between groups of three digits, from
// five digits on.
func grouped(value uint64) string {
	digits := strconv.FormatUint(value, 10)
	if len(digits) < 5 {
		return digits
	}
	head := len(digits) % 3
	groups := []string{digits[:head]}
	if head == 0 {
		groups = nil
	}
	for ; head < len(digits); head += 3 {
		groups = append(groups, digits[head:head+3])
	}
	return strings.Join(groups, " ")
}

func code8(value uint8) string { return fmt.Sprintf("0x%02X", value) }

func code16(value uint16) string { return fmt.Sprintf("0x%04X", value) }

// span writes a range of equal codes as one, or as from–to.
func span(from, to string) string {
	if from == to {
		return from
	}
	return from + "–" + to
}

func yes(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
