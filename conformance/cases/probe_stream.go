package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// probeStreams returns the cases of sections 18.3 and 8.13.
func probeStreams() []conformance.Case {
	return []conformance.Case{stream(), manyStreams(), streamOutOfRange(), slowReader(), streamAndRequests()}
}

// A subscription is one stream as it is read.
type subscription struct {
	id   uint64
	data []byte
	left int
}

// open reads the reply to a stream of n pushes.
func open(x *conformance.Exchange, r *peer.Received, n int, data []byte) *subscription {
	body := probeOf(x, r)
	x.RequireField("op", opStream, body.Uint("op"))
	x.RequireField("arg", n, body.Uint("arg"))
	x.RequireField("length of data", 4, len(body.Bytes("data")))
	id := testkit.Uint(body.Bytes("data"))
	x.Require(id >= 1, "sub_id is at least 1")
	return &subscription{id: id, data: data, left: n}
}

func isPush(r *peer.Received) bool {
	return r.Message != nil && r.Type() == typeProbe && r.Frame.Flags()&flag("STREAMING") != 0
}

// push takes one push of it.
func (sub *subscription) push(x *conformance.Exchange, r *peer.Received) {
	x.Require(sub.left > 0, "no more pushes come than were asked for")
	x.Require(r.Frame.Flags()&flag("REQUIRES_ACK", "REPLY") == 0, "a push has neither REQUIRES_ACK nor REPLY")
	body, _ := testkit.Decode("probe", 0, r.Message.Body)
	requireAnswer(x, body, opStream, 0, sub.data)
	sub.left--
}

// readPushes reads until every subscription has had its pushes.
func readPushes(x *conformance.Exchange, s *peer.Session, subs map[uint64]*subscription) {
	left := 0
	for _, sub := range subs {
		left += sub.left
	}
	for ; left > 0; left-- {
		r, before, err := s.Expect(0, isPush)
		noteAll(x, before)
		need(x, err)
		sub := subs[r.Plaintext.Prologue.Uint("sub_id")]
		x.Require(sub != nil, "a push belongs to a subscription that a reply has named")
		sub.push(x, r)
	}
}

// requireNoPush requires that no push comes before the answer to a PING.
func requireNoPush(x *conformance.Exchange, s *peer.Session) {
	for _, r := range fence(x, s) {
		x.Require(!isPush(r), "no more pushes come than were asked for")
	}
}

func stream() conformance.Case {
	return conformance.Case{
		ID: "XC-0670", Title: "Stream is answered by its sub_id, and then by exactly n pushes.",
		Proves: []string{
			"XTMP-PRB-020", "XTMP-PRB-021", "XTMP-MSG-061", "XTMP-MSG-062", "XTMP-MSG-063", "XTMP-MSG-064", "XTMP-MSG-065",
		},
		Expect: accepts(),
		Params: []conformance.Param{param("n", "0", "1", "2", "100"), param("bytes", "0", "16", "65528")},
		Explain: explain("Pushes are the one thing that a server sends unasked; a client finds its subscription by a number that it "+
			"must know before.",
			"A stream of n pushes with so many bytes of data, then a PING.",
			"the first push overtakes the reply", "n is counted from 0",
			"the reply and the pushes are sent by two parts that do not know each other"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n, data := x.ParamInt("n"), x.Entropy("data").Bytes(x.ParamInt("bytes"))
			d := ask(x, s, opStream, uint64(n), data)
			r, before, err := s.ExpectAnswer(d.Mid(), 0)
			need(x, err)
			for _, early := range before {
				x.Require(!isPush(early), "no push comes before the reply that names its sub_id")
			}
			sub := open(x, r, n, data)
			readPushes(x, s, map[uint64]*subscription{sub.id: sub})
			requireNoPush(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func manyStreams() conformance.Case {
	return conformance.Case{
		ID: "XC-0671", Title: "Streams at the same time have a sub_id and numbers of their own.",
		Proves: []string{"XTMP-PRB-021", "XTMP-MSG-062", "XTMP-MSG-063", "XTMP-MSG-064"}, Expect: accepts(),
		Explain: explain("Two subscriptions under one number cannot be told apart, and a client that loses pushes of one cannot see it.",
			"Eight streams of fifty pushes with different data in one write; pushes and replies are sorted by sub_id.",
			"one counter numbers the pushes of all subscriptions", "sub_id is taken when the first push is sent"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			const streams, n = 8, 50
			var drafts []*peer.Draft
			data, subs := map[uint64][]byte{}, map[uint64]*subscription{}
			for range streams {
				text := x.Entropy("data").Bytes(24)
				d := asked(s, opStream, n, text)
				data[d.Mid()] = text
				drafts = append(drafts, d)
			}
			send(x, s.SendDrafts(drafts...))
			for left := streams * (n + 1); left > 0; left-- {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return isPush(r) || r.Message != nil && data[r.ReplyTo()] != nil })
				need(x, err)
				if !isPush(r) {
					sub := open(x, r, n, data[r.ReplyTo()])
					x.Require(subs[sub.id] == nil, "each subscription has a sub_id of its own")
					subs[sub.id] = sub
					continue
				}
				sub := subs[r.Plaintext.Prologue.Uint("sub_id")]
				x.Require(sub != nil, "no push comes before the reply that names its sub_id")
				sub.push(x, r)
			}
			requireNoPush(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func streamOutOfRange() conformance.Case {
	return conformance.Case{
		ID: "XC-0672", Title: "A stream of more than 1 000 000 pushes is refused.",
		Proves: []string{"XTMP-PRB-022"}, Control: controlEcho, Expect: turnsDown("INVALID_PAYLOAD", "XTMP-PRB-022"),
		Params: []conformance.Param{param("n", "1000001", "2147483648", "4294967295")},
		Explain: explain("One request must not make a server talk without end.",
			"A stream with such an n.", "n is cut to the greatest one", "n is not looked at"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			judgeRefusal(x, s, ask(x, s, opStream, uint64(x.ParamInt("n")), nil).Mid())
		},
	}
}

func slowReader() conformance.Case {
	return conformance.Case{
		ID: "XC-0673", Title: "Pushes wait for a client that does not read, and none is dropped.",
		Proves: []string{"XTMP-PRB-023", "XTMP-PRB-021"}, Touches: []string{"XTMP-MSG-063"}, Expect: accepts(),
		Disruptive: true, Bulk: true,
		Explain: explain("A diagnosis that loses what it measures is none; and a server that buffers for a slow reader without bound "+
			"is killed by one.",
			"A stream whose pushes are more than the transport takes; nothing is read for a while, then everything.",
			"a full queue drops pushes", "the session is ended when its queue is full", "all pushes are queued at once"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			const n = 400
			data := make([]byte, 40_000)
			d := ask(x, s, opStream, n, data)
			x.Pause(conformance.BudgetQuiet)
			r, _, err := s.ExpectAnswer(d.Mid(), 0)
			need(x, err)
			sub := open(x, r, n, data)
			readPushes(x, s, map[uint64]*subscription{sub.id: sub})
			requireNoPush(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func streamAndRequests() conformance.Case {
	return conformance.Case{
		ID: "XC-0674", Title: "Requests are answered while a stream runs, and a push takes no answer.",
		Proves: []string{"XTMP-PRB-021"}, Touches: []string{"XTMP-MSG-001"}, Expect: accepts(), Bulk: true,
		Explain: explain("A subscription is not a conversation; the session stays free for everything else.",
			"A stream of a thousand pushes, and ten echoes behind it in the same write; no push is acknowledged.",
			"the stream is sent where requests are read", "the server waits for Acks of pushes"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			const n = 1000
			data := x.Entropy("data").Bytes(64)
			drafts := []*peer.Draft{asked(s, opStream, n, data)}
			for range min(10, mostInflight(x, s)-1) {
				drafts = append(drafts, asked(s, opEcho, 0, data))
			}
			send(x, s.SendDrafts(drafts...))
			var sub *subscription
			for left := n + len(drafts); left > 0; left-- {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return isPush(r) || r.Message != nil && r.ReplyTo() != 0 })
				need(x, err)
				switch {
				case isPush(r):
					x.Require(sub != nil, "no push comes before the reply that names its sub_id")
					sub.push(x, r)
				case r.ReplyTo() == drafts[0].Mid():
					sub = open(x, r, n, data)
				default:
					requireAnswer(x, probeOf(x, r), opEcho, 0, data)
				}
			}
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}
