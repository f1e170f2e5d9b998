// Package recovery is what one UDP path needs that a connection gets from its
// transport: numbers, a replay window, Acks, loss recovery and congestion
// control, as values. Time comes in as a monotonic reading.
//
//	           Sender[T]                                              Received
//	Next  ─▶ sequence ─ seal ─▶ datagram ~~~~~~~~~~~~~~~~▶ Fresh ─ open ─ Add ─▶ replay window, ack set
//	Sent  ─▶ in flight                                                              │ AckDue
//	Ack   ◀─ acked, lost ◀~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ AppendAck ◀──┘
//
//	frame    in flight ─ Ack covers it ─▶ acked
//	             │                          ▲ late Ack
//	             └ 3 later frames acked, or 9/8 RTT, or without mid: 3 PTO ─▶ lost
//
//	window   slow start ─ loss ─▶ recovery ─ a frame sent later is acked ─▶ congestion avoidance ─ loss ─▶ …
//	         all frames of 3 PTO lost ─▶ 2 datagrams
//
// This is RFC 9002 with frames as its packets, NewReno, and the window of
// RFC 6479. An item of type T stands for what a frame carried; it should be a
// plain value, such as a mid and the index of a fragment, since a frame may be
// acknowledged long after its message is done with.
//
// Both ends of a path keep little and work with more: Idle says when Rest may
// take back the memory, which Use gives again. A value works without Use and then
// allocates what it needs. Nothing is allocated per frame otherwise.
//
// What is not here: which message goes out, the messages themselves, and what
// suspicion of a path leads to.
package recovery
