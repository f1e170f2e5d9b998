package spec

import (
	"strconv"
	"strings"
)

func renderTypes(types []MessageType) string {
	table := newTable("code", "name", "body", "initiator", "profile")
	for _, t := range types {
		table.row(code8(t.Code), t.Name, t.Body, t.Initiator+yes(t.Pushes, "; pushes by the server"), t.Profile)
	}
	return table.String()
}

func renderTypeRanges(ranges []TypeRange) string {
	table := newTable("range", "name", "rule on receipt")
	for _, r := range ranges {
		table.row(span(code8(r.From), code8(r.To)), r.Name, r.Rule)
	}
	return table.String()
}

func renderFlags(flags []Flag) string {
	table := newTable("value", "flag", "meaning")
	for _, flag := range flags {
		table.row(code16(flag.Value), flag.Name, flag.Meaning)
	}
	return table.String()
}

func renderFlagMatrix(rows []FlagRow) string {
	table := newTable("frame", "types", "key slot", "sender",
		"REQUIRES_ACK", "REPLY", "STREAMING", "PRIORITY", "FRAGMENT", "COMPRESSED", "note")
	for _, row := range rows {
		var types []string
		for _, t := range row.Types {
			types = append(types, span(code8(t.From), code8(t.To)))
		}
		table.row(row.Frame, strings.Join(types, ", "), strings.Join(row.Slots, ", "), row.Sender,
			row.RequiresAck.mark(), row.Reply.mark(), row.Streaming.mark(),
			row.Priority.mark(), row.Fragment.mark(), row.Compressed.mark(), row.Note)
	}
	return "✓ set · – clear · o optional\n\n" + table.String()
}

func (f FlagRule) mark() string {
	switch f {
	case FlagSet:
		return "✓"
	case FlagClear:
		return "–"
	case FlagOptional:
		return "o"
	}
	return string(f)
}

func renderSuites(suites []Suite) string {
	table := newTable("value", "suite", "configuration", "AEAD", "server identity", "profile")
	for _, suite := range suites {
		table.row(code8(suite.Value), suite.Name, yes(suite.Config != "", "`"+suite.Config+"`"), suite.AEAD, suite.Identity, suite.Profile)
	}
	return table.String()
}

func renderHSTypes(types []HSType) string {
	table := newTable("value", "message", "type", "key slot", "sender", "profile")
	for _, t := range types {
		table.row(strconv.Itoa(int(t.Value)), t.Name, code8(t.Type), t.Slot, t.Direction, t.Profile)
	}
	return table.String()
}

func renderFlightTypes(types []FlightType) string {
	table := newTable("type", "message", "body")
	for _, t := range types {
		table.row(code8(t.Value), t.Name, "`"+strings.Join(t.Layouts, "`, `")+"`")
	}
	return table.String()
}

func renderHeartbeatKinds(kinds []Code) string {
	table := newTable("kind", "name", "rule", "profile")
	for _, kind := range kinds {
		table.row(strconv.Itoa(int(kind.Value)), kind.Name, kind.Rule, kind.Profile)
	}
	return table.String()
}

func renderErrors(errors []ErrorCode) string {
	table := newTable("code", "name", "class", "scope", "profile")
	for _, e := range errors {
		table.row(code8or16(e.Code), e.Name, e.Class, e.Scope.String(), e.Profile)
	}
	return table.String()
}

// String writes the scopes as the table of codes shows them: "0 (reply only), 1, clear".
func (s ErrorScope) String() string {
	var scopes []string
	if s.Message {
		scopes = append(scopes, "0"+yes(s.ReplyOnly, " (reply only)"))
	}
	if s.Path {
		scopes = append(scopes, "1")
	}
	if s.Session {
		scopes = append(scopes, "2")
	}
	if s.Clear {
		scopes = append(scopes, "clear")
	}
	return strings.Join(scopes, ", ")
}

func code8or16(value uint16) string {
	if value > 0xFF {
		return code16(value)
	}
	return code8(uint8(value))
}

func renderBits(bits []Bit) string {
	table := newTable("where", "value", "name", "meaning", "undefined bits", "profile")
	for _, bit := range bits {
		table.row(bit.Where, code16(bit.Value), "`"+bit.Name+"`", bit.Meaning, bit.Unknown, bit.Profile)
	}
	return table.String()
}

func renderTLVs(tlvs []TLV) string {
	table := newTable("type", "message", "name", "value", "rule")
	for _, tlv := range tlvs {
		table.row(span(code16(tlv.From), code16(tlv.To)), tlv.Message, tlv.Name, tlv.Value, tlv.Rule)
	}
	return table.String()
}

func renderChecks(checks []Check) string {
	table := newTable("#", "check", "UDP", "TCP, WebSocket")
	for _, check := range checks {
		table.row(strconv.Itoa(check.Step), check.Check, check.UDP, check.TCP)
	}
	return table.String()
}

func renderProfiles(profiles []Profile) string {
	table := newTable("profile", "content", "state")
	for _, profile := range profiles {
		table.row("`"+profile.Name+"`", profile.Content, yes(profile.Draft, "draft"))
	}
	return table.String()
}

func renderAreas(areas []Area) string {
	table := newTable("area", "subject")
	for _, area := range areas {
		table.row(area.Name, area.Title)
	}
	return table.String()
}
