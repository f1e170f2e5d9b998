package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/bpci/xtmp/conformance"
)

// Schema is the JSON Schema of a document (draft 2020-12).
//
//go:embed report.schema.json
var Schema string

// maxDocument bounds what Read takes, in bytes.
const maxDocument = 256 << 20

// A DamagedError says that a document is not what was written.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string { return "the report is damaged: " + e.Why }

// WriteJSON writes the document in canonical form: one line, keys in order, no
// space, no escapes that JSON does not need.
func (d *Document) WriteJSON(w io.Writer) error {
	data, err := canonical(d)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// Read reads a document and verifies it. It returns a *DamagedError when the
// bytes are not canonical, when records are missing, or when the digests do
// not fit.
func Read(r io.Reader) (*Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, &DamagedError{Why: fmt.Sprintf("it is longer than %d bytes", maxDocument)}
	}
	d := &Document{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, &DamagedError{Why: err.Error()}
	}
	if d.Header.Format != Format {
		return nil, &DamagedError{Why: fmt.Sprintf("its format is %q, not %q", d.Header.Format, Format)}
	}
	again, err := canonical(d)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(append(again, '\n'), data) {
		return nil, &DamagedError{Why: "its bytes are not the canonical form of what they say"}
	}
	return d, d.verify()
}

// verify checks the footer against the rest.
func (d *Document) verify() error {
	content, err := d.content()
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, c := range d.Cases {
		if c.Judged {
			counts[c.Verdict]++
		}
	}
	same := len(counts) == len(d.Footer.Counts)
	for verdict, n := range counts {
		same = same && d.Footer.Counts[verdict] == n
	}
	switch f := d.Footer; {
	case f.Cases != len(d.Cases):
		return &DamagedError{Why: fmt.Sprintf("it has %d cases, and its footer counts %d", len(d.Cases), f.Cases)}
	case f.Requirements != len(d.Requirements):
		return &DamagedError{Why: fmt.Sprintf("it has %d requirements, and its footer counts %d", len(d.Requirements), f.Requirements)}
	case !same:
		return &DamagedError{Why: "the counts of verdicts do not fit the cases"}
	case f.Content != content:
		return &DamagedError{Why: "the digest of the content does not fit"}
	case f.Digest != d.verdicts():
		return &DamagedError{Why: "the digest of the verdicts does not fit"}
	}
	return nil
}

// close writes the footer.
func (d *Document) close(o *conformance.Outcome, c conformance.Conclusion) error {
	content, err := d.content()
	if err != nil {
		return err
	}
	d.Footer = Footer{
		Cases: len(d.Cases), Requirements: len(d.Requirements), Counts: map[string]int{},
		Known: c.Known, Stale: c.Stale, ExitCode: int(c.Code), Conclusion: c.Sentence,
		Digest: o.Digest(), Content: content,
	}
	for verdict, n := range o.Counts() {
		d.Footer.Counts[string(verdict)] = n
	}
	for _, q := range d.Requirements {
		if q.Orphan != "" {
			d.Footer.Orphans++
		}
	}
	return nil
}

// content is the digest of everything above the footer.
func (d *Document) content() (string, error) {
	data, err := canonical([]any{d.Header, d.Requirements, d.Cases})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// verdicts is the digest of the verdicts, computed from the records.
func (d *Document) verdicts() string {
	o := conformance.Outcome{}
	for _, c := range d.Cases {
		o.Results = append(o.Results, conformance.Result{ID: c.ID, Verdict: conformance.Verdict(c.Verdict), Judged: c.Judged})
	}
	return o.Digest()
}

// canonical marshals with keys in order and without HTML escapes. Numbers in a
// document are integers, so their form is already unique.
func canonical(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plain); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
