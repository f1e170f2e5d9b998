package faulty

import (
	"errors"
	"fmt"
	"strings"
)

// patch is what all edits change in one file. Every edit is found in the text as
// people read it, so that no edit sees another. What is put around the same
// place is put around what was put there before.
type patch struct {
	text     string
	before   map[int]string // by offset: what begins there
	behind   map[int]string // by offset: what ends there
	replaced map[int]replacement
}

type replacement struct {
	end  int
	text string
}

func newPatch(text string) *patch {
	return &patch{text: text, before: map[int]string{}, behind: map[int]string{}, replaced: map[int]replacement{}}
}

// on is the Go expression that is true while the switch is on.
func (e *named) on() string { return fmt.Sprintf("mutantOn(%q)", e.name) }

// add adds an edit, whose text is there once.
func (p *patch) add(e *named) error {
	clean := func(s string) string { return strings.TrimPrefix(s, "\n") }
	switch {
	case e.If != "":
		return p.addCheck(e)
	case e.Before != "":
		return p.around(clean(e.At), fmt.Sprintf("if %s {\n%s\n}\n", e.on(), clean(e.Before)), "")
	case e.After != "":
		return p.around(clean(e.At), "", fmt.Sprintf("\nif %s {\n%s\n}\n", e.on(), clean(e.After)))
	case e.Instead != "":
		return p.around(clean(e.At), fmt.Sprintf("if %s {\n%s\n} else {\n", e.on(), clean(e.Instead)), "\n}")
	}
	at := clean(e.At)
	start, err := p.find(at)
	if err != nil {
		return err
	}
	if _, twice := p.replaced[start]; twice {
		return fmt.Errorf("%q is replaced twice", at)
	}
	p.replaced[start] = replacement{start + len(at), strings.ReplaceAll(clean(e.New), "$on", e.on())}
	return nil
}

// addCheck changes the condition of an if or of a case. The check itself still
// runs, since it may do more than check.
func (p *patch) addCheck(e *named) error {
	behind := fmt.Sprintf(") && !(%s && (%s))", e.on(), e.Unless)
	if e.Or != "" {
		behind = fmt.Sprintf(") || %s && (%s)", e.on(), e.Or)
	}
	for _, form := range [][2]string{{"if ", " {"}, {"case ", ":"}} {
		whole := form[0] + e.If + form[1]
		if !strings.Contains(p.text, whole) {
			continue
		}
		start, err := p.find(whole)
		if err != nil {
			return err
		}
		p.put(start+len(form[0]), start+len(whole)-len(form[1]), "(", behind)
		return nil
	}
	return fmt.Errorf("no check %q", e.If)
}

// around puts text before and behind a place.
func (p *patch) around(at, before, behind string) error {
	start, err := p.find(at)
	if err == nil {
		p.put(start, start+len(at), before, behind)
	}
	return err
}

func (p *patch) put(start, end int, before, behind string) {
	p.before[start] = before + p.before[start]
	p.behind[end] += behind
}

// find returns where a text begins that is there once.
func (p *patch) find(at string) (int, error) {
	if n := strings.Count(p.text, at); n != 1 || at == "" {
		return 0, fmt.Errorf("%q is there %d times, want once", at, n)
	}
	return strings.Index(p.text, at), nil
}

// apply returns the text with all that was added.
func (p *patch) apply() (string, error) {
	var b strings.Builder
	for i := 0; i <= len(p.text); i++ {
		b.WriteString(p.behind[i])
		b.WriteString(p.before[i])
		if r, ok := p.replaced[i]; ok {
			for k := i + 1; k < r.end; k++ {
				if _, ok := p.replaced[k]; ok || p.before[k] != "" || p.behind[k] != "" {
					return "", errors.New("two edits overlap at " + p.text[i:r.end])
				}
			}
			b.WriteString(r.text)
			i = r.end - 1
			continue
		}
		if i < len(p.text) {
			b.WriteByte(p.text[i])
		}
	}
	return b.String(), nil
}
