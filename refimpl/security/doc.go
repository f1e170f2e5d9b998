// Package security holds the cryptography of XTMP/1: the key schedule, the
// suites, sealing and opening of frames, key shares, identities, and the tokens
// that prove an address or a lost session.
//
//	X25519 ‖ ML-KEM-768 ─ ss ─▶ HS ─▶ c_hs, s_hs            handshake slots
//	                            └─▶ MS ─▶ root_0, exporter
//	                                      root_e ─▶ c path, s path (binder of the path)
//	traffic secret ─▶ key, iv, key_id                        one key slot
//
// A slot is used through a Sealer or an Opener. A Sealer owns the counter of
// its slot, so that one (key, sequence) pair is sealed at most once by
// construction; an Opener recomputes the nonce and refuses any other.
//
// Primitives come from the standard library. Entropy comes in as bytes, or
// through an Encapsulator where ML-KEM takes none. The package keeps no clock
// and knows no connection.
package security
