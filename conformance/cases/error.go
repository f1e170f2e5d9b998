package cases

import (
	"encoding/hex"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/spec"
)

// errorMessages returns the cases of sections 9.4 to 9.6: the Errors that a
// server sends, the Errors that it receives, and violations.
func errorMessages() []conformance.Case {
	return []conformance.Case{
		errorIsWellFormed(), clearErrorForm(), refSeqNone(), refSeqUnauthenticated(), refSeqOfOffender(),
		lastFrameIsLast(), nothingBehindViolation(), offenderBehindOthers(),
		errorScope0Ignored(), errorScope1(), errorScope2(), errorTextIgnored(), errorTextNotUTF8(),
		malformedErrorDiscarded(), malformedErrorOfScope2(), violatingErrorFrame(),
	}
}

// A provoked is an Error that the server was made to send.
type provoked struct {
	*peer.ErrorFrame
	conn     *peer.Conn
	session  *peer.Session // nil for a clear Error
	frame    *peer.Received
	offender uint64 // sequence number of the frame that was answered
}

// The ways to make a server send an Error, by code and form.
func clearErrors() []string {
	return []string{
		"clear-VERSION_UNSUPPORTED", "clear-NO_COMMON_SUITE", "clear-MALFORMED",
		"clear-HANDSHAKE_FAILED", "clear-PAYLOAD_TOO_LARGE",
	}
}

func sealedErrors() []string {
	return []string{
		"reply-UNSUPPORTED_TYPE", "scope-0-UNSUPPORTED_TYPE", "scope-1-PAYLOAD_TOO_LARGE",
		"scope-2-UNEXPECTED_MESSAGE", "scope-2-PROTOCOL_VIOLATION", "scope-2-CLOCK_SKEW",
	}
}

// provoke makes the server send the Error of that name. A server that sends
// another one, or none, fails elsewhere: here nothing can be said about it.
func provoke(x *conformance.Exchange, name string) provoked {
	p := provoked{}
	switch form, what, _ := strings.Cut(name, "-"); {
	case form == "clear":
		p.conn = dial(x)
		hello := p.conn.HelloDefaults()
		spoil(hello, what)
		send(x, p.conn.SendHello(hello))
	case name == "scope-2-CLOCK_SKEW":
		p.conn = dial(x)
		p.session, _ = p.conn.Handshake(peer.Script{Lenient: true, NoDone: true, Hello: func(h *peer.Hello) {
			behind := uint64(2 * x.AtLeast("T_SKEW").Microseconds())
			h.Body.SetUint("client_time", h.Body.Uint("client_time")-behind)
		}})
	default:
		p.session = session(x)
		p.conn = p.session.Conn
		p.offender = offend(x, p.session, name).Sequence
	}
	for p.ErrorFrame == nil {
		r, err := p.conn.ReadFrame(x.Within(conformance.BudgetReply))
		if err != nil {
			unprepared(x, "the Error", err)
		}
		p.frame, p.ErrorFrame = r, r.Error()
	}
	if !strings.HasSuffix(name, "-"+codeName(p.Code)) {
		x.Inconclusive("the Error is another than the one that is due")
	}
	return p
}

// spoil makes a ClientHello such that it is refused with that code.
func spoil(h *peer.Hello, what string) {
	switch what {
	case "VERSION_UNSUPPORTED":
		h.Body.SetUint("min_version", 200).SetUint("max_version", 201)
	case "NO_COMMON_SUITE":
		h.Body.Set("suites", []byte{0x77, 0xFF, 0xFF, 0xFF})
	case "MALFORMED":
		h.Body.SetUint("suites", 0xFFFFFF01)
	case "HANDSHAKE_FAILED":
		h.Body.Set("x25519", make([]byte, 32))
	case "PAYLOAD_TOO_LARGE":
		h.AfterSeal(announce(size("payload_before_session") + 1))
	}
}

// offend sends the frame that has to be answered by that Error.
func offend(x *conformance.Exchange, s *peer.Session, name string) *peer.Draft {
	switch name {
	case "reply-UNSUPPORTED_TYPE":
		return sendFrame(x, s, typeUnknown, flag("REQUIRES_ACK"), nil)
	case "scope-0-UNSUPPORTED_TYPE":
		return sendFrame(x, s, typeUnknown, 0, nil)
	case "scope-1-PAYLOAD_TOO_LARGE":
		return sendFrame(x, s, typeExtension, 0, make([]byte, size("frame_payload_before_wallet")+1))
	case "scope-2-UNEXPECTED_MESSAGE":
		finish := func(d *peer.Draft) { d.Plaintext.Envelope.SetUint("hs_type", 5) }
		return sendFrame(x, s, typeHandshake, flag("REQUIRES_ACK"), make([]byte, 48), finish)
	default:
		return sendFrame(x, s, typeHeartbeat, 0, nil)
	}
}

func errorIsWellFormed() conformance.Case {
	return conformance.Case{
		ID: "XC-0500", Title: "Every Error of the server has a listed form, no token, and at most 256 bytes of UTF-8.",
		Proves: []string{"XTMP-ERR-001", "XTMP-ERR-009", "XTMP-ERR-010", "XTMP-ERR-011"}, Expect: accepts(),
		Params: []conformance.Param{param("error", append(clearErrors(), sealedErrors()...)...)},
		Explain: explain("Errors are read when something is wrong already; one that cannot be read helps nobody.",
			"What provokes one Error; its code, form, flags, text and size are compared with chapters 3.7 and 9.4.",
			"a reset token is sent in every Error", "a long text is cut within a character", "codes of scope 2 are sent with scope 1"),
		Run: func(x *conformance.Exchange) {
			p := provoke(x, x.Param("error"))
			body := p.frame.Body("error")
			x.RequireField("flags", 0, body.Uint("flags"))
			x.Require(len(p.Text) <= size("error_text"), "the text has at most 256 bytes")
			requireClean(x, p.conn)
		},
	}
}

func clearErrorForm() conformance.Case {
	return conformance.Case{
		ID: "XC-0501", Title: "A clear Error has scope 1 and names no frame.",
		Proves: []string{"XTMP-ERR-005", "XTMP-ERR-006"}, Expect: accepts(),
		Params: []conformance.Param{param("error", clearErrors()...)},
		Explain: explain("A clear Error can be forged; its scope says no more than that this connection is over.",
			"A ClientHello that is refused.",
			"scope 2 is used because the handshake is over", "ref_seq is 0 because the refused frame has the number 0"),
		Run: func(x *conformance.Exchange) {
			p := provoke(x, x.Param("error"))
			x.Require(p.Clear, "the Error is a clear frame")
			x.RequireField("scope", 1, p.Scope)
			x.RequireField("ref_seq", uint64(noSequence), p.RefSeq)
		},
	}
}

func refSeqNone() conformance.Case {
	return conformance.Case{
		ID: "XC-0502", Title: "An Error that is a reply, and CLOCK_SKEW, name no frame.",
		Proves: []string{"XTMP-ERR-004", "XTMP-ERR-006"}, Expect: accepts(),
		Params: []conformance.Param{param("error", "reply-UNSUPPORTED_TYPE", "scope-2-CLOCK_SKEW")},
		Explain: explain("A reply has reply_to; CLOCK_SKEW concerns the handshake. A sequence number in them would name a frame that has "+
			"nothing to do with it.",
			"A request of an unknown type, or a handshake by a clock that is wrong by ten minutes.",
			"ref_seq is filled in for every Error", "the scope of a reply is that of the session"),
		Run: func(x *conformance.Exchange) {
			p := provoke(x, x.Param("error"))
			x.RequireField("ref_seq", uint64(noSequence), p.RefSeq)
			if p.ReplyTo != 0 {
				x.RequireField("scope", 0, p.Scope)
			}
		},
	}
}

func refSeqUnauthenticated() conformance.Case {
	return conformance.Case{
		ID: "XC-0503", Title: "An Error about a frame that was not authenticated names no frame.",
		Proves: []string{"XTMP-ERR-007"}, Expect: accepts(),
		Params: []conformance.Param{param("error", "scope-1-PAYLOAD_TOO_LARGE")},
		Explain: explain("The number in the header of such a frame is anybody's claim; the server must not repeat it under its key.",
			"A frame in a session whose payload_length is beyond the limit.",
			"ref_seq is taken from the header of the refused frame"),
		Run: func(x *conformance.Exchange) {
			x.RequireField("ref_seq", uint64(noSequence), provoke(x, x.Param("error")).RefSeq)
		},
	}
}

func refSeqOfOffender() conformance.Case {
	return conformance.Case{
		ID: "XC-0504", Title: "An unsolicited Error names the frame that caused it.",
		Proves: []string{"XTMP-ERR-008"}, Expect: accepts(),
		Params: []conformance.Param{param("error", "scope-0-UNSUPPORTED_TYPE", "scope-2-UNEXPECTED_MESSAGE", "scope-2-PROTOCOL_VIOLATION")},
		Explain: explain("Of many frames under way, ref_seq tells the sender which one was wrong; without it a fault in the field cannot be "+
			"found.",
			"Some good frames and then the one that causes the Error.",
			"ref_seq is one too high because it is read after counting", "ref_seq is a mid", "ref_seq counts the server's own frames"),
		Run: func(x *conformance.Exchange) {
			p := provoke(x, x.Param("error"))
			x.RequireField("ref_seq", p.offender, p.RefSeq)
		},
	}
}

func lastFrameIsLast() conformance.Case {
	return conformance.Case{
		ID: "XC-0505", Title: "Nothing follows an Error of scope 1 or 2 but the end of the connection.",
		Proves: []string{"XTMP-ERR-013", "XTMP-ERR-030"}, Expect: accepts(),
		Params: []conformance.Param{param("error",
			"scope-1-PAYLOAD_TOO_LARGE", "scope-2-UNEXPECTED_MESSAGE", "scope-2-PROTOCOL_VIOLATION", "scope-2-CLOCK_SKEW")},
		Explain: explain("The receiver of such an Error stops listening; whatever comes behind it, a Disconnect too, is sent in vain or "+
			"under keys that should be erased.",
			"What provokes the Error; then the connection is read to its end.",
			"closing a session sends a Disconnect whatever the cause", "Acks that were due are still sent"),
		Run: func(x *conformance.Exchange) { requireEnd(x, provoke(x, x.Param("error")).conn) },
	}
}

func nothingBehindViolation() conformance.Case {
	return conformance.Case{
		ID: "XC-0506", Title: "A frame behind a violation is not processed.",
		Proves: []string{"XTMP-ERR-027", "XTMP-ERR-029", "XTMP-ERR-030"}, Control: controlPing,
		Expect: violates("PROTOCOL_VIOLATION", "XTMP-ERR-027"),
		Params: []conformance.Param{param("behind", "PING", "request", "extension", "violation", "Disconnect")},
		Explain: explain("From the violation on nobody knows what the peer means; to go on with its next frame is to act on a guess.",
			"In one write: an empty Heartbeat, which is a violation, and a good frame, or a second violation. Only the one Error may come, then "+
				"the end.",
			"the rest of a read is processed before the session ends", "each violation of a read has its own Error"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			bad := s.Draft(typeHeartbeat, 0, nil)
			behind := map[string]func() *peer.Draft{
				"PING":       func() *peer.Draft { return s.Draft(typeHeartbeat, 0, []byte{peer.Ping, 1}) },
				"request":    func() *peer.Draft { return s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil) },
				"extension":  func() *peer.Draft { return s.Draft(typeExtension, flag("REQUIRES_ACK"), nil) },
				"violation":  func() *peer.Draft { return s.Draft(typeHeartbeat, 0, nil) },
				"Disconnect": func() *peer.Draft { return s.Draft(typeDisconnect, 0, s.DisconnectBody(0)) },
			}[x.Param("behind")]()
			send(x, s.SendDrafts(bad, behind))
			judgeError(x, s)
		},
	}
}

func offenderBehindOthers() conformance.Case {
	return conformance.Case{
		ID: "XC-0507", Title: "An Error names the frame that caused it also when that frame came behind others.",
		Proves: []string{"XTMP-ERR-027", "XTMP-ERR-008"}, Expect: accepts(),
		Explain: explain("Frames arrive many at a time; the number of the last frame of a read is not the number of the one that was wrong.",
			"In one write: three requests, an empty Heartbeat, which is a violation, and two PINGs. The Error has to name the Heartbeat; "+
				"replies may come before it.",
			"ref_seq is the last number of the read", "ref_seq is the number of the first frame of the read"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			drafts := []*peer.Draft{}
			for range 3 {
				drafts = append(drafts, s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil))
			}
			bad := s.Draft(typeHeartbeat, 0, nil)
			behind := s.Draft(typeHeartbeat, 0, []byte{peer.Ping})
			send(x, s.SendDrafts(append(drafts, bad, behind, s.Draft(typeHeartbeat, 0, []byte{peer.Ping}))...))
			e, _, err := s.ExpectError(0)
			need(x, err)
			x.RequireField("code", code("PROTOCOL_VIOLATION"), e.Code)
			x.RequireField("scope", 2, e.Scope)
			x.RequireField("ref_seq", bad.Sequence, e.RefSeq)
		},
	}
}

func errorScope0Ignored() conformance.Case {
	return conformance.Case{
		ID: "XC-0510", Title: "An unsolicited Error of scope 0 changes nothing and is not answered or acknowledged.",
		Proves: []string{"XTMP-ERR-003", "XTMP-ERR-016", "XTMP-ERR-017"}, Expect: accepts(),
		Params: []conformance.Param{param("code", hexes(2, 0x03, 0x09, 0x15, 0x30, 0xFF, 0x1234, 0)...), param("ref_seq", "0", "none", "future")},
		Explain: explain("An Error of scope 0 concerns one message. To answer it would start an exchange of Errors; to end the session would "+
			"give it a scope that it has not.",
			"An Error of scope 0 with a listed or an unlisted code; T_ACK passes; then a PING. Before its answer nothing may come.",
			"every Error ends the session", "unlisted codes are refused", "Errors are acknowledged like messages"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			refSeq := map[string]uint64{"0": 0, "none": noSequence, "future": 1 << 40}[x.Param("ref_seq")]
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(x.ParamInt("code")), 0, refSeq, "not understood"))
			x.Pause("T_ACK")
			x.Require(onlyExercise(fence(x, s)), "nothing comes before the answer to the PING")
		},
	}
}

func errorScope1() conformance.Case {
	return conformance.Case{
		ID: "XC-0511", Title: "An unsolicited Error of scope 1 makes the server close silently.",
		Proves: []string{"XTMP-ERR-018", "XTMP-ERR-003"}, Control: "XC-0510", Expect: closes("XTMP-ERR-018"),
		Params: []conformance.Param{param("code", hexes(2, 0x07, 0x30, 0xFF, 0x1234)...)},
		Explain: explain("The client says that the path is over; a server that stays keeps a connection which nobody reads.",
			"An Error of scope 1 with a listed or an unlisted code.",
			"unlisted codes are ignored", "the Error is answered", "a Disconnect is sent before the end"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(x.ParamInt("code")), 1, noSequence, ""))
			judgeClosed(x, s)
		},
	}
}

func errorScope2() conformance.Case {
	return conformance.Case{
		ID: "XC-0512", Title: "An unsolicited Error of scope 2 makes the server close silently, and nothing behind it is processed.",
		Proves: []string{"XTMP-ERR-019", "XTMP-ERR-003"}, Control: "XC-0510", Expect: closes("XTMP-ERR-019"),
		Params: []conformance.Param{param("code", hexes(2, 0x04, 0x15, 0xFF, 0x1234)...)},
		Explain: explain("The client has erased the session; whatever the server still sends in it cannot be opened.",
			"An Error of scope 2 and a request in one write.",
			"unlisted codes are ignored", "the Error is answered", "the rest of a read is processed"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			send(x, s.SendDrafts(
				s.Draft(typeError, 0, peer.ErrorBody(uint16(x.ParamInt("code")), 2, noSequence, "over")),
				s.Draft(typeUnknown, flag("REQUIRES_ACK"), nil),
			))
			judgeClosed(x, s)
		},
	}
}

func errorTextIgnored() conformance.Case {
	return conformance.Case{
		ID: "XC-0513", Title: "The text of an Error changes nothing.",
		Proves: []string{"XTMP-ERR-020"}, Expect: accepts(),
		Params: []conformance.Param{param("text", "", "close", "scope=2", "%s%n%d", "longest", "zeros")},
		Explain: explain("Text is for people. A program that reads it can be steered by it, and breaks when the wording changes.",
			"An Error of scope 0 with that text, 256 bytes at most, then a PING.",
			"the text is searched for words", "the text is used as a format", "256 bytes are taken for too many"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			text := x.Param("text")
			switch text {
			case "longest":
				text = strings.Repeat("ä", size("error_text")/2)
			case "zeros":
				text = strings.Repeat("\x00", size("error_text"))
			}
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, text))
			ping(x, s)
		},
	}
}

func errorTextNotUTF8() conformance.Case {
	return conformance.Case{
		ID: "XC-0514", Title: "An Error whose text is not UTF-8 is used without its text.",
		Proves: []string{"XTMP-ERR-026"}, Control: "XC-0510", Expect: closes("XTMP-ERR-026"),
		Params: []conformance.Param{param("scope", "1", "2"), param("text", "ff", "c3", "eda080", "f8808080")},
		Explain: explain("A broken text must not hide what the Error says: that path or session is over.",
			"An Error of scope 1 or 2 whose text is no UTF-8.",
			"the whole Error is taken for malformed and discarded", "the Error is answered by a violation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			text, err := hex.DecodeString(x.Param("text"))
			if err != nil {
				x.Fatal(err)
			}
			sendFrame(x, s, typeError, 0, peer.ErrorBody(uint16(code("INTERNAL")), uint8(x.ParamInt("scope")), noSequence, string(text)))
			judgeClosed(x, s)
		},
	}
}

// malformedError is the body of an Error with that scope and that defect.
func malformedError(defect string, scope uint8) []byte {
	body := peer.ErrorBody(uint16(code("INTERNAL")), scope, noSequence, "")
	switch defect {
	case "text":
		body = append(body, strings.Repeat("x", size("error_text")+1)...)
	case "token":
		body[3] = 1
		body = append(body, make([]byte, 16)...)
	case "half-a-token":
		body[3] = 1
		body = append(body, make([]byte, 8)...)
	case "scope":
	default: // a number of bytes
		body = ofSize(body, defect)
	}
	return body
}

func malformedErrorDiscarded() conformance.Case {
	return conformance.Case{
		ID: "XC-0515", Title: "A malformed unsolicited Error is discarded unless it plainly says that the session is over.",
		Proves: []string{"XTMP-ERR-024", "XTMP-ERR-003"}, Control: "XC-0510", Expect: ignores("XTMP-ERR-024"),
		Params: []conformance.Param{param("error",
			"0-bytes", "2-bytes", "3-bytes,scope-2", "4-bytes", "15-bytes,scope-1", "text", "text,scope-1",
			"token,scope-1", "half-a-token", "scope,scope-3", "scope,scope-255")},
		Explain: explain("To answer a bad Error would take an Error in answer to one; to believe it would let a fault of the encoder end "+
			"sessions.",
			"An unsolicited Error that is cut, has 257 bytes of text, a token, or a scope that does not exist; then a PING.",
			"the scope of a malformed Error is believed", "a malformed Error is a violation like any malformed body",
			"scopes above 2 are taken for 2"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			defect, scope := errorDefect(x.Param("error"))
			sendFrame(x, s, typeError, 0, malformedError(defect, scope))
			judgeIgnored(x, s)
		},
	}
}

// errorDefect takes a param apart: a defect and a scope, 0 if none is named.
func errorDefect(param string) (defect string, scope uint8) {
	defect, after, _ := strings.Cut(param, ",scope-")
	return strings.TrimSuffix(defect, "-bytes"), map[string]uint8{"1": 1, "2": 2, "3": 3, "255": 255}[after]
}

func malformedErrorOfScope2() conformance.Case {
	return conformance.Case{
		ID: "XC-0516", Title: "A malformed unsolicited Error of scope 2 ends the session without a word.",
		Proves: []string{"XTMP-ERR-025", "XTMP-ERR-003"}, Control: "XC-0510", Expect: closes("XTMP-ERR-025"),
		Params: []conformance.Param{param("error", "4-bytes", "15-bytes", "text", "token", "half-a-token")},
		Explain: explain("The peer says that it has erased the session; whatever else is wrong with the frame, nothing that is sent in it "+
			"can be read.",
			"An unsolicited Error of scope 2 that is cut behind its flags, has 257 bytes of text, or a token.",
			"every malformed Error is discarded", "the malformed Error is answered by a violation"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			defect, _ := errorDefect(x.Param("error"))
			sendFrame(x, s, typeError, 0, malformedError(defect, 2))
			judgeClosed(x, s)
		},
	}
}

func violatingErrorFrame() conformance.Case {
	return conformance.Case{
		ID: "XC-0517", Title: "A violation by a frame of type 0xFE ends the session without a word.",
		Proves: []string{"XTMP-ERR-031", "XTMP-ERR-003"}, Control: "XC-0510", Expect: closes("XTMP-ERR-031"),
		Params: []conformance.Param{param("defect", "short-prologue", "mid-0")},
		Explain: explain("An Error is never answered by an Error, whatever is wrong with it.",
			"A frame of type 0xFE with REQUIRES_ACK and REPLY whose plaintext is shorter than its prologue, or whose mid is 0.",
			"the prologue is judged without regard to the type"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := peer.ErrorBody(uint16(code("MALFORMED")), 0, noSequence, "")
			sendFrame(x, s, typeError, flag("REQUIRES_ACK", "REPLY"), body, func(d *peer.Draft) {
				if x.Param("defect") == "mid-0" {
					d.Plaintext.Prologue.SetUint("mid", 0).SetUint("reply_to", 1)
					return
				}
				d.Plaintext.Prologue.Cut("reply_to").Cut("mid")
				d.Plaintext.Body = body[:12]
			})
			judgeClosed(x, s)
		},
	}
}

func codeName(number uint16) string {
	e, _ := spec.Default().Error(number)
	return e.Name
}
