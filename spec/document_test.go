package spec

import (
	"fmt"
	"testing"
)

func TestParseDocument(t *testing.T) {
	doc := parseDocument("05-x.md", `# 5 The `+"`x`"+` of *y*
- [XTMP-HSK-001] A client MUST
  send it ([a](b.md#c)).
Plain text.
## Same
## Same
- [XTMP-HSK-002] A server MAY wait.

  - [XTMP-HSK-003] Nested is no statement.
~~~
## In code
- [XTMP-HSK-004] A client MUST not be seen.
~~~
<!-- table: flags -->
| MUST |
<!-- end -->
A `+"`MUST [x](y)`"+` in a span.
`)
	var got string
	for _, s := range doc.statements {
		got += fmt.Sprintf("%d %s in %s: %s (%s)\n", s.line, s.id, s.section.Anchor, s.text, s.level())
	}
	for _, s := range doc.sections {
		got += fmt.Sprintf("%d %d %s #%s\n", s.Line, s.Level, s.Title, s.Anchor)
	}
	for _, l := range doc.links {
		got += fmt.Sprintf("%d -> %s\n", l.line, l.target)
	}
	for _, b := range doc.tables {
		got += fmt.Sprintf("%d table %s %t %q\n", b.line, b.name, b.closed, b.text)
	}
	for _, p := range doc.prose {
		got += fmt.Sprintf("%d prose %s\n", p.line, p.text)
	}
	want := "2 XTMP-HSK-001 in 5-the-x-of-y: A client MUST send it ([a](b.md#c)). (MUST)\n" +
		"7 XTMP-HSK-002 in same-1: A server MAY wait. (MAY)\n" +
		"1 1 5 The `x` of *y* #5-the-x-of-y\n5 2 Same #same\n6 2 Same #same-1\n" +
		"3 -> b.md#c\n" +
		"14 table flags true \"| MUST |\\n\"\n" +
		"1 prose # 5 The `` of *y*\n4 prose Plain text.\n5 prose ## Same\n6 prose ## Same\n8 prose \n" +
		"9 prose   - [XTMP-HSK-003] Nested is no statement.\n17 prose A `` in a span.\n18 prose \n"
	if got != want {
		t.Errorf("document\n got: %s\nwant: %s", got, want)
	}
}

func TestSlugs(t *testing.T) {
	for title, want := range map[string]string{
		"5.2 ClientHello":               "52-clienthello",
		"4.5 Key, key_id, nonce":        "45-key-key_id-nonce",
		"A `code` and [a link](x.md#y)": "a-code-and-a-link",
		"Größe – in Bytes":              "größe--in-bytes",
	} {
		if got := slugOf(title); got != want {
			t.Errorf("slug of %q is %q, want %q", title, got, want)
		}
	}
}
