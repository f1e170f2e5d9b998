//go:build linux

package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bpci/xtmp/refimpl/handler"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	busyRetryAfter = 100 * time.Millisecond // told to a client whose request meets a full queue
	stopLeast      = time.Second            // handlers have so long to notice the end of their context
)

// pools is where requests are executed that may block: one pool for each message
// family, so that slow requests of one do not hold up the others.
//
//	loop ─ submit ─▶ queue of the family ─▶ worker: Handler ─ post ─▶ loop ─▶ endpoint.Reply
//	           └ full: SERVER_BUSY
type pools struct {
	handlers map[wire.MessageType]Handler
	families [familyCount]*pool
	log      *slog.Logger
	workers  sync.WaitGroup
}

// family is the index of a pool.
type family uint8

const (
	familyWallet family = iota
	familyBundle
	familyRegistry
	familyStream
	familyOther
	familyCount
)

// familyOf is the family of a message type: its high half.
func familyOf(t wire.MessageType) family {
	if high := t >> 4; high >= 1 && high <= 4 {
		return family(high - 1)
	}
	return familyOther
}

// pool is the queue and the workers of one family.
type pool struct {
	name     string
	workers  int
	queue    chan task
	busy     atomic.Int64
	handled  atomic.Uint64
	rejected atomic.Uint64
	panics   atomic.Uint64
}

// task is a request on its way to a worker, and the loop that awaits the reply.
type task struct {
	loop *loop
	op   handler.Op
}

func newPools(cfg *Config) (*pools, error) {
	w := cfg.Workers.withDefaults()
	size := cfg.QueueSize
	if size == 0 {
		size = DefaultQueueSize
	}
	if min(w.Wallet, w.Bundle, w.Registry, w.Stream, w.Other, size) < 1 {
		return nil, errors.New("xtmp: a pool of handlers needs a worker and a place in its queue")
	}
	for t, h := range cfg.Handlers {
		if t < handler.FirstOp || t > handler.LastOp || h == nil {
			return nil, fmt.Errorf("xtmp: a handler for %v: handlers are for types from 0x10 to 0x6f, and not nil", t)
		}
	}
	p := &pools{handlers: cfg.Handlers, log: cfg.Log}
	for f, own := range [familyCount]struct {
		name    string
		workers int
	}{
		{"wallet", w.Wallet}, {"bundle", w.Bundle}, {"registry", w.Registry}, {"stream", w.Stream}, {"other", w.Other},
	} {
		p.families[f] = &pool{name: own.name, workers: own.workers, queue: make(chan task, size)}
	}
	return p, nil
}

// types lists what there are handlers for.
func (p *pools) types() (types []wire.MessageType) {
	for t := range p.handlers {
		types = append(types, t)
	}
	return types
}

// start starts the workers. The context is that of every request.
func (p *pools) start(ctx context.Context) {
	for _, f := range p.families {
		for range f.workers {
			p.workers.Go(func() { p.work(ctx, f) })
		}
	}
}

// submit queues a request, or reports that the queue is full. It does not block.
func (p *pools) submit(t task) bool {
	f := p.families[familyOf(t.op.Call.Type)]
	select {
	case f.queue <- t:
		return true
	default:
		f.rejected.Add(1)
		return false
	}
}

// work is one worker.
func (p *pools) work(ctx context.Context, f *pool) {
	for t := range f.queue {
		if ctx.Err() != nil {
			continue // every session is gone
		}
		f.busy.Add(1)
		reply, why := p.execute(ctx, f, &t.op)
		f.busy.Add(-1)
		f.handled.Add(1)
		t.loop.post(func(now session.Now) { t.loop.answer(now, &t.op, reply, why) })
	}
}

// execute runs the handler of a request. What a handler does wrong is the
// client's INTERNAL and the operator's line in the log.
func (p *pools) execute(ctx context.Context, f *pool, op *handler.Op) (reply []byte, why *session.Error) {
	log := p.log.With("type", op.Call.Type.String(), "session_id", op.SessionID)
	defer func() {
		if r := recover(); r != nil {
			f.panics.Add(1)
			log.Error("a handler panics", slog.String("panic", fmt.Sprint(r)), slog.String("stack", string(debug.Stack())))
			reply, why = nil, &session.Error{Code: wire.Internal}
		}
	}()
	reply, err := p.handlers[op.Call.Type](ctx, Request{SessionID: op.SessionID, Type: op.Call.Type, Body: op.Body})
	if err == nil && len(reply) > handler.MaxReply {
		err = fmt.Errorf("a reply of %d bytes, and %d is the limit", len(reply), handler.MaxReply)
	}
	var coded *session.Error
	switch {
	case err == nil:
		return reply, nil
	case errors.As(err, &coded) && coded != nil && coded.Code != wire.NoError:
		return nil, coded
	default:
		log.Error("a handler fails", slog.Any("error", err))
		return nil, &session.Error{Code: wire.Internal}
	}
}

// stop ends the workers once no loop submits any more. Handlers that run have
// until limit; it returns how many run longer.
func (p *pools) stop(limit time.Duration) (left int) {
	for _, f := range p.families {
		close(f.queue)
	}
	ended := make(chan struct{})
	go func() {
		p.workers.Wait()
		close(ended)
	}()
	timer := time.NewTimer(max(limit, stopLeast))
	defer timer.Stop()
	select {
	case <-ended:
		return 0
	case <-timer.C:
	}
	for _, f := range p.families {
		left += int(f.busy.Load())
	}
	return left
}

// metrics reads what the pools do.
func (p *pools) metrics() (all []PoolMetrics) {
	for _, f := range p.families {
		all = append(all, PoolMetrics{
			Family: f.name, Workers: f.workers, Busy: int(f.busy.Load()), Depth: len(f.queue), Capacity: cap(f.queue),
			Handled: f.handled.Load(), Rejected: f.rejected.Load(), Panics: f.panics.Load(),
		})
	}
	return all
}

// submit gives the requests that sessions have delivered to the pools, and
// reports whether there were any.
func (l *loop) submit(now session.Now) bool {
	found := false
	for op, ok := l.router.NextOp(); ok; op, ok = l.router.NextOp() {
		found = true
		if !l.server.pools.submit(task{l, op}) {
			l.answer(now, &op, nil, &session.Error{Code: wire.ServerBusy, RetryAfter: busyRetryAfter, Text: "too many requests wait"})
		}
	}
	return found
}

// answer answers an executed request, if its session still lives.
func (l *loop) answer(now session.Now, op *handler.Op, reply []byte, why *session.Error) {
	l.router.Done(l.endpoint.Find(op.SessionID), op)
	if why != nil {
		l.endpoint.ReplyError(now, op.SessionID, op.Call, why)
		return
	}
	l.endpoint.Reply(now, op.SessionID, op.Call, reply)
}
