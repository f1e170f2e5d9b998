package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// orderOfRefusals returns the cases about requests that may be refused for more than
// one reason. Each pair of neighbours in the table of 8.14 that can be provoked has
// an entry.
func orderOfRefusals() []conformance.Case {
	return []conformance.Case{firstFrameRefusals(), firstFrameRefusalsCompressed(), fullServerRefusals(), fullServerRefusalsCompressed()}
}

// A twofold is a frame with two faults, and the refusal that comes first.
type twofold struct {
	name  string
	code  string
	flags uint16
	body  []byte
	edits []func(*peer.Draft)
	kind  uint8
}

// draft makes the frame.
func (t twofold) draft(s *peer.Session) *peer.Draft {
	kind := t.kind
	if kind == 0 {
		kind = typeProbe
	}
	d := s.Draft(kind, flag("REQUIRES_ACK")|t.flags, t.body)
	for _, edit := range t.edits {
		edit(d)
	}
	return d
}

// twofoldOf finds a frame by its name.
func twofoldOf(x *conformance.Exchange, list []twofold, name string) twofold {
	for _, t := range list {
		if t.name == name {
			return t
		}
	}
	x.Fatal(errHeld)
	return twofold{}
}

func namesOf(list []twofold) []string {
	var names []string
	for _, t := range list {
		names = append(names, t.name)
	}
	return names
}

func edits(list ...func(*peer.Draft)) []func(*peer.Draft) { return list }

// plainTwofolds need no inflation. Where a fifth incomplete message is named, four
// have begun.
func plainTwofolds() []twofold {
	f, piece := flag("FRAGMENT"), make([]byte, 512)
	return []twofold{
		{name: "unknown type, inconsistent", code: "UNSUPPORTED_TYPE", kind: typeUnknown, flags: f, body: piece, edits: edits(fragment(9, 3))},
		{name: "unknown type, too long", code: "UNSUPPORTED_TYPE", kind: typeUnknown, body: make([]byte, 65_537)},
		{name: "unknown type, fifth", code: "UNSUPPORTED_TYPE", kind: typeUnknown, flags: f, body: piece, edits: edits(fragment(0, 3))},
		{name: "inconsistent, too long", code: "MALFORMED", flags: f, body: piece, edits: edits(fragment(200, 200))},
		{name: "inconsistent, fifth", code: "MALFORMED", flags: f, body: piece, edits: edits(fragment(3, 3))},
		{name: "too long, fifth", code: "PAYLOAD_TOO_LARGE", flags: f, body: piece, edits: edits(fragment(0, 200))},
		{name: "too long, malformed", code: "PAYLOAD_TOO_LARGE", body: make([]byte, 65_537)},
	}
}

func firstFrameRefusals() conformance.Case {
	return refusalCase("XC-0770", "Of two refusals that one frame shows the first of the table is sent.", plainTwofolds(),
		"A frame with two faults, while four messages are incomplete.", controlFragments,
		func(x *conformance.Exchange) *peer.Session { return session(x) })
}

// refusalCase is a case over twofold frames, with the expected code by instance.
func refusalCase(
	id, title string, list []twofold, sends, control string, prepare func(*conformance.Exchange) *peer.Session,
) conformance.Case {
	return conformance.Case{
		ID: id, Title: title, Proves: []string{"XTMP-MSG-069", "XTMP-MSG-071"}, Control: control,
		Expect: conformance.Expect{
			Strict: []conformance.Reaction{conformance.Row(conformance.Accepted(), "the first refusal of the table of 8.14")},
			Forbidden: append(conformance.Closed("the session has to go on"),
				conformance.Row(conformance.Ignored(), "a refusal is due"),
				conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.AnyScope), "another refusal comes first")),
		},
		Params: []conformance.Param{param("faults", namesOf(list)...)},
		Explain: explain("Two servers that judge in another order tell a client different things about the same message, and one of "+
			"them makes it "+
			"try again in vain.", sends,
			"the body is inflated or looked at before load is judged", "fragments are joined before they are refused",
			"the count of incomplete messages is judged first"),
		Run: func(x *conformance.Exchange) {
			t := twofoldOf(x, list, x.Param("faults"))
			s := prepare(x)
			for range 4 {
				begin(x, s, true, 0)
			}
			d := t.draft(s)
			send(x, s.SendDrafts(d))
			r, _, err := s.ExpectReply(d.Mid(), 0)
			if err != nil {
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			x.Require(r.Error() != nil, "the request is refused")
			x.RequireField("code", code(t.code), r.Error().Code)
			x.Require(onlyExerciseOrAck(fence(x, s)), "one refusal is sent, and the session goes on")
			x.Judge(conformance.Accepted())
		},
	}
}

// compressedTwofolds are for a server that inflates.
func compressedTwofolds() []twofold {
	c, f, piece := flag("COMPRESSED"), flag("FRAGMENT"), make([]byte, 512)
	return []twofold{
		{name: "inconsistent, original_len", code: "MALFORMED", flags: c | f, body: piece, edits: edits(fragment(0, 1), originally(1<<20))},
		{name: "too long, original_len", code: "PAYLOAD_TOO_LARGE", flags: c, body: make([]byte, 65_537), edits: edits(originally(1 << 20))},
		{name: "original_len, fifth", code: "DECOMPRESS_LIMIT", flags: c | f, body: piece, edits: edits(fragment(0, 3), originally(1<<20))},
		{name: "original_len, no stream", code: "DECOMPRESS_LIMIT", flags: c, body: []byte{0xFF}, edits: edits(originally(1 << 20))},
		{name: "no stream, malformed", code: "DECOMPRESS_LIMIT", flags: c, body: []byte{0xFF}, edits: edits(originally(1))},
	}
}

func firstFrameRefusalsCompressed() conformance.Case {
	return refusalCase("XC-0771", "Of two refusals of a compressed request the first of the table is sent.", compressedTwofolds(),
		"A compressed frame with two faults, while four messages are incomplete. A server that does not announce that it inflates is not asked.",
		controlInflates, inflating)
}

// fullTwofolds come when as many requests are unanswered as may be.
func fullTwofolds() []twofold {
	f, piece := flag("FRAGMENT"), make([]byte, 512)
	return []twofold{
		{name: "too long, limit", code: "PAYLOAD_TOO_LARGE", body: make([]byte, 65_537)},
		{name: "inconsistent, limit", code: "MALFORMED", flags: f, body: piece, edits: edits(fragment(3, 3))},
		{name: "least total, limit", code: "PAYLOAD_TOO_LARGE", flags: f, body: piece, edits: edits(fragment(0, 200))},
		{name: "limit, unknown type", code: "RATE_LIMITED", kind: typeUnknown},
		{name: "limit, malformed", code: "RATE_LIMITED", body: []byte{1}},
		{name: "limit, unknown op", code: "RATE_LIMITED", body: probeBody(200, 0, nil)},
		{name: "limit, out of range", code: "RATE_LIMITED", body: probeBody(opDelay, 1<<32-1, nil)},
	}
}

// full returns a session in which as many requests are unanswered as may be.
func full(x *conformance.Exchange) *peer.Session {
	s := sessionBy(x, peer.Script{}, unrecorded)
	occupy(x, s, mostInflight(x, s))
	return s
}

func fullServerRefusals() conformance.Case {
	c := refusalCase("XC-0772", "What one frame shows is judged before load, and load before the body.", fullTwofolds(),
		"As many delays as max_inflight says, and a request with a fault.", "XC-0700", full)
	c.Disruptive = true
	return c
}

func fullServerRefusalsCompressed() conformance.Case {
	list := []twofold{
		{
			name: "original_len, limit", code: "DECOMPRESS_LIMIT", flags: flag("COMPRESSED"),
			body: testkit.Deflate(probeBody(opEcho, 0, nil)), edits: edits(originally(1 << 20)),
		},
		{name: "limit, no stream", code: "RATE_LIMITED", flags: flag("COMPRESSED"), body: []byte{0xFF}, edits: edits(originally(100))},
	}
	c := refusalCase("XC-0773", "Of a compressed request original_len is judged before load, and load before inflation.", list,
		"As many delays as max_inflight says, and a compressed request with a fault. A server that does not announce that it "+
			"inflates is not asked.",
		controlInflates, func(x *conformance.Exchange) *peer.Session {
			inflating(x)
			return full(x)
		})
	c.Disruptive = true
	return c
}
