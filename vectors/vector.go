package vectors

import (
	"fmt"
	"strings"
)

// A Vector is one scenario. If it has steps, all but the last are valid and the
// expectation is about the last.
type Vector struct {
	ID       string   // "heartbeat/ping": area and name, and the file's path
	Kind     string   // KindFrame …
	Req      []string // requirements that it shows
	Expect   Expect
	Effect   string // what a receiver does with a valid last step; "" where nothing can be said
	Receiver string // "server" or "client": who judges the last step; "" if nobody does
	State    string // the receiver's state before the last step
	Function string // KindValues: function of the key schedule
	Needs    string // profile without which nobody can be judged by it; "" if none
	Comment  string
	Given    []Value // what the receiver knows, or the inputs
	Steps    []Step
	Result   []Value // what follows from Given and Steps
}

// Kinds of vectors.
const (
	KindFrame  = "frame"  // whole frames
	KindHeader = "header" // the 96 bytes of a frame, judged by checks 2, 3 and 4 without the payload
	KindStream = "stream" // the front of a frame, after which nothing more comes
	KindValues = "values" // inputs and results of a function of the key schedule
	KindKey    = "key"    // a public key, or a signature over a message
	KindFlow   = "flow"   // a whole session on one connection, with every secret

	KindDatagram = "datagram" // datagrams: as frame, judged by the rules of UDP
	KindPaths    = "paths"    // a whole session on UDP, or over several paths, with every secret
)

// A Value is a named byte string. Names and sizes are in README.md; numbers are
// big-endian.
type Value struct {
	Name  string
	Bytes []byte
}

// A Step is one frame on the wire.
type Step struct {
	From      string // "client" or "server"
	At        string // the client's address of a datagram, if it is not client_address: "192.0.2.9:4712"
	Plaintext []byte // what the frame holds if it is sealed and opens, else nil
	Frame     []byte
}

// GivenValue returns a value of Given, nil if it is not there.
func (v Vector) GivenValue(name string) []byte { return lookup(v.Given, name) }

// ResultValue returns a value of Result, nil if it is not there.
func (v Vector) ResultValue(name string) []byte { return lookup(v.Result, name) }

// Last returns the step that is judged. It panics if there are no steps.
func (v Vector) Last() Step { return v.Steps[len(v.Steps)-1] }

func lookup(values []Value, name string) []byte {
	for _, value := range values {
		if value.Name == name {
			return value.Bytes
		}
	}
	return nil
}

// An Expect is what must follow.
type Expect struct {
	Result  string // Valid, Invalid, Conditional
	Class   string // Invalid: what the receiver does
	Stage   string // Invalid: where it notices
	Feature string // Conditional: the declared feature without which it is invalid
}

// Results of an expectation.
const (
	Valid       = "valid"
	Invalid     = "invalid"
	Conditional = "conditional"
)

// String returns the expectation as it stands in the header.
func (e Expect) String() string {
	switch e.Result {
	case Invalid:
		return Invalid + ":" + e.Class + "@" + e.Stage
	case Conditional:
		return Conditional + ":" + e.Feature
	}
	return e.Result
}

// parseExpect reads an expectation.
func parseExpect(text string) (Expect, error) {
	result, rest, _ := strings.Cut(text, ":")
	switch result {
	case Valid:
		if rest == "" && text == Valid {
			return Expect{Result: Valid}, nil
		}
	case Conditional:
		if rest != "" {
			return Expect{Result: Conditional, Feature: rest}, nil
		}
	case Invalid:
		if class, stage, ok := strings.Cut(rest, "@"); ok && class != "" && stage != "" {
			return Expect{Result: Invalid, Class: class, Stage: stage}, nil
		}
	}
	return Expect{}, fmt.Errorf("expect: %q is none of valid, invalid:CLASS@STAGE, conditional:FEATURE", text)
}
