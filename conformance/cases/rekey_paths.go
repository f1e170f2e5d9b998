package cases

import (
	"time"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// controlRekeyPaths is the control twin of cases about a rekey in a session with
// several paths.
const controlRekeyPaths = "XC-0640"

// rekeyPaths returns the cases of 11.7 about several paths.
func rekeyPaths() []conformance.Case {
	return []conformance.Case{
		rekeyOnPaths(), overUDP(rekeyOnPaths(), "XC-0641", "A rekey is carried out on each path by itself on UDP too."),
		attachDuringRekey(), attachedUnderNew(), attachedUnderNewUDP(), oldSlotAfterRetirement(), oldRootErased(), oldRootAtLatest(),
		rekeyMoves(),
	}
}

// sendRekeyOn sends a correct RekeyInit as the path takes it.
func sendRekeyOn(x *conformance.Exchange, s *peer.Session) *peer.Rekey {
	r := s.RekeyDefaults()
	send(x, s.SendDrafts(s.RekeyDrafts(r)...))
	return r
}

// responded runs a rekey up to RekeyResp, which it acknowledges. Without it the case is
// inconclusive.
func responded(x *conformance.Exchange, s *peer.Session) *peer.Rekey {
	r := sendRekeyOn(x, s)
	if _, err := s.ReadRekeyResp(r, 0); err != nil {
		unprepared(x, "RekeyResp", err)
	}
	if !s.UDP() { // there it is acknowledged when it is read
		send(x, s.Ack())
	}
	return r
}

// requireEpoch requires a PONG on a path that is sealed under that epoch.
func requireEpoch(x *conformance.Exchange, s *peer.Session, epoch uint64) {
	requireLives(x, s)
	x.RequireField("epoch of the PONG", epoch, s.Last().Epoch)
}

func rekeyOnPaths() conformance.Case {
	return conformance.Case{
		ID: controlRekeyPaths, Title: "A rekey is carried out on each path by itself: the server seals under the new keys where it has opened " +
			"a frame under them.",
		Proves: []string{"XTMP-RKY-048", "XTMP-RKY-049", "XTMP-RKY-050"}, Touches: []string{"XTMP-RKY-021", "XTMP-RKY-023"}, Expect: accepts(),
		Params: []conformance.Param{onlyTCP(), param("RekeyInit", "on the first", "on the second"), param("first switched", "the first",
			"the second")},
		Explain: explain("Frames of two paths overtake each other; on each, the client opens what is sealed under keys that it has shown to "+
			"hold.",
			"A session with two paths; RekeyInit on one of them; then PINGs under the old keys on both, under the new keys on one, under the old "+
				"ones on the other, and under the new ones there.",
			"one epoch is kept for the session", "keys of the new epoch are made for the path of RekeyInit alone", "the old receive keys of every "+
				"path go with the first switch"),
		Run: func(x *conformance.Exchange) {
			first, second := twoPaths(x)
			s := sessionOn(x, first, peer.Script{})
			b := attachLive(x, s, second)
			on := map[string]*peer.Session{"on the first": s, "on the second": b}[x.Param("RekeyInit")]
			r := sendRekeyOn(x, on)
			_, err := on.ReadRekeyResp(r, 0)
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireEpoch(x, s, 0)
			requireEpoch(x, b, 0)
			now, later := s, b
			if x.Param("first switched") == "the second" {
				now, later = b, s
			}
			now.Switch(r)
			requireEpoch(x, now, 1)
			requireEpoch(x, later, 0)
			later.Switch(r)
			requireEpoch(x, later, 1)
			for _, p := range []*peer.Session{s, b} {
				d := sendFrame(x, p, typeUnknown, flag("REQUIRES_ACK"), nil)
				_, _, err := p.ExpectReply(d.Mid(), 0)
				x.Judge(observe(x, err, conformance.BudgetReply))
				requireSound(x, p.Conn)
			}
		},
	}
}

func attachDuringRekey() conformance.Case {
	return conformance.Case{
		ID: "XC-0642", Title: "While a rekey is in flight a path can be attached under either epoch, and one of the old epoch can switch.",
		Proves: []string{"XTMP-RKY-048", "XTMP-RKY-052"}, Touches: []string{"XTMP-RKY-053"}, Expect: accepts(),
		Params: []conformance.Param{param("epoch", "0", "1"), param("Attach", "after RekeyInit", "before RekeyInit")},
		Explain: explain("A path may be attached at any moment, also in the middle of a rekey; an Attach that was sealed before it arrives "+
			"after it.",
			"RekeyInit on the first path, before or after an Attach under the epoch of the param; a PING on the new path under the keys of its "+
				"epoch, "+
				"and one under the new keys.",
			"attach slots of the new epoch are made when the rekey is confirmed", "a path that is attached late has the keys of one epoch only"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			epoch := uint64(x.ParamInt("epoch"))
			var r *peer.Rekey
			c := s.NewPath(another(x))
			var a *peer.Attach
			if x.Param("Attach") == "before RekeyInit" {
				a = c.AttachUnder(0)
				send(x, c.SendAttach(a))
				x.Judge(answerOf(x, c, a))
				r, epoch = responded(x, s), 0
			} else {
				r = responded(x, s)
				a = c.AttachUnder(epoch)
				send(x, c.SendAttach(a))
				x.Judge(answerOf(x, c, a))
			}
			b := c.Attached(a)
			requireEpoch(x, b, epoch)
			if epoch == 0 {
				b.Switch(r)
				requireEpoch(x, b, 1)
			}
			requireEpoch(x, s, 0)
			s.Switch(r)
			requireEpoch(x, s, 1)
		},
	}
}

func attachedUnderNew() conformance.Case {
	return conformance.Case{
		ID: "XC-0643", Title: "A path that was attached under the new epoch takes no frame under the old one.",
		Proves: []string{"XTMP-RKY-053"}, Touches: []string{"XTMP-ORD-017"}, Control: "XC-0642", Expect: closes("XTMP-RKY-053"),
		Params: []conformance.Param{param("after", "nothing", "a PING under the new keys")},
		Explain: explain("A new path needs no old keys; what it takes under them, somebody may have made who has the old root.",
			"RekeyInit; an Attach under the new epoch; on its path a PING under keys that follow from the old root and the same binder.",
			"every path has the keys of every root that is held"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			responded(x, s)
			c := s.NewPath(another(x))
			a := c.AttachUnder(1)
			send(x, c.SendAttach(a))
			acknowledged(x, c, a)
			b := c.Attached(a)
			if x.Param("after") != "nothing" {
				prepare(x, b)
			}
			keys := b.KeysOf(0)
			badPing(x, b, func(d *peer.Draft) { d.Keys = &keys })
			requireLives(x, s)
		},
	}
}

func attachedUnderNewUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-0647", Title: "A UDP path that was attached under the new epoch drops frames under the old one.",
		Proves: []string{"XTMP-RKY-053"}, Needs: profileUDP, Control: "XC-0642", Expect: ignores("XTMP-RKY-053"),
		Explain: explain("A new path needs no old keys; what it takes under them, somebody may have made who has the old root.",
			"RekeyInit; an Attach over UDP under the new epoch, and a PING; then one under keys that follow from the old root and the same binder, "+
				"and another under the new keys.",
			"every path has the keys of every root that is held"),
		Run: func(x *conformance.Exchange) {
			s := attachableUDP(x)
			responded(x, s)
			b := attachLive(x, s, onUDP)
			keys := b.KeysOf(0)
			sendPing(x, b, []byte("old"), func(d *peer.Draft) { d.Keys = &keys })
			judgeIgnored(x, b)
			requireLives(x, s)
		},
	}
}

func oldSlotAfterRetirement() conformance.Case {
	return conformance.Case{
		ID: "XC-0648", Title: "The old attach slot is gone soon after every path has followed a rekey.",
		Proves: []string{"XTMP-RKY-056"}, Touches: []string{"XTMP-ATT-019", "XTMP-RKY-035"}, Timer: "T_RETIRE", Control: controlRekeyPaths,
		Expect: conformance.Expect{
			Strict:    conformance.Closed("XTMP-RKY-056", "XTMP-ATT-019"),
			Tolerated: []conformance.Reaction{conformance.Row(conformance.Accepted(), "T_RETIRE may be acted on late (10.1)")},
			Forbidden: []conformance.Reaction{
				conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.AnyScope), "the close has to be silent"),
			},
		},
		Params: []conformance.Param{transports()},
		Explain: explain("A rekey gives back secrecy only when the old root is erased.",
			"A rekey that is confirmed on both paths of a session; T_RETIRE and a second later, an Attach under the old epoch. One under the new "+
				"epoch is accepted.",
			"roots are kept as long as the session", "attach slots are made once and kept"),
		Run: func(x *conformance.Exchange) {
			s, _ := rekeyedPaths(x)
			x.Pause("T_RETIRE")
			x.Pause("T_LINGER") // the second for which a timer may be late
			c := s.NewPath(another(x))
			send(x, c.SendAttach(c.AttachUnder(0)))
			judgeClosed(x, c)
			requireStays(x, s)
		},
	}
}

// rekeyedPaths returns the paths of a session after a rekey that both have followed.
func rekeyedPaths(x *conformance.Exchange) (s, b *peer.Session) {
	first, second := twoPaths(x)
	s = sessionOn(x, first, peer.Script{})
	b = attachLive(x, s, second)
	r := responded(x, s)
	for _, p := range []*peer.Session{s, b} {
		p.Switch(r)
		prepare(x, p)
	}
	return s, b
}

func oldRootErased() conformance.Case {
	return conformance.Case{
		ID: "XC-0644", Title: "The old attach slot is gone T_RETIRE_MAX after a rekey that every path has followed.",
		Proves: []string{"XTMP-RKY-056", "XTMP-RKY-057"}, Touches: []string{"XTMP-ATT-019"}, Timer: "T_RETIRE_MAX",
		Labels: []string{conformance.LabelSlow}, Control: controlRekeyPaths,
		Expect: closes("XTMP-RKY-056", "XTMP-ATT-019"), Params: []conformance.Param{transports()},
		Explain: explain("A rekey gives back secrecy only when the old root is erased. T_RETIRE may be acted on late; this is the latest moment.",
			"A rekey that is confirmed on both paths of a session; T_RETIRE_MAX later an Attach under the old epoch. One under the new epoch is "+
				"accepted, and both paths go on.",
			"roots are kept as long as the session", "attach slots are made once and kept"),
		Run: func(x *conformance.Exchange) {
			s, b := rekeyedPaths(x)
			for range 7 {
				x.Pause("T_CLOSE") // any span of which some fit into the timer
				requireEpoch(x, s, 1)
				requireEpoch(x, b, 1)
			}
			c := s.NewPath(another(x))
			send(x, c.SendAttach(c.AttachUnder(0)))
			judgeClosed(x, c)
			requireStays(x, s)
		},
	}
}

func oldRootAtLatest() conformance.Case {
	return conformance.Case{
		ID: "XC-0645", Title: "T_RETIRE_MAX after the confirmation the old root is gone, and a path that has not switched is closed.",
		Proves: []string{"XTMP-RKY-057", "XTMP-RKY-058"}, Timer: "T_RETIRE_MAX", Labels: []string{conformance.LabelSlow},
		Control: controlRekeyPaths, Expect: closes("XTMP-RKY-058"),
		Explain: explain("A path that is black-holed must not hold the old root for ever.",
			"A rekey that is confirmed on the first path; on the second PINGs under the old keys go on. T_RETIRE_MAX later that path is closed, "+
				"and "+
				"an Attach under the old epoch is refused.",
			"the root is kept while a path needs it", "the session is ended in place of the path"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP, asStandby)
			began := x.Mark() // RekeyResp shows that the server has read its clock since
			r := responded(x, s)
			s.Switch(r)
			start := time.Now()
			prepare(x, s)
			for range 5 {
				x.Pause("T_CLOSE") // any span of which some fit into the timer
				requireEpoch(x, b, 0)
			}
			judgeExpiry(x, b, "T_RETIRE_MAX", start)
			x.RequireNotBefore("T_RETIRE_MAX", began)
			c := s.NewPath(another(x))
			send(x, c.SendAttach(c.AttachUnder(0)))
			x.Require(reaction(x, c, conformance.BudgetClose).IsClose(), "an Attach under the old epoch closes the connection silently")
			requireEpoch(x, s, 1)
		},
	}
}

func rekeyMoves() conformance.Case {
	return conformance.Case{
		ID: "XC-0646", Title: "A RekeyInit whose path ended gets its RekeyResp on another path, under its mid, and the rekey goes on there.",
		Proves: []string{"XTMP-RKY-048"}, Touches: []string{"XTMP-PTH-016", "XTMP-PTH-031"}, Expect: accepts(),
		Params: []conformance.Param{param("RekeyInit", "once", "again on the other path")},
		Explain: explain("A rekey is a request and a reply like others; it moves with them.",
			"RekeyInit on the first path, whose RekeyResp is left unread; that path ends; RekeyResp comes on a standby path, where the client has "+
				"sent RekeyInit again, or nothing.",
			"a second RekeyInit under the old mid starts a second rekey", "RekeyResp is made anew, with other keys"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			b := attachLive(x, s, onTCP, asStandby)
			r := s.RekeyDefaults()
			d := s.RekeyDraft(r)
			send(x, s.SendDrafts(d))
			if x.Param("RekeyInit") == "once" {
				send(x, s.CloseWrite())
				x.Pause(conformance.BudgetQuiet) // what came is not read
			} else {
				again := b.Draft(typeHandshake, flag("REQUIRES_ACK"), d.Plaintext.Body)
				withMid(d.Mid())(again)
				again.Plaintext.Envelope = d.Plaintext.Envelope
				send(x, b.SendDrafts(again))
			}
			_, err := b.ReadRekeyResp(r, 0)
			x.Judge(observe(x, err, conformance.BudgetReply))
			b.Switch(r)
			requireEpoch(x, b, 1)
		},
	}
}
