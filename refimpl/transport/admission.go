package transport

import (
	"net/netip"
	"sync"

	"github.com/bpci/xtmp/refimpl/endpoint"
)

// admission is one Limiter for all loops.
type admission struct {
	mu      sync.Mutex
	limiter *endpoint.Limiter
}

// Enter implements session.Admission.
func (a *admission) Enter(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limiter.Enter(source)
}

// Admit implements session.Admission.
func (a *admission) Admit(source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Admit(source)
}

// Settle implements session.Admission.
func (a *admission) Settle(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limiter.Settle(source)
}

// Leave implements session.Admission.
func (a *admission) Leave(source netip.Addr, settled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limiter.Leave(source, settled)
}

// Hold implements session.Admission.
func (a *admission) Hold(source netip.Addr, n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Hold(source, n)
}
