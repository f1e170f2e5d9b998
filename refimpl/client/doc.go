// Package client is the public client of XTMP/1.
//
//	New ──▶ Client ─ keeps, and replaces ─▶ Session        Call, Send
//	Dial ─▶ a path ─▶ handshake ──────────▶ Session        Call, Send, Ping, Rekey ─▶ Close
//	Pool ─ keeps Clients of several servers
//
//	callers ─ Call ─▶ core's queue, at most 1024 messages and 1 MiB ─▶ writer: one write for all that waits
//	   ▲     └ full: they wait here ┘                                       │ path
//	   └──── a token each ◀─ reply copied to dst ◀─ core ◀── reader ◀───────┘
//	                                    OnPush ◀─ bodies ◀──┘
//
// A path is a TCP connection, a UDP socket or, at ws://host:port/xtmp, a WebSocket, for
// who can open nothing else; Config.Type and the address choose. Nothing above the
// path differs. A session may have several: the core says when it wants another one,
// and moves to it when the first fails, with the calls that are on their way.
//
// A program that lives long makes a Client and calls; one that wants to see each
// session dials. Both are for any number of goroutines: a session has a reader and a
// writer for each path and a keeper of its timers, and no goroutine, timer or, once
// warm, allocation per call. No code of the user runs while a session is locked, but
// for Config.Trace.
//
// A call that is not answered is not simply failed. Call says which of four
// things happened: a reply; an *Error, the server's refusal; ErrNotSent, the
// request was not executed and may be repeated; ErrUnknownResult, it may have been
// executed: what changes something is repeated only with the same op_id.
//
// A client trusts the identities that it is given, usually the lines of a pin
// file (LoadPins), and no others.
//
// Errors are typed: *Error is a code that one side gave, *PinError an identity
// that is not trusted, *SkewError a clock that is off, *UnknownError a call
// without reply. The texts begin with one of the six public names,
// ConnectionFailed, InvalidMessageFormat, EncryptionFailed, SessionExpired,
// AuthenticationFailed and ProtocolVersionMismatch, or say where it happened
// first; Class tells which.
//
// A Session that is over does not come back, and a Client does not subscribe again:
// its new session knows no subscription. Timers of calls stand still while the machine
// sleeps, as do all on systems other than Linux.
package client
