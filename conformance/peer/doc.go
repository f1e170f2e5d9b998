// Package peer is the scripted adversary: one end of an XTMP/1 session that does
// exactly what it is told and reports exactly what it sees. It stands on the scribe
// (vectors/testkit) and on the text alone.
//
//	Dial, New ─▶ Conn ──HelloDefaults──▶ Hello ──SendHello──▶ ClientHello
//	               │    ReadRetry (UDP)   ◀── Retry               │
//	               │    ReadServerHello   ◀── ServerHello         ▼
//	               │    ReadFlight        ◀── ServerFlight     the peer
//	               │    FinishDraft, SendDraft ──▶ ClientFinish under test
//	               ▼                                              │
//	            Session ──Draft, Fragments, Send──▶ any frame ────▶
//	               │      RekeyDefaults, ReadRekeyResp, Switch    │
//	               │      Attach ──▶ the same session, as seen from another path
//	               └── ReadFrame, Ping, Expect… ◀── every frame ──┘
//	                          │
//	                        Lint ─▶ Violations, each with its requirement
//
// [Conn.Handshake] runs the steps in order and correctly; a [Script] alters any
// of them. What is sent is a [Draft]: header, prologue, envelope and body field
// by field, before sealing or after it. What is received is opened, annotated
// and linted; a frame that breaks a rule of its sender becomes a [Deviation].
//
// A Conn is one path: a TCP connection, a [WebSocket], or UDP sockets ([Conn.AddSocket], [Conn.Use])
// of which one sends and all are read. Between us and the peer lies a network that
// loses, doubles, swaps and delays what a [Fault] names ([Conn.Impair]); what passed
// can be sent again ([Conn.Replay]). Paths of one session share mids, frag_ids,
// roots and what is known of the peer; keys, sequence numbers and windows are each
// path's own.
//
// Errors of reads and writes can be told apart by conformance.Seen: end of stream,
// reset, silence, an Error frame, bytes that the text does not allow.
//
// A Conn belongs to one goroutine. It keeps no timers, retries nothing and answers
// nothing by itself but HandshakeDone (with an Ack), on UDP every frame that calls for
// an Ack, and PING (with a PONG); all of it can be turned off. PATH_CHALLENGE and
// REKEY_REQUEST it leaves to the case. It gives no verdicts: what a reaction is worth,
// the case says.
package peer
