package slab

import (
	"testing"

	"pgregory.net/rapid"
)

type value struct {
	n     uint64
	other *value
}

// Whatever is taken and given back, no two holders share a value and each gets a
// zero one.
func TestSlab(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Slab[value]
		held := map[*value]uint64{}
		var order []*value
		for n := uint64(1); n < 300; n++ {
			if len(order) > 0 && rapid.Bool().Draw(t, "give") {
				i := rapid.IntRange(0, len(order)-1).Draw(t, "which")
				v := order[i]
				if v.n != held[v] {
					t.Fatalf("a value that holds %d was changed to %d", held[v], v.n)
				}
				order = append(order[:i], order[i+1:]...)
				delete(held, v)
				s.Give(v)
				continue
			}
			v := s.Take()
			if _, twice := held[v]; twice || *v != (value{}) {
				t.Fatalf("Take returned %+v, held already: %t", *v, twice)
			}
			v.n, v.other = n, v
			held[v] = n
			order = append(order, v)
		}
	})
}

func TestSlabUsesAgain(t *testing.T) {
	var s Slab[[1 << 17]byte] // larger than a block
	v := s.Take()
	if s.Take() == v {
		t.Error("two holders share a value")
	}
	s.Give(v)
	if s.Take() != v {
		t.Error("what was given back is not taken again")
	}
	if n := testing.AllocsPerRun(100, func() { s.Give(s.Take()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
