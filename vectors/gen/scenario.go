package main

import (
	"bytes"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A scenario is a vector in the making: what the receiver knows and the draft of
// the frame that it judges. Its last method is valid, invalid or conditional.
type scenario struct {
	vectors.Vector
	from   string
	draft  *testkit.Draft
	resize func([]byte) []byte // cuts or extends the encoded frame
	hidden bool                // the frame is sealed under keys that the receiver has not
}

// given adds a value that the receiver knows.
func (s *scenario) given(name string, value []byte) *scenario {
	for i := range s.Given {
		if s.Given[i].Name == name {
			s.Given[i].Bytes = value
			return s
		}
	}
	s.Given = append(s.Given, vectors.Value{Name: name, Bytes: value})
	return s
}

// knows is given for a number of 8 bytes.
func (s *scenario) knows(name string, value uint64) *scenario {
	return s.given(name, testkit.PutUint(value, 8))
}

// header changes header fields before the frame is sealed.
func (s *scenario) header(change func(*testkit.Message)) *scenario {
	change(s.draft.Frame.Header)
	return s
}

// after changes the frame when it has been sealed.
func (s *scenario) after(change func(*testkit.Frame)) *scenario {
	s.draft.AfterSeal(change)
	return s
}

// prologue changes the prologue.
func (s *scenario) prologue(change func(*testkit.Message)) *scenario {
	change(s.draft.Plaintext.Prologue)
	return s
}

// envelope changes the envelope.
func (s *scenario) envelope(change func(*testkit.Message)) *scenario {
	change(s.draft.Plaintext.Envelope)
	return s
}

// body changes the body, if it is one of a layout.
func (s *scenario) body(change func(*testkit.Message)) *scenario {
	change(s.draft.Body)
	return s
}

// raw replaces prologue, envelope and body by bytes.
func (s *scenario) raw(plaintext []byte) *scenario {
	s.draft.Body = nil
	s.draft.Plaintext = &testkit.Plaintext{Prologue: testkit.ComposeFlags("prologue", 0), Body: plaintext}
	return s
}

// trailing adds bytes after the body.
func (s *scenario) trailing(data []byte) *scenario {
	s.draft.Trailing = data
	return s
}

// valid ends the scenario: the receiver accepts the frame, with that effect.
func (s *scenario) valid(effect, req, comment string) vectors.Vector {
	s.Effect = effect
	return s.end(vectors.Expect{Result: vectors.Valid}, req, comment)
}

// invalid ends the scenario: the receiver notices at a stage and does what the
// class says.
func (s *scenario) invalid(class, stage, req, comment string) vectors.Vector {
	return s.end(vectors.Expect{Result: vectors.Invalid, Class: class, Stage: stage}, req, comment)
}

// conditional ends the scenario: without the feature the frame has that effect.
func (s *scenario) conditional(feature, effect, req, comment string) vectors.Vector {
	s.Effect = effect
	return s.end(vectors.Expect{Result: vectors.Conditional, Feature: feature}, req, comment)
}

func (s *scenario) end(expect vectors.Expect, req, comment string) vectors.Vector {
	s.Expect, s.Req, s.Comment = expect, requirements(req), comment
	step := stepOf(s.from, s.draft, s.resize)
	if s.hidden {
		step.Plaintext = nil
	}
	s.Steps = append(s.Steps, step)
	return s.Vector
}

// stepOf encodes a draft. The plaintext is shown if the frame that goes out holds
// it.
func stepOf(from string, d *testkit.Draft, resize func([]byte) []byte) vectors.Step {
	raw := d.Encode()
	if resize != nil {
		raw = resize(raw)
	}
	step := vectors.Step{From: from, Frame: raw}
	f, _, _ := testkit.DecodeFrame(raw)
	if d.Keys == nil {
		return step
	}
	inside := d.Inside()
	if opened, err := f.Open(*d.Keys); err == nil && bytes.Equal(opened, inside) && bytes.Equal(d.Keys.KeyID, f.Header.Bytes("key_id")) {
		step.Plaintext = append([]byte{}, inside...)
	}
	return step
}

// Changes of one field, to be passed to the methods above.

func setUint(field string, value uint64) func(*testkit.Message) {
	return func(m *testkit.Message) { m.SetUint(field, value) }
}

func set(field string, value []byte) func(*testkit.Message) {
	return func(m *testkit.Message) { m.Set(field, value) }
}

func flip(field string, bit int) func(*testkit.Message) {
	return func(m *testkit.Message) { m.Flip(field, bit) }
}

// afterwards applies a change of the header when the frame has been sealed.
func afterwards(change func(*testkit.Message)) func(*testkit.Frame) {
	return func(f *testkit.Frame) { change(f.Header) }
}

// flags returns the value of the named header flags together.
func flags(names ...string) uint16 {
	var value uint16
	for _, name := range names {
		value |= testkit.FlagValue(name)
	}
	return value
}

// needs says which profile the receiver has to have.
func (s *scenario) needs(profile string) *scenario {
	s.Needs = profile
	return s
}

// inSuite makes the session one of another suite.
func (s *scenario) inSuite(suite uint8) *scenario {
	keys := s.draft.Keys.For(suite)
	s.draft.Keys = &keys
	return s.given("suite", []byte{suite})
}

// before adds a valid frame in front of the one that is judged, and moves the sequence
// number of that one on. The vector's sequence is that of the first frame.
func (s *scenario) before(d *testkit.Draft) {
	d.Keys, d.Sequence = s.draft.Keys, s.draft.Sequence
	d.Frame.Header.Default("session_id", s.draft.Frame.Header.Bytes("session_id"))
	s.Steps = append(s.Steps, stepOf(s.from, d, nil))
	s.draft.Sequence++
}
