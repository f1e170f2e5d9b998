// Package link is what may happen to a packet between two hosts: one directed
// link, a pipeline of impairments over whole numbers.
//
//	           ┌ cut ─ mtu ─ list, loss, duplicate, corrupt, reorder, jitter ─ rate, queue, AQM ─ slot ─ delay ┐
//	Pass ─────▶│      policy          Edit: what chance, or a list, decides        arithmetic on arrival times │─▶ Verdict
//	           └────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// Chance has one place. Everything random about a packet is an Edit, drawn from
// (seed, link, stage, index of the packet on the link) and never from a shared
// stream, so a packet more on one link changes nothing on another. A list of
// edits, by index or by the name of a packet, replaces the drawing: a Link
// without random impairments that is given the edits of another run repeats it,
// without its seed. The rest is a function of arrival times.
//
// Probabilities are permille, rates bit/s, sizes bytes. The package carries no
// packets and keeps no events; it only says when they arrive, if at all.
package link
