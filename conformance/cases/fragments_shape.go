package cases

import (
	"github.com/bpci/xtmp/conformance/peer"
)

// inconsistencies are the ways in which fragments may not fit together, by name.
func inconsistencies() []string {
	return []string{
		"count 0", "count 1", "index = count", "index 65535", "other count", "other flags", "first too short", "unequal", "last empty",
		"last longer", "last longer, first",
	}
}

// inconsistent cuts a body of at least 1100 bytes into fragments that do not fit
// together in the way named. The last of the drafts shows it.
func inconsistent(s *peer.Session, defect string, messageType uint8, flags uint16, body []byte) []*peer.Draft {
	cut := func(sizes ...int) []*peer.Draft {
		var pieces [][]byte
		rest := body
		for _, size := range sizes {
			pieces = append(pieces, rest[:size])
			rest = rest[size:]
		}
		return s.FragmentsOf(messageType, flags, pieces)
	}
	set := func(d *peer.Draft, field string, value uint64) { d.Plaintext.Prologue.SetUint(field, value) }
	switch defect {
	case "count 0", "count 1":
		drafts := cut(512)
		set(drafts[0], "count", uint64(defect[len(defect)-1]-'0'))
		return drafts
	case "index = count", "index 65535":
		drafts := cut(512)
		set(drafts[0], "count", 2)
		set(drafts[0], "index", map[string]uint64{"index = count": 2, "index 65535": 65_535}[defect])
		return drafts
	case "other count":
		drafts := cut(512, 512)
		set(drafts[1], "count", 3)
		return drafts
	case "other flags":
		drafts := cut(512, 512)
		prioritised(true)(drafts[1])
		return drafts
	case "first too short":
		return firstOf(s, cut(511, 500))
	case "unequal":
		drafts := cut(512, 513)
		set(drafts[0], "count", 3)
		set(drafts[1], "count", 3)
		return drafts
	case "last empty":
		return cut(512, 0)
	case "last longer":
		return cut(512, 513)
	case "last longer, first":
		drafts := cut(512, 513)
		resequence(drafts, func(d []*peer.Draft) { d[0], d[1] = d[1], d[0] })
		return drafts
	}
	panic("cases: no inconsistency is called " + defect)
}

// firstOf leaves the first draft: those behind it would come after the refusal.
func firstOf(s *peer.Session, drafts []*peer.Draft) []*peer.Draft {
	s.Rewind(len(drafts) - 1)
	return drafts[:1]
}
