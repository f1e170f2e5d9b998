package testkit

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"slices"

	"github.com/bpci/xtmp/spec"
)

// Values are named byte strings: the inputs of a function of the key schedule.
type Values map[string][]byte

// A Derivation is one run of a function of the key schedule. It computes a value
// when it is asked for; a value that was set wins over its step.
type Derivation struct {
	schedule spec.Schedule
	function spec.Function
	values   Values
	size     int // the number that SizeFrom names
	pending  []string
}

// A Named is a value with its name.
type Named struct {
	Name   string
	Bytes  []byte
	Secret bool
}

// Derive starts a run of the named function, such as "handshake". Inputs may be
// missing, or be set later, as long as no value needs them.
func Derive(function string, inputs Values) *Derivation {
	schedule := spec.Default().Schedule
	f, ok := schedule.Function(function)
	if !ok {
		panic(fmt.Sprintf("testkit: the key schedule has no function %q", function))
	}
	d := &Derivation{schedule: schedule, function: f, values: Values{}}
	for name, value := range inputs { //xtmp:unordered each goes into a map of its own name
		d.Set(name, value)
	}
	return d
}

// Set gives an input, or a value in place of the one that its step would give.
// Values that were computed before stay as they are.
func (d *Derivation) Set(name string, value []byte) {
	known := slices.ContainsFunc(d.function.Inputs, func(in spec.Input) bool { return in.Name == name })
	if _, step := d.function.Step(name); !known && !step {
		panic(fmt.Sprintf("testkit: function %s has no input or step %q", d.function.Name, name))
	}
	d.values[name] = slices.Clone(value)
}

// SetSize gives the number that a step with a size of the caller's choice names,
// which is n of Export.
func (d *Derivation) SetSize(size int) { d.size = size }

// Value returns a named value, computing what it needs.
func (d *Derivation) Value(name string) []byte {
	if value, ok := d.values[name]; ok {
		return value
	}
	if constant, ok := d.schedule.Constant(name); ok {
		return d.operand(constant.Value)
	}
	step, ok := d.function.Step(name)
	if !ok || slices.Contains(d.pending, name) {
		panic(fmt.Sprintf("testkit: function %s: %q is neither given nor derivable", d.function.Name, name))
	}
	d.pending = append(d.pending, name)
	value := d.run(step)
	d.pending = d.pending[:len(d.pending)-1]
	d.values[name] = value
	return value
}

// Trace returns every value that is known by now, inputs first, then steps, in the
// order of the registry.
func (d *Derivation) Trace() []Named {
	var known []Named
	add := func(name string, secret bool) {
		if value, ok := d.values[name]; ok {
			known = append(known, Named{Name: name, Bytes: value, Secret: secret})
		}
	}
	for _, in := range d.function.Inputs {
		add(in.Name, in.Secret)
	}
	for _, step := range d.function.Steps {
		add(step.Name, step.Secret)
	}
	return known
}

func (d *Derivation) run(s spec.Step) []byte {
	newHash := d.hash(s)
	switch s.Op {
	case spec.OpConcat:
		return d.operand(s.Parts)
	case spec.OpHash:
		h := newHash()
		h.Write(d.operand(s.Parts))
		return h.Sum(nil)
	case spec.OpHMAC:
		return hmacSum(newHash, d.operand(s.Key), d.operand(s.Parts))
	case spec.OpExtract:
		return hmacSum(newHash, d.operand(s.Salt), d.operand(s.IKM))
	case spec.OpExpand:
		return d.expand(newHash, s)
	case spec.OpXOR:
		return xor(d.operand(s.Left), d.operand(s.Right))
	case spec.OpTake:
		return d.operand(s.Parts)[:s.Size]
	}
	panic(fmt.Sprintf("testkit: step %s: no operation %q", s.Name, s.Op))
}

// expand is ExpandLabel of the package comment of spec.
func (d *Derivation) expand(newHash func() hash.Hash, s spec.Step) []byte {
	size := s.Size
	if s.SizeFrom != "" {
		size = d.size
	}
	label := slices.Concat(d.operand(d.schedule.LabelPrefix), d.operand(s.Label))
	context := d.operand(s.Context)
	info := slices.Concat(PutUint(uint64(size), 2), PutUint(uint64(len(label)), 1), label, PutUint(uint64(len(context)), 1), context)
	out, err := hkdf.Expand(newHash, d.operand(s.SecretIn), string(info), size)
	if err != nil {
		panic(fmt.Sprintf("testkit: step %s: %v", s.Name, err))
	}
	return out
}

func (d *Derivation) operand(o spec.Operand) []byte {
	var out []byte
	for _, term := range o {
		if term.Name == "" {
			out = append(out, term.Bytes...)
		} else {
			out = append(out, d.Value(term.Name)...)
		}
	}
	return out
}

func (d *Derivation) hash(s spec.Step) func() hash.Hash {
	name := s.Hash
	if name == "" {
		name = d.schedule.Hash
	}
	switch name {
	case "SHA-256":
		return sha256.New
	case "SHA-384":
		return sha512.New384
	}
	panic(fmt.Sprintf("testkit: step %s: no hash %q", s.Name, name))
}

func hmacSum(newHash func() hash.Hash, key, data []byte) []byte {
	mac := hmac.New(newHash, key)
	mac.Write(data)
	return mac.Sum(nil)
}

func xor(a, b []byte) []byte {
	out := slices.Clone(a)
	for i := range out {
		if i < len(b) {
			out[i] ^= b[i]
		}
	}
	return out
}
