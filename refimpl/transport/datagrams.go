//go:build linux

package transport

import (
	"encoding/binary"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/endpoint"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/udp"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Implementation constants.
const (
	// mailBytes is how many bytes of datagrams may wait for a loop whose sessions they
	// are for, in another loop's socket.
	mailBytes = 1 << 20

	// ackedAtOnce is how many datagrams are taken before sessions may answer: an Ack
	// covers no more. [XTMP-ACK-022]
	ackedAtOnce = 64
)

// datagramEndpoint is what an endpoint does on UDP.
type datagramEndpoint interface {
	Datagram(now session.Now, from netip.AddrPort, b []byte)
	Datagrams(id endpoint.ConnID) bool
	AppendDatagram(now session.Now, id endpoint.ConnID, dst []byte) (out []byte, to netip.AddrPort, ok bool)
	NextStray(dst []byte) (out []byte, to netip.AddrPort, ok bool)
	Shard(sessionID uint64) uint8
}

// datagrams is UDP at one loop: a socket that shares the port of the others.
//
//	socket ─▶ a session of this shard, or none: endpoint ─▶ batch ─ one call per wake-up ─▶ socket
//	       └▶ of another shard: that loop's mail; dropped if that loop is behind
//
// The kernel hands most datagrams to the loop of their session at once, since it
// reads the shard in the session_id.
type datagrams struct {
	socket packetSocket      // nil without UDP
	full   bool              // the socket takes no more for now
	held   []endpoint.ConnID // paths with output that met a full socket
	taken  mail              // from others, being read
}

// packetSocket is what a loop needs of a udp.Socket.
type packetSocket interface {
	FD() int
	Receive() ([]udp.Datagram, error)
	Room() []byte
	Add(datagram []byte, to netip.AddrPort)
	Waiting() int
	Flush() bool
}

// mail is datagrams on their way to another loop.
type mail struct {
	bytes   []byte
	letters []letter
}

type letter struct {
	from netip.AddrPort
	end  int // in bytes; it begins where the one before ends
}

func (m *mail) reset() { m.bytes, m.letters = m.bytes[:0], m.letters[:0] }

// receiveDatagrams takes what one call to the socket gives.
func (l *loop) receiveDatagrams() {
	batch, err := l.udp.socket.Receive()
	now := l.clock.Now()
	l.reads.Add(1)
	if err != nil {
		l.log.Error("the loop hears no more datagrams", slog.Any("error", err))
		_ = l.watch(l.udp.socket.FD(), theSocket, 0, unix.EPOLL_CTL_DEL)
		return
	}
	n := 0
	for i, d := range batch {
		n += len(d.Bytes)
		if i%ackedAtOnce == ackedAtOnce-1 {
			l.flush(now)
		}
		if to := l.ownerOf(d.Bytes); to != l {
			to.mailTo(d.From, d.Bytes)
			continue
		}
		l.datagrams.Datagram(now, d.From, d.Bytes)
	}
	l.bytesRead.Add(uint64(n))
	l.datagramsRead.Add(uint64(len(batch)))
}

// ownerOf returns the loop whose sessions a datagram may be for. [XTMP-PTH-054]
func (l *loop) ownerOf(b []byte) *loop {
	if len(b) < wire.Overhead {
		return l
	}
	id := binary.BigEndian.Uint64(b[sessionIDOffset:])
	if shard := int(l.datagrams.Shard(id)); id != 0 && shard < len(l.server.loops) {
		return l.server.loops[shard]
	}
	return l
}

// mailTo hands a datagram to this loop, or drops it.
func (l *loop) mailTo(from netip.AddrPort, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.mail.bytes)+len(b) > mailBytes {
		l.datagramsDropped.Add(1)
		return
	}
	l.mail.bytes = append(l.mail.bytes, b...)
	l.mail.letters = append(l.mail.letters, letter{from, len(l.mail.bytes)})
	if len(l.mail.letters) == 1 {
		l.rouse()
	}
}

// readMail takes the datagrams that other loops have handed over, which are in
// l.udp.taken.
func (l *loop) readMail() {
	if len(l.udp.taken.letters) == 0 {
		return
	}
	now, start := l.clock.Now(), 0
	for _, d := range l.udp.taken.letters {
		l.datagrams.Datagram(now, d.from, l.udp.taken.bytes[start:d.end])
		start = d.end
	}
	l.udp.taken.reset()
}

// writeDatagrams adds what a UDP path has to send to the batch.
func (l *loop) writeDatagrams(now session.Now, id endpoint.ConnID) {
	for {
		room := l.room()
		if room == nil {
			l.udp.held = append(l.udp.held, id)
			return
		}
		out, to, ok := l.datagrams.AppendDatagram(now, id, room)
		if !ok {
			break
		}
		l.add(out, to)
	}
	if l.endpoint.Fate(id) == session.Shut {
		l.endpoint.Lost(now, id)
	}
}

// writeStrays adds what belongs to no session.
func (l *loop) writeStrays() {
	for room := l.room(); room != nil; room = l.room() {
		out, to, ok := l.datagrams.NextStray(room)
		if !ok {
			return
		}
		l.add(out, to)
	}
}

// room returns memory for a datagram, nil while the socket is full.
func (l *loop) room() []byte {
	if l.udp.full {
		return nil
	}
	room := l.udp.socket.Room()
	if room == nil && l.sendDatagrams() {
		room = l.udp.socket.Room()
	}
	return room
}

func (l *loop) add(b []byte, to netip.AddrPort) {
	l.udp.socket.Add(b, to)
	l.bytesWritten.Add(uint64(len(b)))
	l.datagramsWritten.Add(1)
}

// sendDatagrams sends the batch. If the socket is full it reports false, and epoll
// says when it is not.
func (l *loop) sendDatagrams() bool {
	s := l.udp.socket
	if s == nil || s.Waiting() == 0 {
		return true
	}
	l.writes.Add(1)
	full := !s.Flush()
	if full != l.udp.full {
		l.udp.full = full
		events := uint32(unix.EPOLLIN)
		if full {
			events |= unix.EPOLLOUT
		}
		if err := l.watch(s.FD(), theSocket, events, unix.EPOLL_CTL_MOD); err != nil {
			l.log.Error("the loop does not learn when datagrams can go", slog.Any("error", err))
		}
	}
	return !full
}

// resumeDatagrams goes on when the socket takes more.
func (l *loop) resumeDatagrams(now session.Now) {
	if len(l.udp.held) == 0 || l.udp.full {
		return
	}
	held := l.udp.held
	l.udp.held = nil
	for _, id := range held {
		if l.datagrams.Datagrams(id) {
			l.writeDatagrams(now, id)
		}
	}
}

// serveDatagrams gives the loop its socket.
func (l *loop) serveDatagrams(s packetSocket) error {
	l.udp.socket = s
	return l.watch(s.FD(), theSocket, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
}

// rouse ends the wait of the loop.
func (l *loop) rouse() { _, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
