// Package world runs whole XTMP servers and clients, the core that the product
// ships, on the simulator netsim.
//
//	          ┌─────────────────────── netsim.World ───────────────────────┐
//	Plan ────▶│ host: Server ─ endpoint.Endpoint      host: Client ─ session│──▶ Outcome: hash, what became of
//	 serve    │         │  └───────── links, TCP, faults ─────────┘  │      │    the calls, violation
//	 call     │         │ frames, secrets, executions, results      │      │
//	 scenario │         └──────────────▶ Watch ◀────────────────────┘      │──▶ Violation, after every step
//	          └─────────────────────────────────────────────────────────────┘
//
// A Plan is a scenario of netsim with a line for each server and each client. The
// AEAD is real, entropy comes from the simulator, clocks are those of the hosts;
// the same plan gives the same run, bit by bit.
//
// Watch is told by both ends what they do: which secrets they derived, which
// frames they wrote, what was executed and what came of each call. It opens frames
// with the key log, as a person with a capture would, and holds the run to rules
// that no end could check alone. Check names the rules.
//
// The package opens nothing and starts nothing: who wants many runs at once gives
// each goroutine a Site of its own.
package world
