// Package netsim is a network in one value: hosts, links and faults on virtual
// time, run by a loop that does one thing after the other.
//
//	          ┌──────────────────────────── World ────────────────────────────┐
//	Scenario ─▶ faults ─┐                                                     │
//	          │         ▼                                                     │
//	          │   heap of (µs, number) ──▶ Host: clocks, disk, NAT, sockets   │──▶ Event, running hash
//	          │         ▲                     │ Node.Handle(io, Input)        │
//	          │         └── link.Link ◀───────┘ io.Send, io.Write, Deadline   │──▶ Checker, after every step
//	          └───────────────────────────────────────────────────────────────┘
//
// The same configuration gives the same run, event by event and bit by bit, on
// any machine: time is whole µs, events of one instant keep the order in which
// they were planned, chance is drawn by (seed, link, stage, index), and nothing
// reads a clock, ranges over a map or starts a goroutine. The hash of the trace
// says so in 64 bits.
//
// What chance decided can be had as edits of a Scenario. The scenario with its
// edits and without chance repeats the run without the seed, and Shrink takes
// away what a failure does not need.
//
// A Node is any sans-I/O machine. The package knows no protocol above UDP and
// TCP, has no ICMP, no fragments and no routes: each pair of hosts that can talk
// has a link for each direction.
package netsim
