// Package testkit is the scribe: a permissive codec and key schedule that
// interpret the registry of package spec. It can write anything, read anything,
// and it judges nothing.
//
//	spec.Layout ──Compose──▶ Message ──Encode──▶ bytes
//	                            ▲                  │
//	                            └─────Decode───────┘
//
//	Frame = header (Message of layout "frame") + payload
//
//	  Seal: header fields ─▶ AAD ─▶ tag ─▶ auth_tag, payload ─▶ checksum
//	                          ▲
//	  Derive("handshake") ─▶ traffic secret ─▶ DeriveKeys ─▶ key, iv, key_id
//
// A [Message] is an ordered list of fields. What the text derives (lengths,
// checksum, key_id, nonce, tag) is derived at the last moment, unless the caller
// has set it: a field that was set stands, right or wrong. Fields can be cut,
// repeated, swapped and flipped. Decoding never fails; it says which field the
// bytes ran out in and which bytes nobody claims. [Annotate] names every byte of
// a frame, for vectors, reports and differences.
//
// Keys, times and randomness are arguments, so the same arguments give the same
// bytes. A name that the registry does not know is the caller's mistake and
// panics; bytes never do.
//
// On UDP a handshake message is several frames: [Fragments] cuts a draft, [Join]
// puts plaintexts together. [ComposeAck] and [AckSpans] write and read the ranges
// of an Ack, [SealToken] makes a cookie or an address token.
//
// The package does not decide whether a frame is legal, keeps no counters and no
// session, and does no I/O. It seals with the suites of the registry, signs with
// identities of both kinds, cuts fragments and deflates; what it does so, and in
// which order, is up to the caller.
package testkit
