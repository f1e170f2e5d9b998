package main

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// onUDP makes the path one of UDP. Sequence numbers are those of a path on which
// nothing is missing but what a vector says.
func (s *scenario) onUDP() *scenario {
	s.Kind, s.Needs = vectors.KindDatagram, "udp"
	return s
}

// drops ends the scenario: the receiver forgets the datagram at a stage.
func (s *scenario) drops(stage, req, comment string) vectors.Vector {
	return s.invalid(vectors.ClassDrop, stage, req, comment)
}

// pingUDP is a PING of 64 bytes on UDP.
func pingUDP(id string) *scenario {
	return toServer("udp/"+id, typeHeartbeat, 0, append([]byte{0}, counting(63)...)).onUDP()
}

// udpVectors are datagrams in a session.
func udpVectors() []vectors.Vector {
	return slices.Concat(windowVectors(), stampVectors(), datagramVectors(), ackRangeVectors(), resetVectors())
}

// windowVectors: of the sequence numbers of the window the receiver has seen 20000, the
// highest, and what a vector names.
func windowVectors() []vectors.Vector {
	const highest = 20000
	at := func(id string, sequence uint64, seen ...uint64) *scenario {
		s := pingUDP(id).knows("sequence", highest+1).knows("highest", highest)
		s.draft.Sequence = sequence
		var list []byte
		for _, n := range seen {
			list = append(list, testkit.PutUint(n, 8)...)
		}
		return s.given("seen", list)
	}
	return []vectors.Vector{
		at("window-next", highest+1).valid("PONG", "UDP-080", "The next sequence number."),
		at("window-skip", highest+2).valid("PONG", "UDP-080", "One sequence number is left out, or late."),
		at("window-far", highest+1_000_000).valid("PONG", "UDP-080", "A million sequence numbers are missing."),
		at("window-last", 1<<62-1).valid("PONG", "UDP-080", "The last sequence number there is."),
		at("window-end", 1<<62).drops("check9", "NON-013", "2^62."),
		at("window-highest", highest).drops("check9", "UDP-079", "The highest once more."),
		at("window-seen", highest-5, highest-5).drops("check9", "UDP-079", "One that was received."),
		at("window-late", highest-5, highest-4, highest-6).
			valid("PONG", "UDP-079 UDP-080", "One that was not received, between two that were."),
		at("window-oldest", highest-8127).valid("PONG", "UDP-078 UDP-079", "8127 below the highest, not received."),
		at("window-below", highest-8128).drops("check9", "UDP-079", "8128 below the highest."),
		at("window-zero", 0).drops("check9", "UDP-079", "0."),
	}
}

func stampVectors() []vectors.Vector {
	at := func(id string, stamp uint64) *scenario { return pingUDP(id).header(setUint("timestamp", stamp)) }
	return []vectors.Vector{
		at("stamp-30s-behind", clock-30*second).valid("PONG", "UDP-082", "Exactly 30 s behind."),
		at("stamp-30s-1us-behind", clock-30*second-1).drops("check8", "UDP-083", "1 µs too far behind; on TCP it would do."),
		at("stamp-30s-ahead", clock+30*second).valid("PONG", "UDP-082", "Exactly 30 s ahead."),
		at("stamp-30s-1us-ahead", clock+30*second+1).drops("check8", "UDP-083 TIM-006", "1 µs too far ahead."),
		at("stamp-zero", 0).drops("check8", "UDP-083", "No time at all."),
	}
}

// datagramVectors are about one datagram at a time, judged by the column UDP of 7.1.
func datagramVectors() []vectors.Vector {
	probe := func(id string, size int) *scenario {
		return toServer("udp/"+id, typeUnknown, flags("REQUIRES_ACK"), counting(size)).onUDP()
	}
	longer := pingUDP("byte-behind")
	longer.resize = func(raw []byte) []byte { return append(raw, 0) }
	shorter := pingUDP("byte-missing")
	shorter.resize = func(raw []byte) []byte { return raw[:len(raw)-1] }
	half := pingUDP("header-cut")
	half.resize = func(raw []byte) []byte { return raw[:95] }
	unknown := pingUDP("key-id")
	unknown.after(afterwards(flip("key_id", 0)))
	return []vectors.Vector{
		pingUDP("ping").valid("PONG", "HBT-004 HBT-005", "A PING of 64 bytes, as every PING on UDP."),
		toServer("udp/ping-1", typeHeartbeat, 0, []byte{0}).onUDP().valid("PONG", "HBT-004", "The size of a PING binds its sender only."),
		toServer("udp/path-challenge", typeHeartbeat, 0, append([]byte{2}, counting(16)...)).onUDP().
			valid("PATH_RESPONSE", "HBT-006 HBT-005", "A PATH_CHALLENGE with 16 bytes."),
		probe("datagram-1200", 1104-8).valid("reply UNSUPPORTED_TYPE", "UDP-011", "A datagram of exactly 1200 bytes."),
		probe("datagram-1201", 1105-8).drops("check4", "UDP-012 UDP-091", "One byte more than the receiver accepts."),
		longer.drops("check1", "UDP-009", "One byte behind the frame."),
		shorter.drops("check1", "UDP-009", "One byte of the frame is missing."),
		half.drops("check1", "UDP-009", "95 bytes."),
		pingUDP("magic").after(afterwards(flip("magic", 0))).drops("check2", "ORD-033", "Another magic."),
		pingUDP("version").after(afterwards(setUint("version", 2))).drops("check2", "ORD-033", "Another version."),
		pingUDP("flag").header(setUint("flags", 0x0081)).drops("check3", "FLG-002 ORD-033", "An undefined flag."),
		pingUDP("suite").after(afterwards(setUint("encryption_type", 2))).
			drops("check6", "ORD-037", "Another suite than that of the session."),
		unknown.drops("check6", "ORD-017 ORD-033", "A key_id that names no slot of the session."),
		pingUDP("checksum").after(func(f *testkit.Frame) {
			f.Header.SetUint("checksum", uint64(testkit.Checksum(f.Encode()))^1)
		}).drops("check7", "ORD-019 ORD-033", "A wrong checksum."),
		pingUDP("nonce").after(afterwards(flip("nonce", 0))).
			drops("check10", "NON-006 ORD-033", "The last zero byte of the nonce field is not zero."),
		pingUDP("tag").after(afterwards(flip("auth_tag", 0))).drops("check11", "ORD-025 UDP-081", "A wrong tag: the window does not move."),
		clearFrame("udp/clear-heartbeat", "client", typeHeartbeat).onUDP().
			drops("check3", "ORD-036", "A clear frame of another type than ClientHello."),
		probe("mid-last", 5).prologue(setUint("mid", 4096)).valid("reply UNSUPPORTED_TYPE", "MSG-017", "The last mid of the window."),
		probe("mid-beyond", 5).prologue(setUint("mid", 4097)).
			drops("check13", "UDP-093 UDP-095", "A mid beyond the window: it is not acknowledged, and its sequence number counts as received."),
		toServer("udp/extension", typeExtension, flags("REQUIRES_ACK"), counting(4)).onUDP().
			valid("Ack", "ACK-019 TYP-010", "A reliable frame of an extension type."),
		toServer("udp/heartbeat-empty", typeHeartbeat, 0, nil).onUDP().
			invalid("PROTOCOL_VIOLATION", "check13", "HBT-003 ERR-032", "What an authenticated peer does wrong is a violation on UDP too."),
	}
}

// ackRangeVectors: the receiver has sent sequence numbers 0 … 99 and left out 40.
func ackRangeVectors() []vectors.Vector {
	ack := func(id string, spans ...testkit.Span) *scenario {
		s := toServer("udp/ack-"+id, typeAck, 0, nil).onUDP().knows("last_sent", 99).knows("left_out", 40)
		s.draft.Body = testkit.ComposeAck(250, spans...)
		return s
	}
	violation := func(s *scenario, req, comment string) vectors.Vector {
		return s.invalid("PROTOCOL_VIOLATION", "check13", req, comment)
	}
	span := func(low, high uint64) testkit.Span { return testkit.Span{Low: low, High: high} }
	every := func(n int) (spans []testkit.Span) {
		for i := range n {
			spans = append(spans, span(uint64(99-2*i), uint64(99-2*i)))
		}
		return spans
	}
	pair := func(m *testkit.Message) { m.Set("ranges", []byte{0, 1, 0, 1}) }
	all := []vectors.Vector{
		ack("one", span(99, 99)).valid("nothing", "ACK-013", "The last frame alone."),
		ack("first-range", span(41, 99)).valid("nothing", "ACK-014", "Everything down to what was left out."),
		ack("two", span(41, 99), span(0, 39)).valid("nothing", "ACK-015", "Everything but what was left out."),
		ack("late", span(3, 5)).valid("nothing", "ACK-030", "Old frames: it was overtaken."),
		ack("32-pairs", every(33)...).valid("nothing", "ACK-015", "33 ranges of one frame each."),
		ack("delay", span(99, 99)).body(setUint("ack_delay_us", 1<<32-1)).valid("nothing", "REC-001", "Any delay will do."),
		violation(ack("future", span(99, 100)), "ACK-027", "A frame that was not sent."),
		violation(ack("left-out", span(39, 41)), "ACK-027 UDP-077", "The sequence number that was left out."),
		violation(ack("left-out-alone", span(40, 40)), "ACK-027", "The sequence number that was left out, as largest."),
		violation(ack("below-zero", span(5, 9)).body(setUint("first_range", 10)), "ACK-028", "The first range reaches below 0."),
		violation(ack("pair-below-zero", span(5, 9)).body(set("ranges", []byte{0, 1, 0, 5})), "ACK-028", "A pair reaches below 0."),
		violation(ack("gap-zero", span(9, 9)).body(set("ranges", []byte{0, 0, 0, 1})), "ACK-028", "A gap of 0."),
		violation(ack("len-zero", span(9, 9)).body(set("ranges", []byte{0, 1, 0, 0})), "ACK-028", "A len of 0."),
		violation(ack("pair-missing", span(9, 9)).body(pair).body(setUint("range_count", 2)), "ACK-029", "range_count 2 with one pair."),
		violation(ack("pair-too-many", span(9, 9)).body(pair).body(setUint("range_count", 0)), "ACK-029", "range_count 0 with a pair."),
		violation(ack("zero-field", span(9, 9)).body(setUint("zero", 1)), "CON-003 ERR-021", "The zero byte is not zero."),
	}
	many := ack("33-pairs", span(99, 99)).body(set("ranges", bytes.Repeat([]byte{0, 1, 0, 1}, 33)))
	return append(all, violation(many, "ACK-028", "33 pairs, 32 being the most."))
}

// resetVectors are clear Errors at a client. reset_token is that of ServerIdentity.
func resetVectors() []vectors.Vector {
	token := testkit.ResetToken(bytes.Repeat([]byte{7}, 32), testkit.PutUint(sessionID, 8))
	reset := func(id string) *scenario {
		s := toClient("udp/reset-"+id, typeError, 0, nil).onUDP().given("reset_token", token)
		s.draft.Keys = nil
		s.draft.Body = testkit.Compose("error").SetUint("code", 0x10).SetUint("scope", 2).SetUint("flags", 1).
			SetUint("ref_seq", none).Set("token", token)
		return s
	}
	return []vectors.Vector{
		reset("good").valid("end", "RST-009", "The reset of this session."),
		reset("token").body(flip("token", 0)).drops("check6", "RST-010", "One bit of the token is wrong."),
		reset("code").body(setUint("code", 0x11)).drops("check6", "RST-010", "Another code."),
		reset("scope").body(setUint("scope", 1)).drops("check6", "RST-010", "Another scope."),
		reset("session").header(setUint("session_id", sessionID+1)).drops("check6", "RST-010", "Another session."),
		reset("text").body(set("text", []byte("gone"))).drops("check6", "RST-010", "A text: it has another length."),
		reset("no-token").body(func(m *testkit.Message) { m.SetUint("flags", 0).Cut("token") }).
			drops("check6", "RST-010 RST-013", "No token: anybody can send it."),
	}
}

// tokenVectors are first contacts (12.3, 12.4). The server's key has generation 1.
func tokenVectors() []vectors.Vector {
	core := &handshake{inputs: readInputs("udp")}
	client := core.UDP.address()
	contact := func(id string, token []byte, index int) *scenario {
		s := &scenario{from: "client", draft: testkit.Fragments(core.clientHello(), token)[index]}
		s.Vector = vectors.Vector{ID: "token/" + id, Receiver: "server", State: "first"}
		address := append(testkit.ClientIP(client.Addr()), testkit.PutUint(uint64(client.Port()), 2)...)
		return s.onUDP().knows("clock", core.Client.Time).given("client_address", address).
			given("cookie_key", core.UDP.Cookie.Key).given("address_token_key", core.UDP.AddressToken.Key).given("token_gen", []byte{1})
	}
	spoiled := func(change func(*testkit.Message)) []byte {
		m := testkit.Compose("token").SetUint("key_gen", 1).SetUint("kind", 1).SetUint("expiry", core.UDP.Cookie.Expiry).
			Set("salt", core.UDP.Cookie.Salt)
		change(m)
		binding := testkit.CookieBinding(client.Port(), core.Client.HandshakeID)
		return testkit.SealToken(core.UDP.Cookie.Key, m, client.Addr(), binding)
	}
	from := func(s *scenario, at string) *scenario {
		other := netip.MustParseAddrPort(at)
		return s.given("client_address", append(testkit.ClientIP(other.Addr()), testkit.PutUint(uint64(other.Port()), 2)...))
	}
	cookie, address := core.token("cookie"), core.token("address_token")
	whole := contact("cookie-whole", cookie, 1)
	whole.Steps = append(whole.Steps, stepOf("client", testkit.Fragments(core.clientHello(), cookie)[0], nil))
	reversed := contact("cookie-reversed", cookie, 0)
	reversed.Steps = append(reversed.Steps, stepOf("client", testkit.Fragments(core.clientHello(), cookie)[1], nil))
	expiry := core.UDP.Cookie.Expiry * second
	all := []vectors.Vector{
		contact("none", nil, 0).valid("Retry", "UDP-025 UDP-028", "Index 0 without token."),
		contact("none-index-1", nil, 1).drops("token", "UDP-026", "Index 1 without token."),
		contact("cookie", cookie, 0).valid("nothing", "TOK-004 UDP-030", "Index 0 with its cookie: the server waits for the other."),
		whole.valid("ServerHello", "UDP-034 TOK-004", "Both fragments with their cookie."),
		reversed.valid("ServerHello", "UDP-024", "The same in the other order."),
		contact("cookie-last-moment", cookie, 0).knows("clock", expiry).
			valid("nothing", "TOK-004", "The second of expiry has come and is not past."),
		contact("cookie-expired", cookie, 0).knows("clock", expiry+second).valid("Retry", "TOK-005", "A second later."),
		contact("cookie-expired-index-1", cookie, 1).knows("clock", expiry+second).drops("token", "TOK-005 UDP-026", "The same at index 1."),
		from(contact("cookie-port", cookie, 0), "192.0.2.1:4712").valid("Retry", "TOK-007", "Another port."),
		from(contact("cookie-address", cookie, 0), "192.0.2.2:4711").valid("Retry", "TOK-007", "Another address."),
		contact("cookie-handshake-id", cookie, 0).envelope(flip("handshake_id", 0)).valid("Retry", "TOK-007", "Another handshake_id."),
		contact("cookie-mac", spoiled(flip("mac", 0)), 0).valid("Retry", "UDP-025", "One bit of the MAC is wrong."),
		contact("cookie-kind-3", spoiled(setUint("kind", 3)), 0).valid("Retry", "UDP-025", "A kind that there is not."),
		contact("cookie-zero", spoiled(setUint("zero", 1)), 0).valid("Retry", "UDP-025", "The zero field is not zero."),
		contact("cookie-generation", spoiled(setUint("key_gen", 2)), 0).
			valid("Retry", "UDP-025 TOK-006", "A generation that the server has not."),
		contact("cookie-as-address-token", spoiled(setUint("kind", 2)), 0).
			valid("Retry", "TOK-001 TOK-008", "A cookie that calls itself an address token: the keys are apart."),
		contact("address", address, 0).valid("nothing", "TOK-009", "An address token."),
		from(contact("address-port", address, 0), "192.0.2.1:9").valid("nothing", "TOK-009", "An address token from another port."),
		from(contact("address-other", address, 0), "192.0.2.2:4711").valid("Retry", "TOK-008", "An address token from another address."),
	}
	return append(all, envelopesOnUDP(contact, cookie)...)
}

// envelopesOnUDP are envelopes that 12.4 calls bad, behind a valid cookie.
func envelopesOnUDP(contact func(string, []byte, int) *scenario, cookie []byte) []vectors.Vector {
	bad := func(id string, change func(*testkit.Message), comment string) vectors.Vector {
		return contact("envelope-"+id, cookie, 0).envelope(change).drops("form", "UDP-021", comment)
	}
	short := contact("envelope-short", cookie, 0)
	short.draft.Plaintext.Body = short.draft.Plaintext.Body[:1023]
	long := contact("envelope-long", cookie, 1)
	long.draft.Plaintext.Body = append(slices.Clone(long.draft.Plaintext.Body), 0)
	retry := contact("retry-from-client", nil, 0).envelope(setUint("hs_type", 2))
	small := contact("small-hello", nil, 0).envelope(setUint("total_len", 1297))
	other := contact("fragment-of-another", cookie, 1).envelope(setUint("total_len", 1303))
	other.draft.Plaintext.Body = append(slices.Clone(other.draft.Plaintext.Body), 0)
	other.Steps = append(other.Steps, contact("x", cookie, 0).valid("", "UDP-022", "").Steps...)
	again := contact("fragment-again", cookie, 0)
	again.Steps = append(again.Steps, contact("x", cookie, 0).valid("", "UDP-023", "").Steps...)
	return []vectors.Vector{
		bad("count", setUint("frag_count", 3), "frag_count is not total_len / 1024, rounded up."),
		bad("index", setUint("frag_index", 2), "frag_index is not below frag_count."),
		bad("total-8193", setUint("total_len", 8193), "total_len is above 8192."),
		bad("total-0", setUint("total_len", 0), "total_len is 0."),
		short.drops("form", "UDP-021", "A fragment of 1023 bytes that is not the last."),
		long.drops("form", "UDP-021", "The last fragment is one byte too long."),
		retry.drops("check3", "ORD-036", "A client does not send Retry."),
		small.drops("token", "UDP-025", "A ClientHello of 1297 bytes gets no Retry."),
		other.drops("form", "UDP-022", "A fragment with another total_len than the one that is there."),
		again.drops("form", "UDP-023", "A fragment whose index is there already."),
	}
}

// attachVectors are Attaches over UDP, in epoch 0 of appendix B.
func attachVectors() []vectors.Vector {
	root := appendixB().Value("root_0")
	keys := testkit.DeriveKeys(testkit.Derive("attach", testkit.Values{"root": root}).Value("ts_client"))
	attach := func(id string, counter uint64) *scenario {
		s := toServer("attach/"+id, typeHandshake, 0, nil).onUDP().needs("failover")
		s.draft.Keys, s.draft.Sequence = &keys, counter
		s.draft.Plaintext.Envelope.DefaultUint("hs_type", hsAttach)
		s.draft.Body = testkit.Compose("attach").DefaultUint("kind", 2).DefaultUint("counter", counter).
			Default("random", counting(32)).DefaultUint("client_time", clock)
		return s.given("ts", keys.TrafficSecret).given("root", root).knows("sequence", 3).knows("attach_counter", 3)
	}
	malformed := func(s *scenario, comment string) vectors.Vector {
		return s.valid("AttachAck MALFORMED", "ATT-030 ATT-033", comment)
	}
	var flagged []vectors.Vector
	for _, name := range []string{"FRAGMENT", "REPLY", "REQUIRES_ACK"} {
		s := attach("flag-"+strings.ToLower(strings.ReplaceAll(name, "_", "-")), 3).header(setUint("flags", uint64(flags(name, "ENCRYPTED"))))
		stage := "check3"
		if name == "REQUIRES_ACK" {
			stage = "check13"
		}
		flagged = append(flagged, s.drops(stage, "ATT-023 FLG-012 FLG-014", name+"."))
	}
	return append([]vectors.Vector{
		attach("next", 3).valid("AttachAck", "ATT-030 ATT-031", "The next attach counter."),
		attach("skip", 1000).valid("AttachAck", "ATT-001 ATT-030", "A counter may skip numbers."),
		attach("standby", 3).body(setUint("flags", 1)).valid("AttachAck", "ATT-006 ATT-030", "A standby path."),
		attach("priority", 3).header(setUint("flags", uint64(flags("PRIORITY", "ENCRYPTED")))).
			valid("AttachAck", "ATT-023 FLG-018", "PRIORITY means nothing."),
		attach("client-time", 3).body(setUint("client_time", 0)).valid("AttachAck", "ATT-035", "client_time is not judged."),
		attach("stamp", 3).header(setUint("timestamp", 0)).valid("AttachAck", "TIM-008", "Nor is the stamp."),
		attach("lower", 2).drops("check9", "ATT-021", "A counter below the highest that was used."),
		malformed(attach("kind-1", 3).body(setUint("kind", 1)), "kind 1 on UDP."),
		malformed(attach("zero", 3).body(setUint("zero", 1)), "The zero field is not zero."),
		malformed(attach("counter", 3).body(setUint("counter", 4)), "Another counter in the body than the sequence number."),
		malformed(attach("bit", 3).body(setUint("flags", 2)), "An undefined flag bit."),
		malformed(attach("47-bytes", 3).body(func(m *testkit.Message) { m.Set("client_time", counting(7)) }), "A body of 47 bytes."),
		attach("hs-type", 3).envelope(setUint("hs_type", hsAttachAck)).drops("check13", "ATT-024", "Another hs_type."),
		attach("total-len", 3).envelope(setUint("total_len", 47)).drops("check13", "ATT-024", "A bad envelope."),
		attach("tag", 3).after(afterwards(flip("auth_tag", 0))).
			drops("check11", "ATT-022 ORD-025", "It does not open: its counter is not used."),
	}, flagged...)
}
