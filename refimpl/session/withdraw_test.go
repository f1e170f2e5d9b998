package session

import (
	"errors"
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
)

// owners returns the owners of what was delivered.
func (r *recorder) owners() (all []any) {
	for _, m := range r.got {
		all = append(all, m.Owner)
	}
	return all
}

// queue queues requests with the owners 1 … n, of one byte each; each third has
// priority.
func (p *pair) queue(n int) {
	p.t.Helper()
	for i := 1; i <= n; i++ {
		if err := p.client.Send(p.now, &Request{Type: wire.TypeProbe, Owner: i, Body: []byte{0}, Priority: i%3 == 0}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func TestWithdraw(t *testing.T) {
	const n = 6
	for owner := 0; owner <= n+1; owner++ {
		var got recorder
		p := newPair(t, func(p *pair) { p.clientCfg.Application = &got })
		p.connect()
		p.established()
		p.queue(n)
		known := owner >= 1 && owner <= n
		if p.client.Withdraw(owner) != known || p.client.Withdraw(owner) {
			t.Errorf("Withdraw(%d) is wrong, or it succeeds twice", owner)
		}
		want := n
		if known {
			want--
		}
		if messages, bytes := p.client.Queued(); messages != want || bytes != want {
			t.Errorf("without %d, %d messages of %d bytes wait", owner, messages, bytes)
		}
		p.queue(1) // behind whatever is last now
		p.settle() // the server knows no Probe
		if slices.Contains(got.owners(), any(owner)) != (owner == 1) || len(got.owners()) != want+1 {
			t.Errorf("without %d, these are answered: %v", owner, got.owners())
		}
		if p.client.Withdraw(n) {
			t.Error("a request that was sent was withdrawn")
		}
	}
}

// What was never sealed comes back when the session ends; what was, does not.
func TestNotSent(t *testing.T) {
	var got recorder
	p := newPair(t, func(p *pair) { p.clientCfg.Application = &got })
	p.connect()
	p.established()
	p.queue(2)
	p.client.AppendOutput(p.now, 0, nil) // and it is lost
	p.queue(3)
	p.client.Lost(p.now, 0)
	if !slices.Equal(got.owners(), []any{3, 1, 2}) || got.ended != 1 {
		t.Errorf("delivered %v, ended %d times; want the three of the second batch", got.owners(), got.ended)
	}
	for _, m := range got.got {
		if !errors.Is(m.Err, ErrNotSent) {
			t.Errorf("delivered with %v", m.Err)
		}
	}
}
