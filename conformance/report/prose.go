package report

import (
	"html/template"
	"regexp"
	"strings"
)

// The sentences of the spec are Markdown: they hold links to other chapters,
// which lead nowhere from a report, and code spans.
var (
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	markup       = regexp.MustCompile("`[^`]*`|\\*[^*` ]+\\*")
)

// Plain is a sentence without links.
func Plain(text string) string { return markdownLink.ReplaceAllString(text, "$1") }

// prose is a sentence as HTML: links become their text, code spans become code,
// emphasis becomes emphasis.
func prose(text string) template.HTML {
	escaped := template.HTMLEscapeString(Plain(text))
	return template.HTML(markup.ReplaceAllStringFunc(escaped, func(span string) string {
		if span[0] == '`' {
			return "<code>" + span[1:len(span)-1] + "</code>"
		}
		return "<em>" + span[1:len(span)-1] + "</em>"
	}))
}

// sentence is text with a capital at its beginning.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
