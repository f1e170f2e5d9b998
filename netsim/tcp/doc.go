// Package tcp is a small TCP as a value: segments and the time go in, segments
// and the next deadline come out.
//
//	         ┌───────────────────── Conn ─────────────────────┐
//	Write ──▶│ send buffer ─ window ─ cwnd ─ RTO, fast resend │──▶ Next
//	Read ◀───│ receive buffer ─ reordered ranges ─ window     │◀── Receive
//	         └────────────────── Deadline, Advance ───────────┘
//
//	Dial ─▶ SynSent ─────▶ Established ─▶ FinWait ─▶ TimeWait ─▶ Ended
//	Accept ─▶ SynReceived ─┘     └─▶ CloseWait ─▶ LastAck ────────┘
//
// Loss becomes delay, a partition becomes silence and then a timeout, a host
// that forgot a connection answers with a reset: what a protocol above TCP meets
// on real systems, with the timers of Linux. RFC 9293 (states), 6298 (RTO), 5681
// and 6582 (congestion), 7323 (window scaling, fixed) are followed; there is no
// SACK, no timestamps, no Nagle, no urgent data, no keep-alive, no ECN.
package tcp
