package main

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// envelopeVectors spoil the envelope of a first frame and of ClientFinish.
func envelopeVectors() []vectors.Vector {
	all := []vectors.Vector{
		hello("envelope/first-15-bytes").raw(make([]byte, 15)).
			invalid("MALFORMED", "form", "HSK-067", "The payload is shorter than an envelope."),
		hello("envelope/first-alone").raw(testkit.Compose("envelope").SetUint("hs_type", 1).SetUint("frag_count", 1).Encode()).
			invalid("MALFORMED", "form", "HSK-071", "An envelope around a body of no byte."),
		hello("envelope/first-handshake-id-0").envelope(setUint("handshake_id", 0)).
			valid("ServerHello", "ENV-005", "Any handshake_id will do; the answer repeats it."),
		finish("envelope/finish-handshake-id").envelope(flip("handshake_id", 0)).
			invalid("silent", "finish", "ENV-006 ENV-012", "ClientFinish with another handshake_id."),
		finish("envelope/finish-15-bytes").raw(make([]byte, 15)).
			invalid("silent", "finish", "HSK-049", "ClientFinish shorter than an envelope."),
	}
	for _, spoiled := range []struct {
		name, field string
		value       uint64
		req         string
	}{
		{"frag-index-1", "frag_index", 1, "ENV-001 ENV-008"},
		{"frag-count-0", "frag_count", 0, "ENV-001 ENV-007"},
		{"frag-count-2", "frag_count", 2, "ENV-001 ENV-007"},
		{"token-len-48", "token_len", 48, "ENV-002 ENV-009"},
		{"total-len-less", "total_len", 47, "ENV-003 ENV-010"},
		{"total-len-more", "total_len", 1303, "ENV-003 ENV-010"},
		{"total-len-8193", "total_len", 8193, "ENV-004 ENV-011"},
		{"total-len-all-ones", "total_len", 1<<32 - 1, "ENV-010 ENV-011"},
	} {
		comment := fmt.Sprintf("%s %d.", spoiled.field, spoiled.value)
		all = append(all,
			hello("envelope/first-"+spoiled.name).envelope(setUint(spoiled.field, spoiled.value)).
				invalid("MALFORMED", "form", "HSK-067 "+spoiled.req, comment),
			finish("envelope/finish-"+spoiled.name).envelope(setUint(spoiled.field, spoiled.value)).
				invalid("silent", "finish", "HSK-049 "+spoiled.req, comment))
	}
	for _, hsType := range []uint64{0, 2, 3, 5, 16, 32, 255} {
		all = append(all, hello(fmt.Sprintf("envelope/first-hs-type-%d", hsType)).envelope(setUint("hs_type", hsType)).
			invalid("MALFORMED", "form", "HSK-068", fmt.Sprintf("hs_type %d in a first frame.", hsType)))
	}
	for _, hsType := range []uint64{0, 1, 6, 16, 255} {
		all = append(all, finish(fmt.Sprintf("envelope/finish-hs-type-%d", hsType)).envelope(setUint("hs_type", hsType)).
			invalid("silent", "finish", "TYP-013 HSK-049", fmt.Sprintf("hs_type %d under a handshake key.", hsType)))
	}
	return all
}
