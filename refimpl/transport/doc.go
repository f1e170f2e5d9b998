// Package transport runs endpoints on real sockets: one event loop per core,
// each the owner of one endpoint.Endpoint.
//
//	            ┌──────────── Server ────────────────┐
//	listener ──▶│ loop 0: epoll ─ Endpoint 0, Router │   accepts, and deals connections out in turn
//	            │ loop 1: epoll ─ Endpoint 1, Router │
//	            │ …              shared: Admission behind a lock
//	            │ pools: wallet │ bundle │ registry │ stream │ other
//	            └────────────────────────────────────┘
//
//	one wake-up of a loop:  wait ─▶ read every ready connection into one shared buffer,
//	                        Receive in place ─▶ Advance if due ─▶ Ops to the pools ─▶ one write per connection
//
// A connection costs a descriptor, a small struct and its session: no goroutine
// and no buffer while it is idle. What a socket does not take at once is kept
// for that connection, and until it is gone the endpoint is asked for no more,
// so that a peer that does not read holds nothing but its own bounded queue. Who
// reads fast does not hold up others either: what goes beyond one output waits for
// the next wake-up.
//
// What may block runs in goroutines, never on a loop: a Handler executes a request
// in the pool of its message family, whose queue is bounded, and its reply comes
// back through the loop's inbox.
//
// When no descriptor is left, or far too many connections exist, new ones are
// cut as they arrive, with a warning in the log. A shutdown closes the listener
// first, so that the system refuses newcomers while sessions end in order.
//
// The loops need Linux; elsewhere Listen says so. Elapsed time is
// CLOCK_BOOTTIME, which counts through suspend. What bytes mean is not decided
// here.
package transport
