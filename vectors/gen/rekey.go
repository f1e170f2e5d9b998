package main

import (
	"slices"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// rekeying is the rekey of the vectors: that of flows/rekey.json, from the root of
// appendix B.
func rekeying() *rekeyInputs { return readInputs("rekey").Rekey }

const (
	rekeyInit = 32
	rekeyResp = 33
)

// nextKeys are those of a path slot in epoch 1.
func nextKeys(secret string) testkit.Keys {
	b := appendixB()
	root := rekeying().derive(b.Value("root_0")).Value("root_next")
	path := testkit.Derive("path", testkit.Values{"root": root, "binder": b.Value("binder_0")})
	return testkit.DeriveKeys(path.Value(secret))
}

// initDraft returns a RekeyInit at a server of epoch 0.
func initOf(id string) *scenario {
	s := toServer("rekey/"+id, typeHandshake, flags("REQUIRES_ACK"), nil)
	s.draft.Body = rekeying().initBody()
	s.draft.Plaintext.Envelope.DefaultUint("hs_type", rekeyInit).Default("handshake_id", rekeying().HandshakeID)
	return s.given("root", appendixB().Value("root_0"))
}

// respOf returns a RekeyResp at a client that has sent RekeyInit as its mid 1.
func respOf(id string) *scenario {
	r := rekeying()
	s := toClient("rekey/client-"+id, typeHandshakeAck, flags("REQUIRES_ACK", "REPLY"), nil)
	s.draft.Body = r.respBody()
	s.draft.Plaintext.Prologue.DefaultUint("reply_to", 1)
	s.draft.Plaintext.Envelope.DefaultUint("hs_type", rekeyResp).Default("handshake_id", r.HandshakeID)
	return pendingAtClient(s)
}

// pendingAtClient says that the client has sent RekeyInit as its mid 1.
func pendingAtClient(s *scenario) *scenario {
	r := rekeying()
	s.given("root", appendixB().Value("root_0")).given("rekey_epoch", testkit.PutUint(1, 4))
	s.given("rekey_client_x25519", r.ClientX25519).given("rekey_client_mlkem_seed", r.ClientMLKEM)
	return s.given("rekey_handshake_id", r.HandshakeID).knows("sent_mid", 1).given("sent_type", []byte{typeHandshake})
}

func rekeyVectors() []vectors.Vector {
	return slices.Concat(rekeyInits(), rekeyFragments(), rekeyEpochs(), rekeyAtClient())
}

func rekeyInits() []vectors.Vector {
	body := func(id, field string, value []byte) *scenario { return initOf(id).body(set(field, value)) }
	epoch := func(id string, current, named uint64) *scenario {
		return initOf(id).given("epoch", testkit.PutUint(current, 4)).body(setUint("epoch", named))
	}
	without := initOf("init-without-mid")
	without.draft.Plaintext.Prologue = testkit.ComposeFlags("prologue", 0)
	without.header(setUint("flags", uint64(flags("ENCRYPTED"))))
	reanchored := ping("rekey/init-re-anchors").header(setUint("timestamp", clock+50*second))
	reanchored.given("root", appendixB().Value("root_0"))
	reanchored.before(initOf("init").header(setUint("timestamp", clock+25*second)).draft)
	violation := func(s *scenario, req, comment string) vectors.Vector {
		return s.invalid("PROTOCOL_VIOLATION", "check13", req, comment)
	}
	modulus := initOf("init-mlkem-modulus")
	firstCoefficient(3329)(modulus.draft.Body)
	all := []vectors.Vector{
		initOf("init").valid("RekeyResp", "RKY-004 RKY-022", "A rekey to epoch 1."),
		initOf("init-priority").header(setUint("flags", uint64(flags("ENCRYPTED", "REQUIRES_ACK", "PRIORITY")))).
			valid("RekeyResp", "RKY-004 FLG-018", "PRIORITY changes nothing."),
		epoch("init-epoch-7-to-8", 7, 8).valid("RekeyResp", "RKY-004 RKY-025", "A rekey to epoch 8; the root is that of epoch 7."),
		violation(epoch("init-same-epoch", 0, 0), "RKY-025 RKY-001", "The current epoch again."),
		violation(epoch("init-epoch-skipped", 0, 2), "RKY-025 RKY-001", "Two epochs on."),
		violation(epoch("init-epoch-before", 7, 7), "RKY-025", "Epoch 7 in epoch 7."),
		violation(epoch("init-epoch-all-ones", 0, 1<<32-1), "RKY-025", "The greatest epoch."),
		violation(initOf("init-one-byte-less").body(func(m *testkit.Message) { m.Set("mlkem768_ek", m.Bytes("mlkem768_ek")[:1183]) }),
			"ERR-021 CON-004", "A body of 1219 bytes."),
		violation(initOf("init-one-byte-more").body(func(m *testkit.Message) { m.Set("mlkem768_ek", append(m.Bytes("mlkem768_ek"), 0)) }),
			"ERR-021 CON-004", "A body of 1221 bytes."),
		violation(without, "RKY-038 RKY-003", "A RekeyInit without REQUIRES_ACK."),
		violation(initOf("init-total-len").envelope(setUint("total_len", 1219)), "MSG-039 ENV-010", "total_len is one less than the body."),
		initOf("init-hs-type-33").envelope(setUint("hs_type", rekeyResp)).
			invalid("UNEXPECTED_MESSAGE", "check13", "RKY-037", "The server's hs_type."),
		initOf("init-hs-type-16").envelope(setUint("hs_type", 16)).
			invalid("UNEXPECTED_MESSAGE", "check13", "RKY-037", "An Attach under a path key."),
		body("init-x25519-zero", "x25519", make([]byte, 32)).
			invalid("REKEY_FAILED", "check13", "RKY-032", "An X25519 key that gives an all-zero secret."),
		body("init-x25519-order-1", "x25519", append([]byte{1}, make([]byte, 31)...)).
			invalid("REKEY_FAILED", "check13", "RKY-032", "Another such key."),
		modulus.invalid("REKEY_FAILED", "check13", "RKY-032", "An ML-KEM key with a coefficient of 3329."),
		violation(body("init-epoch-before-arithmetic", "x25519", make([]byte, 32)).body(setUint("epoch", 2)), "RKY-025",
			"The epoch is judged before the arithmetic."),
		violation(initOf("init-in-flight").given("rekey_epoch", testkit.PutUint(1, 4)).knows("base", 2).prologue(setUint("mid", 2)),
			"RKY-024 RKY-017", "A second RekeyInit under a new mid while the first is not confirmed."),
		initOf("init-repeated").given("rekey_epoch", testkit.PutUint(1, 4)).knows("base", 2).
			valid("Ack", "MSG-019 MSG-020", "The same RekeyInit under its mid: acknowledged, not answered again."),
		violation(epoch("init-too-soon", 1, 2).knows("rekey_age", 499999), "RKY-026 RKY-018", "499 999 µs after the RekeyInit before."),
		epoch("init-soon-enough", 1, 2).knows("rekey_age", 500000).
			valid("RekeyResp", "RKY-026 RKY-027", "500 000 µs after it; the root before is erased."),
		reanchored.valid("PONG", "TIM-015",
			"RekeyInit is stamped 25 s ahead, the PING after it 50 s: it lies within the window of the new anchor."),
	}
	return all
}

func rekeyFragments() []vectors.Vector {
	whole := initOf("x").draft.Inside()[8:] // envelope and body, without mid
	init := pieces(whole, 512)
	draft := func(p piece) *testkit.Draft {
		d := testkit.NewDraft(typeHandshake, flags("REQUIRES_ACK", "FRAGMENT"), clock)
		d.Plaintext.Envelope = nil
		d.Plaintext.Body = p.body
		d.Plaintext.Prologue.SetUint("mid", 1).SetUint("index", p.index).SetUint("count", p.count)
		return d
	}
	send := func(id string, sent ...piece) *scenario {
		s := toServer("rekey/"+id, typeHeartbeat, 0, nil).given("root", appendixB().Value("root_0"))
		for _, p := range sent[:len(sent)-1] {
			s.before(draft(p))
		}
		return s.last(draft(sent[len(sent)-1]))
	}
	broken := slices.Clone(whole)
	broken[7]++ // total_len
	return []vectors.Vector{
		send("init-fragments", init...).
			valid("RekeyResp", "RKY-009 FRG-012", "RekeyInit in fragments of 512, 512 and 212 bytes; the envelope is in the first."),
		send("init-fragments-last-first", init[2], init[0], init[1]).valid("RekeyResp", "RKY-009 FRG-011", "The same in another order."),
		send("init-fragment-alone", init[1]).valid("Ack", "RKY-009 ACK-010", "A fragment without the envelope; nothing is known yet."),
		send("init-fragments-total-len", pieces(broken, 512)...).
			invalid("PROTOCOL_VIOLATION", "check13", "RKY-039 ENV-010", "total_len is one more than the body."),
		send("init-fragments-inconsistent", piece{0, 1, init[0].body, nil}).
			invalid("PROTOCOL_VIOLATION", "check13", "RKY-044", "A count of 1."),
		send("init-fragments-too-large", piece{0, 18, init[0].body, nil}).
			invalid("PROTOCOL_VIOLATION", "check13", "RKY-044", "17 fragments of 512 and one byte are above 8208."),
	}
}

// rekeyEpochs are frames under the keys of another epoch.
func rekeyEpochs() []vectors.Vector {
	next := nextKeys("ts_client")
	pending := func(id string) *scenario {
		s := ping("rekey/"+id).given("rekey_epoch", testkit.PutUint(1, 4)).given("next_ts", next.TrafficSecret)
		s.draft.Keys = &next
		return s
	}
	old := ping("rekey/old-epoch")
	old.given("old_ts", old.draft.Keys.TrafficSecret).given("ts", next.TrafficSecret).given("epoch", testkit.PutUint(1, 4))
	switched := ping("rekey/old-epoch-after-switch").given("rekey_epoch", testkit.PutUint(1, 4)).given("next_ts", next.TrafficSecret)
	first := pending("x").draft
	second := switched.draft
	firstKeys, secondKeys := *first.Keys, *second.Keys
	switched.before(first)
	switched.Steps[0] = sealedWith(first, firstKeys, nextToServe)
	switched.draft.Keys = &secondKeys
	unknown := ping("rekey/next-epoch-unasked")
	unknown.draft.Keys, unknown.hidden = &next, true
	restarted := pending("next-epoch-sequence-0")
	restarted.draft.Sequence = 0
	return []vectors.Vector{
		pending("next-epoch").valid("PONG", "RKY-021 RKY-023", "The first frame under epoch 1; the PONG is sealed under it."),
		ping("rekey/old-epoch-while-pending").given("rekey_epoch", testkit.PutUint(1, 4)).given("next_ts", next.TrafficSecret).
			valid("PONG", "RKY-021 RKY-022 RKY-028", "A frame under epoch 0 while the rekey is in flight; the PONG is sealed under epoch 0."),
		old.invalid("silent", "check6", "ORD-031 RKY-030", "A frame under epoch 0 in epoch 1."),
		switched.invalid("silent", "check6", "ORD-031 RKY-030", "A frame under epoch 0 after the first one under epoch 1."),
		unknown.invalid("silent", "check6", "ORD-017", "A frame under epoch 1 without a rekey."),
		restarted.invalid("silent", "check9", "RKY-029 ORD-021", "The sequence numbers begin at 0 again."),
	}
}

// sealedWith encodes a draft under other keys than those of the vector.
func sealedWith(d *testkit.Draft, keys testkit.Keys, sequence uint64) vectors.Step {
	again := testkit.NewDraft(d.Frame.Type(), 0, clock)
	again.Frame.Header.DefaultUint("session_id", sessionID)
	again.Plaintext.Body = d.Plaintext.Body
	again.Keys, again.Sequence = &keys, sequence
	return stepOf("client", again, nil)
}

func rekeyAtClient() []vectors.Vector {
	violation := func(s *scenario, req, comment string) vectors.Vector {
		return s.invalid("PROTOCOL_VIOLATION", "check13", req, comment)
	}
	errorReply := pendingAtClient(toClient("rekey/client-error-reply", typeError, flags("REQUIRES_ACK", "REPLY"), nil))
	errorReply.draft.Body = testkit.Compose("error").SetUint("code", 0x07).SetUint("ref_seq", none)
	errorReply.prologue(setUint("reply_to", 1))
	otherType := pendingAtClient(toClient("rekey/client-reply-of-other-type", typeUnknown, flags("REQUIRES_ACK", "REPLY"), []byte("?")))
	otherType.prologue(setUint("reply_to", 1))
	return []vectors.Vector{
		toClient("rekey/client-request", typeHeartbeat, 0, []byte{kindRekeyRequest}).
			valid("RekeyInit", "RKY-012 HBT-027", "The server asks for a rekey."),
		respOf("resp").valid("PING", "RKY-019 RKY-020", "The client seals under epoch 1 from now on, a PING at once."),
		respOf("resp-ciphertext").body(flip("mlkem768_ct", 0)).
			valid("PING", "RKY-034", "A wrong ciphertext shows only as keys that do not match."),
		respOf("resp-handshake-id").envelope(flip("handshake_id", 0)).
			invalid("UNEXPECTED_MESSAGE", "check13", "RKY-041 RKY-006", "Another handshake_id."),
		respOf("resp-hs-type-6").envelope(setUint("hs_type", 6)).
			invalid("UNEXPECTED_MESSAGE", "check13", "RKY-040", "A reply to RekeyInit that is no RekeyResp."),
		violation(respOf("resp-epoch").body(setUint("epoch", 2)), "RKY-042 RKY-007", "Another epoch."),
		violation(respOf("resp-one-byte-less").body(func(m *testkit.Message) { m.Set("mlkem768_ct", m.Bytes("mlkem768_ct")[:1087]) }),
			"ERR-021 CON-004", "A body of 1123 bytes."),
		violation(respOf("resp-total-len").envelope(setUint("total_len", 1125)), "MSG-044 ENV-010", "total_len is one more than the body."),
		violation(respOf("resp-to-nothing").prologue(setUint("reply_to", 2)), "MSG-043 MSG-007", "reply_to names no RekeyInit."),
		respOf("resp-x25519-zero").body(set("x25519", make([]byte, 32))).
			invalid("REKEY_FAILED", "check13", "RKY-033", "An X25519 key that gives an all-zero secret."),
		errorReply.invalid("silent", "check13", "RKY-043 RKY-005", "An Error in answer to RekeyInit is not answered by an Error."),
		violation(otherType, "MSG-008", "A reply of another type."),
	}
}
