// Package cases holds the questions that the judge puts to a server of XTMP/1.
//
//	common.go    dial, handshake, session          controls.go   the twins that most cases share
//	reaction.go  what a peer did, judged           tables.go     strict, allowed and forbidden reactions
//	tour.go      every kind of frame, for the linter of package peer
//
//	chapter   files                                what it asks about
//	1, 2      frame*.go                            the 96 bytes, clear and sealed frames, the prologue
//	3         codepoints.go, types*.go, flags*.go, types, flags, suites, bits, TLV blocks
//	          bits.go, tlv.go
//	4         keys.go, time.go, skew.go            transcript, arithmetic, nonce, stamps, skew
//	5         handshake*.go                        envelope, messages, refusals, establishment
//	6         trust.go                             choice of the identity
//	7         order*.go                            what is judged when, and what failure does
//	8         messages*.go, inflight.go,           requests, replies, mids, Ack, types, flow control,
//	          priority.go, fragments*.go,          priority, fragments, compression, and which of
//	          compression*.go, refusal_order.go    several refusals is sent
//	9         heartbeat.go, disconnect.go,         liveness, closing, Errors
//	          error.go
//	10        limits.go                            sizes, counts, timers
//	11        rekey*.go                            rekey: epochs, refusals, keys, fragments
//	12        udp*.go                              UDP: first contact, tokens, windows, Acks, addresses, reset
//	13        paths*.go, attach*.go, parking*.go,  several paths: Attach, moving, parking, and rekey with
//	          rekey_paths.go                       them (11.7)
//	14        websocket*.go                        WebSocket: opening, messages, closing
//	15        integrity*.go                        suite 0, with it and without
//	18        probe_*.go                           Probe: its operations, streams and pushes
//	20        attacks*.go                          attacks on other protocols (docs/attacks.md)
//	3.4, 6    suites*.go                           suites 2 and 3, kind 2, several identities
//
// A case is a value: what it proves, which reactions are strict, allowed or
// forbidden, and a Run function of a few lines over shared steps. A
// negative case has a control twin, which is the same exchange without the
// defect; most share one of the four of controls.go.
//
// The cases are written from the text of the spec alone. They hold no wire
// format of their own: frames come from package peer and package testkit, codes,
// limits and timers from the registry. They render no report and choose no
// exit code.
package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
)

// All returns every case, in the order of the chapters. IDs are never reused.
func All() []conformance.Case {
	return slices.Concat(
		controls(),
		frame(),
		codePoints(),
		keys(),
		handshake(),
		trust(),
		suites(),
		integrity(),
		attacks(),
		orderOfChecks(),
		messages(),
		heartbeat(),
		disconnect(),
		errorMessages(),
		limits(),
		rekey(),
		udp(),
		paths(),
		webSocket(),
		probeCases(),
		needingProbe(),
	)
}
