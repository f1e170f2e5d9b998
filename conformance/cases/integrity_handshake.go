package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// integrityHandshake returns the cases about handshakes of suite 0.
func integrityHandshake() []conformance.Case {
	return []conformance.Case{integrityFinish(), integrityDowngrade(), integrityAlteredHello()}
}

func integrityFinish() conformance.Case {
	return conformance.Case{
		ID: "XC-0830", Title: "A ClientFinish of suite 0 with a defect is answered by closing silently.",
		Proves: []string{"XTMP-INT-009", "XTMP-INT-010", "XTMP-HSK-049"}, Touches: []string{"XTMP-KEY-015"}, Profile: profileIntegrity,
		Control: controlIntegrity, Expect: closes("XTMP-HSK-049"),
		Params: []conformance.Param{param(
			"defect", "MAC", "tag first", "tag last", "MAC with its tag", "encryption_type 1", "encryption_type 2", "encryption_type 3", "hs_type",
			"tag zero",
		)},
		Explain: explain("In suite 0 ClientFinish travels readable; its MAC and its tag are two proofs of two keys, and neither stands for "+
			"the other.",
			"A ClientFinish with one wrong bit in MAC or tag, with a wrong MAC under a right tag, or in another suite.",
			"the tag is not verified because the MAC is", "the MAC is not verified because the tag is"),
		Run: func(x *conformance.Exchange) {
			c := integrityFlight(x)
			sendFinish(x, c, func(d *peer.Draft) { spoilIntegrityFinish(d, x.Param("defect")) })
			judgeClosed(x, c)
		},
	}
}

func spoilIntegrityFinish(d *peer.Draft, defect string) {
	switch defect {
	case "MAC":
		flipPayload(d)
	case "MAC with its tag":
		d.Body.Flip("mac", 0)
	case "hs_type":
		d.Plaintext.Envelope.SetUint("hs_type", hsRekeyInit)
	case "tag zero":
		d.AfterSeal(func(f *testkit.Frame) { f.Header.Set("auth_tag", make([]byte, 16)) })
	case "tag first", "tag last":
		d.AfterSeal(func(f *testkit.Frame) { changeSealed(f, defect) })
	default:
		suite := defect[len(defect)-1] - '0'
		keys := d.Keys.For(suite)
		d.Keys = &keys
		setEncryptionType(d, suite)
	}
}

func integrityDowngrade() conformance.Case {
	return conformance.Case{
		ID: "XC-0831", Title: "No session comes of an offer into which somebody wrote suite 0.",
		Proves: []string{"XTMP-HSK-090"}, Touches: []string{"XTMP-TRU-020", "XTMP-KEY-002"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: altered(),
		Params: []conformance.Param{param("suites", "01FFFFFF → 00FFFFFF", "01FFFFFF → 0001FFFF", "0100FFFF → 0001FFFF", "0100FFFF → 00FFFFFF")},
		Explain: explain("To switch encryption off is the best that somebody on the way can wish for.",
			"A ClientHello whose list is rewritten on its way, so that the server chooses suite 0; then a ClientFinish of suite 0 by a client "+
				"that knows nothing of it, under the key that the server has.",
			"the list of suites is not part of the transcript", "the MAC of ClientFinish is not looked at in suite 0"),
		Run: func(x *conformance.Exchange) {
			sent, rewritten := lists(x)
			edit := func(h *peer.Hello) { h.Body.Set("suites", sent) }
			x.Judge(handshakeRewritten(x, dialPinned(x, pins(x)[0]), edit, func(body []byte) { copy(body[2:], rewritten) }))
		},
	}
}

func integrityAlteredHello() conformance.Case {
	return conformance.Case{
		ID: "XC-0832", Title: "In suite 0 no session comes of a ClientHello of which a field was altered on the way.",
		Proves: []string{"XTMP-HSK-090"}, Touches: []string{"XTMP-KEY-002"}, Profile: profileIntegrity, Control: controlIntegrity,
		Expect: altered(),
		Params: []conformance.Param{param(
			"field", "min_version", "max_version", "suites", "flags", "client_time", "random", "x25519", "mlkem768_ek", "identity_hint",
			"extensions",
		)},
		Explain: explain("The handshake of suite 0 is that of every suite: what the client said is what both sides agree to.",
			"For a few bytes of each field a handshake of its own, in which that byte is altered on its way; then a ClientFinish by a client "+
				"that knows nothing of it, under the key that the server has.",
			"the transcript is not looked at where nothing is encrypted"),
		Run: func(x *conformance.Exchange) {
			for _, at := range sampledBytes(x, x.Param("field")) {
				x.Note("byte %d of the body is altered", at)
				c := dialPinned(x, pins(x)[0])
				mask := byte(1 + x.Entropy("mask").IntN(255))
				x.Judge(handshakeRewritten(x, c, offers(testkit.SuiteIntegrityOnly), func(body []byte) { body[at] ^= mask }))
				send(x, c.Close())
			}
		},
	}
}
