package cases

import (
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// accepts is the table of a positive case.
func accepts() conformance.Expect {
	return conformance.Expect{Strict: conformance.Rows(conformance.Accepted())}
}

// closes is the table of a case whose bytes have to be answered by closing
// silently.
func closes(because ...string) conformance.Expect {
	return conformance.Expect{
		Strict: conformance.Closed(because...),
		Forbidden: []conformance.Reaction{
			conformance.Row(conformance.Accepted(), "the bytes had an effect"),
			conformance.Row(conformance.Ignored(), "the connection has to end"),
			conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.AnyScope), "the close has to be silent"),
		},
	}
}

// violates is the table of a case whose frame is a violation of that name: a
// sealed Error of scope 2, then the end [XTMP-ERR-027].
func violates(name string, because ...string) conformance.Expect {
	return fails(conformance.ErrorFrame(code(name), conformance.ScopeSession), because...)
}

// refuses is the table of a first frame that gets a clear Error of that name,
// scope 1, then the end.
func refuses(name string, because ...string) conformance.Expect {
	return fails(conformance.ErrorFrame(code(name), conformance.ScopePath), because...)
}

// fails is the table of a case that has to be answered with one Error.
func fails(o conformance.Observation, because ...string) conformance.Expect {
	return conformance.Expect{
		Strict: []conformance.Reaction{conformance.Row(o, because...)},
		Forbidden: []conformance.Reaction{
			conformance.Row(conformance.Accepted(), "the bytes had an effect"),
			conformance.Row(conformance.Ignored(), "an Error is due"),
			conformance.Row(conformance.CleanClose(), "an Error is due before the end"),
			conformance.Row(conformance.Reset(), "an Error is due before the end"),
		},
	}
}

// ignores is the table of a case whose frame must have no effect.
func ignores(because ...string) conformance.Expect {
	return conformance.Expect{
		Strict: []conformance.Reaction{conformance.Row(conformance.Ignored(), because...)},
		Forbidden: append(conformance.Closed("the session has to go on"),
			conformance.Row(conformance.Accepted(), "an answer is not due"),
			conformance.Row(conformance.ErrorFrame(conformance.AnyCode, conformance.AnyScope), "an Error is not due")),
	}
}

// explain is what a person reads about a case that failed.
func explain(why, sends string, causes ...string) conformance.Explain {
	return conformance.Explain{Why: why, Sends: sends, UsualCauses: causes}
}

// param is one dimension of a case.
func param(name string, values ...string) conformance.Param {
	return conformance.Param{Name: name, Values: values}
}

// hexes writes numbers as values of a param.
func hexes(digits int, numbers ...uint64) []string {
	list := make([]string, 0, len(numbers))
	for _, n := range numbers {
		list = append(list, fmt.Sprintf("0x%0*X", digits, n))
	}
	return list
}

// flag is the value of a header flag.
func flag(names ...string) (flags uint16) {
	for _, name := range names {
		flags |= testkit.FlagValue(name)
	}
	return flags
}

// code is the number of an error code.
func code(name string) int {
	for _, e := range spec.Default().Errors {
		if e.Name == name {
			return int(e.Code)
		}
	}
	panic("cases: the registry has no error code " + name)
}

// size is a limit of the registry.
func size(name string) int {
	limit, ok := spec.Default().Limit(name)
	if !ok {
		panic("cases: the registry has no limit " + name)
	}
	return int(limit.Value)
}
