package main

import (
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
func excuses() []selftest.Excuse { return nil }
