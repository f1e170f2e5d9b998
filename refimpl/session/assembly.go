package session

import "github.com/bpci/xtmp/refimpl/wire"

// assembly is a handshake message on UDP, of which some fragments are there.
//
//	first fragment ─▶ begun ─ the others, in any order ─▶ whole
//
// Its memory is what the first fragment says the message takes: 8192 bytes at most.
type assembly struct {
	body   []byte // nil before the first fragment
	hsType wire.HSType
	have   uint8 // a bit per index
}

// add takes a fragment and reports whether the message is whole now. What belongs
// to another message, and what is there already, is dropped.
// [XTMP-UDP-022] [XTMP-UDP-023] [XTMP-UDP-024]
func (a *assembly) add(f *wire.Fragment, piece []byte) bool {
	if a.body == nil {
		a.hsType, a.body = f.HSType, make([]byte, f.Total)
	}
	if f.HSType != a.hsType || int(f.Total) != len(a.body) || a.have&(1<<f.Index) != 0 {
		return false
	}
	copy(a.body[int(f.Index)*wire.HandshakeFragment:], piece)
	a.have |= 1 << f.Index
	return a.whole()
}

// whole reports whether every fragment is there.
func (a *assembly) whole() bool {
	count := (len(a.body) + wire.HandshakeFragment - 1) / wire.HandshakeFragment
	return count > 0 && int(a.have) == 1<<count-1
}
