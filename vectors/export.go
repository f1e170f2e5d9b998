package vectors

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/bpci/xtmp/vectors/testkit"
)

// ExportFormat is the version of the JSON export. A new key, or a new value of a
// key with a closed list, raises it.
const ExportFormat = 3

// ExportJSON writes every vector as one JSON document of
// schema/vectors.schema.json.
func ExportJSON(w io.Writer) error {
	document := exported{Format: ExportFormat, Protocol: "XTMP/1"}
	for _, v := range All() {
		document.Vectors = append(document.Vectors, exportVector(v))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("vectors: writing the export: %w", err)
	}
	return nil
}

type exported struct {
	Format   int              `json:"format"`
	Protocol string           `json:"protocol"`
	Vectors  []exportedVector `json:"vectors"`
}

type exportedVector struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Req      []string        `json:"req"`
	Expect   exportedExpect  `json:"expect"`
	Effect   string          `json:"effect,omitempty"`
	Receiver string          `json:"receiver,omitempty"`
	State    string          `json:"state,omitempty"`
	Function string          `json:"function,omitempty"`
	Needs    string          `json:"needs,omitempty"`
	Comment  string          `json:"comment"`
	Given    []exportedValue `json:"given,omitempty"`
	Steps    []exportedStep  `json:"steps,omitempty"`
	Result   []exportedValue `json:"result,omitempty"`
}

type exportedExpect struct {
	Result  string `json:"result"`
	Class   string `json:"class,omitempty"`
	Stage   string `json:"stage,omitempty"`
	Feature string `json:"feature,omitempty"`
}

type exportedValue struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
}

type exportedStep struct {
	From      string         `json:"from"`
	At        string         `json:"at,omitempty"`
	Frame     exportedBytes  `json:"frame"`
	Plaintext *exportedBytes `json:"plaintext,omitempty"`
}

type exportedBytes struct {
	Hex    string          `json:"hex"`
	Fields []exportedField `json:"fields"`
}

type exportedField struct {
	Name    string `json:"name"`
	Offset  int    `json:"offset"`
	Size    int    `json:"size"`
	Short   bool   `json:"short,omitempty"`
	Meaning string `json:"meaning,omitempty"`
}

func exportVector(v Vector) exportedVector {
	out := exportedVector{
		ID: v.ID, Kind: v.Kind, Req: v.Req, Effect: v.Effect, Receiver: v.Receiver, State: v.State, Function: v.Function,
		Needs: v.Needs, Comment: v.Comment,
		Expect: exportedExpect{Result: v.Expect.Result, Class: v.Expect.Class, Stage: v.Expect.Stage, Feature: v.Expect.Feature},
		Given:  exportValues(v.Given),
		Result: exportValues(v.Result),
	}
	for _, step := range v.Steps {
		s := exportedStep{From: step.From, At: step.At, Frame: exportBytes(step.Frame, testkit.Annotate(step.Frame))}
		if step.Plaintext != nil {
			inside := exportBytes(step.Plaintext, plaintextParts(step))
			s.Plaintext = &inside
		}
		out.Steps = append(out.Steps, s)
	}
	return out
}

func exportValues(values []Value) []exportedValue {
	var out []exportedValue
	for _, value := range values {
		out = append(out, exportedValue{Name: value.Name, Hex: hex.EncodeToString(value.Bytes)})
	}
	return out
}

func exportBytes(data []byte, parts []testkit.Part) exportedBytes {
	out := exportedBytes{Hex: hex.EncodeToString(data), Fields: []exportedField{}}
	for _, p := range parts {
		out.Fields = append(out.Fields, exportedField{
			Name: p.Label, Offset: p.Offset, Size: len(p.Bytes), Short: p.Short, Meaning: p.Meaning,
		})
	}
	return out
}
