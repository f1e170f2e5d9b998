package session

import (
	"encoding/binary"

	"github.com/bpci/xtmp/refimpl/wire"
)

// pinger is the state of the PINGs that this endpoint sends. A PING carries a
// token, 8 bytes, that counts up; a PONG answers its own token and all before.
type pinger struct {
	last   uint64 // token of the last PING asked for
	wanted bool   // it has not been sealed
}

// Ping asks for a PING and returns its token, which EventPong will carry. It
// reports false where there is no session.
func (s *Session) Ping() (token uint64, ok bool) {
	if s.state != Established {
		return 0, false
	}
	s.ping.last++
	s.ping.wanted = true
	return s.ping.last, true
}

func (s *Session) appendPing(now Now, p *Path, dst []byte) []byte {
	s.ping.wanted = false
	var body [9]byte
	body[0] = byte(wire.Ping)
	binary.BigEndian.PutUint64(body[1:], s.ping.last)
	return s.seal(now, p, dst, wire.TypeHeartbeat, 0, nil, body[:])
}

// receivePong reports an answer to one of our PINGs; a PONG that answers none
// has shown that the path lives, and that is all.
func (s *Session) receivePong(data []byte) {
	if len(data) != 8 {
		return
	}
	token := binary.BigEndian.Uint64(data)
	if token == 0 || token > s.ping.last {
		return
	}
	s.event(Event{Kind: EventPong, Token: token})
}
