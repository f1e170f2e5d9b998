package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlRetry is the control twin of first contacts that get no answer.
const controlRetry = "XC-1203"

// controlHelloFragments is the control twin of fragments that are refused.
const controlHelloFragments = "XC-1205"

// udpContact returns the cases about a first contact (12.4): Retry, fragments, and the
// refusals of a ClientHello.
func udpContact() []conformance.Case {
	return []conformance.Case{
		oneRetry(), shortContact(), otherIndexWithoutToken(), fragmentsInAnyOrder(), badEnvelopesOnUDP(), fragmentOfAnother(), contactChecks(),
		noCommonSuiteOnUDP(), helloRefusedInSilence(), reassemblyOfHello(),
	}
}

func oneRetry() conformance.Case {
	return conformance.Case{
		ID: controlRetry, Title: "A first contact without a token is answered by one Retry of 160 bytes and by nothing else.",
		Proves: []string{"XTMP-UDP-025", "XTMP-UDP-028", "XTMP-UDP-031"}, Expect: accepts(),
		Explain: explain("Until the address is proven the server must not be a lever: less goes back than came, and only what proves the "+
			"address.",
			"The fragment with index 0 of a ClientHello without token, and then another such contact: before its Retry nothing else may come.",
			"ServerHello is sent at once", "Retry is sent more than once", "a Retry is padded"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			send(x, c.SendHello(c.HelloDefaults()))
			r, _, err := c.ReadRetry()
			need(x, noted(err))
			x.Judge(conformance.Accepted())
			x.RequireField("bytes of Retry", 160, len(r.Raw))
			x.RequireField("message_type", typeHandshakeAck, r.Type())
			x.RequireField("session_id", 0, r.Frame.Header.Uint("session_id"))
			o := contactFence(x, c)
			x.Require(o.Kind == conformance.KindIgnored, "nothing follows the Retry")
			requireClean(x, c)
		},
	}
}

func shortContact() conformance.Case {
	return conformance.Case{
		ID: "XC-1212", Title: "A first contact of a ClientHello that is too short draws nothing but, at most, Retry.",
		Proves: []string{"XTMP-UDP-031"}, Control: controlRetry, Expect: unaddressed("XTMP-UDP-031"),
		Params: []conformance.Param{param("total_len", "1297", "1025", "1024", "16")},
		Explain: explain("The address of a first contact is not proven, whatever is wrong with it; an Error sent there can be sent to somebody "+
			"else.",
			"The fragment with index 0 of a ClientHello of that many bytes, without token.",
			"a short ClientHello is answered by MALFORMED, as on TCP"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			h := c.HelloDefaults()
			h.Plaintext.Body, h.Draft.Body = h.WholeBody()[:x.ParamInt("total_len")], nil
			id := h.Plaintext.Envelope.Uint("handshake_id")
			send(x, c.SendFragments(testkit.Fragments(h.Draft, nil)[0]))
			x.Judge(contactFence(x, c, func(r *peer.Received) bool { return isRetry(r, id) }))
		},
	}
}

func otherIndexWithoutToken() conformance.Case {
	return conformance.Case{
		ID: "XC-1204", Title: "A fragment with another index than 0 and without a valid token is dropped.",
		Proves: []string{"XTMP-UDP-026"}, Control: controlRetry, Expect: unaddressed("XTMP-UDP-026"),
		Params: []conformance.Param{param("token", "none", "zeros", "random", "of another handshake_id")},
		Explain: explain("Each answer to a stranger can be sent to somebody else; one Retry for a ClientHello is enough.",
			"The fragment with index 1 of a ClientHello, without token or with one that is not valid.",
			"every fragment is answered by Retry", "the fragment is kept until the others come"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			h := c.HelloDefaults()
			switch x.Param("token") {
			case "zeros":
				h.Token = make([]byte, size("token_udp"))
			case "random":
				h.Token = x.Entropy("token").Bytes(size("token_udp"))
			case "of another handshake_id":
				send(x, c.SendHello(h))
				_, cookie, err := c.ReadRetry()
				need(x, noted(err))
				h = c.HelloDefaults()
				h.Token = cookie
			}
			send(x, c.SendFragments(c.HelloFragments(h)[1]))
			x.Judge(contactFence(x, c))
		},
	}
}

func fragmentsInAnyOrder() conformance.Case {
	return conformance.Case{
		ID: controlHelloFragments, Title: "The fragments of ClientHello are put together in any order, repeats included.",
		Proves: []string{"XTMP-UDP-023", "XTMP-UDP-024", "XTMP-UDP-034"}, Expect: accepts(),
		Params: []conformance.Param{param("order", "reversed", "first twice", "last twice", "another copy of the first")},
		Explain: explain("A network may turn two datagrams around or double one, and a handshake that dies of it is tried for seconds.",
			"Both fragments with the cookie: the second first, one of them twice, or the first once more with other bytes, which must not "+
				"replace those that are there.",
			"the first fragment has to come first", "a repeat counts as a fragment", "a later copy replaces an earlier one"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			script := peer.Script{Lenient: true, Fragments: func(drafts []*peer.Draft) []*peer.Draft {
				switch x.Param("order") {
				case "reversed":
					slices.Reverse(drafts)
				case "first twice":
					drafts = slices.Insert(drafts, 0, drafts[0])
				case "last twice":
					drafts = append([]*peer.Draft{drafts[1], drafts[1]}, drafts[0])
				default:
					drafts = slices.Insert(drafts, 1, alteredFragment(drafts[0]))
				}
				return drafts
			}}
			_, err := c.Handshake(script)
			x.Judge(observe(x, err, conformance.BudgetReply))
			requireSound(x, c)
		},
	}
}

// alteredFragment is a copy of a fragment with one byte of the body changed.
func alteredFragment(d *peer.Draft) *peer.Draft {
	again := &peer.Draft{Frame: &testkit.Frame{Header: d.Frame.Header.Clone()}, Plaintext: &testkit.Plaintext{
		Prologue: d.Plaintext.Prologue, Envelope: d.Plaintext.Envelope.Clone(), Body: slices.Clone(d.Plaintext.Body),
	}}
	again.Plaintext.Body[100] ^= 1
	return again
}

// spoilFragment makes the envelope of a fragment bad in the way that the param names.
func spoilFragment(x *conformance.Exchange, d *peer.Draft) {
	e := d.Plaintext.Envelope
	switch x.Param("defect") {
	case "frag_count":
		e.SetUint("frag_count", 3)
	case "frag_index":
		e.SetUint("frag_index", 2)
	case "total_len 0":
		e.SetUint("total_len", 0)
	case "total_len 8193":
		e.SetUint("total_len", 8193).SetUint("frag_count", 9)
	case "token_len 47":
		e.SetUint("token_len", 47)
	case "shorter":
		d.Plaintext.Body = d.Plaintext.Body[:len(d.Plaintext.Body)-1]
	case "longer":
		d.Plaintext.Body = append(slices.Clone(d.Plaintext.Body), 0)
	}
}

func badEnvelopesOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1206", Title: "A fragment of ClientHello with a bad envelope is dropped, and the handshake goes on without it.",
		Proves: []string{"XTMP-UDP-021"}, Control: controlHelloFragments, Expect: unaddressed("XTMP-UDP-021"),
		Params: []conformance.Param{param("defect", "frag_count", "frag_index", "total_len 0", "total_len 8193", "token_len 47", "shorter",
			"longer")},
		Explain: explain("Anybody who sees a cookie pass can send fragments with it; none that is wrong may end or spoil the handshake of "+
			"who owns it.",
			"The fragment with index 0 and the cookie; that with index 1 with a bad envelope; a first contact, which only its Retry may "+
				"answer; then the "+
				"right fragment, which completes the ClientHello.",
			"a bad fragment ends the reassembly", "total_len of the newest fragment counts", "the length of a fragment is not compared with "+
				"its place"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x)
			good, bad := c.HelloFragments(h), c.HelloFragments(h)
			spoilFragment(x, bad[1])
			send(x, c.SendFragments(good[0], bad[1]))
			x.Judge(contactFence(x, c))
			send(x, c.SendFragments(good[1]))
			_, err := c.ReadServerHello()
			x.Require(noted(err) == nil, "the right fragment completes the ClientHello")
		},
	}
}

func fragmentOfAnother() conformance.Case {
	return conformance.Case{
		ID: "XC-1207", Title: "A fragment that contradicts those that are there is dropped.",
		Proves: []string{"XTMP-UDP-022"}, Control: controlHelloFragments, Expect: unaddressed("XTMP-UDP-022"),
		Explain: explain("Of two fragments that contradict each other the first stands; what came later is not worth a second reassembly.",
			"The fragment with index 0 and the cookie; the fragment with index 1 of a ClientHello that is one byte longer, well-formed in "+
				"itself; then "+
				"the right one.",
			"total_len is taken from the last fragment", "the reassembly is dropped"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x)
			good, other := c.HelloFragments(h), c.HelloFragments(h)
			total := good[1].Plaintext.Envelope.Uint("total_len")
			other[1].Plaintext.Envelope.SetUint("total_len", total+1)
			other[1].Plaintext.Body = append(slices.Clone(other[1].Plaintext.Body), 0)
			send(x, c.SendFragments(good[0], other[1]))
			x.Judge(contactFence(x, c))
			send(x, c.SendFragments(good[1]))
			_, err := c.ReadServerHello()
			x.Require(noted(err) == nil, "the right fragment completes the ClientHello")
		},
	}
}

func contactChecks() conformance.Case {
	return conformance.Case{
		ID: "XC-1208", Title: "A first contact that fails a check is dropped without an answer.",
		Proves: []string{"XTMP-ORD-033", "XTMP-ORD-036", "XTMP-UDP-009"}, Touches: []string{"XTMP-ORD-015", "XTMP-ORD-019", "XTMP-ORD-023"},
		Control: controlRetry, Expect: unaddressed("XTMP-ORD-033", "XTMP-ORD-036", "XTMP-UDP-009"),
		Params: []conformance.Param{param("defect", "magic", "version", "type 0x02", "type 0xFE", "flags", "session_id", "sequence_number",
			"checksum",
			"hs_type 2", "hs_type 5", "trailing byte", "missing byte", "header alone", "payload_length 8209")},
		Explain: explain("On a stream a bad first frame gets an answer or a close; a datagram that is wrong means nothing, for anybody can "+
			"send one.",
			"The fragment with index 0 of a ClientHello with one defect.",
			"the refusals of TCP are used on UDP", "bytes behind the frame are not looked at", "the checksum is not compared for clear frames"),
		Run: func(x *conformance.Exchange) {
			c := dialUDP(x)
			send(x, c.WriteRaw(spoiledContact(x.Param("defect"), c.HelloFragments(c.HelloDefaults())[0])))
			x.Judge(contactFence(x, c))
		},
	}
}

// spoiledContact encodes a first contact with a defect.
func spoiledContact(defect string, d *peer.Draft) []byte {
	h := d.Frame.Header
	switch defect {
	case "magic":
		h.Flip("magic", 0)
	case "version":
		h.SetUint("version", 2)
	case "type 0x02":
		h.SetUint("message_type", typeHandshakeAck)
	case "type 0xFE":
		h.SetUint("message_type", typeError)
	case "flags":
		h.SetUint("flags", uint64(flag("PRIORITY")))
	case "session_id", "sequence_number":
		h.SetUint(defect, 1)
	case "checksum":
		h.SetUint("checksum", 0)
	case "hs_type 2":
		d.Plaintext.Envelope.SetUint("hs_type", hsRetry)
	case "hs_type 5":
		d.Plaintext.Envelope.SetUint("hs_type", 5)
	case "payload_length 8209":
		h.SetUint("payload_length", 8209)
	}
	raw := d.Encode()
	switch defect {
	case "trailing byte":
		return append(raw, 0)
	case "missing byte":
		return raw[:len(raw)-1]
	case "header alone":
		return raw[:testkit.HeaderSize]
	}
	return raw
}

func noCommonSuiteOnUDP() conformance.Case {
	return conformance.Case{
		ID: "XC-1209", Title: "A complete ClientHello without a common suite gets NO_COMMON_SUITE, and a first contact with it gets Retry.",
		Proves: []string{"XTMP-UDP-032", "XTMP-UDP-031"}, Touches: []string{"XTMP-HSK-074"}, Control: controlContact,
		Expect: fails(conformance.ErrorFrame(code("NO_COMMON_SUITE"), conformance.ScopePath), "XTMP-UDP-032"),
		Params: []conformance.Param{param("suites", "unknown", "none")},
		Explain: explain("Of all refusals on UDP this one is told: a client cannot mend it by waiting. It is told to nobody whose address "+
			"is not proven.",
			"A first contact that offers no suite that anybody has, which gets Retry; then all fragments with the cookie.",
			"the refusal is silent like the others", "the Error is sent before the address is proven"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x, func(h *peer.Hello) {
				suites := []byte{0xEE, 0xFF, 0xFF, 0xFF}
				if x.Param("suites") == "none" {
					suites[0] = 0xFF
				}
				h.Body.Set("suites", suites)
			})
			send(x, c.SendFragments(c.HelloFragments(h)...))
			r, err := c.ReadFrame(0)
			if err != nil {
				x.Judge(observe(x, err, conformance.BudgetReply))
			}
			o, _ := told(x, r)
			x.Judge(o)
			x.RequireField("session_id", 0, r.Frame.Header.Uint("session_id"))
			x.RequireField("ref_seq", uint64(noSequence), r.Error().RefSeq)
		},
	}
}

func helloRefusedInSilence() conformance.Case {
	return conformance.Case{
		ID: "XC-1210", Title: "A complete ClientHello that is refused for another reason than its suites is dropped.",
		Proves: []string{"XTMP-UDP-033"}, Touches: []string{"XTMP-KEY-007", "XTMP-KEY-008"}, Control: controlContact,
		Expect: unaddressed("XTMP-UDP-033"),
		Params: []conformance.Param{param("reason", "version", "versions crossed", "suites with a gap", "TLV 0x0003", "X25519 zero",
			"ML-KEM key")},
		Explain: explain("A stranger who forges the clear Errors of TCP could end handshakes; so there are none to believe in.",
			"A ClientHello in all its fragments, with the cookie, that TCP would answer by a clear Error.",
			"the clear Errors of TCP are sent on UDP", "ServerHello is sent although nothing can come of it"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x, func(h *peer.Hello) {
				switch x.Param("reason") {
				case "version":
					h.Body.SetUint("min_version", 2).SetUint("max_version", 9)
				case "versions crossed":
					h.Body.SetUint("min_version", 1).SetUint("max_version", 0)
				case "suites with a gap":
					h.Body.Set("suites", []byte{0xFF, 1, 0xFF, 0xFF})
				case "TLV 0x0003":
					h.Body.Set("extensions", testkit.TLVBlock(testkit.TLV{Type: 3}))
				case "X25519 zero":
					h.Body.Set("x25519", make([]byte, 32))
				case "ML-KEM key":
					h.Body.Set("mlkem768_ek", slices.Repeat([]byte{0xFF}, 1184))
				}
			})
			send(x, c.SendFragments(c.HelloFragments(h)...))
			x.Judge(contactFence(x, c))
		},
	}
}

func reassemblyOfHello() conformance.Case {
	return conformance.Case{
		ID: "XC-1211", Title: "A ClientHello that is not complete T_REASSEMBLY_HELLO after its first fragment is forgotten.",
		Proves: []string{"XTMP-UDP-029"}, Touches: []string{"XTMP-UDP-024"}, Timer: "T_REASSEMBLY_HELLO", Control: controlHelloFragments,
		Expect: unaddressed("XTMP-UDP-029"),
		Explain: explain("Half a ClientHello holds a slot that somebody else needs.",
			"The fragment with index 0 and the cookie; when T_REASSEMBLY_HELLO has passed, and the second by which a timer may be late, that "+
				"with index 1, "+
				"which must find nothing to join; then both again.",
			"fragments are kept for as long as the cookie is valid", "the timer is started anew by each fragment"),
		Run: func(x *conformance.Exchange) {
			c, h := contacted(x)
			fragments := c.HelloFragments(h)
			send(x, c.SendFragments(fragments[0]))
			x.Pause("T_REASSEMBLY_HELLO")
			x.Pause("T_ATTACH_GAP") // a second: how late the timer may be
			send(x, c.SendFragments(fragments[1]))
			x.Judge(contactFence(x, c))
			send(x, c.SendFragments(fragments[0]))
			_, err := c.ReadServerHello()
			x.Require(noted(err) == nil, "the ClientHello is put together anew")
		},
	}
}
