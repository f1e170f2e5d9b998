// Package transport runs endpoints on real sockets: one event loop per core,
// each the owner of one endpoint.Endpoint.
//
//	            ┌──────────── Server ────────────────┐
//	listener ──▶│ loop 0: epoll ─ Endpoint 0, Router │   accepts, and deals connections out in turn
//	UDP port ──▶│ loop 1: epoll ─ Endpoint 1, Router │   each loop has a socket at it
//	            │ …              shared: Admission, Tokens, each behind a lock
//	            │ pools: wallet │ bundle │ registry │ stream │ other
//	            └────────────────────────────────────┘
//
//	one wake-up of a loop:  wait ─▶ read every ready connection into one shared buffer,
//	                        Receive in place ─▶ Advance if due ─▶ Ops to the pools ─▶ one write per connection,
//	                                                                                  one call for all datagrams
//
// A connection whose first four bytes are those of XTMP is XTMP over TCP. Any other is
// a request of HTTP, of which the path /xtmp opens a WebSocket; between this loop and the
// endpoint there are frames in either case. (web.go)
//
// A session belongs to the loop of its handshake, which its session_id names. What
// comes for it to another loop goes there: a connection that attaches to it, with what
// it has brought, and datagrams, most of which the kernel gives to the right loop itself.
// (accept.go, datagrams.go)
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
