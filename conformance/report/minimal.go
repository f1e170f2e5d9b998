package report

import (
	"slices"
	"strings"

	"github.com/bpci/xtmp/conformance"
)

// minimalParams finds the fewest params that explain which instances of a case
// fail: each of its lines is a combination of values with which every instance
// that ran failed, and no smaller one explains it. The list is empty if nothing
// failed, or if everything did, which always says.
func minimalParams(instances []Case) (list []string, always bool) {
	var failed, ran []Case
	for _, c := range instances {
		switch conformance.Verdict(c.Verdict) {
		case conformance.Fail, conformance.Warn:
			failed = append(failed, c)
			ran = append(ran, c)
		case conformance.Pass, conformance.PassTolerated:
			ran = append(ran, c)
		default: // nothing was found out
		}
	}
	if len(failed) == 0 || len(failed[0].Params) == 0 || len(ran) < 2 {
		return nil, false
	}
	if len(failed) == len(ran) {
		return nil, true
	}
	var found [][]Param
	for _, c := range failed {
		for _, set := range subsets(c.Params) {
			part := func(known []Param) bool { return contains(set, known) }
			if slices.ContainsFunc(found, part) {
				continue
			}
			if allFail(ran, set) {
				found = append(found, set)
				break
			}
		}
	}
	return lines(found), false
}

// subsets are the choices of a case's params, small ones first, up to
// maxSubsetParams of them; a case has few.
func subsets(params []Param) (sets [][]Param) {
	params = params[:min(len(params), maxSubsetParams)]
	for bits := 1; bits < 1<<len(params); bits++ {
		var set []Param
		for i, p := range params {
			if bits>>i&1 == 1 {
				set = append(set, p)
			}
		}
		sets = append(sets, set)
	}
	slices.SortStableFunc(sets, func(a, b []Param) int { return len(a) - len(b) })
	return sets
}

const maxSubsetParams = 6

// contains reports whether a set has all params of another.
func contains(set, part []Param) bool {
	return !slices.ContainsFunc(part, func(p Param) bool { return !slices.Contains(set, p) })
}

func allFail(ran []Case, set []Param) bool {
	for _, c := range ran {
		verdict := conformance.Verdict(c.Verdict)
		if contains(c.Params, set) && verdict.Passed() {
			return false
		}
	}
	return true
}

// lines writes sets of params, one a line, and says how many are left out.
func lines(sets [][]Param) (list []string) {
	for _, set := range sets[:min(len(sets), maxMinimal)] {
		var words []string
		for _, p := range set {
			words = append(words, p.Name+"="+p.Value)
		}
		list = append(list, strings.Join(words, ", "))
	}
	if len(sets) > maxMinimal {
		list = append(list, "…")
	}
	return list
}

const maxMinimal = 8
