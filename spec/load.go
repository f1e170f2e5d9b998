package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Load reads registry/*.json and the chapters at the root of a tree laid out as
// this folder is. It refuses with a *LoadError what it cannot read: broken JSON,
// unknown or repeated keys, values that do not fit. A tree without chapters or
// without registry/requirements.json has no requirements. Whether the content
// makes sense is not judged here.
func Load(fsys fs.FS) (*Registry, error) {
	r := &Registry{}
	var types struct {
		Types  []MessageType `json:"types"`
		Ranges []TypeRange   `json:"ranges"`
	}
	var timers []Limit
	var rows []requirementRow
	files := []struct {
		name string
		into any
	}{
		{"layouts.json", &r.Layouts},
		{"types.json", &types},
		{"flags.json", &r.Flags},
		{"flag_matrix.json", &r.FlagMatrix},
		{"suites.json", &r.Suites},
		{"hs_types.json", &r.HSTypes},
		{"flight_types.json", &r.FlightTypes},
		{"heartbeat_kinds.json", &r.HeartbeatKinds},
		{"errors.json", &r.Errors},
		{"bits.json", &r.Bits},
		{"tlvs.json", &r.TLVs},
		{"schedule.json", &r.Schedule},
		{"sizes.json", &r.Sizes},
		{"counts.json", &r.Counts},
		{"timers.json", &timers},
		{"checks.json", &r.Checks},
		{"states.json", &r.States},
		{"profiles.json", &r.Profiles},
		{"areas.json", &r.Areas},
		{"withdrawn.json", &r.Withdrawn},
		{"requirements.json", &rows},
	}
	for _, file := range files {
		if err := loadFile(fsys, path.Join("registry", file.name), file.into); err != nil {
			return nil, err
		}
	}
	r.Types, r.TypeRanges, r.Timers = types.Types, types.Ranges, timersOf(timers)
	documents, err := loadDocuments(fsys)
	if err != nil {
		return nil, err
	}
	r.Chapters, r.Requirements = chaptersOf(documents), requirementsOf(documents, rows)
	return r, nil
}

// LoadError says which file cannot be read, and where. Line counts from 1, or is
// 0 when the whole file is meant. Entry is the path of keys and indexes to the
// entry, as far as known.
type LoadError struct {
	File  string
	Line  int
	Entry string
	Err   error
}

// Error says file, line, entry and cause.
func (e *LoadError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line)
	}
	if e.Entry != "" {
		where += ": " + e.Entry
	}
	return fmt.Sprintf("spec: %s: %v", where, e.Err)
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

const requirementsFile = "registry/requirements.json"

func loadFile(fsys fs.FS, name string, into any) error {
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) && name == requirementsFile {
		return nil
	}
	if err != nil {
		return &LoadError{File: name, Err: err}
	}
	plain := plainJSON(data)
	if offset, key := repeatedKey(plain); key != "" {
		return &LoadError{File: name, Line: lineOf(data, offset), Entry: key, Err: errors.New("key given twice; remove one")}
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return loadErrorAt(name, data, decoder.InputOffset(), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		err := errors.New("more follows after the end of the JSON value")
		return &LoadError{File: name, Line: lineOf(data, decoder.InputOffset()), Err: err}
	}
	return nil
}

// loadErrorAt finds line and entry of a decoder's error.
func loadErrorAt(name string, data []byte, offset int64, err error) *LoadError {
	found := &LoadError{File: name, Line: lineOf(data, offset), Err: err}
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	var term *termError
	switch {
	case errors.As(err, &syntax):
		found.Line = lineOf(data, syntax.Offset)
	case errors.As(err, &mismatch):
		found.Line, found.Entry = lineOf(data, mismatch.Offset), mismatch.Field
	case errors.As(err, &term):
		found.Line = lineOf(data, int64(bytes.Index(data, []byte(term.term)))+1)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		// The decoder gives no place for this one: the key itself is the best hint.
		key := strings.TrimPrefix(err.Error(), "json: unknown field ")
		found.Entry = strings.Trim(key, `"`)
		found.Line = lineOf(data, int64(bytes.Index(data, []byte(key)))+1)
	}
	return found
}

// plainJSON turns the registry's JSON into plain JSON of the same length, so that
// offsets agree: "0xFE" becomes 254, null becomes Variable.
func plainJSON(data []byte) []byte {
	plain := slices.Clone(data)
	for i := 0; i < len(plain); i++ {
		switch {
		case plain[i] == '"':
			end := stringEnd(plain, i)
			if end < 0 {
				return plain // broken; the decoder says where
			}
			if value, ok := hexNumber(plain[i+1 : end]); ok {
				pad(plain[i:end+1], strconv.FormatUint(value, 10))
			}
			i = end
		case bytes.HasPrefix(plain[i:], []byte("null")):
			pad(plain[i:i+len("null")], strconv.Itoa(Variable))
		}
	}
	return plain
}

// stringEnd returns the index of the quote that closes the string opened at start,
// or -1 if none does.
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func hexNumber(text []byte) (uint64, bool) {
	digits, ok := bytes.CutPrefix(text, []byte("0x"))
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseUint(string(digits), 16, 64)
	return value, err == nil
}

// pad writes text over the bytes and fills up with spaces. A decimal number is
// never longer than its hexadecimal form with 0x and two quotes.
func pad(over []byte, text string) {
	copy(over[copy(over, text):], bytes.Repeat([]byte(" "), len(over)-len(text)))
}
