package spec

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// document is a Markdown file taken apart as far as the compiler of the text
// needs it. Fenced code is in none of the parts.
type document struct {
	file       string
	lines      []string
	sections   []Section
	statements []statement
	prose      []proseLine  // every line that belongs to no statement
	tables     []tableBlock // rendered tables
	links      []link
}

// statement is one normative bullet.
type statement struct {
	id      string
	text    string // without the ID, continuation lines joined
	section Section
	line    int
}

type proseLine struct {
	text    string // without code spans
	section Section
	line    int
}

// tableBlock is the text between a table marker and its end.
type tableBlock struct {
	name   string
	text   string
	line   int // of the marker
	closed bool
}

type link struct {
	target string
	line   int
}

var (
	statementStart = regexp.MustCompile(`^- \[(XTMP-[A-Z]{3}-[0-9]{3})\] +(\S.*)$`)
	heading        = regexp.MustCompile(`^(#{1,6}) +(.*?)(?: +#+)? *$`)
	tableStart     = regexp.MustCompile(`^<!-- table: ([a-z0-9_:-]+) -->$`)
	linkTarget     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan       = regexp.MustCompile("`[^`]*`")
)

const tableEnd = "<!-- end -->"

func (d document) title() string {
	if len(d.sections) == 0 {
		return ""
	}
	return d.sections[0].Title
}

// parseDocument takes a Markdown file apart. It never fails: what it does not
// recognise is prose.
func parseDocument(file, text string) document {
	p := parser{doc: document{file: file, lines: strings.Split(text, "\n")}, slugs: make(map[string]int)}
	for i, text := range p.doc.lines {
		p.line(i+1, strings.TrimSuffix(text, "\r"))
	}
	return p.doc
}

// parser holds what one line must know of the lines before it.
type parser struct {
	doc       document
	section   Section
	slugs     map[string]int
	fence     string // that closes the open code block
	inTable   bool
	inBullets bool // the next indented line continues the last statement
}

func (p *parser) line(number int, text string) {
	trimmed := strings.TrimSpace(text)
	if p.fenced(trimmed) {
		return
	}
	if p.table(number, trimmed) {
		return
	}
	for _, match := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(text, ""), -1) {
		p.doc.links = append(p.doc.links, link{target: match[1], line: number})
	}
	if match := heading.FindStringSubmatch(text); match != nil {
		p.inBullets = false
		p.section = Section{Title: match[2], Anchor: p.anchor(match[2]), Level: len(match[1]), Line: number}
		p.doc.sections = append(p.doc.sections, p.section)
	} else if match := statementStart.FindStringSubmatch(text); match != nil {
		p.inBullets = true
		found := statement{id: match[1], text: strings.TrimSpace(match[2]), section: p.section, line: number}
		p.doc.statements = append(p.doc.statements, found)
		return
	} else if p.inBullets && trimmed != "" && strings.HasPrefix(text, "  ") {
		last := &p.doc.statements[len(p.doc.statements)-1]
		last.text += " " + trimmed
		return
	}
	p.inBullets = false
	p.doc.prose = append(p.doc.prose, proseLine{text: codeSpan.ReplaceAllString(text, "``"), section: p.section, line: number})
}

// fenced reports whether the line is part of a code block.
func (p *parser) fenced(trimmed string) bool {
	if p.fence != "" {
		if trimmed == p.fence {
			p.fence = ""
		}
		return true
	}
	for _, fence := range []string{"```", "~~~"} {
		if strings.HasPrefix(trimmed, fence) {
			p.fence = fence
			return true
		}
	}
	return false
}

// table reports whether the line is part of a rendered table.
func (p *parser) table(number int, trimmed string) bool {
	if match := tableStart.FindStringSubmatch(trimmed); match != nil {
		p.inTable, p.inBullets = true, false
		p.doc.tables = append(p.doc.tables, tableBlock{name: match[1], line: number})
		return true
	}
	if !p.inTable {
		return false
	}
	block := &p.doc.tables[len(p.doc.tables)-1]
	if trimmed == tableEnd {
		p.inTable, block.closed = false, true
		return true
	}
	block.text += p.doc.lines[number-1] + "\n"
	return true
}

// anchor returns GitHub's slug of a heading, with a number if it is not the first.
func (p *parser) anchor(title string) string {
	slug := slugOf(title)
	seen := p.slugs[slug]
	p.slugs[slug] = seen + 1
	if seen > 0 {
		return fmt.Sprintf("%s-%d", slug, seen)
	}
	return slug
}

var linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

func slugOf(title string) string {
	title = linkText.ReplaceAllString(title, "$1")
	var slug strings.Builder
	for _, letter := range strings.ToLower(strings.TrimSpace(title)) {
		switch {
		case letter == ' ' || letter == '-':
			slug.WriteByte('-')
		case letter == '_' || unicode.IsLetter(letter) || unicode.IsNumber(letter):
			slug.WriteRune(letter)
		}
	}
	return slug.String()
}
