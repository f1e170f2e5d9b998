package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// DefaultPoolSize is connection_pool_size.
const DefaultPoolSize = 1000

// ErrPoolFull is why a message to yet another server is not sent: every Client of the
// pool is in use.
var ErrPoolFull = errors.New("ConnectionFailed: the pool is full")

// Pool keeps a Client for each of several servers, up to a bound.
//
//	Call(address) ─ known ─▶ its Client
//	              └ new ─ room, or the Client is closed that was idle longest ─▶ New
//	                      └ all are in use: ErrPoolFull
//
// One session carries any number of calls, so there is one Client for an address.
// Its methods may be called by any number of goroutines.
type Pool struct {
	size   int
	config func(address string) (Config, error)

	mu      sync.Mutex
	clients map[string]*pooled
	taken   int    // places, those of clients that are being closed or made included
	clock   uint64 // counts uses
	metrics PoolMetrics
	closed  bool
}

type pooled struct {
	client *Client
	users  int
	used   uint64 // when it was used last
}

// PoolMetrics is what a Pool does and has done.
type PoolMetrics struct {
	Size    int    // most clients at a time
	Open    int    // clients now
	Opened  uint64 // clients made
	Reused  uint64 // messages that met a client
	Evicted uint64 // clients closed to make room
	Refused uint64 // messages that met a full pool
}

// NewPool returns an empty pool of size clients, or DefaultPoolSize for 0. config tells
// how to connect to an address, with its pins.
func NewPool(size int, config func(address string) (Config, error)) *Pool {
	if size <= 0 {
		size = DefaultPoolSize
	}
	return &Pool{size: size, config: config, clients: map[string]*pooled{}}
}

// Call is Client.Call at the server with an address.
func (p *Pool) Call(ctx context.Context, address string, m Message, dst []byte) ([]byte, error) {
	c, err := p.use(ctx, address)
	if err != nil {
		return dst, fmt.Errorf("xtmp: call: %w", &notSentError{cause: err})
	}
	defer p.leave(c)
	return c.client.Call(ctx, m, dst)
}

// Send is Client.Send at the server with an address.
func (p *Pool) Send(ctx context.Context, address string, m Message) error {
	c, err := p.use(ctx, address)
	if err != nil {
		return fmt.Errorf("xtmp: send: %w", &notSentError{cause: err})
	}
	defer p.leave(c)
	return c.client.Send(ctx, m)
}

// use returns the client of an address for a message, until leave.
func (p *Pool) use(ctx context.Context, address string) (*pooled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch c := p.clients[address]; {
		case p.closed:
			return nil, ErrClosed
		case c != nil:
			c.users++
			p.metrics.Reused++
			return c, nil
		case p.taken < p.size:
			return p.open(address)
		case !p.evict(ctx):
			p.metrics.Refused++
			return nil, ErrPoolFull
		}
	}
}

// open makes a client. The caller holds the lock.
func (p *Pool) open(address string) (*pooled, error) {
	cfg, err := p.config(address)
	if err != nil {
		return nil, err
	}
	client, err := New(address, cfg)
	if err != nil {
		return nil, err
	}
	c := &pooled{client: client, users: 1}
	p.clients[address] = c
	p.taken++
	p.metrics.Opened++
	return c, nil
}

// evict closes the client that nobody uses and that was used longest ago, if there is
// one. The caller holds the lock, which is released meanwhile.
func (p *Pool) evict(ctx context.Context) bool {
	var oldest *pooled
	var of string
	for address, c := range p.clients {
		if c.users == 0 && (oldest == nil || c.used < oldest.used) {
			oldest, of = c, address
		}
	}
	if oldest == nil {
		return false
	}
	delete(p.clients, of)
	p.metrics.Evicted++
	p.mu.Unlock()
	_ = oldest.client.Close(ctx) // it owes nothing
	p.mu.Lock()
	p.taken--
	return true
}

func (p *Pool) leave(c *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	c.users, c.used = c.users-1, p.clock
}

// Metrics returns what the pool does and has done.
func (p *Pool) Metrics() PoolMetrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.metrics
	m.Size, m.Open = p.size, p.taken
	return m
}

// Close closes every client, as Client.Close does. Whoever still calls gets ErrClosed.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	all := p.clients
	p.clients = map[string]*pooled{}
	p.taken -= len(all)
	p.mu.Unlock()
	errs := make(chan error, len(all))
	for _, c := range all {
		go func() { errs <- c.client.Close(ctx) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-errs)
	}
	return err
}
