package server

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// FileError is a configuration file that stops the start: place, reason, the
// lines around it and a caret.
type FileError struct {
	File    string
	Line    int // 1-based; 0 if the file as a whole is at fault
	Column  int // 1-based, in characters
	Reason  string
	Excerpt string // source lines with a caret; empty if Line is 0
}

// Error implements error.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d:%d: %s\n%s", e.File, e.Line, e.Column, e.Reason, e.Excerpt)
}

// fault is a FileError at a token of text.
func fault(file string, text []byte, at *token.Token, why string) *FileError {
	if at == nil || at.Position == nil {
		return &FileError{File: file, Reason: why}
	}
	p := at.Position
	return &FileError{File: file, Line: p.Line, Column: p.Column, Reason: why, Excerpt: excerpt(text, p.Line, p.Column)}
}

// excerpt shows a line, the two before it, and a caret under a column. Bytes
// that are no text, and control characters, are shown as replacements.
func excerpt(text []byte, line, column int) string {
	lines := strings.Split(string(text), "\n")
	var b strings.Builder
	for n := max(1, line-2); n <= min(line, len(lines)); n++ {
		fmt.Fprintf(&b, "%5d | %s\n", n, strings.Map(printable, strings.TrimRight(lines[n-1], "\r")))
	}
	b.WriteString("      | ")
	if line <= len(lines) {
		left := column - 1
		for _, r := range lines[line-1] {
			if left--; left < 0 {
				break
			}
			if r != '\t' { // a tab keeps the caret below its column
				r = ' '
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('^')
	return b.String()
}

func printable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f || r == utf8.RuneError {
		return utf8.RuneError
	}
	return r
}
