// Package handler is what messages mean: it takes the requests of sessions and
// answers them.
//
//	session ─ Deliver ─▶ Router ─┬─▶ Probe ─┬─▶ Reply at once           echo, sink, source, fail
//	                             │          ├─▶ queue by time ─▶ Reply   delay
//	                             │          └─▶ Push while writable      stream
//	                             └─▶ Op ─▶ NextOp: the owner executes it elsewhere, then endpoint.Reply
//
// Router is the application of an endpoint. What takes no time is answered
// inline; what may block is an Op, which the owner takes after each input and
// gives to a goroutine. Probe, for diagnosis, is off unless the operator
// switches it on.
//
// A Router has one owner, that of its endpoint; it opens nothing, starts nothing
// and reads no clock.
package handler
