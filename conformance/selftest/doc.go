// Package selftest judges the judge: it runs a suite against peers of which the
// right verdict is known.
//
//	the reference      everything passes, and passes again in another order
//	degenerate peers   no MUST that the peer cannot keep may pass
//	the zoo            odd but legal peers, which pass everything
//	mutants            each is killed by a case that proves its requirement
//
// Peers are processes, started as any other target. A mutant program answers
// three commands:
//
//	CMD list         one JSON object a line: {"name":…,"requirement":…,"description":…,"slow":…,"without":…}
//	CMD zoo          likewise: {"name":…,"permits":…,"description":…}
//	CMD serve NAME   a server with that one defect or oddity, which prints READY
//
// The package breaks no peer itself and knows none of them.
package selftest
