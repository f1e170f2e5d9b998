// Package peer is the scripted adversary: one end of an XTMP/1 connection that
// does exactly what it is told and reports exactly what it sees. It stands on the
// scribe (vectors/testkit) and on the text alone.
//
//	Dial ─▶ Conn ──HelloDefaults──▶ Hello ──SendHello──▶ ClientHello
//	          │                                             │
//	          │  ReadServerHello ◀── ServerHello            ▼
//	          │  ReadFlight      ◀── ServerFlight        the peer
//	          │  FinishDraft, SendFinish ──▶ ClientFinish under test
//	          ▼                                             │
//	       Session ──Draft, Fragments, Send──▶ any frame ───▶
//	          │      RekeyDefaults, ReadRekeyResp, Switch
//	          └── ReadFrame, Ping, Expect… ◀── every frame ──┘
//	                     │
//	                   Lint ─▶ Violations, each with its requirement
//
// [Conn.Handshake] runs the steps in order and correctly; a [Script] alters any
// of them. What is sent is a [Draft]: header, prologue, envelope and body field
// by field, before sealing or after it. What is received is opened, annotated
// and linted; a frame that breaks a rule of its sender becomes a [Deviation].
//
// Errors of reads and writes can be told apart by conformance.Seen: end of stream,
// reset, silence, an Error frame, bytes that the text does not allow.
//
// A Conn belongs to one goroutine. It keeps no timers, retries nothing and answers
// nothing by itself but HandshakeDone (with an Ack) and PING (with a PONG), which
// can be turned off. It gives no verdicts: what a reaction is worth, the case says.
package peer
