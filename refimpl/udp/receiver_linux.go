package udp

import (
	"os"

	"golang.org/x/sys/unix"
)

// Implementation constants.
const (
	pieceBytes   = 64 << 10 // B of one message: no datagram, and nothing that UDP_GRO joins, is larger
	loopPieces   = 16       // messages per call for an event loop
	connPieces   = 4        // and for a Conn
	receiveTries = 16       // errors in a row that are not the socket's own
)

// receiver takes datagrams out of a socket.
type receiver struct {
	receive   mmsg
	sources   *sources // nil if the socket has one address
	headers   []unix.Mmsghdr
	messages  []message
	pieces    []byte // one piece for each message
	size      int    // B of a piece
	datagrams []Datagram
}

// newReceiver returns a receiver of n messages of size bytes per call. A larger
// datagram is dropped.
func newReceiver(n, size int, from *sources) *receiver {
	r := &receiver{
		receive: recvmmsg, sources: from, size: size,
		headers: make([]unix.Mmsghdr, n), messages: make([]message, n), pieces: make([]byte, n*size+Spare),
		datagrams: make([]Datagram, 0, n),
	}
	link(r.headers, r.messages)
	for i := range r.messages {
		r.messages[i].setBytes(r.pieces[i*size:][:size])
	}
	return r
}

// take returns what waits, at most as much as one call takes, and nothing if
// nothing does. Its error is one of the socket itself, such as a closed
// descriptor: what a network reports is dropped, as it says nothing about the
// other peers. [XTMP-UDP-008]
func (r *receiver) take(fd int) ([]Datagram, error) {
	r.datagrams = r.datagrams[:0]
	var err unix.Errno
	for range receiveTries {
		for i := range r.headers {
			h := &r.headers[i].Hdr
			h.Namelen = unix.SizeofSockaddrInet6
			h.SetControllen(controlBytes)
		}
		var n int
		n, err = r.receive(fd, r.headers)
		switch err {
		case 0:
			for i := range n {
				r.split(i)
			}
			return r.datagrams, nil
		case unix.EAGAIN:
			return nil, nil
		default: // the next call says something else, or the same
		}
	}
	return nil, os.NewSyscallError("recvmmsg", err)
}

// split cuts message i into the datagrams that the kernel joined.
func (r *receiver) split(i int) {
	h, m := &r.headers[i], &r.messages[i]
	if h.Hdr.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return // a part of it is missing
	}
	segment, local := readControls(m.controls()[:h.Hdr.Controllen])
	from := m.from()
	if r.sources != nil && local.IsValid() {
		r.sources.note(from, local)
	}
	b := r.pieces[i*r.size:][:h.Len] // its capacity goes on
	for segment > 0 && len(b) > segment {
		r.datagrams = append(r.datagrams, Datagram{from, b[: segment : segment+Spare]})
		b = b[segment:]
	}
	r.datagrams = append(r.datagrams, Datagram{from, b[: len(b) : len(b)+Spare]})
}
