package main

import (
	"bytes"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

func errorVectors() []vectors.Vector {
	text := bytes.Repeat([]byte("x"), 256)
	all := []vectors.Vector{
		unsolicited("scope-0", 9, 0).
			valid("nothing", "ERR-016 ERR-017", "It concerns a message: the session goes on, nothing is acknowledged."),
		unsolicited("scope-1", 0x30, 1).valid("end", "ERR-018", "It concerns the path: the connection is closed."),
		unsolicited("scope-2", 0x15, 2).valid("end", "ERR-003 ERR-019", "It ends the session. No Error answers it."),
		unsolicited("scope-3", 0x15, 3).invalid("discard", "check13", "ERR-024", "There is no scope 3."),
		unsolicited("unknown-code", 0x1234, 0).
			valid("nothing", "ERR-002 ERR-017", "A code that the table does not have counts as INTERNAL of its scope."),
		unsolicited("unknown-code-scope-2", 0xFFFF, 2).valid("end", "ERR-002 ERR-019", "The same with scope 2."),
		unsolicited("undefined-flags", 9, 0).body(setUint("flags", 0xFE)).
			valid("nothing", "TYP-019 ERR-017", "Undefined bits of the flags are ignored."),
		unsolicited("text-256", 9, 0).body(set("text", text)).valid("nothing", "ERR-010 ERR-017", "The longest text."),
		unsolicited("text-257", 9, 0).body(set("text", append(text, 'x'))).
			invalid("discard", "check13", "ERR-010 ERR-024", "One byte of text too many: malformed, the session goes on."),
		unsolicited("text-257-scope-2", 0x15, 2).body(set("text", append(text, 'x'))).
			valid("end", "ERR-025", "Malformed, but it says that the session is over."),
		unsolicited("text-not-utf8", 9, 0).body(set("text", []byte{'a', 0xC3, 0x28})).
			valid("nothing", "ERR-011 ERR-026", "Text that is not UTF-8 is ignored, the rest counts."),
		unsolicited("text-surrogate", 9, 0).body(set("text", []byte{0xED, 0xA0, 0x80})).
			valid("nothing", "ERR-011 ERR-026", "A surrogate is not UTF-8."),
		unsolicited("token", 9, 0).body(setUint("flags", 1)).body(set("token", make([]byte, 16))).
			invalid("discard", "check13", "ERR-009 ERR-024", "A sealed Error has no token."),
		unsolicited("token-scope-2", 0x15, 2).body(setUint("flags", 1)).body(set("token", make([]byte, 16))).
			valid("end", "ERR-025", "Malformed by its token, but it says that the session is over."),
		unsolicited("retry-after", 9, 0).body(setUint("retry_after_ms", 1<<32-1)).valid("nothing", "ERR-017", "Advice of 49 days."),
	}
	return append(append(all, shortErrors()...), replyErrors()...)
}

// unsolicited is an Error from the client without REPLY.
func unsolicited(id string, code, scope uint64) *scenario {
	s := toServer("error/"+id, typeError, 0, nil)
	s.draft.Body = errorBody(code, scope)
	return s
}

func errorBody(code, scope uint64) *testkit.Message {
	return testkit.Compose("error").SetUint("code", code).SetUint("scope", scope).SetUint("ref_seq", none)
}

// shortErrors end inside the 16 bytes.
func shortErrors() []vectors.Vector {
	short := func(id string, scope uint64, size int) *scenario {
		return toServer("error/"+id, typeError, 0, errorBody(0x15, scope).Encode()[:size])
	}
	return []vectors.Vector{
		short("empty", 0, 0).invalid("discard", "check13", "ERR-024", "No body at all."),
		short("3-bytes-scope-2", 2, 3).
			invalid("discard", "check13", "ERR-024", "Scope 2 in the third byte, but the first four bytes are not there."),
		short("4-bytes-scope-2", 2, 4).valid("end", "ERR-025", "The first four bytes say that the session is over."),
		short("4-bytes-scope-1", 1, 4).invalid("discard", "check13", "ERR-024", "Malformed, and not of scope 2."),
		short("15-bytes-scope-0", 0, 15).invalid("discard", "check13", "ERR-024", "One byte is missing."),
		short("15-bytes-scope-2", 2, 15).valid("end", "ERR-025", "One byte is missing, and the session is over."),
	}
}

// replyErrors are answers to request 1 of a client.
func replyErrors() []vectors.Vector {
	reply := func(id string, body []byte) *scenario {
		s := toClient("error/"+id, typeError, flags("REQUIRES_ACK", "REPLY"), body)
		return s.knows("sent_mid", 1).given("sent_type", []byte{typeUnknown}).prologue(setUint("reply_to", 1))
	}
	claimed := toServer("error/reply-to-server", typeError, flags("REQUIRES_ACK", "REPLY"), errorBody(9, 0).Encode())
	return []vectors.Vector{
		reply("reply", errorBody(9, 0).Encode()).valid("Ack", "ERR-014", "It ends the call and is acknowledged."),
		reply("reply-scope-2", errorBody(9, 2).Encode()).
			valid("Ack", "ERR-014 ERR-015", "The scope of a reply is ignored: the session goes on."),
		reply("reply-short", errorBody(9, 0).Encode()[:15]).
			valid("Ack", "ERR-023", "Malformed: acknowledged, and the call ends as unknown."),
		claimed.prologue(setUint("reply_to", 1)).
			invalid("silent", "check13", "MSG-041", "A client has nothing to reply to, and an Error is not answered by an Error."),
	}
}
