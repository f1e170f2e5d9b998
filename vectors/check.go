package vectors

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"

	"github.com/bpci/xtmp/spec"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A Problem is something that is wrong with a vector.
type Problem struct {
	ID   string // of the vector, or the file's path
	What string
}

func (p Problem) String() string { return p.ID + ": " + p.What }

// Check goes through the embedded vectors and returns what is wrong with them:
// nothing, in a sound release.
func Check() []Problem { return CheckFiles(embedded) }

// CheckFiles is Check for any tree of vector files, such as a copy.
func CheckFiles(tree fs.FS) []Problem {
	all, err := LoadAll(tree)
	var found []Problem
	if err != nil {
		found = append(found, Problem{ID: ".", What: err.Error()})
	}
	for _, v := range all {
		for _, what := range v.check() {
			found = append(found, Problem{ID: v.ID, What: what})
		}
	}
	if len(all) == 0 {
		found = append(found, Problem{ID: ".", What: "there are no vectors"})
	}
	return found
}

func (v Vector) check() []string {
	found := v.checkHeader()
	for i, step := range v.Steps {
		found = append(found, v.checkStep(i, step)...)
	}
	if v.Kind == KindValues {
		found = append(found, v.checkValues()...)
	}
	if v.Kind == KindFlow || v.Kind == KindPaths {
		found = append(found, v.checkFlow()...)
	}
	return found
}

func (v Vector) checkHeader() (found []string) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, id := range v.Req {
		if _, ok := spec.Default().Requirement(id); !ok {
			add("there is no requirement %s", id)
		}
	}
	if !slices.Contains(kinds, v.Kind) {
		add("there is no kind %q", v.Kind)
	}
	if v.Expect.Result == Invalid && !isClass(v.Expect.Class) {
		add("there is no class %q", v.Expect.Class)
	}
	if v.Expect.Result == Invalid && !slices.Contains(stages, v.Expect.Stage) {
		add("there is no stage %q", v.Expect.Stage)
	}
	if v.Effect != "" && (!slices.Contains(effects, v.Effect) || v.Expect.Result == Invalid) {
		add("effect %q is unknown, or stands beside an invalid step", v.Effect)
	}
	if v.Needs != "" && !slices.ContainsFunc(spec.Default().Profiles, func(p spec.Profile) bool { return p.Name == v.Needs }) {
		add("there is no profile %q", v.Needs)
	}
	judged := v.Kind == KindFrame || v.Kind == KindHeader || v.Kind == KindStream || v.Kind == KindDatagram
	if judged != (v.Receiver != "") || !slices.Contains(states[v.Receiver], v.State) && judged {
		add("receiver %q and state %q do not go with kind %s", v.Receiver, v.State, v.Kind)
	}
	if judged && (len(v.Steps) == 0 || v.Last().From == v.Receiver) {
		add("the last step is not one that the %s receives", v.Receiver)
	}
	return found
}

// checkStep holds a step to what it says: the checksum is right unless that is the
// point, and the plaintext is what the frame holds.
func (v Vector) checkStep(i int, step Step) (found []string) {
	f, rest, whole := testkit.DecodeFrame(step.Frame)
	last := i == len(v.Steps)-1
	part := last && (v.Kind == KindHeader || v.Kind == KindStream || v.Kind == KindDatagram && v.Expect.Stage == "check1")
	if (!whole || len(rest) > 0) && !part {
		return append(found, fmt.Sprintf("step %d is not one whole frame", i+1))
	}
	spoiled := last && v.Expect.Stage == "check7"
	if right := f.Header.Uint("checksum") == uint64(testkit.Checksum(step.Frame)); whole && len(rest) == 0 && right == spoiled {
		found = append(found, fmt.Sprintf("step %d: the checksum is right: %t", i+1, right))
	}
	if step.Plaintext == nil {
		return found
	}
	keys, ok := v.keysOf(f)
	if !ok {
		return append(found, fmt.Sprintf("step %d has a plaintext and no value that gives its key", i+1))
	}
	if opened, err := f.Open(keys); err != nil || !bytes.Equal(opened, step.Plaintext) {
		found = append(found, fmt.Sprintf("step %d does not hold its plaintext", i+1))
	}
	return found
}

// keysOf finds the keys of a sealed frame among the values: the traffic secret ts,
// or the slots of a flow.
func (v Vector) keysOf(f *testkit.Frame) (testkit.Keys, bool) {
	secrets := [][]byte{v.GivenValue("ts"), v.GivenValue("next_ts"), v.GivenValue("old_ts")}
	for _, slot := range slotNames() {
		secrets = append(secrets, v.ResultValue(slot+".ts"))
	}
	for _, name := range []string{"c_hs", "s_hs"} {
		secrets = append(secrets, v.ResultValue(name))
	}
	for _, ts := range secrets {
		if ts == nil {
			continue
		}
		if keys := testkit.DeriveKeys(ts); bytes.Equal(keys.KeyID, f.Header.Bytes("key_id")) {
			return keys.For(v.suite()), true
		}
	}
	return testkit.Keys{}, false
}

// suite returns the suite of the session.
func (v Vector) suite() uint8 {
	if suite := v.GivenValue("suite"); suite != nil {
		return suite[0]
	}
	return testkit.SuiteAES256GCM
}

// checkValues runs the function of the key schedule and compares every result.
func (v Vector) checkValues() (found []string) {
	f, ok := spec.Default().Schedule.Function(v.Function)
	if !ok {
		return []string{fmt.Sprintf("there is no function %q", v.Function)}
	}
	d := testkit.Derive(v.Function, nil)
	for _, given := range v.Given {
		if _, step := f.Step(given.Name); !step && !slices.ContainsFunc(f.Inputs, func(in spec.Input) bool { return in.Name == given.Name }) {
			return []string{fmt.Sprintf("function %s does not take %s", v.Function, given.Name)}
		}
		d.Set(given.Name, given.Bytes)
	}
	for _, result := range v.Result {
		step, ok := f.Step(result.Name)
		if !ok {
			found = append(found, fmt.Sprintf("function %s gives no %s", v.Function, result.Name))
			continue
		}
		if step.SizeFrom != "" {
			d.SetSize(len(result.Bytes))
		}
		if got := d.Value(result.Name); !bytes.Equal(got, result.Bytes) {
			found = append(found, fmt.Sprintf("%s is %x, the file has %x", result.Name, got, result.Bytes))
		}
	}
	return found
}
