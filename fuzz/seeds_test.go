package fuzz_test

import (
	"testing"

	"github.com/bpci/xtmp/vectors"
)

// stepsOfVectors returns every frame of every vector, with its plaintext.
func stepsOfVectors(tb testing.TB) []vectors.Step {
	tb.Helper()
	var steps []vectors.Step
	for _, v := range vectors.All() {
		steps = append(steps, v.Steps...)
	}
	if len(steps) == 0 {
		tb.Fatal("the vectors have no frames")
	}
	return steps
}
