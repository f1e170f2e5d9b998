package spec

const (
	frameChapter  = "spec/02-frame.md"
	rowsFile      = "spec/registry/requirements.json"
	withdrawnFile = "spec/registry/withdrawn.json"
)

func plantedInRequirements() []plant {
	return []plant{
		{
			name: "two keywords", check: "statements", file: frameChapter,
			old: "SHOULD NOT write it twice", new: "SHOULD NOT write it twice and MAY sleep",
			at:   "- [XTMP-HDR-002]",
			want: []string{`XTMP-HDR-002 has 2 keywords ["SHOULD NOT" "MAY"], not exactly one; split the sentence or reword it`},
		},
		{
			name: "no keyword", check: "statements", file: frameChapter,
			old: "A receiver MAY look", new: "A receiver may look",
			want: []string{`XTMP-HDR-003 has 0 keywords [], not exactly one; split the sentence or reword it`},
		},
		{
			name: "foreign keyword", check: "statements", file: frameChapter,
			old: "A receiver MAY look at it", new: "A receiver MAY look at it, which is OPTIONAL",
			want: []string{"XTMP-HDR-003 says OPTIONAL; this text uses MUST, MUST NOT, SHOULD, SHOULD NOT and MAY only"},
		},
		{
			name: "two IDs", check: "statements", file: frameChapter,
			old: "A receiver MAY look", new: "[XTMP-HDR-002] A receiver MAY look",
			want: []string{"XTMP-HDR-003 has a second ID; one sentence, one ID"},
		},
		{
			name: "defined twice", check: "statements", file: "spec/05-handshake.md",
			old: "# 5 Handshake\n", new: "# 5 Handshake\n\n- [XTMP-HDR-001] A client MUST do it again.\n",
			at:   "- [XTMP-HDR-001]",
			want: []string{"XTMP-HDR-001 is defined at spec/02-frame.md:7 already; take a number that was never used"},
		},
		{
			name: "malformed ID", check: "statements", file: "spec/05-handshake.md",
			old: "# 5 Handshake\n", new: "# 5 Handshake\n\n- [XTMP-HSK-1] A client must do it.\n",
			at:   "- [XTMP-HSK-1]",
			want: []string{`looks like a requirement but is none; write "- [XTMP-AREA-NNN] sentence", not indented`},
		},
		{
			name: "in prose", check: "keywords elsewhere", file: "spec/01-conventions.md",
			old: "Nothing is said here.", new: "Nothing MUST be said here.",
			want: []string{"says MUST outside a requirement; give the sentence an ID, or use lower case"},
		},
		{
			name: "in a decision", check: "keywords elsewhere", file: "spec/decisions/0001-first.md",
			old: "## Decision\n", new: "## Decision\n\nIt is RECOMMENDED.\n",
			at:   "It is RECOMMENDED",
			want: []string{"says RECOMMENDED outside a requirement; give the sentence an ID, or use lower case"},
		},
		{
			name: "in the registry", check: "keywords elsewhere", file: "spec/registry/layouts.json",
			old:  "as long as the plaintext; the plaintext itself",
			new:  "it MUST be as long as the plaintext; the plaintext itself",
			want: []string{"says MUST; a table explains, write the rule as a requirement in a chapter"},
		},
		{
			name: "sentence without row", check: "requirement rows", file: rowsFile,
			old: `  {"id": "XTMP-HDR-002", "role": "both", "profile": "core", "testability": "implicit", ` +
				`"reason": "seen in every exchange"},` + "\n",
			new: "",
			in:  frameChapter, at: "- [XTMP-HDR-002]",
			want: []string{"XTMP-HDR-002 has no row in registry/requirements.json; add one"},
		},
		{
			name: "row without sentence", check: "requirement rows", file: frameChapter,
			old: "- [XTMP-HDR-002] A sender SHOULD NOT write it twice.\n", new: "",
			in: rowsFile, at: `{"id": "XTMP-HDR-002"`,
			want: []string{"XTMP-HDR-002 is in no chapter; write the sentence or remove the row"},
		},
		{
			name: "two rows", check: "requirement rows", file: rowsFile,
			old: "  {\"id\": \"XTMP-HDR-003\"",
			new: `  {"id": "XTMP-HDR-002", "role": "both", "profile": "core", "testability": "tested"},` + "\n" +
				`  {"id": "XTMP-HDR-003"`,
			want: []string{"XTMP-HDR-002 has two rows; remove one"},
		},
		{
			name: "level", check: "requirement rows", file: rowsFile,
			old: `"level": "MUST"`, new: `"level": "MUST NOT"`,
			want: []string{"XTMP-HDR-001: level is MUST NOT, but its sentence says MUST"},
		},
		{
			name: "testability", check: "requirement words", file: rowsFile,
			old: `"role": "client", "profile": "core", "testability": "tested"`,
			new: `"role": "client", "profile": "core", "testability": "hard"`,
			want: []string{
				`XTMP-HDR-003: testability "hard" is not one of tested, implicit, out-of-scope, ` +
					`extension, blackbox-untestable, contradictory`,
				"XTMP-HDR-003: testability hard needs a reason",
			},
		},
		{
			name: "reason", check: "requirement words", file: rowsFile,
			old: `, "reason": "seen in every exchange"`, new: ``,
			at:   `{"id": "XTMP-HDR-002"`,
			want: []string{"XTMP-HDR-002: testability implicit needs a reason"},
		},
		{
			name: "needs", check: "requirement words", file: rowsFile,
			old:  `"role": "client", "profile": "core", "testability"`,
			new:  `"role": "client", "profile": "core", "needs": "core", "testability"`,
			at:   `{"id": "XTMP-HDR-003"`,
			want: []string{`XTMP-HDR-003: needs "core" is not another profile of profiles.json`},
		},
		{
			name: "listed twice, alive and without reason", check: "withdrawn", file: withdrawnFile,
			new: "[\n" +
				`  {"id": "XTMP-HDR-` + `098", "replaced_by": ["XTMP-HDR-001"], "reason": "it was wrong", "still_cited_in": ["conformance"]},` + "\n" +
				`  {"id": "XTMP-HDR-` + `098", "replaced_by": ["XTMP-HDR-` + `097"], "reason": ""}` + "\n]\n",
			at: `  {"id": "XTMP-HDR-` + `098", "replaced_by": ["XTMP-HDR-` + `097"]`,
			want: []string{
				"XTMP-HDR-" + "098: is listed twice; remove one",
				"XTMP-HDR-" + "098: has no reason",
				"XTMP-HDR-" + "098: replaced_by names XTMP-HDR-" + "097, which is no requirement",
			},
		},
		{
			name: "requirement", check: "withdrawn", file: withdrawnFile,
			old: "\n]", new: ",\n" + `  {"id": "XTMP-HDR-002", "replaced_by": [], "reason": "none"}` + "\n]",
			at:   `{"id": "XTMP-HDR-002"`,
			want: []string{"XTMP-HDR-002: is a requirement; take another number for the sentence, or remove it here"},
		},
		{
			name: "role", check: "requirement words", file: rowsFile,
			old: `"role": "client"`, new: `"role": "peer"`,
			want: []string{`XTMP-HDR-003: role "peer" is not one of client, server, both`},
		},
	}
}

func plantedInProse() []plant {
	return []plant{
		{
			name: "table edited by hand", check: "tables", file: "spec/10-tables.md", stale: true,
			old: "| 0x0001 | ENCRYPTED |", new: "| 0x0001 | SEALED |",
			at:   "<!-- table: flags -->",
			want: []string{"table flags differs from the registry; run: go test ./spec -update"},
		},
		{
			name: "registry edited, table not", check: "tables", file: "spec/registry/timers.json", stale: true,
			old: `"name": "T_ACK", "value": 25`, new: `"name": "T_ACK", "value": 26`,
			in: "spec/10-tables.md", at: "<!-- table: timers -->",
			want: []string{"table timers differs from the registry; run: go test ./spec -update"},
		},
		{
			name: "table without end", check: "tables", file: "spec/05-handshake.md",
			old: "# 5 Handshake\n", new: "# 5 Handshake\n\n<!-- table: flags -->\n",
			at:   "<!-- table: flags -->",
			want: []string{`table flags has no "<!-- end -->" after it`},
		},
		{
			name: "table missing", check: "tables", file: "spec/10-tables.md",
			old: "<!-- table: areas -->", new: "<!-- areas -->",
			in:   "spec/README.md",
			want: []string{"table areas stands in no chapter; put <!-- table: areas --> and <!-- end --> where it belongs"},
		},
		{
			name: "file", check: "links", file: frameChapter,
			old: "01-conventions.md#12-notation", new: "01-convention.md#12-notation",
			want: []string{"link 01-convention.md#12-notation leads to no file"},
		},
		{
			name: "heading", check: "links", file: frameChapter,
			old: "#21-layout", new: "#21-layouts",
			want: []string{`link #21-layouts leads to no heading; the nearest is "21-layout"`},
		},
		{
			name: "chapter not listed", check: "chapter index", file: "spec/README.md",
			old: "[5](05-handshake.md)", new: "",
			in:   "spec/README.md",
			want: []string{"has no link to 05-handshake.md; add it to the index"},
		},
		{
			name: "gap", check: "decisions", file: "spec/decisions/0001-first.md",
			in:   "spec/decisions/0002-second.md",
			want: []string{"has number 0002 where 0001 comes next; renumber"},
		},
		{
			name: "heading", check: "decisions", file: "spec/decisions/0001-first.md",
			old: "## Consequence\n", new: "## Consequences\n",
			in: "spec/decisions/0001-first.md",
			want: []string{`has the headings ["Context" "Decision" "Consequences" "What would change our mind"], ` +
				`not ["Context" "Decision" "Consequence" "What would change our mind"]`},
		},
		{
			name: "dead ID", check: "citations", file: "refimpl/wire/header.go",
			old: "XTMP-HDR-001", new: "XTMP-HDR-" + "099",
			want: []string{"cites XTMP-HDR-" + "099, which is no requirement; correct the number or remove the citation"},
		},
		{
			name: "withdrawn ID", check: "citations", file: "refimpl/wire/header.go",
			old: "XTMP-HDR-001", new: "XTMP-HDR-" + "098",
			want: []string{"cites XTMP-HDR-" + "098, which was withdrawn; its place took XTMP-HDR-001"},
		},
		{
			name: "withdrawn ID cited no longer", check: "citations", file: "conformance/old.go",
			old: "XTMP-HDR-" + "098", new: "XTMP-HDR-001",
			in: withdrawnFile, at: `{"id": "XTMP-HDR-` + `098"`,
			want: []string{"XTMP-HDR-" + "098 is cited in conformance no longer; remove the directory from still_cited_in"},
		},
		{
			name: "invented ID outside a test", check: "citations", file: "refimpl/wire/header.go",
			old: "XTMP-HDR-001", new: "XTMP-TST-001",
			want: []string{"cites XTMP-TST-001, which is no requirement; correct the number or remove the citation"},
		},
	}
}
