package world

import (
	"errors"

	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// forsakenAfter is the least time without a path after which a client gives its session
// up: three attempts to attach that came to nothing.
const forsakenAfter = 3 * vtime.Second

// unknown judges the end of a session by which n calls end unknown: one that may get
// further paths lives on, unless its server was started anew or gave it up, the
// network was away, it has grown old, or a change of keys got stuck.
func (w *Watch) unknown(c *Client, s *session.Session, n int) {
	why := s.Err()
	r := w.sessions[s.ID()]
	if !w.attachable[c.line.To] || r == nil || !r.proved || !r.established { // its server never had it
		return
	}
	switch {
	case w.boots[c.line.To] != c.boots, r.over:
	case r.establishedAt >= c.pathless: // its server had only half of it when another path was tried
	case errors.Is(why, session.ErrForgotten) && c.pathless != vtime.Never && w.now()-c.pathless >= forsakenAfter:
	case excused(why):
	default:
		w.fail(checkKnown, "%s: %d calls end unknown with a session that could have lived on: %v", c.line.Host, n, why)
	}
}

// excused says whether a session may end so whatever paths it has.
func excused(why error) bool {
	var coded *session.Error
	return errors.As(why, &coded) &&
		(coded.Code == wire.SessionExpired || coded.Code == wire.KeyLimit || coded.Code == wire.RekeyFailed)
}

// parkTimeout is T_PARK_ANON, as clocks measure it that run wrong.
const parkTimeout = 59 * vtime.Second

// forgotten judges the end of a session at a server that could have kept it.
func (w *Watch) forgotten(host string, r *record, why error) {
	if !w.attachable[host] || r == nil || !r.established {
		return
	}
	var coded *session.Error
	switch {
	case errors.Is(why, session.ErrClosed), errors.As(why, &coded):
	case errors.Is(why, session.ErrForgotten) && w.now()-r.pathless[session.Server] >= parkTimeout:
	case w.bulky: // more replies may wait than a session without a path keeps
	default:
		w.fail(checkKnown, "%s gives up a session that could have been parked: %v", host, why)
	}
}

// bulky says whether more may wait to be acknowledged than a parked session keeps.
func (p *Plan) bulky() bool {
	for i := range p.Calls {
		if c := &p.Calls[i]; c.Requests > parkedMessages || c.Requests*(c.Size+wire.ProbeHeader) > parkedBytes {
			return true
		}
	}
	return false
}

// Bounds of what a parked session keeps.
const (
	parkedMessages = 256
	parkedBytes    = 1 << 20
)
