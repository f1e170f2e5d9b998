package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// inflight returns the cases of section 8.6: flow control.
func inflight() []conformance.Case {
	return []conformance.Case{
		fullInflight(), beyondInflight(), inflightFreed(), beyondTwiceInflight(), fullBodies(), beyondBodies(), unreadReplies(),
	}
}

// announcedInflight is how many requests may be unanswered, by what the server says.
func announcedInflight(s *peer.Session) int {
	if n := int(s.Params().Uint("max_inflight")); n != 0 {
		return n
	}
	return size("max_inflight")
}

// mostInflight is announcedInflight where as many requests are to be sent.
func mostInflight(x *conformance.Exchange, s *peer.Session) int {
	n := announcedInflight(s)
	if n > 8*size("max_inflight") {
		x.Inconclusive("max_inflight is too great to be reached in a case")
	}
	return n
}

// occupy sends delays that are not answered while the case runs.
func occupy(x *conformance.Exchange, s *peer.Session, n int) {
	const batch = 128
	for n > 0 {
		var drafts []*peer.Draft
		for range min(batch, n) {
			drafts = append(drafts, asked(s, opDelay, uint64(size("probe_delay_ms")), nil))
		}
		send(x, s.SendDrafts(drafts...))
		n -= len(drafts)
	}
}

func fullInflight() conformance.Case {
	return conformance.Case{
		ID: "XC-0700", Title: "As many requests as max_inflight says are served at the same time.",
		Proves: []string{"XTMP-MSG-024"}, Expect: accepts(), Disruptive: true,
		Explain: explain("The server announces the number; a client that uses it fully does what it may.",
			"Delays of a minute, one fewer than max_inflight, and an echo, which is answered.",
			"the limit is smaller by one", "another limit than the announced one is kept"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			occupy(x, s, mostInflight(x, s)-1)
			requireEcho(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

// lastRequest drafts the request that goes beyond a limit.
func lastRequest(s *peer.Session, name string) *peer.Draft {
	switch name {
	case "stream":
		return asked(s, opStream, 3, nil)
	case "malformed":
		return s.Draft(typeProbe, flag("REQUIRES_ACK"), []byte{1})
	case "unknown type":
		return s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil)
	}
	return asked(s, opOf(name), 0, []byte("data"))
}

func beyondInflight() conformance.Case {
	return conformance.Case{
		ID: "XC-0701", Title: "One request more than max_inflight is answered RATE_LIMITED and not executed.",
		Proves: []string{"XTMP-MSG-024", "XTMP-MSG-069"}, Touches: []string{"XTMP-MSG-071"}, Control: "XC-0700", Disruptive: true,
		Expect: turnsDown("RATE_LIMITED", "XTMP-MSG-024"),
		Params: []conformance.Param{param("request", "echo", "stream", "malformed", "unknown type")},
		Explain: explain("The limit is what keeps one client from occupying the server; its reply tells the client to wait and not to give up.",
			"As many delays of a minute as max_inflight says, and one request more; then a PING, and a request on another session.",
			"the request is executed and counted later", "the type or the body is judged first", "the session is ended at the limit itself"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			occupy(x, s, mostInflight(x, s))
			d := lastRequest(s, x.Param("request"))
			send(x, s.SendDrafts(d))
			judgeRefusal(x, s, d.Mid())
			requireNoPush(x, s)
			requireEcho(x, session(x))
		},
	}
}

func inflightFreed() conformance.Case {
	return conformance.Case{
		ID: "XC-0702", Title: "A request that was answered makes room for another.",
		Proves: []string{"XTMP-MSG-024"}, Expect: accepts(), Disruptive: true, Timer: "T_REKEY_GAP_MIN",
		Explain: explain("A count that only rises turns a busy client away for ever.",
			"Delays of a minute, one fewer than max_inflight, and five echoes one after the other; then one delay more, a request that is "+
				"answered RATE_LIMITED, and, that being answered too, nothing has changed.",
			"requests that are refused are counted", "replies are counted when they are acknowledged"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			occupy(x, s, mostInflight(x, s)-1)
			for range 5 {
				requireEcho(x, s)
			}
			last := ask(x, s, opDelay, uint64(x.AtLeast("T_REKEY_GAP_MIN").Milliseconds()), nil)
			for range 3 {
				d := ask(x, s, opEcho, 0, nil)
				r, _, err := s.ExpectReply(d.Mid(), 0)
				need(x, err)
				x.Require(r.Error() != nil && int(r.Error().Code) == code("RATE_LIMITED"), "a request beyond max_inflight is refused")
			}
			answer(x, s, last.Mid())
			requireEcho(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

func beyondTwiceInflight() conformance.Case {
	return conformance.Case{
		ID: "XC-0703", Title: "More than twice max_inflight requests that cannot be answered are a violation.",
		Proves: []string{"XTMP-MSG-025"}, Touches: []string{"XTMP-MSG-026", "XTMP-MSG-013"}, Control: "XC-0403", Disruptive: true,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-MSG-025"),
		Explain: explain("A client that acknowledges nothing leaves the server with replies that it may not send; somewhere that has to end.",
			"Echoes without a single Ack until the window of the server is full, and then more than twice max_inflight further ones.",
			"replies beyond the window are held without bound", "reading stops, so that neither side can go on",
			"requests that were answered RATE_LIMITED count as answered though their reply waits"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{NoAck: true}, unrecorded)
			most := mostInflight(x, s)
			batch := min(64, most)
			for last := uint64(1); last < uint64(size("mid_window")); {
				before, err := echoes(x, s, batch)
				if err != nil {
					unprepared(x, "a full window", err)
				}
				last = max(last, highestMid(before))
			}
			for sent := 0; sent <= 2*most+batch; sent += batch {
				if _, err := echoes(x, s, batch); err != nil {
					x.Judge(observe(x, err, conformance.BudgetReply))
					requireEnd(x, s)
					return
				}
			}
			x.Judge(conformance.Ignored())
		},
	}
}

// echoes sends echoes and a PING behind them, and returns what came before the PONG.
func echoes(x *conformance.Exchange, s *peer.Session, n int) ([]*peer.Received, error) {
	var drafts []*peer.Draft
	for range n {
		drafts = append(drafts, asked(s, opEcho, 0, nil))
	}
	send(x, s.SendDrafts(drafts...))
	return s.Ping(x.Entropy("fence").Bytes(8))
}

// occupyBodies sends delays whose bodies have as many bytes as may be unanswered,
// less so many.
func occupyBodies(x *conformance.Exchange, s *peer.Session, less int) {
	whole := size("inflight_bytes") / size("message_to_server_before_wallet")
	if mostInflight(x, s) <= whole+1 {
		x.Unsupported("bodies of 32 MiB within max_inflight requests")
	}
	for i := range whole {
		n := longestData()
		if i == 0 {
			n -= less
		}
		body := make([]byte, n)
		sendFrame(x, s, typeProbe, flag("REQUIRES_ACK"), probeBody(opDelay, uint64(size("probe_delay_ms")), body))
	}
}

// replyBeyond waits for the reply to the last request. Without the requests that
// make up the limit nothing can be said about it.
func replyBeyond(x *conformance.Exchange, s *peer.Session, mid uint64) *peer.Received {
	r, before := wholeOf(x, s, mid)
	for _, e := range peer.Errors(before) {
		if e.ReplyTo != 0 {
			x.Inconclusive("a request that makes up the limit was refused by code 0x%02X", e.Code)
		}
	}
	return r
}

func fullBodies() conformance.Case {
	return conformance.Case{
		ID: "XC-0704", Title: "Requests whose bodies have 32 MiB together are served at the same time.",
		Proves: []string{"XTMP-MSG-024"}, Expect: accepts(), Disruptive: true, Bulk: true,
		Explain: explain("The bound belongs to what is allowed.",
			"Delays of a minute whose bodies have 32 MiB less eight bytes, and an echo without data, which is answered.",
			"frames are counted and not bodies", "the limit is kept for all sessions together"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			occupyBodies(x, s, beforeProbe)
			d := ask(x, s, opEcho, 0, nil)
			requireAnswer(x, probeOf(x, replyBeyond(x, s, d.Mid())), opEcho, 0, nil)
			x.Judge(conformance.Accepted())
		},
	}
}

func beyondBodies() conformance.Case {
	return conformance.Case{
		ID: "XC-0705", Title: "A request that brings the bodies above 32 MiB is answered RATE_LIMITED.",
		Proves: []string{"XTMP-MSG-024"}, Control: "XC-0704", Disruptive: true, Bulk: true,
		Expect: turnsDown("RATE_LIMITED", "XTMP-MSG-024"), Params: []conformance.Param{param("request", "echo", "stream")},
		Explain: explain("A count of requests says nothing about memory; the bytes are bounded too.",
			"Delays of a minute whose bodies have exactly 32 MiB, and one request more.",
			"only the number of requests is looked at", "the bodies are counted as they were compressed"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			occupyBodies(x, s, 0)
			d := lastRequest(s, x.Param("request"))
			send(x, s.SendDrafts(d))
			o, _ := told(x, replyBeyond(x, s, d.Mid()))
			x.Judge(o)
			fence(x, s)
		},
	}
}

func unreadReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0706", Title: "A server goes on reading while nobody reads what it writes.",
		Proves: []string{"XTMP-MSG-026", "XTMP-MSG-028"}, Expect: accepts(), Disruptive: true, Bulk: true,
		Params: []conformance.Param{param("frames", "extension", "sink")},
		Explain: explain("Two ends that read only after they have written wait for each other for ever.",
			"A source of 16 MiB, of which nothing is read, and then more bytes than two transports hold, in frames of one type; then the "+
				"reply is read, and an echo is answered.",
			"reading and writing share a goroutine", "reading stops while replies are unacknowledged"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			n := size("probe_data_to_client")
			d := ask(x, s, opSource, uint64(n), nil)
			for sent := 0; sent < moreThanBuffered; {
				raw := bulkFrame(s, x.Param("frames")).Encode()
				x.Require(s.WriteRaw(raw) == nil, "the server reads while its own writes block")
				sent += len(raw)
			}
			requireAnswer(x, answer(x, s, d.Mid()), opSource, 0, patterned(n))
			requireEcho(x, s)
			x.Judge(conformance.Accepted())
		},
	}
}

// moreThanBuffered is more than two transports hold.
const moreThanBuffered = 24 << 20

func bulkFrame(s *peer.Session, frames string) *peer.Draft {
	if frames == "extension" {
		return s.Draft(typeExtension, 0, make([]byte, size("frame_payload_before_wallet")))
	}
	return s.Draft(typeProbe, 0, probeBody(opSink, 0, make([]byte, longestData())))
}
