package main

import (
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// finish starts a ClientFinish at a server that has sent ServerFlight, in the
// handshake of flows/core.json.
func finish(id string) *scenario {
	h := &handshake{inputs: readInputs("core")}
	first := h.clientHello()
	_ = first.Encode()
	_ = h.serverHello(first)
	_ = h.serverFlight(h.Server.Time)
	s := &scenario{from: "client", draft: h.clientFinish(h.Client.Time)}
	s.Vector = vectors.Vector{ID: id, Kind: vectors.KindFrame, Receiver: "server", State: "half-open"}
	s.given("session_id", h.Server.SessionID).given("handshake_id", h.Client.HandshakeID)
	s.given("ts", h.schedule.Value("c_hs")).knows("sequence", 0).knows("clock", h.Client.Time)
	return s.given("cf_mac", h.schedule.Value("cf_mac"))
}

func clientFinishVectors() []vectors.Vector {
	bad := func(s *scenario, stage, req, comment string) vectors.Vector {
		return s.invalid("silent", stage, req, comment)
	}
	underPath := finish("client-finish/under-path-key")
	keys := testkit.DeriveKeys(appendixBPath().Value("ts_client"))
	underPath.draft.Keys = &keys
	underPath.Result = []vectors.Value{{Name: "p0.c.ts", Bytes: keys.TrafficSecret}}
	clear := finish("client-finish/clear")
	clear.draft.Keys = nil
	return []vectors.Vector{
		finish("client-finish/plain").valid("HandshakeDone", "HSK-046 HSK-053", "A ClientFinish with nothing special."),
		finish("client-finish/priority").header(setUint("flags", uint64(flags("ENCRYPTED", "PRIORITY")))).
			valid("HandshakeDone", "FLG-018", "PRIORITY is allowed in every sealed frame."),
		bad(finish("client-finish/mac-first-bit").body(flip("mac", 383)), "finish", "HSK-049 HSK-050 KEY-015", "The first bit of the MAC."),
		bad(finish("client-finish/mac-last-bit").body(flip("mac", 0)), "finish", "HSK-049 HSK-050 KEY-015", "The last bit of the MAC."),
		bad(finish("client-finish/47-bytes").body(set("mac", make([]byte, 47))), "finish", "HSK-049", "A MAC of 47 bytes."),
		bad(finish("client-finish/49-bytes").trailing([]byte{0}), "finish", "HSK-049", "One byte after the MAC."),
		bad(finish("client-finish/no-body").raw(testkit.Compose("envelope").SetUint("hs_type", 5).SetUint("frag_count", 1).
			SetUint("handshake_id", handshakeID).Encode()), "finish", "HSK-049", "No MAC at all."),
		bad(finish("client-finish/tag").after(afterwards(flip("auth_tag", 0))), "check11", "HSK-049 KEY-015", "One bit of the tag."),
		bad(underPath, "check6", "HSK-049 ORD-017", "Sealed under a path key of other secrets."),
		bad(clear, "check6", "HSK-049 ORD-028", "A clear frame."),
		bad(numbered(finish("client-finish/sequence-1"), 1), "check9", "NON-007", "Sequence number 1."),
		bad(finish("client-finish/session-id").header(setUint("session_id", 0)), "check6", "HDR-020 ORD-016", "session_id 0."),
		bad(finish("client-finish/reply").header(setUint("flags", uint64(flags("ENCRYPTED", "REPLY")))),
			"check3", "FLG-012", "ClientFinish with REPLY."),
	}
}
