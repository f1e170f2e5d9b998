package world

import (
	"net/netip"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
)

// admission is the product's limiter, and adds up what it is told, so that what
// sessions hold and never give back shows.
type admission struct {
	*endpoint.Limiter
	half, settled    int // sessions
	parked           int // of the settled, those without a path
	memory, retained int // bytes
}

func newAdmission() *admission { return &admission{Limiter: endpoint.NewLimiter(endpoint.Limits{})} }

// Enter implements session.Admission.
func (a *admission) Enter(source netip.Addr) {
	a.half++
	a.Limiter.Enter(source)
}

// Settle implements session.Admission.
func (a *admission) Settle(source netip.Addr) {
	a.half--
	a.settled++
	a.Limiter.Settle(source)
}

// Leave implements session.Admission.
func (a *admission) Leave(source netip.Addr, settled bool) {
	if settled {
		a.settled--
	} else {
		a.half--
	}
	a.Limiter.Leave(source, settled)
}

// Park implements session.Admission.
func (a *admission) Park(source netip.Addr) {
	a.parked++
	a.Limiter.Park(source)
}

// Unpark implements session.Admission.
func (a *admission) Unpark(source netip.Addr) {
	a.parked--
	a.Limiter.Unpark(source)
}

// Hold implements session.Admission.
func (a *admission) Hold(source netip.Addr, n int) bool {
	a.memory += n
	return a.Limiter.Hold(source, n)
}

// Retain implements session.Admission.
func (a *admission) Retain(source netip.Addr, n int) bool {
	a.retained += n
	return a.Limiter.Retain(source, n)
}

var _ session.Admission = (*admission)(nil)
