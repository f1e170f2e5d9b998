package cases

import (
	"compress/flate"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// controlInflates is the control twin of streams that do not inflate.
const controlInflates = "XC-0750"

// compression returns the cases about bodies that a server inflates, and about what
// it compresses.
func compression() []conformance.Case {
	return []conformance.Case{
		inflates(), emptyBodyInflates(), inflatesFragments(), inflatesOneWay(), neverCompressedUnasked(), compressedReplies(),
		compressedOrNot(),
	}
}

// inflating returns a session of a server that announces that it inflates; another
// one lacks the feature.
func inflating(x *conformance.Exchange) *peer.Session {
	s := session(x)
	if !s.Inflates() {
		x.Unsupported("inflation")
	}
	return s
}

// askCompressed sends a request whose body is a stream, with the original_len given.
func askCompressed(x *conformance.Exchange, s *peer.Session, stream []byte, original int) *peer.Draft {
	return sendFrame(x, s, typeProbe, flag("REQUIRES_ACK", "COMPRESSED"), stream, originally(original))
}

// originally sets original_len.
func originally(n int) func(*peer.Draft) {
	return func(d *peer.Draft) { d.Plaintext.Prologue.SetUint("original_len", uint64(n)) }
}

// streamNames are the kinds of streams that every inflater takes.
func streamNames() []string {
	return []string{"library", "fastest", "stored", "stored in pieces", "fixed", "fixed in pieces", "dynamic", "mixed"}
}

func streamOf(name string, body []byte) []byte {
	switch name {
	case "fastest":
		return deflated(body, flate.BestSpeed)
	case "stored":
		return testkit.Stored(body, 65_535)
	case "stored in pieces":
		return testkit.Stored(body, 100)
	case "fixed":
		return fixed(body, len(body))
	case "fixed in pieces":
		return fixed(body, 50)
	case "dynamic":
		return dynamic(body)
	case "mixed":
		return mixed(body)
	}
	return testkit.Deflate(body)
}

// texts are bytes that compress: words in random order.
func texts(x *conformance.Exchange, n int) []byte {
	words := []string{"wallet ", "bundle ", "stamp ", "node ", "0x00000000 ", "epoch ", "a", " \n"}
	var out []byte
	for len(out) < n {
		for _, b := range x.Entropy("text").Bytes(64) {
			out = append(out, words[int(b)%len(words)]...)
		}
	}
	return out[:n]
}

func inflates() conformance.Case {
	return conformance.Case{
		ID: controlInflates, Title: "A compressed request with blocks of any kind is inflated.",
		Proves: []string{"XTMP-CMP-006", "XTMP-TYP-032"}, Expect: accepts(),
		Params: []conformance.Param{param("stream", streamNames()...), param("bytes", "8", "3000", "60000")},
		Explain: explain("Who announces that it inflates has to take every stream, and not only those of its own library.",
			"An echo whose body is a raw DEFLATE stream, by a library or by hand; the data comes back. A server that does not announce it is not "+
				"asked.",
			"a zlib or gzip header is expected", "stored blocks are refused as useless", "empty blocks end the stream"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			body := probeBody(opEcho, 0, texts(x, x.ParamInt("bytes")-beforeProbe))
			d := askCompressed(x, s, streamOf(x.Param("stream"), body), len(body))
			got := answer(x, s, d.Mid())
			x.Judge(conformance.Accepted())
			requireAnswer(x, got, opEcho, 0, body[beforeProbe:])
		},
	}
}

func emptyBodyInflates() conformance.Case {
	return conformance.Case{
		ID: "XC-0751", Title: "The edges of original_len and of the window are legal.",
		Proves: []string{"XTMP-CMP-006"}, Expect: accepts(), Params: []conformance.Param{param("edge", "0", "65536", "distance 32768")},
		Explain: explain("An original_len of 0 is a body without bytes, which Probe, and not the inflater, refuses.",
			"A stream that yields nothing; one that yields 65 536 bytes; one with a match from 32 768 bytes back.",
			"0 is taken for a missing field", "the limit is compared with less in place of less or equal", "the window is smaller by one"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			switch x.Param("edge") {
			case "0":
				d := askCompressed(x, s, []byte{0x03, 0x00}, 0)
				r, _, err := s.ExpectReply(d.Mid(), 0)
				need(x, err)
				x.Require(r.Error() != nil && int(r.Error().Code) == code("INVALID_PAYLOAD"), "the empty body is judged by what its type says")
			case "65536":
				d := askCompressed(x, s, testkit.Deflate(probeBody(opSink, 0, make([]byte, longestData()))), longestData()+beforeProbe)
				requireAnswer(x, answer(x, s, d.Mid()), opSink, uint64(longestData()), nil)
			case "distance 32768":
				stream, yields := farMatch(probeBody(opEcho, 0, x.Entropy("data").Bytes(32_760)), false)
				d := askCompressed(x, s, stream, len(yields))
				requireAnswer(x, answer(x, s, d.Mid()), opEcho, 0, yields[beforeProbe:])
			}
			x.Judge(conformance.Accepted())
		},
	}
}

func inflatesFragments() conformance.Case {
	return conformance.Case{
		ID: "XC-0752", Title: "A compressed request in fragments is joined and then inflated.",
		Proves: []string{"XTMP-CMP-006", "XTMP-FRG-012"}, Expect: accepts(),
		Params: []conformance.Param{
			param("stream", "library", "stored", "mixed"), param("size", "512", "1000", "20000"), param("order", "ascending", "descending",
				"shuffled"),
		},
		Explain: explain("A body is compressed before it is cut; a piece of a stream is no stream.",
			"An echo whose stream is cut into fragments; original_len is in index 0 only.",
			"each fragment is inflated by itself", "original_len is looked for in the fragment that arrives first"),
		Run: func(x *conformance.Exchange) {
			s := inflating(x)
			body := probeBody(opEcho, 0, x.Entropy("data").Bytes(30_000))
			drafts := s.Fragments(typeProbe, flag("REQUIRES_ACK", "COMPRESSED"), streamOf(x.Param("stream"), body), x.ParamInt("size"))
			originally(len(body))(drafts[0])
			resequence(drafts, reordering(x, x.Param("order")))
			send(x, s.SendDrafts(drafts...))
			requireAnswer(x, answer(x, s, drafts[0].Mid()), opEcho, 0, body[beforeProbe:])
			x.Judge(conformance.Accepted())
		},
	}
}

func inflatesOneWay() conformance.Case {
	return conformance.Case{
		ID: "XC-0753", Title: "A compressed sink without mid is swallowed, and so is one that does not inflate.",
		Proves: []string{"XTMP-CMP-011"}, Touches: []string{"XTMP-PRB-013"}, Control: "XC-0652", Expect: ignores("XTMP-CMP-011"),
		Params: []conformance.Param{param("stream", append([]string{"good"}, liesAboutStreams()...)...)},
		Explain: explain("Without mid there is nobody to tell; the session must not pay for one bad message.",
			"A sink without mid whose body is a stream that inflates or, in the way named, does not; then a PING. If the server does not announce "+
				"that it inflates, all are discarded.",
			"the session is ended when a stream does not inflate", "an Error is sent where none is due"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := probeBody(opSink, 0, texts(x, 2000))
			stream, original := lie(x.Param("stream"), body)
			sendFrame(x, s, typeProbe, flag("COMPRESSED"), stream, originally(original))
			judgeIgnored(x, s)
			requireEchoAfter(x, s)
		},
	}
}

func neverCompressedUnasked() conformance.Case {
	return conformance.Case{
		ID: "XC-0754", Title: "Nothing is compressed toward a client that has not announced that it inflates.",
		Proves: []string{"XTMP-CMP-001"}, Expect: accepts(),
		Explain: explain("A client that does not inflate refuses the frame, and ends the session or the call.",
			"Echoes and a source that compress well, a compressed echo if the server inflates, and a stream, on a session whose ClientHello has "+
				"flag 0x0002 clear.",
			"the reply has the flags of its request", "the announcement of the server is taken for that of the client"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			zeros := make([]byte, 50_000)
			mids := []uint64{
				ask(x, s, opEcho, 0, zeros).Mid(), ask(x, s, opSource, 600_000, nil).Mid(), ask(x, s, opStream, 2, zeros).Mid(),
			}
			if s.Inflates() {
				body := probeBody(opEcho, 0, zeros)
				mids = append(mids, askCompressed(x, s, testkit.Deflate(body), len(body)).Mid())
			}
			for _, mid := range mids {
				awaitWhole(x, s, mid)
			}
			fence(x, s)
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

// awaitWhole waits for the whole reply to a request, unless it came already.
func awaitWhole(x *conformance.Exchange, s *peer.Session, mid uint64) {
	if s.Answered(mid) {
		return
	}
	_, _, err := s.Expect(0, func(*peer.Received) bool { return s.Answered(mid) })
	need(x, err)
}

// inflatingClient announces that it inflates.
func inflatingClient(h *peer.Hello) {
	h.Body.SetUint("flags", h.Body.Uint("flags")|peer.BitAcceptDeflate)
}

func compressedReplies() conformance.Case {
	return conformance.Case{
		ID: "XC-0755", Title: "What is compressed toward a client that has announced it inflates to what was asked for.",
		Proves: []string{"XTMP-CMP-002", "XTMP-CMP-003"}, Touches: []string{"XTMP-CMP-004"}, Expect: accepts(),
		Explain: explain("A stream that does not end with its body, or yields another length than it says, is refused by every client.",
			"Echoes, a long source and a stream that compress well, on a session whose ClientHello has flag 0x0002 set. A server may leave them "+
				"uncompressed.",
			"one compressor is kept for the whole session", "the stream is flushed and not ended", "fragments are compressed one by one",
			"original_len is the length of the stream"),
		Run: func(x *conformance.Exchange) {
			s := sessionBy(x, peer.Script{Hello: inflatingClient})
			zeros, words := make([]byte, 60_000), texts(x, 30_000)
			requireAnswer(x, answer(x, s, ask(x, s, opEcho, 0, zeros).Mid()), opEcho, 0, zeros)
			requireAnswer(x, answer(x, s, ask(x, s, opEcho, 0, words).Mid()), opEcho, 0, words)
			requireAnswer(x, answer(x, s, ask(x, s, opEcho, 0, nil).Mid()), opEcho, 0, nil)
			requireAnswer(x, answer(x, s, ask(x, s, opSource, 2_000_000, nil).Mid()), opSource, 0, patterned(2_000_000))
			d := ask(x, s, opStream, 5, words)
			r, _, err := s.ExpectAnswer(d.Mid(), 0)
			need(x, err)
			sub := open(x, r, 5, words)
			readPushes(x, s, map[uint64]*subscription{sub.id: sub})
			x.Judge(conformance.Accepted())
			requireClean(x, s.Conn)
		},
	}
}

func compressedOrNot() conformance.Case {
	return conformance.Case{
		ID: "XC-0756", Title: "A server inflates exactly when its policy says so.",
		Proves: []string{"XTMP-TYP-032"}, Touches: []string{"XTMP-CMP-006", "XTMP-CMP-007"}, Expect: accepts(),
		Explain: explain("A client compresses what it may; a policy that is wrong either way costs it the request or the bandwidth.",
			"A compressed echo. With bit 0x0008 of policy its data comes back, without it COMPRESSION_REFUSED.",
			"the bit is written by one part and the feature switched by another"),
		Run: func(x *conformance.Exchange) {
			s := session(x)
			body := probeBody(opEcho, 0, texts(x, 1000))
			d := askCompressed(x, s, testkit.Deflate(body), len(body))
			if s.Inflates() {
				requireAnswer(x, answer(x, s, d.Mid()), opEcho, 0, body[beforeProbe:])
			} else {
				requireFailure(x, s, d.Mid(), uint64(code("COMPRESSION_REFUSED")))
			}
			x.Judge(conformance.Accepted())
		},
	}
}
