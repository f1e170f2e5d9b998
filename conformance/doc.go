// Package conformance is the judge: it runs cases against an XTMP/1
// implementation that it reaches through a socket, and gives each a verdict
// that traces to a requirement of the spec.
//
//	Suite ──Select──▶ Plan ──Run──▶ []Result ──Conclude──▶ exit code
//	                    │              ▲
//	                    ▼              │
//	        controls first, then the rest, in the order of the seed
//	                    │              │
//	                 attempt ── Exchange ── Case.Run ──▶ peer
//	                    │
//	            liveness probe after every negative case
//	                    │
//	        timing failure or suspected crash: once more, alone
//
// A case says what it proves, what it sends, and which reactions are strict,
// allowed, tolerated or forbidden. Its Run function gets an [Exchange]: the
// connections, the entropy, the named waits and the judge. Nothing in a case
// reads a clock, draws its own entropy or names a duration.
//
// A verdict is never a guess. A negative case counts only when its control
// twin passed; a wait that expired is judged again with the machine to itself;
// a case that judged nothing is an error of the harness, not a pass. Every path
// that cannot prove success ends in an exit code other than zero.
//
// The package knows no frame, no key and no message type. It does not render
// reports (package report), it holds no cases and it does not speak XTMP: the
// probe that asks a peer whether it still lives is passed in by the caller.
package conformance
