package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// attachUnknown returns the cases of 13.9: Attach for a session that the server does not
// have.
func attachUnknown() []conformance.Case {
	return []conformance.Case{
		unknownSession(), unknownSurvivesUnread(), noSession(),
	}
}

func unknownSession() conformance.Case {
	return conformance.Case{
		ID: "XC-1340", Title: "A sealed first frame of type 0x01 for a session that is unknown or half-open is answered by SESSION_UNKNOWN " +
			"and its token.",
		Proves: []string{"XTMP-ATT-018", "XTMP-PTH-044"}, Touches: []string{"XTMP-HSK-033"}, Control: controlAttach,
		Expect: fails(conformance.ErrorFrame(code("SESSION_UNKNOWN"), conformance.ScopeSession), "XTMP-ATT-018"),
		Params: []conformance.Param{
			param("session", "ended", "half-open", "never"),
			param("frame", "Attach", "wrong checksum", "no payload", "another suite", "path key", "nobody's key"),
		},
		Explain: explain("A client that comes back after a restart of its server learns at once that its session is gone, and that nobody but "+
			"this server says so.",
			"A frame as the first of a connection that names a session which the client has ended, whose ClientFinish was never sent, or that "+
				"never was. Nothing of it is judged behind check 6. The answer has its session_id and, where the client knows it, its reset token.",
			"the connection is closed silently", "the token is that of another session, or random", "the checksum is judged first",
			"a half-open session takes an Attach"),
		Run: func(x *conformance.Exchange) {
			s := lostSession(x)
			id := s.ID
			if x.Param("session") == "never" {
				id = strange(x)
			}
			c, _ := offer(x, s, func(a *peer.Attach) {
				a.Frame.Header.SetUint("session_id", id)
				spoilUnknown(x, s, a, x.Param("frame"))
			})
			judgeError(x, c)
			e := c.Last().Error()
			x.RequireField("session_id", id, e.Session)
			if x.Param("session") != "never" {
				x.RequireBytes("token", s.Params().Bytes("reset_token"), nil, e.Token)
			}
			requireClean(x, c)
		},
	}
}

// lostSession returns a session that the server has not, or has not yet.
func lostSession(x *conformance.Exchange) *peer.Session {
	if x.Param("session") == "half-open" {
		requireOffer(x, attachable(x), onTCP)
		return flight(x).Session()
	}
	s := attachable(x)
	if x.Param("session") == "ended" {
		end(x, s)
	}
	return s
}

// end ends a session by Disconnect and waits until the server has ended it.
func end(x *conformance.Exchange, s *peer.Session) {
	send(x, s.Disconnect(0))
	_, err := s.Drain(x.Within(conformance.BudgetClose))
	if o, ok := conformance.Seen(err, conformance.BudgetClose); !ok || !o.IsClose() {
		unprepared(x, "the end of a session", err)
	}
	x.Pause("T_ACK")
}

// spoilUnknown alters an Attach in a way that a server without its session cannot see.
func spoilUnknown(x *conformance.Exchange, s *peer.Session, a *peer.Attach, how string) {
	switch how {
	case "wrong checksum":
		spoilOutside(a.Draft, "checksum")
	case "no payload":
		a.Body, a.Plaintext.Envelope, a.Plaintext.Body = nil, nil, nil
	case "another suite":
		spoilOutside(a.Draft, "encryption_type")
	case "path key":
		client, _ := s.Keys()
		a.Keys = &client
	case "nobody's key":
		keys := foreignKeys(x, s, "nobody")
		a.Keys = &keys
	}
}

func unknownSurvivesUnread() conformance.Case {
	return conformance.Case{
		ID: "XC-1341", Title: "SESSION_UNKNOWN reaches the client although more was sent behind its Attach.",
		Proves: []string{"XTMP-ATT-018"}, Touches: []string{"XTMP-DSC-012", "XTMP-DSC-013"},
		Expect: conformance.Expect{
			Strict:    []conformance.Reaction{conformance.Row(conformance.CleanClose(), "XTMP-DSC-012")},
			Forbidden: []conformance.Reaction{conformance.Row(conformance.Reset(), "XTMP-DSC-013: the last frame could have been lost")},
		},
		Explain: explain("A client that does not get the answer tries again, and again, before it gives its session up.",
			"In one write: an Attach for a session that has ended and 48 KiB behind it. The Error has to be there, and behind it the orderly end "+
				"of the server's half.",
			"the connection is closed right after the last write"),
		Run: func(x *conformance.Exchange) {
			s := attachable(x)
			end(x, s)
			c := s.NewPath(another(x))
			a := c.AttachDefaults()
			send(x, c.WriteRaw(append(a.Encode(), make([]byte, 48<<10)...)))
			x.RequireField("code", code("SESSION_UNKNOWN"), lastFrame(x, c))
			_, err := c.ReadFrame(x.Within(conformance.BudgetClose))
			x.Judge(observe(x, err, conformance.BudgetClose))
		},
	}
}

func noSession() conformance.Case {
	return conformance.Case{
		ID: "XC-1342", Title: "A sealed first frame that names no session closes the connection silently.",
		Proves: []string{"XTMP-ATT-018", "XTMP-ORD-002"}, Control: controlAttach, Expect: closes("XTMP-ORD-002"),
		Params: []conformance.Param{param("type", hexes(2, typeHandshake, typeHandshakeAck, typeError)...)},
		Explain: explain("A session_id of 0 is no session; an answer to it would be one to anybody.",
			"A frame under keys of nobody with session_id 0 as the first of a connection.", "0 is looked up like any other session_id"),
		Run: func(x *conformance.Exchange) {
			c := dial(x)
			d := c.HelloDefaults().Draft
			d.Frame.Header.SetUint("message_type", uint64(x.ParamInt("type")))
			keys := foreignKeys(x, nil, "nobody")
			d.Keys = &keys
			send(x, c.SendDraft(d))
			judgeClosed(x, c)
		},
	}
}
