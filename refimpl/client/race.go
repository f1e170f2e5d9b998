package client

import (
	"context"
	"sync/atomic"
	"time"
)

// raceDelay is T_RACE.
const raceDelay = 250 * time.Millisecond

// race is two attempts at a session, of which one goes on: the first to which the
// server proves itself. The other stops there, before its ClientFinish.
// [XTMP-UDP-068] [XTMP-UDP-069]
type race struct{ winner atomic.Pointer[Session] }

// won reports whether s goes on.
func (r *race) won(s *Session) bool {
	return r == nil || r.winner.CompareAndSwap(nil, s)
}

// attempt is what a dial came to.
type attempt struct {
	session *Session
	err     error
}

// dialBoth begins on UDP, and on TCP when T_RACE has passed, or UDP has failed. When
// both fail its error is that of TCP. [XTMP-UDP-067] [XTMP-UDP-070] [XTMP-UDP-071]
func dialBoth(ctx context.Context, address string, cfg Config) (*Session, error) {
	ctx, drop := context.WithCancel(ctx)
	defer drop()
	r := new(race)
	begin := func(dial func(context.Context, string, Config, *race) (*Session, error)) chan attempt {
		ended := make(chan attempt, 1)
		go func() {
			s, err := dial(ctx, address, cfg, r)
			ended <- attempt{s, err}
		}()
		return ended
	}
	onUDP := begin(dialUDP)
	delay := time.NewTimer(raceDelay)
	defer delay.Stop()
	select {
	case first := <-onUDP:
		if first.err == nil {
			return first.session, nil
		}
		return dialTCP(ctx, address, cfg, nil)
	case <-delay.C:
	}
	onTCP := begin(dialTCP)
	var first, second attempt
	select {
	case first = <-onUDP:
		if first.err == nil {
			drop()
		}
		second = <-onTCP
	case second = <-onTCP:
		if second.err == nil {
			drop()
		}
		first = <-onUDP
	}
	if first.err == nil {
		return first.session, nil
	}
	return second.session, second.err
}
