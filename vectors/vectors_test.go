package vectors

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestCheck(t *testing.T) {
	for _, problem := range Check() {
		t.Error(problem)
	}
}

func TestTextRoundTrip(t *testing.T) {
	for _, v := range All() {
		text, err := fs.ReadFile(Files(), v.ID+".txt")
		if err != nil {
			t.Fatal(err)
		}
		if v.Text() != string(text) && !strings.HasPrefix(v.ID, "hand/") { // those have their own words
			t.Errorf("%s is not written as it is read", v.ID)
		}
		again, err := Parse("again", v.Text())
		if err != nil || again.Text() != v.Text() {
			t.Errorf("%s does not survive writing and reading: %v", v.ID, err)
		}
	}
}

func TestIDsAreUniqueAndSorted(t *testing.T) {
	var ids []string
	for _, v := range All() {
		ids = append(ids, v.ID)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("IDs are not sorted and unique")
	}
	if v, err := Load("heartbeat/ping-1"); err != nil || v.Effect != "PONG" {
		t.Errorf("Load gives %q, %v", v.Effect, err)
	}
	if _, err := Load("heartbeat/nonsense"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of nonsense gives %v", err)
	}
}

// TestParseRefuses spoils one thing of a vector that parses.
func TestParseRefuses(t *testing.T) {
	good, err := fs.ReadFile(Files(), "heartbeat/ping-9.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, with, want string }{
		{"label", "frame.version", "frame.versions", "has frame.version here, not frame.versions"},
		{"order", "frame.version  ", "frame.flags  ", "has frame.version here"},
		{"size", "frame.flags                    0001 ", "frame.flags                    000100 ", "frame.flags has 2 bytes"},
		{"missing", "frame.version                  01\n", "", "has frame.version here, not frame.message_type"},
		{"odd digits", "58544d50", "58544d5", "is not hexadecimal"},
		{"plaintext label", "heartbeat.kind", "heartbeat.sort", "has heartbeat.kind here"},
		{"plaintext of another type", "frame.message_type             03", "frame.message_type             05", "here, not heartbeat.kind"},
		{"value name", "last_sent", "last_seen", "no value is called last_seen"},
		{"value size", "sequence                       00", "sequence                       ", "sequence has 7 bytes, not 8"},
		{"value twice", "last_sent ", "clock     ", "a second clock"},
		{"key", "effect: ", "affect: ", `no key "affect"`},
		{"key twice", "effect: PONG", "state: established", "a second state"},
		{"no req", "req: ", "function: ", "the header has no req"},
		{"expect", "expect: valid", "expect: maybe", "none of valid"},
		{"expect class", "expect: valid", "expect: invalid:silent", "none of valid"},
		{"section", ">>> client → server", ">>> client → client", "begins no section"},
		{"address", ">>> client → server", ">>> client → server, client at home", "\"home\" is no address"},
		{"address of a value", "--- given", "--- given, client at 192.0.2.1:1", "stands in no step"},
		{"plaintext apart", "--- given", "--- plaintext", "has to stand directly above its frame"},
		{"three columns", "frame.version                  01", "frame.version                  01 02", "a line is a label and bytes"},
		{"continuation", "--- given\n", "--- given\n    00\n", "continues nothing"},
	} {
		spoiled := strings.Replace(string(good), tt.old, tt.with, 1)
		if spoiled == string(good) {
			t.Fatalf("%s: nothing was spoiled", tt.name)
		}
		_, err := Parse("x.txt", spoiled)
		var parse *ParseError
		if !errors.As(err, &parse) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestCheckFinds spoils bytes that parse and do not fit.
func TestCheckFinds(t *testing.T) {
	read := func(name string) string {
		text, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, tt := range []struct{ file, old, with, want string }{
		{"heartbeat/ping-9.txt", "0102030405060708\n", "0102030405060709\n", "does not hold its plaintext"},
		{"heartbeat/ping-9.txt", "XTMP-HBT-004", "XTMP-TST-999", "there is no requirement XTMP-TST-999"},
		{"heartbeat/ping-9.txt", "kind: frame", "kind: fame", `there is no kind "fame"`},
		{"heartbeat/ping-9.txt", "effect: PONG", "effect: PANG", `effect "PANG" is unknown`},
		{"heartbeat/ping-9.txt", "state: established", "state: hello", "do not go with kind frame"},
		{"heartbeat/ping-9.txt", "id: heartbeat/ping-9", "id: heartbeat/ping", "the id is heartbeat/ping"},
		{"heartbeat/ping-9.txt", "receiver: server", "receiver: client", "is not one that the client receives"},
		{"heartbeat/ping-9.txt", "expect: valid\neffect: PONG", "expect: invalid:silent@check7", "the checksum is right: true"},
		{"heartbeat/ping-9.txt", "frame.version                  01", "frame.version                  02", "the checksum is right: false"},
		{"heartbeat/ping-65.txt", "PROTOCOL_VIOLATION@", "PROTOCOL_VIOLENCE@", `there is no class "PROTOCOL_VIOLENCE"`},
		{"heartbeat/ping-65.txt", "@check13", "@check14", `there is no stage "check14"`},
		{"schedule/slot-p0-c.txt", "key_id                         0c", "key_id                         0d", "key_id is 0c"},
		{"schedule/slot-p0-c.txt", "function: slot", "function: slop", `there is no function "slop"`},
		{"flows/core.txt", "\nexporter                       ", "\nexporter                       ff", "exporter has 49 bytes"},
		{"flows/core.txt", "server_mlkem_m                 c0", "server_mlkem_m                 c1", "does not follow from server_mlkem_m"},
		{"flows/core.txt", "client_mlkem_seed              40", "client_mlkem_seed              41", "does not follow from client_mlkem_seed"},
		{"flows/core.txt", "identity_seed                  9d", "identity_seed                  9e", "does not follow from identity_seed"},
		{"flows/core.txt", "client_x25519                  20", "client_x25519                  a8", "different X25519 secrets"},
		{"probe/echo.txt", "needs: probe", "needs: prose", `there is no profile "prose"`},
		{"suite/2-ping.txt", "suite                          02", "suite                          01", "does not hold its plaintext"},
		{"flows/suite-3.txt", "mldsa_seed                     f0", "mldsa_seed                     f1", "does not follow from identity_seed"},
		{"flows/rekey.txt", "rekey_server_mlkem_m           c1", "rekey_server_mlkem_m           c2", "from rekey_server_mlkem_m"},
		{"flows/rekey.txt", "rekey_client_mlkem_seed        41", "rekey_client_mlkem_seed        42", "from rekey_client_mlkem_seed"},
		{"flows/rekey.txt", "rekey_client_x25519            21", "rekey_client_x25519            a9", "the rekey have different X25519 secrets"},
		{"flows/rekey.txt", "\nrekey_hash                     ", "\nrekey_salt                     ", "rekey_salt"},
		{"flows/udp.txt", "cookie_key                     08", "cookie_key                     09", "cookie is"},
		{"flows/udp.txt", "client_address                 00", "client_address                 01", "address_token is"},
		{"flows/udp.txt", "server_mlkem_m                 c0", "server_mlkem_m                 c1", "does not follow from server_mlkem_m"},
		{"flows/attach.txt", "\nbinder_2                       ", "\nbinder_1                       ", "binder_1"},
		{"flows/attach.txt", "\nat.c.ts                        ", "\nat.s.ts                        ", "at.s.ts"},
		{"flows/rekey-paths.txt", "\np1.c.e1.key                    ", "\np1.c.key                       ", "p1.c.key"},
		{"flows/core.txt", "reset_key                      05", "reset_key                      06", "reset_token is"},
	} {
		spoiled := strings.Replace(read(tt.file), tt.old, tt.with, 1)
		if spoiled == read(tt.file) {
			t.Fatalf("%s: %q is not there", tt.file, tt.old)
		}
		found := CheckFiles(fstest.MapFS{tt.file: {Data: []byte(spoiled)}})
		if !slices.ContainsFunc(found, func(p Problem) bool { return strings.Contains(p.String(), tt.want) }) {
			t.Errorf("%s with %q: found %v, want %q", tt.file, tt.with, found, tt.want)
		}
	}
	if found := CheckFiles(fstest.MapFS{}); len(found) != 1 {
		t.Errorf("an empty tree has problems %v", found)
	}
}

// A consumer that answers the same to every vector must fail: both results are
// there in each state that has frames to refuse.
func TestBothResultsInEveryState(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range All() {
		if v.Receiver != "" {
			seen[v.Receiver+" "+v.State+" "+v.Expect.Result] = true
		}
	}
	for receiver, in := range states {
		for _, state := range in {
			for _, result := range []string{Valid, Invalid} {
				if !seen[receiver+" "+state+" "+result] {
					t.Errorf("no vector of state %s %s is %s", receiver, state, result)
				}
			}
		}
	}
}

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	raw, err := fs.ReadFile(Files(), "schema/"+name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource(name, document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestExportFitsItsSchema(t *testing.T) {
	var out bytes.Buffer
	if err := ExportJSON(&out); err != nil {
		t.Fatal(err)
	}
	validate := func(text string) error {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema(t, "vectors.schema.json").Validate(document)
	}
	if err := validate(out.String()); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ old, with string }{
		{`"effect": "PONG"`, `"effect": "PANG"`},
		{`"needs": "probe"`, `"needs": "prose"`},
		{`"kind": "flow"`, `"kind": "flaw"`},
		{`"stage": "check3"`, `"stage": "check33"`},
		{`"from": "client"`, `"from": "nobody"`},
		{`"format": 3,`, `"format": 3, "more": 1,`},
		{`"receiver": "server",`, ``},
	} {
		spoiled := strings.Replace(out.String(), tt.old, tt.with, 1)
		if spoiled == out.String() || validate(spoiled) == nil {
			t.Errorf("%s in place of %s fits the schema", tt.with, tt.old)
		}
	}
}

func TestFlowInputsFitTheirSchema(t *testing.T) {
	names, err := fs.Glob(Files(), "flows/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(t, "flow.schema.json").Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Copy hands over every file, and a copy checks like the original.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	err := Copy(func(name string, content []byte) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := CheckFiles(os.DirFS(dir)); len(found) > 0 {
		t.Errorf("a copy has problems %v", found)
	}
	copied, err := LoadAll(os.DirFS(dir))
	if err != nil || len(copied) != len(All()) {
		t.Errorf("a copy holds %d of %d vectors: %v", len(copied), len(All()), err)
	}
	if refused := Copy(func(string, []byte) error { return fs.ErrPermission }); !errors.Is(refused, fs.ErrPermission) {
		t.Errorf("an error of the caller is %v", refused)
	}
}

// The README names every value and every word of the vocabulary.
func TestReadmeNamesEverything(t *testing.T) {
	raw, err := fs.ReadFile(Files(), "README.md")
	if err != nil {
		t.Fatal(err)
	}
	words := slices.Concat(kinds, classes, effects)
	for name := range known {
		words = append(words, name)
	}
	for _, word := range words {
		if !strings.Contains(string(raw), "`"+word+"`") {
			t.Errorf("README.md does not explain `%s`", word)
		}
	}
}
