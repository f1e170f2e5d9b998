//go:build linux

package transport

import (
	"net/netip"
	"sync"
	"time"

	"github.com/bpci/xtmp/refimpl/endpoint"
)

// admission is one Limiter for all loops, and the bound of the whole server.
type admission struct {
	mu          sync.Mutex
	limiter     *endpoint.Limiter
	connections int // half-open or live, until they are closed
	limit       int // negative: none
	parked      int // sessions
}

func newAdmission(limits endpoint.Limits, connections int) *admission {
	return &admission{limiter: endpoint.NewLimiter(limits), limit: connections}
}

// arrive and depart count the descriptors of each source.
func (a *admission) arrive(source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Arrive(source)
}

func (a *admission) depart(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limiter.Depart(source)
}

// Enter implements session.Admission.
func (a *admission) Enter(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections++
	a.limiter.Enter(source)
}

// Retain implements session.Admission.
func (a *admission) Retain(source netip.Addr, n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Retain(source, n)
}

// Pace implements session.Admission.
func (a *admission) Pace(now time.Duration, source netip.Addr) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Pace(now, source)
}

// Pass implements session.Admission.
func (a *admission) Pass(now time.Duration, source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Pass(now, source)
}

// MayReset implements session.Admission.
func (a *admission) MayReset(now time.Duration, source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.MayReset(now, source)
}

// Admit implements session.Admission. The asking connection does not count
// against itself.
func (a *admission) Admit(source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limit >= 0 && a.connections > a.limit {
		return false
	}
	return a.limiter.Admit(source)
}

// AdmitPath implements session.Admission.
func (a *admission) AdmitPath(source netip.Addr, halfOpen bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.AdmitPath(source, halfOpen)
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
	a.connections--
	a.limiter.Leave(source, settled)
}

// Park implements session.Admission.
func (a *admission) Park(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections--
	a.parked++
	a.limiter.Park(source)
}

// waiting returns how many sessions are parked.
func (a *admission) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parked
}

// Unpark implements session.Admission.
func (a *admission) Unpark(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections++
	a.parked--
	a.limiter.Unpark(source)
}

// Hold implements session.Admission.
func (a *admission) Hold(source netip.Addr, n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limiter.Hold(source, n)
}
