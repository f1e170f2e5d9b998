package vectors

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A ParseError says what is wrong with a vector file, and where.
type ParseError struct {
	File string
	Line int
	What string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What) }

// Parse reads a vector. Every label of a frame or plaintext has to be the next
// field of its layout with exactly its bytes; every value has to have a known name
// and its size. Errors are *ParseError.
func Parse(file, text string) (Vector, error) {
	p := &parser{file: file, lines: strings.Split(text, "\n")}
	v, err := p.vector()
	if err != nil {
		return Vector{}, err
	}
	return v, nil
}

// A parser goes through the lines of a file.
type parser struct {
	file  string
	lines []string
	next  int // index of the next line

	plaintext []labelled // waits for its frame
	pending   int        // line of the mark above it, 0 if none waits
}

// A labelled is a label and its bytes, with the line it began on.
type labelled struct {
	label string
	bytes []byte
	line  int
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return &ParseError{File: p.file, Line: line, What: fmt.Sprintf(format, args...)}
}

func (p *parser) vector() (Vector, error) {
	v, err := p.header()
	for err == nil && p.next < len(p.lines) {
		mark := p.lines[p.next]
		p.next++
		if mark == "" {
			continue
		}
		err = p.section(&v, mark)
	}
	if err == nil && p.pending > 0 {
		err = p.errorf(p.pending, "a plaintext without the frame that holds it")
	}
	return v, err
}

// header reads key and value up to the first empty line.
func (p *parser) header() (Vector, error) {
	var v Vector
	seen := map[string]bool{}
	for ; p.next < len(p.lines) && p.lines[p.next] != ""; p.next++ {
		key, value, ok := strings.Cut(p.lines[p.next], ": ")
		if !ok || value != strings.TrimSpace(value) || value == "" {
			return v, p.errorf(p.next+1, "%q is not key: value", p.lines[p.next])
		}
		if seen[key] {
			return v, p.errorf(p.next+1, "a second %s", key)
		}
		seen[key] = true
		if err := v.set(key, value); err != nil {
			return v, p.errorf(p.next+1, "%v", err)
		}
	}
	for _, key := range []string{"id", "kind", "req", "expect", "comment"} {
		if !seen[key] {
			return v, p.errorf(1, "the header has no %s", key)
		}
	}
	return v, nil
}

func (v *Vector) set(key, value string) (err error) {
	switch key {
	case "id":
		v.ID = value
	case "kind":
		v.Kind = value
	case "req":
		v.Req = strings.Fields(value)
	case "expect":
		v.Expect, err = parseExpect(value)
	case "effect":
		v.Effect = value
	case "receiver":
		v.Receiver = value
	case "state":
		v.State = value
	case "function":
		v.Function = value
	case "needs":
		v.Needs = value
	case "comment":
		v.Comment = value
	default:
		err = fmt.Errorf("the header has no key %q", key)
	}
	return err
}

func (p *parser) section(v *Vector, mark string) error {
	line := p.next
	mark, at, _ := strings.Cut(mark, markAt)
	content, err := p.block()
	if err != nil {
		return err
	}
	switch _, bad := netip.ParseAddrPort(at); {
	case at != "" && (bad != nil || !strings.HasPrefix(mark, markStep)):
		return p.errorf(line, "%q is no address, or stands in no step", at)
	case p.pending > 0 && !strings.HasPrefix(mark, markStep):
		return p.errorf(line, "the plaintext of line %d has to stand directly above its frame", p.pending)
	case mark == markGiven:
		v.Given, err = p.values(content)
	case mark == markResult:
		v.Result, err = p.values(content)
	case mark == markPlaintext:
		p.plaintext, p.pending = content, line
	case mark == markStep+"client"+arrow+"server":
		return p.step(v, Step{From: "client", At: at}, line, content)
	case mark == markStep+"server"+arrow+"client":
		return p.step(v, Step{From: "server", At: at}, line, content)
	default:
		return p.errorf(line, "%q begins no section", mark)
	}
	return err
}

// block reads labelled bytes up to an empty line. A line that begins with a space
// continues the one above.
func (p *parser) block() ([]labelled, error) {
	var found []labelled
	for ; p.next < len(p.lines) && p.lines[p.next] != ""; p.next++ {
		text, _, _ := strings.Cut(p.lines[p.next], " #")
		fields := strings.Fields(text)
		if strings.HasPrefix(text, " ") {
			if len(found) == 0 || len(fields) != 1 {
				return nil, p.errorf(p.next+1, "this line continues nothing")
			}
			fields = slices.Insert(fields, 0, "")
		}
		if len(fields) == 1 {
			fields = append(fields, "") // an empty value
		}
		if len(fields) != 2 {
			return nil, p.errorf(p.next+1, "a line is a label and bytes, then # and words")
		}
		data, err := hex.DecodeString(fields[1])
		if err != nil {
			return nil, p.errorf(p.next+1, "%s is not hexadecimal", fields[1])
		}
		if fields[0] == "" {
			last := &found[len(found)-1]
			last.bytes = append(last.bytes, data...)
			continue
		}
		found = append(found, labelled{label: fields[0], bytes: data, line: p.next + 1})
	}
	return found, nil
}

func (p *parser) values(content []labelled) ([]Value, error) {
	var values []Value
	for _, entry := range content {
		size, ok := sizeOf(entry.label)
		if !ok {
			return nil, p.errorf(entry.line, "no value is called %s", entry.label)
		}
		if size > 0 && len(entry.bytes) != size {
			return nil, p.errorf(entry.line, "%s has %d bytes, not %d", entry.label, len(entry.bytes), size)
		}
		if lookup(values, entry.label) != nil {
			return nil, p.errorf(entry.line, "a second %s", entry.label)
		}
		values = append(values, Value{Name: entry.label, Bytes: entry.bytes})
	}
	return values, nil
}

func (p *parser) step(v *Vector, step Step, line int, content []labelled) error {
	step.Frame = join(content)
	if err := p.same(content, line, testkit.Annotate(step.Frame)); err != nil {
		return err
	}
	if p.pending > 0 {
		step.Plaintext = join(p.plaintext)
		if step.Plaintext == nil {
			step.Plaintext = []byte{}
		}
		if err := p.same(p.plaintext, p.pending, plaintextParts(step)); err != nil {
			return err
		}
		p.plaintext, p.pending = nil, 0
	}
	v.Steps = append(v.Steps, step)
	return nil
}

// same compares labels and sizes with what the registry says the bytes are.
func (p *parser) same(content []labelled, line int, parts []testkit.Part) error {
	for i, part := range parts {
		if i >= len(content) {
			return p.errorf(line, "%s is missing", partLabel(part))
		}
		entry := content[i]
		if entry.label != partLabel(part) {
			return p.errorf(entry.line, "the registry has %s here, not %s", partLabel(part), entry.label)
		}
		if len(entry.bytes) != len(part.Bytes) {
			return p.errorf(entry.line, "%s has %d bytes, not %d", entry.label, len(part.Bytes), len(entry.bytes))
		}
	}
	if len(content) > len(parts) {
		return p.errorf(content[len(parts)].line, "the registry has nothing here, not %s", content[len(parts)].label)
	}
	return nil
}

func join(content []labelled) []byte {
	var all []byte
	for _, entry := range content {
		all = append(all, entry.bytes...)
	}
	return all
}
