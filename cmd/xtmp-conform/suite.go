package main

import (
	"strings"

	"github.com/bpci/xtmp/conformance/cases"
	"github.com/bpci/xtmp/conformance/selftest"
	"github.com/bpci/xtmp/spec"
)

// judge is the app that judges by this version of the spec, with the cases of
// the suite.
func judge() app {
	return app{registry: spec.Default(), cases: cases.All(), probe: cases.Probe, excuses: excuses()}
}

// excuses lists the cases at MUST that a degenerate peer may pass, each with
// the reason why that peer does keep the requirement. The self-test refuses an
// excuse that is not needed.
func excuses() (list []selftest.Excuse) {
	for _, e := range []struct{ peer, cases, why string }{
		{
			"yes", "XC-0010 XC-0092 XC-0211 XC-0215 XC-0220 XC-0221 XC-0222 XC-0293",
			"its ServerHello is all that the case looks at, and that is right",
		},
		{"no", "XC-0011 XC-0500 XC-0501", "its clear Error is all that the case looks at, and that is right"},
	} {
		for _, id := range strings.Fields(e.cases) {
			list = append(list, selftest.Excuse{Peer: e.peer, Case: id, Why: e.why})
		}
	}
	return list
}
