// Package vectors holds the golden vectors of XTMP/1: frames, values and whole
// flows as annotated text, one scenario a file, embedded and parsed.
//
//	<area>/<name>.txt   what a receiver is given, the bytes, and what must follow
//	hand/<name>.txt     the same, worked out from the prose without any program of this repository
//	flows/<name>.json   inputs of a whole handshake, from which another language recomputes it
//	schema/             JSON Schemas of the export and of the inputs
//
// A file is a header, then sections:
//
//	id: heartbeat/ping
//	kind: frame
//	req: XTMP-HBT-004 XTMP-HBT-005
//	expect: valid
//	effect: PONG
//	receiver: server
//	state: established
//	comment: A PING with eight bytes.
//
//	--- given
//	session_id              0001020304050607
//
//	--- plaintext
//	heartbeat.kind          00                # PING
//	heartbeat.data          0102030405060708
//
//	>>> client → server
//	frame.magic             58544d50
//	…
//
// Each label is a field of the registry with exactly the bytes of that field; the
// parser refuses any other. What follows # is for people. README.md explains the
// header, the names of the values and the classes and stages of expectations.
//
// Generated files come from package gen; regenerating changes nothing. [Check] goes
// through every vector once more: requirements exist, plaintexts are what the
// frames hold, values follow from each other. It does not judge frames: that a
// receiver reacts as expected is for the tests of the receiver to show.
package vectors

//go:generate go run ./gen
