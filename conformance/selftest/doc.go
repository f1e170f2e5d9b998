// Package selftest judges the judge: it runs a suite against peers of which the
// right verdict is known.
//
//	degenerate peers   no MUST that the peer cannot keep may pass
//	the reference      everything passes
//	mutants            each is killed by a case that proves its requirement
//
// Peers are processes, started as any other target. A mutant program answers
// two commands:
//
//	CMD list         one JSON object a line: {"name":…,"requirement":…,"description":…}
//	CMD serve NAME   a server with that one defect, which prints READY
//
// The package breaks no peer itself and knows none of them.
package selftest
