package cases

import (
	"net"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlJoined is the control twin of fragments that nobody puts together.
const controlJoined = "XC-1368"

// pathsProbe returns the cases about several paths that need a server with Probe:
// replies that take their time, long ones, pushes, fragments.
func pathsProbe() []conformance.Case {
	list := []conformance.Case{
		newestCopy(), executedOnceOnPaths(), fragmentedReplyMoves(), streamMoves(), fragmentsJoined(), fragmentsDropped(),
		largeReplyRefused(), largeReplyMoves(), cutsApart(), lateAck(), fragIDsAcrossPaths(), carriedInPart(), largeReplyWaits(),
	}
	for i := range list {
		list[i].Needs = profileProbe
	}
	return list
}

func newestCopy() conformance.Case {
	return conformance.Case{
		ID: "XC-1364", Title: "A reply comes on the path on which the newest copy of its request arrived.",
		Proves: []string{"XTMP-PTH-013"}, Touches: []string{"XTMP-PTH-007"}, Expect: accepts(),
		Params: []conformance.Param{transports(), param("newest", "the second", "the first again")},
		Explain: explain("A client that sends a request again knows why; where it did so last, it listens.",
			"A session that has moved to its second path; a delay of a second on the first, the same on the second and, by the param, on the first "+
				"once more. The reply comes on the path of the last copy, and there alone.",
			"the path of the first copy is kept with the request", "the reply goes to every path on which the request came"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			b := attachLive(x, s, second)
			data := x.Entropy("data").Bytes(16)
			d := ask(x, s, opDelay, uint64(x.AtLeast("T_LINGER").Milliseconds()), data)
			prepare(x, s)
			copyOn(x, b, d)
			prepare(x, b)
			there, not := b, s
			if x.Param("newest") == "the first again" {
				copyOn(x, s, d)
				there, not = s, b
			}
			body := answer(x, there, d.Mid())
			x.Judge(conformance.Accepted())
			requireAnswer(x, body, opDelay, 0, data)
			requireAbsent(x, not)
		},
	}
}

func executedOnceOnPaths() conformance.Case {
	return conformance.Case{
		ID: "XC-1365", Title: "A request that arrives on two paths is executed once.",
		Proves: []string{"XTMP-PTH-036", "XTMP-PTH-007"}, Expect: accepts(),
		Params: []conformance.Param{transports(), param("attached", "before the request", "after it")},
		Explain: explain("A transfer that is made twice because a network was slow is the one thing that several paths must not bring.",
			"A stream of five pushes on one path, and the same request on another that was there before, or is attached behind it. All pushes "+
				"that come belong to one subscription, and there are five of them; every reply has the same mid.",
			"requests are known by path and mid", "the copy is looked up when the first one is answered, and not when it is executed"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			requireOffer(x, s, second)
			var b *peer.Session
			if x.Param("attached") == "before the request" {
				b = attachLive(x, s, second)
			}
			d := ask(x, s, opStream, 5, []byte("once"))
			if b == nil {
				b = attach(x, s, second)
			}
			copyOn(x, b, d)
			replies, pushes := map[uint64]bool{}, map[uint64]bool{}
			for range 3 {
				for _, p := range []*peer.Session{s, b} {
					for _, r := range fence(x, p) {
						if isPush(r) {
							n := r.Plaintext.Prologue
							x.Require(!pushes[n.Uint("sub_id")<<32|n.Uint("n")], "no push comes twice")
							pushes[n.Uint("sub_id")<<32|n.Uint("n")] = true
						} else if r.ReplyTo() == d.Mid() {
							replies[r.Mid()] = true
						}
					}
				}
				x.Pause(conformance.BudgetQuiet)
			}
			x.RequireField("replies, told apart by their mids", 1, len(replies))
			x.RequireField("pushes", 5, len(pushes))
			x.Judge(conformance.Accepted())
		},
	}
}

func fragmentedReplyMoves() conformance.Case {
	return conformance.Case{
		ID: "XC-1366", Title: "A fragmented reply is sent whole on another path, whatever of it was acknowledged on the first.",
		Proves: []string{"XTMP-PTH-034", "XTMP-PTH-035", "XTMP-PTH-061"}, Touches: []string{"XTMP-PTH-029", "XTMP-FRG-002"}, Expect: accepts(),
		Params: []conformance.Param{
			param("paths", append(transports().Values, onUDP+" and "+onUDP)...),
			param("acknowledged", "nothing", "the first fragment", "all but the last"),
		},
		Explain: explain("What was acknowledged on a path may have been dropped with it; only a message that comes whole on one path is sure "+
			"to be "+
			"together.",
			"A source whose reply comes in fragments on the first path, of which so many are acknowledged; then the session moves. All of it comes "+
				"on the second path, under one frag_id that is not below the old one, and nothing of the old division behind that.",
			"fragments are acknowledged for the session", "the rest alone is sent", "a message that is cut anew keeps its frag_id"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			n := 600_000
			if first == onUDP || second == onUDP {
				n = 7000 // within the first congestion window
			}
			s := sessionOn(x, first, peer.Script{})
			requireOffer(x, s, second)
			s.Acks = false
			d := ask(x, s, opSource, uint64(n), nil)
			old := readFragments(x, s, d.Mid(), x.Param("acknowledged"))
			b := attach(x, s, second)
			sendPing(x, b, peer.PingData(nil))
			body, id := wholeAgain(x, b, d.Mid())
			x.Require(id >= old || id == 0 && len(body) <= size("fragment_body_tcp"), "frag_id of a division is not below that of one before")
			newest := b.Last().Frame.Header.Uint("timestamp")
			m, _ := testkit.Decode("probe", 0, body)
			requireAnswer(x, m, opSource, 0, patterned(n))
			requireNothingOld(x, s, d.Mid(), newest)
			x.Judge(conformance.Accepted())
		},
	}
}

// readFragments reads the whole reply to a request, acknowledges so much of it, and
// returns its frag_id.
func readFragments(x *conformance.Exchange, s *peer.Session, mid uint64, acknowledge string) (id uint64) {
	var frames []*peer.Received
	for whole := false; !whole; {
		r, _, err := s.ExpectReply(mid, 0)
		if err != nil {
			unprepared(x, "a fragmented reply", err)
		}
		frames = append(frames, r)
		whole = r.Message != nil
	}
	if !frames[0].Plaintext.Prologue.Has("frag_id") {
		return 0 // it fitted one frame: there is nothing to acknowledge in part
	}
	covered := frames[:1]
	switch acknowledge {
	case "nothing":
		return frames[0].Plaintext.Prologue.Uint("frag_id")
	case "all but the last":
		covered = frames[:len(frames)-1]
	}
	acknowledgeFrames(x, s, covered)
	return frames[0].Plaintext.Prologue.Uint("frag_id")
}

// acknowledgeFrames acknowledges frames of the server and no others, which on TCP is
// everything up to the last of them.
func acknowledgeFrames(x *conformance.Exchange, s *peer.Session, frames []*peer.Received) {
	var sequences []uint64
	for _, r := range frames {
		sequences = append(sequences, r.Frame.Sequence())
	}
	body := peer.AckBody(sequences[len(sequences)-1])
	if s.UDP() {
		body = s.AckOf(testkit.Spans(sequences)...)
	}
	sendFrame(x, s, typeAck, 0, body)
	prepare(x, s)
}

// requireNothingOld requires that nothing of a reply was sent on a path after a moment
// by the server's clock: what was sent before may be read now.
func requireNothingOld(x *conformance.Exchange, s *peer.Session, mid, newest uint64) {
	for {
		r, err := s.ReadFrame(x.Within(conformance.BudgetQuiet))
		if err != nil {
			return
		}
		old := r.Plaintext != nil && r.ReplyTo() == mid
		x.Require(!old || r.Frame.Header.Uint("timestamp") <= newest, "nothing of a division is sent once there is a newer one")
	}
}

func streamMoves() conformance.Case {
	return conformance.Case{
		ID: "XC-1367", Title: "A subscription goes on when its session moves, and its pushes are counted on.",
		Proves: []string{"XTMP-PTH-008"}, Touches: []string{"XTMP-PRB-021", "XTMP-MSG-063", "XTMP-MSG-065"}, Expect: accepts(), Bulk: true,
		Explain: explain("A client that has moved would otherwise wait for events that nobody sends.",
			"A stream with more data than a connection holds; when its first push is read, the session moves. On both paths together the pushes "+
				"come, "+
				"each once.",
			"pushes end with the path on which their stream was asked for", "n begins again at 1 on the new path"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			requireOffer(x, s, onTCP)
			const n = 300
			d := ask(x, s, opStream, n, make([]byte, 40_000))
			if _, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Message != nil && r.ReplyTo() == d.Mid() }); err != nil {
				unprepared(x, "a stream", err)
			}
			send(x, s.Ack())
			b, err := s.Attach(unwatched{another(x)})
			if err != nil {
				unprepared(x, "a further path", err)
			}
			sendPing(x, b, nil)
			seen := map[uint64]bool{}
			for quiet := 0; len(seen) < n && quiet < 12; {
				quiet++
				for _, p := range []*peer.Session{s, b} {
					r, err := p.ReadFrame(x.AtLeast(conformance.BudgetQuiet))
					for ; err == nil; r, err = p.ReadFrame(x.AtLeast("T_ACK")) {
						if isPush(r) {
							k := r.Plaintext.Prologue.Uint("n")
							x.Require(!seen[k] && k >= 1 && k <= n, "each push comes once, with a number of its own")
							seen[k], quiet = true, 0
						}
					}
				}
			}
			x.RequireField("pushes on both paths", n, len(seen))
			x.Judge(conformance.Accepted())
		},
	}
}

// An unwatched connection is one whose frames are too many to be recorded.
type unwatched struct{ net.Conn }

// sendFirstPiece sends the first of three fragments of an echo on a path, and returns
// all of them.
func sendFirstPiece(x *conformance.Exchange, s *peer.Session) (pieces []*peer.Draft, data []byte) {
	data = x.Entropy("data").Bytes(1500)
	pieces = s.Fragments(typeProbe, flag("REQUIRES_ACK"), probeBody(opEcho, 0, data), 600)
	s.Rewind(2)
	send(x, s.SendDrafts(pieces[0]))
	prepare(x, s)
	return pieces, data
}

// sendPieces sends fragments of another path on this one.
func sendPieces(x *conformance.Exchange, s *peer.Session, pieces ...*peer.Draft) {
	for _, of := range pieces {
		d := s.Draft(typeProbe, flag("REQUIRES_ACK", "FRAGMENT"), of.Plaintext.Body)
		copyFragment(d, of)
		send(x, s.SendDrafts(d))
	}
}

func fragmentsJoined() conformance.Case {
	return conformance.Case{
		ID: controlJoined, Title: "Fragments of one division of a request that come on two paths are put together.",
		Proves: []string{"XTMP-PTH-006", "XTMP-PTH-007"}, Touches: []string{"XTMP-FRG-011", "XTMP-FRG-012", "XTMP-PTH-013"}, Expect: accepts(),
		Params: []conformance.Param{param("on the second", "the others", "all")},
		Explain: explain("A client that moves sends its request whole again; what has come on the first path counts all the same.",
			"The first of three fragments of an echo on one path, the others, or all, on another. It is answered, on the path of the last one.",
			"what is incomplete belongs to a path", "a fragment that has come on another path is inconsistent"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			pieces, data := sendFirstPiece(x, s)
			if x.Param("on the second") == "the others" {
				sendPieces(x, b, pieces[1:]...)
			} else {
				sendPieces(x, b, pieces...)
			}
			body := answer(x, b, pieces[0].Mid())
			x.Judge(conformance.Accepted())
			requireAnswer(x, body, opEcho, 0, data)
		},
	}
}

func fragmentsDropped() conformance.Case {
	return conformance.Case{
		ID: "XC-1369", Title: "What is incomplete is dropped when every path on which it is incomplete is closed.",
		Proves: []string{"XTMP-PRK-021"}, Control: controlJoined, Expect: ignores("XTMP-PRK-021"),
		Params: []conformance.Param{param("end", "end of stream", "reset", "bad frame", "Error of scope 1")},
		Explain: explain("Its sender sends the message whole where it goes on; what is left of the first try would be held for ever.",
			"One of three fragments of an echo on the first path, which then ends; the other two on the second path are not enough. With the "+
				"first one "+
				"there, too, the echo is answered.",
			"incomplete messages are kept for the session", "the fragments that came behind are dropped with it"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP)
			pieces, data := sendFirstPiece(x, s)
			hangUp(x, s, x.Param("end"))
			sendPieces(x, b, pieces[1:]...)
			judgeIgnored(x, b, isAck)
			sendPieces(x, b, pieces[0])
			requireAnswer(x, answer(x, b, pieces[0].Mid()), opEcho, 0, data)
		},
	}
}

func largeReplyRefused() conformance.Case {
	return conformance.Case{
		ID: "XC-1394", Title: "A reply above 65 536 bytes is replaced by PAYLOAD_TOO_LARGE in a session that has UDP paths alone.",
		Proves: []string{"XTMP-PTH-049", "XTMP-PTH-052"}, Touches: []string{"XTMP-UDP-087"}, Expect: accepts(),
		Params: []conformance.Param{param("body", "65536", "65537", "1000000")},
		Explain: explain("There is no way for it; a client that is told can ask for less, or attach a connection.",
			"A session on UDP; a source whose reply has a body of that size. At the limit it comes; above it an Error is the reply, and the "+
				"session "+
				"goes on.",
			"the reply waits for a connection that nobody attaches", "it is cut into more datagrams than the limit allows", "the session is ended"),
		Run: func(x *conformance.Exchange) {
			s := sessionOn(x, onUDP, peer.Script{})
			n := x.ParamInt("body") - beforeProbe
			d := ask(x, s, opSource, uint64(n), nil)
			r, _, err := s.ExpectAnswer(d.Mid(), 0)
			need(x, err)
			if n+beforeProbe <= size("message_udp") {
				requireAnswer(x, probeOf(x, r), opSource, 0, patterned(n))
			} else {
				x.Require(r.Error() != nil, "a reply that is too large is replaced by an Error")
				x.RequireField("code", code("PAYLOAD_TOO_LARGE"), r.Error().Code)
			}
			requireEcho(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func largeReplyMoves() conformance.Case {
	return conformance.Case{
		ID: "XC-1395", Title: "A reply above 65 536 bytes to a request on UDP comes on a TCP path, standby or not.",
		Proves: []string{"XTMP-PTH-049", "XTMP-PTH-013", "XTMP-PTH-014"}, Touches: []string{"XTMP-PTH-052"}, Expect: accepts(),
		Params: []conformance.Param{param("TCP path", "standby", "left"), param("body", "65537", "600000")},
		Explain: explain("UDP carries no more; the connection is there for exactly that.",
			"A session with a UDP path and a TCP path; a source on UDP whose reply has a body of that size. It comes on TCP, whole; a smaller one "+
				"comes on UDP.",
			"the reply follows its request whatever its size", "a standby path is never used", "Error PAYLOAD_TOO_LARGE is sent though there is "+
				"a way"),
		Run: func(x *conformance.Exchange) {
			var udp, tcp *peer.Session
			switch x.Param("TCP path") {
			case "standby":
				udp = sessionOn(x, onUDP, peer.Script{})
				tcp = attachLive(x, udp, onTCP, asStandby)
			case "left":
				tcp = attachable(x)
				udp = attachLive(x, tcp, onUDP)
			}
			n := x.ParamInt("body") - beforeProbe
			d := ask(x, udp, opSource, uint64(n), nil)
			prepare(x, udp)
			requireAnswer(x, answer(x, tcp, d.Mid()), opSource, 0, patterned(n))
			send(x, tcp.Ack())
			d = ask(x, udp, opSource, 5000, nil)
			requireAnswer(x, answer(x, udp, d.Mid()), opSource, 0, patterned(5000))
			x.Judge(conformance.Accepted())
		},
	}
}

func largeReplyWaits() conformance.Case {
	return conformance.Case{
		ID: "XC-1347", Title: "A reply above 65 536 bytes that has its mid waits for a TCP path and does not hold up others.",
		Proves: []string{"XTMP-PTH-049", "XTMP-PTH-017"}, Touches: []string{"XTMP-PTH-029"}, Expect: accepts(),
		Params: []conformance.Param{param("first path", "left", "closed")},
		Explain: explain("A session that has moved to UDP keeps what UDP does not carry, until there is a way for it.",
			"A source whose reply has a body of 100 000 bytes on TCP, which is not acknowledged; the session moves to UDP, and its TCP path is "+
				"left, "+
				"or ends. Nothing of the reply comes on UDP, where an echo is answered; on a new TCP path all of it comes.",
			"the reply is cut into datagrams", "it is dropped with its path", "messages behind it wait"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			requireOffer(x, s, onUDP)
			const n = 100_000
			d := ask(x, s, opSource, n, nil)
			r, _, err := s.ExpectAnswer(d.Mid(), 0)
			need(x, err)
			b := attach(x, s, onUDP)
			if x.Param("first path") == "closed" {
				hangUp(x, s, "end of stream")
			}
			for range 2 {
				for _, other := range fence(x, b) {
					x.Require(other.Mid() != r.Mid(), "nothing of the reply comes on UDP")
				}
				x.Pause("T_ACK")
			}
			requireEcho(x, b)
			c := attach(x, s, onTCP)
			sendPing(x, c, nil)
			body, _ := wholeAgain(x, c, d.Mid())
			x.RequireField("bytes of the body", n+beforeProbe, len(body))
			x.Judge(conformance.Accepted())
			requireClean(x, b.Conn)
		},
	}
}

func cutsApart() conformance.Case {
	return conformance.Case{
		ID: "XC-1396", Title: "Acknowledged fragments of two paths do not make an acknowledged message.",
		Proves: []string{"XTMP-ACK-032"}, Touches: []string{"XTMP-ACK-031", "XTMP-PTH-034"}, Expect: accepts(),
		Params: []conformance.Param{
			param("acknowledged on the second", "the other half", "all"), param("Ack on the first", "before the move", "behind it"),
		},
		Explain: explain("The receiver may have dropped what the first path had brought; half here and half there is nothing.",
			"A reply in fragments on a UDP path, the first half of which is acknowledged there, before the session moves or late; on a second UDP "+
				"path the reply comes whole and the other half, or all of it, is acknowledged; then the session moves to TCP. The reply comes there "+
				"unless it was all.",
			"fragments are acknowledged by index, whatever path they travelled on", "a late Ack on a path that was left counts for the newest "+
				"division"),
		Run: func(x *conformance.Exchange) {
			s := sessionOn(x, onUDP, peer.Script{})
			requireOffer(x, s, onUDP)
			s.Acks = false
			const n = 7000
			d := ask(x, s, opSource, n, nil)
			half := fragmentsOn(x, s, d.Mid())
			half = half[:len(half)/2]
			if x.Param("Ack on the first") == "before the move" {
				acknowledgeFrames(x, s, half)
			}
			b := attach(x, s, onUDP)
			b.Acks = false
			sendPing(x, b, peer.PingData(nil))
			frames := fragmentsOn(x, b, d.Mid())
			all := x.Param("acknowledged on the second") == "all"
			if !all {
				frames = frames[len(frames)/2:]
			}
			acknowledgeFrames(x, b, frames)
			if x.Param("Ack on the first") == "behind it" {
				acknowledgeFrames(x, s, half)
			}
			requireThere(x, attach(x, s, onTCP), d.Mid(), !all)
			x.Judge(conformance.Accepted())
		},
	}
}

// requireThere requires that the reply to a request comes, whole, on a path that was
// just attached, or that it does not.
func requireThere(x *conformance.Exchange, s *peer.Session, mid uint64, comes bool) {
	if !comes {
		requireAbsent(x, s)
		return
	}
	sendPing(x, s, nil)
	body, _ := wholeAgain(x, s, mid)
	x.Require(len(body) > beforeProbe, "the reply is there")
}

func lateAck() conformance.Case {
	return conformance.Case{
		ID: "XC-1397", Title: "An Ack on a path that was left counts for the division that was sent there.",
		Proves: []string{"XTMP-ACK-032", "XTMP-PTH-035"}, Touches: []string{"XTMP-ACK-031", "XTMP-PTH-061"}, Expect: accepts(),
		Params: []conformance.Param{param("acknowledged", "all", "all but the last")},
		Explain: explain("An Ack that was under way when the client moved is true, of what it acknowledges.",
			"A reply in fragments on the first path; the session moves, and the reply comes on the second path. Then the Ack on the first path, "+
				"and a "+
				"move to a third. If the two divisions are one, by their frag_id, and all of it was acknowledged, nothing comes there; else all does.",
			"Acks of a path that was left are dropped", "an Ack of an old division counts for the new one"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			const n = 600_000
			d := ask(x, s, opSource, n, nil)
			old := fragmentsOn(x, s, d.Mid())
			b := attach(x, s, onTCP)
			sendPing(x, b, nil)
			again := fragmentsOn(x, b, d.Mid())
			same := old[0].Plaintext.Prologue.Uint("frag_id") == again[0].Plaintext.Prologue.Uint("frag_id")
			if x.Param("acknowledged") == "all but the last" {
				old, same = old[:len(old)-1], false
			}
			acknowledgeFrames(x, s, old)
			requireThere(x, attach(x, s, onTCP), d.Mid(), !same)
			x.Judge(conformance.Accepted())
		},
	}
}

func fragIDsAcrossPaths() conformance.Case {
	return conformance.Case{
		ID: "XC-1398", Title: "The server counts the frag_ids of its messages once for all paths.",
		Proves: []string{"XTMP-PTH-008"}, Touches: []string{"XTMP-FRG-002"}, Expect: accepts(), Params: []conformance.Param{transports()},
		Explain: explain("A receiver tells an old division of a message from a new one by the greater number.",
			"A fragmented reply on the first path; then, on a second one that is attached and on the first in turn, three more, each acknowledged. "+
				"Their frag_ids are 0, 1, 2, 3.",
			"frag_id is counted for each path"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			list := []*peer.Session{s}
			for i := range 4 {
				p := list[i%len(list)]
				n := 300_000
				if p.UDP() {
					n = 5000
				}
				d := ask(x, p, opSource, uint64(n), nil)
				r, _, err := p.ExpectAnswer(d.Mid(), 0)
				need(x, err)
				x.RequireField("frag_id", i, r.Plaintext.Prologue.Uint("frag_id"))
				if !p.UDP() {
					send(x, p.Ack())
				}
				if i == 0 {
					list = append(list, attachLive(x, s, second))
				}
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func carriedInPart() conformance.Case {
	return conformance.Case{
		ID: "XC-1399", Title: "A reply that the first path has carried in part is sent whole on another.",
		Proves: []string{"XTMP-PTH-034"}, Touches: []string{"XTMP-PTH-029"}, Expect: accepts(), Bulk: true,
		Params: []conformance.Param{transports()},
		Explain: explain("What the first path has taken may never arrive; the rest is worth nothing alone.",
			"A source whose reply is more than the first path takes, on TCP because nobody reads and on UDP because nothing is acknowledged; "+
				"then the "+
				"session moves, and all of the reply comes on the second path.",
			"the fragments that were sent are left out", "the reply stays on the path on which it was begun"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			n := size("message_udp") - beforeProbe
			if first == onTCP && second == onTCP {
				n = size("probe_data_to_client")
			}
			s := sessionOn(x, first, peer.Script{})
			requireOffer(x, s, second)
			d := ask(x, s, opSource, uint64(n), nil)
			s.Acks = false
			if _, _, err := s.ExpectReply(d.Mid(), 0); err != nil {
				unprepared(x, "the first fragment of a reply", err)
			}
			b := attach(x, s, second)
			sendPing(x, b, peer.PingData(nil))
			body, _ := wholeAgain(x, b, d.Mid())
			x.RequireField("bytes of the body", n+beforeProbe, len(body))
			x.Judge(conformance.Accepted())
		},
	}
}

// fragmentsOn reads the fragments of a reply on a path, each index once, in order of
// index.
func fragmentsOn(x *conformance.Exchange, s *peer.Session, mid uint64) []*peer.Received {
	byIndex := map[uint64]*peer.Received{}
	for count := uint64(1); uint64(len(byIndex)) < count; {
		r, _, err := s.ExpectReply(mid, 0)
		need(x, err)
		if e := r.Error(); e != nil {
			x.Judge(observe(x, e, conformance.BudgetReply))
		}
		p := r.Plaintext.Prologue
		count = max(p.Uint("count"), 1)
		byIndex[p.Uint("index")] = r
	}
	list := make([]*peer.Received, len(byIndex))
	for i := range list {
		list[i] = byIndex[uint64(i)]
	}
	return list
}
