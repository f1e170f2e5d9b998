package cases

import (
	"errors"
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The profiles of suites and identities that a server may lack.
const (
	profileSuites    = "suites"
	profileIntegrity = "integrity-only"
)

// controlSuites is the twin of what goes wrong in a suite of profile suites.
const controlSuites = "XC-1000"

// suites returns the cases of profile suites, and those about its absence.
func suites() []conformance.Case {
	return slices.Concat(
		[]conformance.Case{suitesControl(), suiteUnderKind1(), suiteSizes(), suiteManyFrames(), suitesUnknown()},
		suitesChoice(),
		suitesIdentity(),
		suitesFrames(),
		suitesHandshake(),
	)
}

// uses names the suites and kinds of identity that a case goes through.
func uses(values ...string) conformance.Param { return param("use", values...) }

// use reads the param: the suite, and the kind of identity.
func use(x *conformance.Exchange) (suite, kind uint8) {
	value := x.Param("use")
	return value[0] - '0', value[len(value)-1] - '0'
}

// pinOf returns an identity of the server of that kind. Kinds that nobody said are
// looked up. Without one of kind 2, which the profile includes, nothing can be
// judged; one of kind 1 a server need not have.
func pinOf(x *conformance.Exchange, kind uint8) conformance.Pin {
	for _, pin := range pins(x) {
		if pin.Kind == 0 {
			pin.Kind = kindOf(x, pin)
		}
		if pin.Kind == kind {
			return pin
		}
	}
	if kind == testkit.KindEd25519 {
		x.Unsupported("an identity of kind 1")
	}
	x.Inconclusive("no identity of kind 2 is known: READY or --pin has to name it")
	return conformance.Pin{}
}

// kindOf returns the kind that an identity has by its own words, 0 if it says none.
// What else is wrong with it is left to the cases that ask for it.
func kindOf(x *conformance.Exchange, pin conformance.Pin) uint8 {
	c := dialPinned(x, pin)
	_, err := c.Handshake(peer.Script{Lenient: true})
	send(x, c.Close())
	identity := c.Identity()
	if identity == nil || string(identity.Bytes("fingerprint")) != string(pin.Fingerprint) {
		x.Note("the kind of a pinned identity was not learned: %v", err)
		return 0
	}
	return uint8(identity.Uint("kind"))
}

// pins are the identities that the server is known by; at least the one that it
// shows to a client without a hint.
func pins(x *conformance.Exchange) []conformance.Pin {
	if known := x.Endpoint().Pins; len(known) > 0 {
		return known
	}
	return []conformance.Pin{shown(shownTo(x, conformance.Pin{}))}
}

// shownTo returns ServerIdentity as a client with that pin, or without any, meets it.
func shownTo(x *conformance.Exchange, pin conformance.Pin, edits ...func(*peer.Hello)) *testkit.Message {
	s := sessionPinned(x, pin, edits...)
	defer func() { send(x, s.Close()) }()
	return s.Identity()
}

// shown is the pin of an identity.
func shown(identity *testkit.Message) conformance.Pin {
	return conformance.Pin{Kind: uint8(identity.Uint("kind")), Fingerprint: identity.Bytes("fingerprint")}
}

// dialPinned connects as a client with one pin, or without any.
func dialPinned(x *conformance.Exchange, pin conformance.Pin) *peer.Conn {
	return peer.New(x.Dial(), peer.Target{Pin: pin.Fingerprint, PinKind: pin.Kind}, optionsOf(x))
}

// sessionPinned returns a session of a client with one pin after the edits of its
// ClientHello. Without one the case is inconclusive.
func sessionPinned(x *conformance.Exchange, pin conformance.Pin, edits ...func(*peer.Hello)) *peer.Session {
	s, err := dialPinned(x, pin).Handshake(peer.Script{Lenient: true, Hello: all(edits)})
	if err != nil {
		unprepared(x, "a session", err)
	}
	return s
}

// all is one edit for several.
func all(edits []func(*peer.Hello)) func(*peer.Hello) {
	return func(h *peer.Hello) {
		for _, edit := range edits {
			edit(h)
		}
	}
}

// offers offers these suites and no other.
func offers(list ...byte) func(*peer.Hello) {
	return func(h *peer.Hello) {
		h.Body.Set("suites", append(slices.Clone(list), 0xFF, 0xFF, 0xFF, 0xFF)[:4])
	}
}

// sessionIn returns a session in a suite under an identity of a kind.
func sessionIn(x *conformance.Exchange, suite, kind uint8) *peer.Session {
	s := sessionPinned(x, pinOf(x, kind), offers(suite))
	if s.Suite() != suite {
		x.Inconclusive("the session came about in another suite than the one that was offered")
	}
	return s
}

// flightIn is sessionIn up to ClientFinish, which is due.
func flightIn(x *conformance.Exchange, suite, kind uint8) *peer.Conn {
	c := dialPinned(x, pinOf(x, kind))
	_, err := c.Handshake(peer.Script{Lenient: true, Write: holdFinish, Hello: offers(suite)})
	if !errors.Is(err, errHeld) {
		unprepared(x, "ServerFlight", err)
	}
	return c
}

// judgeSession judges that a handshake comes about in the suite, and what travels in
// the session: a PING, a request with its reply, and an acknowledged frame.
func judgeSession(x *conformance.Exchange, c *peer.Conn, suite uint8, edits ...func(*peer.Hello)) *peer.Session {
	s, err := c.Handshake(peer.Script{Lenient: true, Hello: all(append([]func(*peer.Hello){offers(suite)}, edits...))})
	x.Judge(observe(x, err, conformance.BudgetReply))
	x.RequireField("server_hello.suite", suite, s.Suite())
	ping(x, s)
	d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(100))
	send(x, err)
	judgeUnsupported(x, s, d.Mid())
	d, err = s.Request(typeExtension, x.Entropy("body").Bytes(16))
	send(x, err)
	_, _, err = s.ExpectAck(d.Sequence, 0)
	x.Judge(observe(x, err, conformance.BudgetReply))
	requireClean(x, c)
	requireSound(x, c)
	return s
}

func suitesControl() conformance.Case {
	return conformance.Case{
		ID: controlSuites, Title: "A session comes about in each suite and carries frames in both directions.",
		Proves:  []string{"XTMP-SUI-005", "XTMP-TRU-020"},
		Touches: []string{"XTMP-SUI-006", "XTMP-SUI-007", "XTMP-SUI-008", "XTMP-KEY-016", "XTMP-KEY-017", "XTMP-HDR-005"},
		Profile: profileSuites, Expect: accepts(), Params: []conformance.Param{uses("2 kind 2", "3 kind 2", "1 kind 2")},
		Explain: explain("A suite that works for the handshake and not for the frames behind it, or for one direction only, is found by the "+
			"first user who chooses it.",
			"A ClientHello that offers the suite alone and hints at an identity of the kind; then ClientFinish, a PING, a request of an unknown "+
				"type and a reliable extension frame.",
			"the handshake slots are sealed with suite 1 whatever was chosen", "suite 2 is XChaCha20-Poly1305, or takes the 24 bytes of the "+
				"nonce field",
			"suite 3 calls for another key exchange", "a kind-2 identity is not allowed for suites 1 and 2"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			judgeSession(x, dialPinned(x, pinOf(x, kind)), suite)
		},
	}
}

func suiteUnderKind1() conformance.Case {
	return conformance.Case{
		ID: "XC-1004", Title: "Suite 2 is served by an identity of kind 1.",
		Proves: []string{"XTMP-SUI-005", "XTMP-TRU-020"}, Touches: []string{"XTMP-SUI-006"}, Profile: profileSuites, Expect: accepts(),
		Params: []conformance.Param{uses("2 kind 1")},
		Explain: explain("Suite 2 is for clients without AES in their hardware; it asks nothing of the identity.",
			"A ClientHello that offers suite 2 with the hint of an identity of kind 1, and frames of each sort.",
			"every suite but 1 calls for kind 2"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			judgeSession(x, dialPinned(x, pinOf(x, kind)), suite)
		},
	}
}

func suiteSizes() conformance.Case {
	return conformance.Case{
		ID: "XC-1001", Title: "Frames of every size around a cipher block open in each suite.",
		Proves: []string{"XTMP-SUI-005"}, Touches: []string{"XTMP-SUI-006", "XTMP-SUI-007", "XTMP-HDR-008"},
		Profile: profileSuites, Expect: accepts(), Params: []conformance.Param{uses("2 kind 2", "3 kind 2")},
		Explain: explain("A cipher is most often wrong in its last, short block, and where a chunk ends.",
			"Requests of an unknown type whose plaintext ends before, at and behind a block of 16 and of 64 bytes, the longest frame of a "+
				"session among them; each has to be answered.",
			"the padding of Poly1305 is missing or doubled for a whole block", "the block counter begins at 0 instead of 1",
			"lengths are written in 32 bits"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			s := sessionIn(x, suite, kind)
			const prologue = 8
			for _, n := range []int{prologue, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1 << 14, 1<<16 + 1, 65_600} {
				d, err := s.Request(typeUnknown, x.Entropy("body").Bytes(n-prologue))
				send(x, err)
				judgeUnsupported(x, s, d.Mid())
			}
			requireSound(x, s.Conn)
		},
	}
}

func suiteManyFrames() conformance.Case {
	return conformance.Case{
		ID: "XC-1002", Title: "No two frames of the server share key and nonce, in any suite.",
		Proves: []string{"XTMP-SUI-005"}, Touches: []string{"XTMP-NON-003", "XTMP-NON-009", "XTMP-KEY-006"},
		Profile: profileSuites, Expect: accepts(), Params: []conformance.Param{uses("2 kind 2", "3 kind 2", "1 kind 2")},
		Explain: explain("One repeated nonce gives away the difference of two plaintexts and, with it, the key of the tag.",
			"Two sessions, one of them with 260 PINGs, so that the lowest byte of the counter runs over; key_id and nonce of every sealed frame "+
				"that comes back are compared.",
			"the counter is one byte, or is XORed into other bytes of the iv", "the handshake slot and the path slot share a key",
			"keys are derived from what two sessions have in common"),
		Run: func(x *conformance.Exchange) {
			suite, kind := use(x)
			pin := pinOf(x, kind)
			seen := map[string]bool{}
			for _, pings := range []int{260, 8} {
				s := sessionPinned(x, pin, offers(suite))
				frames := []*peer.Received{s.Last()}
				for range pings {
					before, err := s.Ping(x.Entropy("ping").Bytes(8))
					x.Judge(observe(x, err, conformance.BudgetReply))
					frames = append(append(frames, before...), s.Last())
				}
				for _, r := range frames {
					pair := string(r.Frame.Header.Bytes("key_id")) + string(r.Frame.Header.Bytes("nonce"))
					x.Require(!seen[pair], "every frame has a (key_id, nonce) of its own")
					seen[pair] = true
				}
				requireSound(x, s.Conn)
			}
		},
	}
}

func suitesUnknown() conformance.Case {
	return conformance.Case{
		ID: "XC-1003", Title: "A server without profile suites ignores the suites 2 and 3.",
		Proves: []string{"XTMP-SUI-003", "XTMP-HSK-074"}, Unless: profileSuites, Expect: conformance.Expect{
			Strict: []conformance.Reaction{
				conformance.Row(conformance.ErrorFrame(code("NO_COMMON_SUITE"), conformance.ScopePath), "XTMP-HSK-074"),
			},
		},
		Control: controlHandshake, Params: []conformance.Param{param("suites", "02FFFFFF", "03FFFFFF", "0203FFFF", "030203FF")},
		Explain: explain("What is not implemented must not be chosen because its number has a name.",
			"A ClientHello that offers suites 2 and 3 alone.",
			"a suite is chosen that the server cannot seal with", "a known number that is not enabled is called malformed"),
		Run: func(x *conformance.Exchange) {
			badHello(x, func(h *peer.Hello) { setSuites(x, h) })
		},
	}
}
