package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// messages returns the cases of chapter 8.
func messages() []conformance.Case {
	return slices.Concat(
		[]conformance.Case{
			oneReplyEach(), midsWithoutGaps(), neverSealedTwice(), heldBack(), priorityChangesNothing(),
		},
		messagesRepeated(),
		messagesAck(),
		messagesUnknown(),
		messagesRole(),
	)
}

func oneReplyEach() conformance.Case {
	return conformance.Case{
		ID: "XC-0400", Title: "Each request gets exactly one reply, which names it.",
		Proves: []string{"XTMP-MSG-001", "XTMP-MSG-002", "XTMP-MSG-003"}, Expect: accepts(),
		Explain: explain("A client finds its call by reply_to alone: a missing reply leaves a call open, a second one or a wrong number "+
			"answers the wrong call.",
			"Forty requests of different unknown types in one write, then a PING; the replies are counted by reply_to.",
			"replies are lost when several requests arrive in one read",
			"reply_to holds a sequence number or the reply's own mid",
			"a reply is sent once by the dispatcher and once by the error path"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			mids := sendRequests(x, s, 40)
			count := map[uint64]int{}
			for _, r := range repliesTo(x, s, mids...) {
				count[r.ReplyTo()]++
			}
			for _, mid := range mids {
				x.Require(count[mid] == 1, "each request has exactly one reply")
			}
			requireClean(x, s.Conn)
		},
	}
}

// sendRequests sends requests of unknown types, as many as the server allows at
// once, in one write and returns their mids.
func sendRequests(x *conformance.Exchange, s *peer.Session, n int) []uint64 {
	n = min(n, mostInflight(x, s))
	drafts, mids := make([]*peer.Draft, n), make([]uint64, n)
	types := unknownTypes()
	for i := range drafts {
		drafts[i] = s.Draft(types[i%len(types)], flag("REQUIRES_ACK"), x.Entropy("body").Bytes(8))
		mids[i] = drafts[i].Mid()
	}
	send(x, s.SendDrafts(drafts...))
	return mids
}

// unknownTypes has types of every range below 0x80 that this version does not
// implement, and their edges. Probe is none of them: a server may have enabled it.
func unknownTypes() []uint8 {
	return []uint8{0x06, 0x0F, 0x10, 0x13, 0x14, 0x22, 0x32, 0x40, 0x43, 0x50, 0x6F, 0x71, 0x7F}
}

// repliesTo waits for a reply to each request and then for a fence, and returns
// every reply that came, in order.
func repliesTo(x *conformance.Exchange, s *peer.Session, mids ...uint64) []*peer.Received {
	var replies []*peer.Received
	open := map[uint64]bool{}
	for _, mid := range mids {
		open[mid] = true
	}
	for len(open) > 0 {
		r, before, err := s.Expect(0, func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() != 0 })
		noteAll(x, before)
		need(x, err)
		replies = append(replies, r)
		delete(open, r.ReplyTo())
	}
	return append(replies, onlyReplies(fence(x, s))...)
}

func onlyReplies(frames []*peer.Received) []*peer.Received {
	return slices.DeleteFunc(slices.Clone(frames), func(r *peer.Received) bool {
		return r.Plaintext == nil || r.ReplyTo() == 0 || r.Type() >= 0x80 && r.Type() != typeError
	})
}

func noteAll(x *conformance.Exchange, frames []*peer.Received) {
	for _, r := range frames {
		x.Note("in between: %s", r.Name)
	}
}

// need ends the case unless the answer came that every server owes.
func need(x *conformance.Exchange, err error) {
	if err != nil {
		x.Judge(observe(x, err, conformance.BudgetReply))
	}
}

// fence puts a PING behind what was sent and returns what came before its answer.
func fence(x *conformance.Exchange, s *peer.Session) []*peer.Received {
	x.Note("fence: a PING behind what was sent")
	before, err := s.Ping(x.Entropy("fence").Bytes(8))
	noteAll(x, before)
	need(x, err)
	return before
}

func midsWithoutGaps() conformance.Case {
	return conformance.Case{
		ID: "XC-0401", Title: "The server numbers its reliable messages 1, 2, 3 … in the order of sealing.",
		Proves: []string{"XTMP-MSG-011"}, Expect: accepts(),
		Explain: explain("A receiver keeps the set of complete mids; a gap stays open for ever and moves the window to its end.",
			"Requests in three writes with PINGs between them; the mids of HandshakeDone and of all replies are read in order of arrival.",
			"replies start again at mid 1 because HandshakeDone has a counter of its own",
			"a mid is taken for Heartbeats or Acks too", "mids are taken when a request arrives and not when its reply is sealed"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			for range 3 {
				repliesTo(x, s, sendRequests(x, s, 10)...)
			}
			requireClean(x, s.Conn) // the linter knows what came in between, exercising frames too
		},
	}
}

func neverSealedTwice() conformance.Case {
	return conformance.Case{
		ID: "XC-0402", Title: "A message that nobody acknowledges is not sealed again on the same connection.",
		Proves: []string{"XTMP-MSG-012"}, Expect: accepts(), Timer: "T_SUSPECT",
		Explain: explain("TCP delivers what was sent or breaks; a second copy only wastes the window and shows a retransmission timer that "+
			"belongs to UDP.",
			"Five requests, no Ack of HandshakeDone or of a reply, silence for T_SUSPECT, a repeated request, then a PING.",
			"a retransmission timer runs on TCP", "a repeated request makes the server send its stored reply again"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true})
			seen := map[uint64]int{1: 1} // HandshakeDone
			frames := repliesTo(x, s, sendRequests(x, s, 5)...)
			x.Pause("T_SUSPECT")
			sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil, withMid(1))
			for _, r := range append(frames, fence(x, s)...) {
				if r.Plaintext != nil && r.Mid() != 0 {
					seen[r.Mid()]++
				}
			}
			x.Require(len(seen) > 5, "each request is answered under a mid of its own")
			for _, times := range seen {
				x.Require(times == 1, "each mid of the server is sealed once")
			}
		},
	}
}

// withMid makes a reliable frame carry a mid of the caller's choice.
func withMid(mid uint64) func(*peer.Draft) {
	return func(d *peer.Draft) { d.Plaintext.Prologue.SetUint("mid", mid) }
}

func heldBack() conformance.Case {
	return conformance.Case{
		ID: "XC-0403", Title: "Replies beyond the window of 4096 are held back, in order, while the server goes on reading.",
		Proves: []string{"XTMP-MSG-011", "XTMP-MSG-013", "XTMP-MSG-015", "XTMP-MSG-026"}, Expect: accepts(),
		Disruptive: true, // some thousand requests
		Explain: explain("The window bounds what a receiver has to remember; a server that runs past it ends sessions, and one that stops "+
			"reading at its edge deadlocks with a client that wants to send its Ack.",
			"As many requests as nearly fill the window of the server with unacknowledged replies, 128 requests more, PINGs, and only then an "+
				"Ack.",
			"the window is not looked at for replies", "replies beyond the window are dropped", "reading stops while the window is full",
			"the replies that were held back are sent in another order"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true}, unrecorded)
			window := uint64(size("mid_window")) // HandshakeDone, mid 1, is the oldest: mids up to this one may be sealed
			spare := uint64(min(64, mostInflight(x, s)))
			for last := uint64(1); last < window-spare; {
				last = highestMid(repliesTo(x, s, sendRequests(x, s, 60)...))
			}
			beyond := sendRequests(x, s, 128)
			before := fence(x, s)
			x.Pause(conformance.BudgetQuiet)
			before = append(before, fence(x, s)...)
			x.Require(highestMid(before) <= window, "no mid is sealed beyond the window")
			send(x, s.Ack())
			count := map[uint64]int{}
			held := slices.DeleteFunc(beyond, func(mid uint64) bool {
				return slices.ContainsFunc(onlyReplies(before), func(r *peer.Received) bool { return r.ReplyTo() == mid })
			})
			for _, r := range repliesTo(x, s, held...) {
				count[r.ReplyTo()]++
			}
			for _, mid := range held {
				x.Require(count[mid] == 1, "each reply that was held back comes once")
			}
			requireClean(x, s.Conn) // mids without gaps
		},
	}
}

func highestMid(frames []*peer.Received) (mid uint64) {
	for _, r := range frames {
		if r.Plaintext != nil {
			mid = max(mid, r.Mid())
		}
	}
	return mid
}

// unrecorded keeps single frames out of the timeline, and out of the bound on
// their number, where thousands are due.
func unrecorded(o *peer.Options) { o.Recorder = nobody{} }

type nobody struct{}

func (nobody) Sent(string, []byte, ...conformance.Field)     {}
func (nobody) Received(string, []byte, ...conformance.Field) {}

func priorityChangesNothing() conformance.Case {
	return conformance.Case{
		ID: "XC-0404", Title: "A frame with PRIORITY has the meaning of the same frame without it.",
		Proves: []string{"XTMP-MSG-050"}, Touches: []string{"XTMP-FLG-018"}, Expect: accepts(),
		Params: []conformance.Param{param("frame", "PING", "PATH_CHALLENGE", "request", "extension", "Disconnect")},
		Explain: explain("PRIORITY is a matter of the sender's queue; a receiver that reads more into it breaks with every peer that uses it.",
			"A frame whose flags are those of an ordinary one and PRIORITY; what answers it has to be the same.",
			"flags are compared with one fixed value", "PRIORITY is taken for a bit of the prologue"),
		Run: func(x *conformance.Exchange) {
			s, data, priority := session(x), x.Entropy("data").Bytes(12), flag("PRIORITY")
			answer := func(fits func(*peer.Received) bool) error { _, _, err := s.Expect(0, fits); return err }
			var err error
			switch x.Param("frame") {
			case "PING":
				sendFrame(x, s, typeHeartbeat, priority, peer.HeartbeatBody(peer.Ping, data))
				err = answer(isHeartbeat(peer.Pong, data))
			case "PATH_CHALLENGE":
				sendFrame(x, s, typeHeartbeat, priority, peer.HeartbeatBody(peer.PathChallenge, data))
				err = answer(isHeartbeat(peer.PathResponse, data))
			case "request":
				d := sendFrame(x, s, typeUnknown, priority|flag("REQUIRES_ACK"), data)
				err = answer(func(r *peer.Received) bool { return r.Plaintext != nil && r.ReplyTo() == d.Mid() })
			case "extension":
				d := sendFrame(x, s, typeExtension, priority|flag("REQUIRES_ACK"), data)
				_, _, err = s.ExpectAck(d.Sequence, 0)
			case "Disconnect":
				sendFrame(x, s, typeDisconnect, priority, s.DisconnectBody(0))
				if o := reaction(x, s, conformance.BudgetClose); !o.IsClose() {
					x.Require(false, "the session ends: got %s", o)
				}
			}
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

// sendFrame sends one correct frame under the path key, after the edits.
func sendFrame(
	x *conformance.Exchange, s *peer.Session, messageType uint8, flags uint16, body []byte, edits ...func(*peer.Draft),
) *peer.Draft {
	d, err := s.Send(messageType, flags, body, edits...)
	send(x, err)
	return d
}

// isHeartbeat fits a Heartbeat of that kind with that data.
func isHeartbeat(kind uint8, data []byte) func(*peer.Received) bool {
	body := string(peer.HeartbeatBody(kind, data))
	return func(r *peer.Received) bool { return r.Is(typeHeartbeat) && string(r.Plaintext.Body) == body }
}
