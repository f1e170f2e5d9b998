package client

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ping is a call of Ping that waits for its PONG.
type ping struct {
	token uint64
	pong  chan struct{}
}

// Ping sends a PING and waits for its PONG. It returns the round-trip time, or
// the error of ctx or of the session.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	start := s.clock().Elapsed
	s.mu.Lock()
	token, ok := s.core.Ping()
	if !ok {
		s.mu.Unlock()
		return 0, fmt.Errorf("xtmp: ping: %w", s.over())
	}
	p := ping{token: token, pong: make(chan struct{})}
	s.pings = append(s.pings, p)
	s.kick()
	s.mu.Unlock()
	select {
	case <-p.pong:
	case <-s.ended:
		if !s.forget(p) {
			break
		}
		return 0, fmt.Errorf("xtmp: ping: %w", s.Err())
	case <-ctx.Done():
		if !s.forget(p) {
			break
		}
		return 0, fmt.Errorf("xtmp: ping: %w", context.Cause(ctx))
	}
	return s.clock().Elapsed - start, nil
}

// forget stops waiting for a PONG. It reports false if the PONG is there.
func (s *Session) forget(p ping) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.pings)
	s.pings = slices.DeleteFunc(s.pings, func(q ping) bool { return q.token == p.token })
	return len(s.pings) < n
}

// answer ends every Ping up to token: the server may answer the newest only. The
// caller holds the lock.
func (s *Session) answer(token uint64) {
	waiting := s.pings[:0]
	for _, p := range s.pings {
		if p.token <= token {
			close(p.pong)
		} else {
			waiting = append(waiting, p)
		}
	}
	clear(s.pings[len(waiting):])
	s.pings = waiting
}
