// Package faulty lists servers that are wrong in exactly one way, and servers
// that are odd and right, so that the conformance suite can be shown to notice
// the first and to bear the second.
//
//	Mutants, Zoo ─▶ Overlay ─▶ go build -overlay ─▶ cmd/xtmp-mutant ─ serve NAME ─▶ one of them switched on
//
// The product carries no bug switches. A mutant is an edit of one place in its
// source: a check that is skipped under a condition, a statement that is added,
// or a piece of text that is replaced. Overlay applies all edits to copies of the
// files, each behind a switch of its own, so that one build holds everything and
// the sources that people read stay clean. An edit whose text is no longer found
// is an error: a mutant cannot go stale unnoticed.
//
// Mutants stand in one file for each part of the text, the zoo in zoo.go. The
// package builds and runs nothing.
package faulty

import (
	"slices"
	"strings"
)

// Mutant is one deliberate fault.
type Mutant struct {
	Name        string // lower-case words with hyphens
	Requirement string // the requirement that it breaks
	Description string // what the server does wrong, as a sentence
	Slow        bool   // it takes a case that waits long to see it
	Without     string // what it is without; empty: nothing
	Edit
}

// What a server may be without. All but compression are profiles.
const (
	Compression   = "compression"
	IntegrityOnly = "integrity-only"
	Probe         = "probe"
	UDP           = "udp"
	Failover      = "failover"
)

// unasked takes away what no configuration leaves off.
var unasked = map[string]Edit{
	Failover: {
		File:   listenGo,
		At:     "if _, err := rand.Read(core.Server.ResetKey[:]); err != nil {",
		Before: "core.Server.AttachTCP, core.Server.AttachUDP = false, false",
	},
}

// Variant is an odd server that keeps every rule.
type Variant struct {
	Name        string
	Permits     string // the requirement, mostly a MAY, or the section that leaves the freedom
	Description string // what is odd about the server, as a sentence
	Edits       []Edit
}

// Mutants returns every mutant, sorted by name.
func Mutants() []Mutant {
	all := slices.Concat(
		conventionMutants, frameMutants, orderMutants, timeMutants, helloMutants, flightMutants, finishMutants, refusalMutants,
		suiteMutants, messageMutants, unknownMutants, ackMutants, flowMutants, fragmentMutants, compressionMutants,
		pushMutants, rekeyMutants, rekeyRefusalMutants, probeMutants, heartbeatMutants, errorMutants, endMutants,
		datagramMutants, tokenMutants, contactMutants, flightOnUDPMutants, numberMutants, ackOnUDPMutants, recoveryMutants,
		messageOnUDPMutants, addressMutants, resetMutants, attachMutants, pathMutants, parkMutants, rekeyOfPathsMutants,
		websocketMutants,
	)
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Zoo returns every variant, sorted by name.
func Zoo() []Variant {
	all := slices.Concat(zooTransport, zooHandshake, zooMessages, zooTimes)
	slices.SortFunc(all, func(a, b Variant) int { return strings.Compare(a.Name, b.Name) })
	return all
}
