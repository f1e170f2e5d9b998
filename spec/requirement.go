package spec

import (
	"regexp"
	"strings"
)

// Levels of requirements: the keywords of BCP 14 that the text uses.
const (
	Must      = "MUST"
	MustNot   = "MUST NOT"
	Should    = "SHOULD"
	ShouldNot = "SHOULD NOT"
	May       = "MAY"
)

// Testability of requirements.
const (
	Tested              = "tested"              // a case judges it
	Implicit            = "implicit"            // it cannot fail without another failing
	OutOfScope          = "out-of-scope"        // nothing a peer does on the wire
	Extension           = "extension"           // binds only peers that add something
	BlackboxUntestable  = "blackbox-untestable" // no peer can see it from outside
	ContradictoryInText = "contradictory"       // it contradicts another; a decision is due
)

// Requirement is one normative sentence. Level, Chapter, Section, Anchor and Text
// come from the prose, the rest from registry/requirements.json.
type Requirement struct {
	ID          string // "XTMP-HDR-001"
	Level       string
	Role        string // client, server, both
	Profile     string
	Needs       string // profile without which a peer cannot be judged by it, "" if none
	Testability string
	Reason      string // why it is not tested, "" if it is
	Chapter     string // "02-frame"
	Section     string // heading above it
	Anchor      string // of that heading
	Text        string
}

// Area returns the middle part of the ID.
func (q Requirement) Area() string {
	parts := strings.Split(q.ID, "-")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

// requirementRow is one line of requirements.json. Level may be repeated there
// for readers of the file alone; it must then agree with the prose.
type requirementRow struct {
	ID          string `json:"id"`
	Level       string `json:"level"`
	Role        string `json:"role"`
	Profile     string `json:"profile"`
	Needs       string `json:"needs"`
	Testability string `json:"testability"`
	Reason      string `json:"reason"`
}

var keyword = regexp.MustCompile(`\b(MUST NOT|SHOULD NOT|MUST|SHOULD|MAY)\b`)

// keywordsIn returns the keywords of a text outside its code spans.
func keywordsIn(text string) []string {
	return keyword.FindAllString(codeSpan.ReplaceAllString(text, "``"), -1)
}

// requirementsOf joins the statements of the prose, in the order of the chapters,
// with their rows. Rows without a statement come last.
func requirementsOf(documents []document, rows []requirementRow) []Requirement {
	byID := make(map[string]requirementRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	var requirements []Requirement
	stated := make(map[string]bool)
	for _, doc := range documents {
		for _, s := range doc.statements {
			stated[s.id] = true
			q := byID[s.id].requirement()
			q.ID, q.Level, q.Text = s.id, s.level(), s.text
			q.Chapter, q.Section, q.Anchor = strings.TrimSuffix(doc.file, ".md"), s.section.Title, s.section.Anchor
			requirements = append(requirements, q)
		}
	}
	for _, row := range rows {
		if !stated[row.ID] {
			requirements = append(requirements, row.requirement())
		}
	}
	return requirements
}

func (w requirementRow) requirement() Requirement {
	return Requirement{
		ID: w.ID, Level: w.Level, Role: w.Role, Profile: w.Profile, Needs: w.Needs,
		Testability: w.Testability, Reason: w.Reason,
	}
}

// level returns the first keyword of a statement, or "" if it has none.
func (s statement) level() string {
	if found := keywordsIn(s.text); len(found) > 0 {
		return found[0]
	}
	return ""
}

// Withdrawn is an ID that was given up. Its number is never used again.
type Withdrawn struct {
	ID         string   `json:"id"`
	ReplacedBy []string `json:"replaced_by"` // IDs that took its place
	Reason     string   `json:"reason"`
	// StillCitedIn names the directories whose code has not followed yet. A citation
	// elsewhere is an error, and so is an entry of a directory that has followed.
	StillCitedIn []string `json:"still_cited_in"`
}
