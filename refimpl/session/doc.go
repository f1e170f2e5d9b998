// Package session is one XTMP/1 session, of either role, as a value: bytes and
// the time go in; bytes, events and the next deadline come out.
//
//	client   Idle ─ Open ─▶ Hello ─ ServerFlight verifies ─▶ Established ─ Close ─▶ Closing ─ drained ─▶ Closed
//	server   Start ─ ClientHello ─▶ Half ─ ClientFinish verifies ─▶ Established ─ Close ─▶ Closing ─ drained ─▶ Closed
//	         any state: violation, Disconnect, Error of scope 2, last path lost ─▶ Closed
//
//	path     Open ─ a sealed frame opens ─▶ Live ⇄ Suspect        ─ final frame written ─▶ Drain ─▶ Shut
//
// Inputs are Open, Receive, Lost, Advance, Ping and Close. After any input, the
// caller drains AppendOutput and NextEvent and asks Deadline when to call
// Advance. The contract:
//
//   - time never goes backwards; entropy comes from Config;
//   - nothing blocks; nothing is allocated for bytes that have not arrived;
//   - frames are sealed when they are taken, not before: while the transport
//     takes nothing, the session holds at most one answer of each kind and a
//     bounded queue of replies;
//   - a session that ended answers every later input with silence, and still
//     yields its last output.
//
// The layout already holds several paths per session and several epochs per
// path; so far every session has one path, a connection, in epoch 0.
package session
