package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// fragmentsSent returns the cases about how a server cuts.
func fragmentsSent() []conformance.Case {
	return []conformance.Case{cutReplies(), manyCutReplies()}
}

func cutReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0740", Title: "A long reply is cut into fragments of 262 144 bytes, numbered and complete.",
		Proves: []string{
			"XTMP-FRG-001", "XTMP-FRG-002", "XTMP-FRG-003", "XTMP-FRG-004", "XTMP-FRG-005", "XTMP-FRG-006", "XTMP-FRG-007", "XTMP-FRG-010",
		},
		Expect: accepts(), Params: []conformance.Param{param("bytes", "262144", "262145", "524288", "524289", "3000000")},
		Explain: explain("A receiver knows from the first piece how much it will get, because all pieces but the last are alike.",
			"Three sources, one after the other, whose replies have so many bytes with the 8 before the data; the linter judges every fragment.",
			"the last fragment is empty when the length is a multiple", "frag_id is the mid", "the prologue is counted as body",
			"a body of exactly 262 144 bytes is cut"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			n := x.ParamInt("bytes") - beforeProbe
			for range 3 {
				requireAnswer(x, answer(x, s, ask(x, s, opSource, uint64(n), nil).Mid()), opSource, 0, patterned(n))
				x.Require(s.Unfinished() == 0, "every message that was begun is ended")
			}
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func manyCutReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0741", Title: "Of many long replies at the same time at most four are begun and not ended.",
		Proves: []string{"XTMP-FRG-001", "XTMP-FRG-002", "XTMP-FRG-004", "XTMP-FRG-009", "XTMP-FRG-010"}, Touches: []string{"XTMP-MSG-011"},
		Expect: accepts(), Disruptive: true, Bulk: true,
		Explain: explain("A client need not hold more than four; a fifth ends the session.",
			"Twelve sources of a megabyte and twelve echoes in one write; nothing is read for a moment, then everything.",
			"every reply is cut as soon as it is there", "the count is kept per direction and not looked at by the sender",
			"numbers are taken when a reply is made and not when it is sealed"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{}, unrecorded)
			const n = 1_000_000
			var drafts []*peer.Draft
			echoed := map[uint64]bool{}
			for range max(1, min(12, mostInflight(x, s)/2)) {
				long, short := asked(s, opSource, n, nil), asked(s, opEcho, 0, []byte("short"))
				echoed[short.Mid()] = true
				drafts = append(drafts, long, short)
			}
			send(x, s.SendDrafts(drafts...))
			x.Pause(conformance.BudgetQuiet)
			for left := len(drafts); left > 0; left-- {
				r, _, err := s.Expect(0, func(r *peer.Received) bool { return r.Message != nil && r.ReplyTo() != 0 })
				need(x, err)
				if echoed[r.ReplyTo()] {
					requireAnswer(x, probeOf(x, r), opEcho, 0, []byte("short"))
				} else {
					requireAnswer(x, probeOf(x, r), opSource, 0, patterned(n))
				}
			}
			x.Require(s.Unfinished() == 0, "every message that was begun is ended")
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}
