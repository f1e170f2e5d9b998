package spec

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Operand is the concatenation of its terms; without terms it is empty.
type Operand []Term

// Term is either a reference by name or, with Name "", literal bytes.
type Term struct {
	Name  string
	Bytes []byte
	Text  string // as written in the registry
}

// String returns the operand as it is written in the registry.
func (o Operand) String() string {
	texts := make([]string, len(o))
	for i, term := range o {
		texts[i] = term.Text
	}
	return strings.Join(texts, " ‖ ")
}

// UnmarshalJSON reads an operand in the language of the package comment.
func (o *Operand) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*o = nil
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, " ‖ ") {
		term, err := parseTerm(part)
		if err != nil {
			return err
		}
		*o = append(*o, term)
	}
	return nil
}

// termError is a term that is not of the language. Load finds its line by the term.
type termError struct{ term, fault string }

func (e *termError) Error() string { return fmt.Sprintf("term %s %s", e.term, e.fault) }

func parseTerm(text string) (Term, error) {
	if inner, ok := strings.CutPrefix(text, "'"); ok {
		inner, closed := strings.CutSuffix(inner, "'")
		if !closed {
			return Term{}, &termError{text, "has no closing quote"}
		}
		return Term{Bytes: []byte(inner), Text: text}, nil
	}
	if digits, ok := strings.CutPrefix(text, "x:"); ok {
		literal, err := hex.DecodeString(digits)
		if err != nil {
			return Term{}, &termError{text, "is no hexadecimal number: " + err.Error()}
		}
		return Term{Bytes: literal, Text: text}, nil
	}
	if digits, times, ok := strings.Cut(text, "*"); ok {
		return parseRepeat(text, digits, times)
	}
	for _, letter := range text {
		if !isNameLetter(letter) {
			return Term{}, &termError{text, "is no literal, and no name of letters, digits and _"}
		}
	}
	return Term{Name: text, Text: text}, nil
}

// repeatMax bounds what one term of the registry can allocate.
const repeatMax = 4096

func parseRepeat(text, digits, times string) (Term, error) {
	octet, err := hex.DecodeString(digits)
	if err != nil || len(octet) != 1 {
		return Term{}, &termError{text, "does not repeat one byte in hexadecimal"}
	}
	count, err := strconv.ParseUint(times, 10, 16)
	if err != nil || count == 0 || count > repeatMax {
		return Term{}, &termError{text, fmt.Sprintf("does not repeat 1 … %d times", repeatMax)}
	}
	return Term{Bytes: []byte(strings.Repeat(string(octet), int(count))), Text: text}, nil
}

func isNameLetter(letter rune) bool {
	return letter == '_' || 'a' <= letter && letter <= 'z' || 'A' <= letter && letter <= 'Z' || '0' <= letter && letter <= '9'
}
