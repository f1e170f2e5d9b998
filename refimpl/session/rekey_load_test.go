package session

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// A thousand rekeys under load, with several paths: no call is lost, each epoch has a
// key_id of its own, and a datagram under keys that were dropped is not opened.
// [XTMP-RKY-049] [XTMP-RKY-054]
func TestRekeyOverPaths(t *testing.T) {
	rekeys := 1000
	if testing.Short() {
		rekeys = 100
	}
	const ofKey = 6 // the check that finds the key
	refused := 0
	m := newMesh(t, func(p *pair) {
		p.serverCfg.Trace = func(e trace.Event) {
			if e.Kind == trace.FrameDropped && e.Step == ofKey {
				refused++
			}
		}
	})
	var last []byte // datagram that came to the server
	epochOf := map[[wire.KeyIDSize]byte]uint32{}
	m.heard = func(datagram []byte) { last = datagram }
	m.run(time.Second)
	m.attach(UDP, false) // the calls go there
	m.run(time.Second)
	m.attach(TCP, true)
	m.run(time.Second)
	n := 0
	for range rekeys {
		old, epoch := last, m.client.Epoch()
		if !m.client.Rekey(m.now) {
			t.Fatalf("no session: %v", m.client.Err())
		}
		for range 12 {
			m.call(n, 100)
			n++
			m.run(100 * time.Millisecond)
		}
		if m.client.Epoch() != epoch+1 || m.server.Epoch() != epoch+1 {
			t.Fatalf("epoch %d, then %d and %d; %v", epoch, m.client.Epoch(), m.server.Epoch(), m.client.Err())
		}
		var h wire.Header
		h.Decode(last)
		if before, known := epochOf[h.KeyID]; known {
			t.Fatalf("epoch %d has the key_id of epoch %d", epoch+1, before)
		}
		epochOf[h.KeyID] = epoch + 1
		before := refused
		m.server.ReceiveDatagram(m.now, m.wires[1].address, old)
		if refused != before+1 {
			t.Fatalf("in epoch %d a datagram of epoch %d is not refused for its key", epoch+1, epoch)
		}
	}
	m.finished(n)
}
