package cases

import (
	"slices"
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// typeProbe is the one type with an application behind it.
const typeProbe = 0x70

// profileProbe is declared by servers that have enabled it.
const profileProbe = "probe"

// The operations of Probe.
const (
	opEcho   = 0
	opSink   = 1
	opSource = 2
	opFail   = 3
	opDelay  = 4
	opStream = 5
)

// opOf is the number of an operation.
func opOf(name string) uint8 {
	return map[string]uint8{"echo": opEcho, "sink": opSink, "source": opSource, "fail": opFail, "delay": opDelay, "stream": opStream}[name]
}

// controlEcho is the control twin of most requests that are refused.
const controlEcho = "XC-0650"

// beforeProbe is how many bytes of a body stand before its data.
const beforeProbe = 8

// longestData is the data of the longest body toward a server.
func longestData() int { return size("message_to_server_before_wallet") - beforeProbe }

func probeBody(op uint8, arg uint64, data []byte) []byte {
	return testkit.Compose("probe").SetUint("op", uint64(op)).SetUint("arg", arg).Set("data", data).Encode()
}

// ask sends a Probe request.
func ask(x *conformance.Exchange, s *peer.Session, op uint8, arg uint64, data []byte, edits ...func(*peer.Draft)) *peer.Draft {
	return sendFrame(x, s, typeProbe, flag("REQUIRES_ACK"), probeBody(op, arg, data), edits...)
}

// asked drafts a Probe request.
func asked(s *peer.Session, op uint8, arg uint64, data []byte) *peer.Draft {
	return s.Draft(typeProbe, flag("REQUIRES_ACK"), probeBody(op, arg, data))
}

// answer waits for the whole reply to a request and requires that it is one of
// Probe. It returns its body. Each fragment of the reply may take its time.
func answer(x *conformance.Exchange, s *peer.Session, mid uint64) *testkit.Message {
	for {
		r, before, err := s.ExpectReply(mid, 0)
		noteAll(x, before)
		need(x, err)
		if r.Message != nil {
			return probeOf(x, r)
		}
	}
}

// answers are the whole replies to requests, which may come in any order
// [XTMP-MSG-004], by mid.
func answers(x *conformance.Exchange, s *peer.Session, mids ...uint64) map[uint64]*testkit.Message {
	got := map[uint64]*testkit.Message{}
	for len(got) < len(mids) {
		r := anyAnswer(x, s, 0, mids)
		got[r.ReplyTo()] = probeOf(x, r)
	}
	return got
}

// anyAnswer waits for the whole reply to one of several requests.
func anyAnswer(x *conformance.Exchange, s *peer.Session, wait time.Duration, mids []uint64) *peer.Received {
	r, before, err := s.Expect(wait, func(r *peer.Received) bool {
		return r.Plaintext != nil && slices.Contains(mids, r.ReplyTo()) && (r.Message != nil || r.Type() == typeError)
	})
	noteAll(x, before)
	need(x, err)
	return r
}

// firstMids are the mids of messages in fragments.
func firstMids(messages [][]*peer.Draft) (mids []uint64) {
	for _, m := range messages {
		mids = append(mids, m[0].Mid())
	}
	return mids
}

// probeOf is the body of a message of Probe. Anything else fails the case.
func probeOf(x *conformance.Exchange, r *peer.Received) *testkit.Message {
	if e := r.Error(); e != nil {
		x.Judge(observe(x, e, conformance.BudgetReply))
	}
	x.Require(r.Type() == typeProbe, "the reply has the type of its request")
	x.Require(r.Message.Body != nil, "the reply inflates")
	body, _ := testkit.Decode("probe", 0, r.Message.Body)
	x.Require(body.Has("data") && body.Uint("zero") == 0, "the body of the reply is well-formed")
	return body
}

// requireAnswer requires the op, the arg and the data of a reply.
func requireAnswer(x *conformance.Exchange, body *testkit.Message, op uint8, arg uint64, data []byte) {
	x.RequireField("op", op, body.Uint("op"))
	x.RequireField("arg", arg, body.Uint("arg"))
	got := body.Bytes("data")
	x.RequireField("length of data", len(data), len(got))
	x.Require(string(got) == string(data), "the data is what it has to be")
}

// requireEcho sends an echo and requires its reply: the session serves.
func requireEcho(x *conformance.Exchange, s *peer.Session) {
	data := x.Entropy("echo").Bytes(16)
	requireAnswer(x, answer(x, s, ask(x, s, opEcho, 0, data).Mid()), opEcho, 0, data)
}

// judgeRefusal judges the reply to a request that has to be refused, and requires
// that the session goes on [XTMP-MSG-071].
func judgeRefusal(x *conformance.Exchange, s *peer.Session, mid uint64) {
	r, before, err := s.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() == mid })
	noteAll(x, before)
	for _, e := range peer.Errors(before) {
		if e.ReplyTo == 0 {
			x.Judge(conformance.Malformed("an unsolicited Error in place of the reply: " + e.Error()))
		}
	}
	if err != nil {
		x.Judge(observe(x, err, conformance.BudgetReply))
	}
	o, _ := told(x, r)
	x.Judge(o)
	seen := fence(x, s)
	x.Require(len(onlyReplies(seen)) == 0, "nothing is answered twice")
}

// turnsDown is the table of a request that has to be refused by an Error as its reply.
func turnsDown(name string, because ...string) conformance.Expect {
	return fails(conformance.ErrorFrame(code(name), conformance.ScopeMessage), because...)
}

// patterned is what source gives.
func patterned(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return data
}
