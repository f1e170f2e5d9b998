// Package wire turns the bytes of XTMP/1 into structs and back: the 96-byte
// header and security layer, and every binary body of the protocol.
//
//	 0        4  5  6     8              16              24      28     32
//	 ├─ magic ┼v─┼t─┼flags┼── session_id ─┼── sequence ───┼ length┼ crc ─┤   header, 32 bytes
//	32 33           40                    56                       80    96
//	 ├e─┼ timestamp ─┼────── key_id ───────┼───────── nonce ────────┼ tag ┤   security layer, 64 bytes
//	96
//	 ├──────────────────────────── payload, payload_length bytes ─────────…
//
//	payload, opened:  prologue ‖ envelope (handshake messages) ‖ body
//
// All integers are unsigned and big-endian. Parsing is strict and allocates
// nothing: parsed slices alias the input. Append functions append to their
// first argument and return it; they can only write legal messages.
//
// The package knows no keys, no clock, no connection and no state: what a
// frame means, and whether it may arrive now, is decided by package session.
package wire
