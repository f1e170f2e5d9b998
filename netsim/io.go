package netsim

import (
	"encoding/binary"
	"net/netip"

	"github.com/bpci/xtmp/netsim/link"
)

// IO is what a node may use while it handles an input: its host.
type IO struct {
	h *Host
}

// Now reads the clocks.
func (io *IO) Now() Now { return io.h.Now() }

// Addr returns the host's own address.
func (io *IO) Addr() netip.Addr { return io.h.addr }

// Disk returns the disk.
func (io *IO) Disk() *Disk { return &io.h.disk }

// Sync makes what the disk holds durable; a Synced input says when.
func (io *IO) Sync() {
	h := io.h
	at := h.world.now + h.syncDelay
	h.world.schedule(planned{at: at, kind: planSynced, host: h.id, arg: int32(len(h.disk.records)), boot: h.boots})
}

// Note puts a line into the trace.
func (io *IO) Note(text string) {
	io.h.world.emit(Event{Kind: Noted, Host: io.h.name, Text: text})
}

// Entropy fills b with bytes that no other call returned, in this run, on any
// host or after any restart.
func (io *IO) Entropy(b []byte) {
	h := io.h
	for len(b) > 0 {
		h.draws++
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], link.Draw(h.world.cfg.Entropy, h.key, 0, h.draws))
		b = b[copy(b, word[:]):]
	}
}

// Bind opens a port for datagrams; 0 chooses one that is free.
func (io *IO) Bind(port uint16) uint16 {
	if port == 0 {
		port = io.h.freePort()
	}
	io.h.bound[port] = true
	return port
}

// Unbind closes a port for datagrams.
func (io *IO) Unbind(port uint16) { delete(io.h.bound, port) }

// Send sends a datagram from a port of this host. It keeps nothing of b.
func (io *IO) Send(port uint16, to netip.AddrPort, b []byte) {
	w := io.h.world
	w.send(io.h, w.newPacket(UDP, netip.AddrPortFrom(io.h.addr, port), to, b))
}

// freePort counts through the ports that the system gives away.
func (h *Host) freePort() uint16 {
	const first = 49_152
	for {
		h.nextPort = max(h.nextPort+1, first)
		if !h.bound[h.nextPort] && !h.listening[h.nextPort] {
			return h.nextPort
		}
	}
}
