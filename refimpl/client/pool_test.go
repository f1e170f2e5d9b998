package client

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// servers starts n servers and returns a pool of size clients for them.
func servers(t *testing.T, n, size int) (*Pool, []string) {
	t.Helper()
	cfgs := map[string]Config{}
	var addresses []string
	for range n {
		cfg, address := loopback(t)
		cfgs[address] = cfg
		addresses = append(addresses, address)
	}
	p := NewPool(size, func(address string) (Config, error) {
		cfg, ok := cfgs[address]
		if !ok {
			return cfg, errors.New("nobody knows " + address)
		}
		return cfg, nil
	})
	t.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return p, addresses
}

func TestPoolReuse(t *testing.T) {
	p, at := servers(t, 2, 0)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := p.Call(t.Context(), at[i%2], echo([]byte("hello")), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if m := p.Metrics(); m != (PoolMetrics{Size: DefaultPoolSize, Open: 2, Opened: 2, Reused: 18}) {
		t.Errorf("%+v", m)
	}
	if _, err := p.Call(t.Context(), "nowhere:1", echo(nil), nil); !errors.Is(err, ErrNotSent) {
		t.Errorf("a server that is not configured: %v", err)
	}
	if m := p.Metrics(); m.Open != 2 {
		t.Errorf("%+v", m)
	}
}

// A pool closes who was idle longest, and nobody who is in use.
func TestPoolLimit(t *testing.T) {
	p, at := servers(t, 3, 2)
	call := func(i int) error {
		_, err := p.Call(t.Context(), at[i], echo([]byte("hello")), nil)
		return err
	}
	for _, i := range []int{0, 1, 0, 2, 0} { // 2 takes the place of 1
		if err := call(i); err != nil {
			t.Fatal(err)
		}
	}
	if m := p.Metrics(); m != (PoolMetrics{Size: 2, Open: 2, Opened: 3, Reused: 2, Evicted: 1}) {
		t.Errorf("%+v", m)
	}
	var busy []*pooled
	for _, i := range []int{0, 2} {
		c, err := p.use(t.Context(), at[i])
		if err != nil {
			t.Fatal(err)
		}
		busy = append(busy, c)
	}
	if err := call(1); !errors.Is(err, ErrPoolFull) || !errors.Is(err, ErrNotSent) || Class(err) != "ConnectionFailed" {
		t.Errorf("a third server while both are in use: %v", err)
	}
	if m := p.Metrics(); m.Refused != 1 || m.Open != 2 {
		t.Errorf("%+v", m)
	}
	p.leave(busy[1])
	if err := call(1); err != nil {
		t.Error(err)
	}
	p.leave(busy[0])
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := call(0); !errors.Is(err, ErrClosed) {
		t.Errorf("a pool that is closed: %v", err)
	}
	if m := p.Metrics(); m.Open != 0 {
		t.Errorf("%+v", m)
	}
}

// However many servers are called at once, there are never more clients than places.
func TestPoolUnderLoad(t *testing.T) {
	const size = 2
	p, at := servers(t, 5, size)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 20 {
				_, err := p.Call(t.Context(), at[(i+k)%len(at)], echo([]byte("hello")), nil)
				if err != nil && !errors.Is(err, ErrPoolFull) {
					t.Error(err)
				}
				if n := p.Metrics().Open; n > size {
					t.Errorf("%d clients", n)
				}
			}
		})
	}
	all.Wait()
}
