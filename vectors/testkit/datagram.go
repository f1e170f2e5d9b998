package testkit

import (
	"slices"

	"github.com/bpci/xtmp/spec"
)

// Fragments cuts the draft of a handshake message into the drafts of its
// fragments on UDP: each a frame of its own under the same header fields and keys,
// with its own envelope, the token, and at most handshake_fragment bytes of the
// body [XTMP-UDP-016]. A sealed one has its index as sequence number
// [XTMP-UDP-017]. Envelope fields that the caller has set stand in every fragment.
func Fragments(d *Draft, token []byte) []*Draft {
	body := d.WholeBody()
	size, _ := spec.Default().Limit("handshake_fragment")
	pieces := Cut(body, int(size.Value))
	drafts := make([]*Draft, len(pieces))
	for i, piece := range pieces {
		envelope := d.Plaintext.Envelope.Clone()
		envelope.DefaultUint("frag_index", uint64(i)).DefaultUint("frag_count", uint64(len(pieces)))
		if len(token) > 0 {
			envelope.Set("token", token)
		}
		envelope.Hold("total_len", uint64(len(body)))
		drafts[i] = &Draft{
			Frame:     &Frame{Header: d.Frame.Header.Clone()},
			Plaintext: &Plaintext{Prologue: d.Plaintext.Prologue.Clone(), Envelope: envelope, Body: piece},
			Keys:      d.Keys, Sequence: d.Sequence, Sealed: slices.Clone(d.Sealed),
		}
		if d.Keys != nil {
			drafts[i].Sequence += uint64(i)
		}
	}
	return drafts
}

// Join puts the plaintexts of the fragments of a handshake message together, in
// the order of frag_index, the first of each index. Whole says that there is one
// for each index below frag_count of the first.
func Join(fragments []*Plaintext) (body []byte, whole bool) {
	if len(fragments) == 0 {
		return nil, false
	}
	for index := range fragments[0].Envelope.Uint("frag_count") {
		i := slices.IndexFunc(fragments, func(p *Plaintext) bool { return p.Envelope.Uint("frag_index") == index })
		if i < 0 {
			return body, false
		}
		body = append(body, fragments[i].Body...)
	}
	return body, true
}
