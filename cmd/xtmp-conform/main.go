// Command xtmp-conform judges implementations of XTMP/1.
//
//	xtmp-conform run --exec 'my-server --port 0'      start a server and judge it
//	xtmp-conform run --target host:8090 --pin 9f86…   judge one that runs
//	xtmp-conform explain XC-0142                      what a case, requirement, code or timer means
//	xtmp-conform coverage                             which requirement has which case
//	xtmp-conform selftest --mutants CMD               whether the suite has teeth
//
// The exit code says what was proven: 0 conformant, 1 not conformant, 2 usage,
// 3 inconclusive or not drivable, 4 the judge is broken, 5 the list of known
// failures is stale, 6 nothing selected, 130 interrupted.
//
// The command holds flags and words. It decides no verdict; that is package
// conformance.
package main

import (
	"context"
	"os"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
