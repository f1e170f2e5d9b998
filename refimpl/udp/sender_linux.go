package udp

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Implementation constants.
const (
	sendMessages = 64 // per call

	// What UDP_SEGMENT takes: UDP_MAX_SEGMENTS, and what a packet of IPv4 holds.
	runDatagrams = 64
	runBytes     = 65507
)

// sender puts the datagrams of its batch into a socket.
type sender struct {
	Batch
	send      mmsg
	family    int      // AF_INET or AF_INET6
	segments  bool     // the kernel takes UDP_SEGMENT
	bare      bool     // the first message goes without a source: with one it was refused
	sources   *sources // nil if the socket has one address
	headers   []unix.Mmsghdr
	messages  []message
	datagrams [sendMessages]int        // in each message
	locals    [sendMessages]netip.Addr // from which it is to leave; not valid: the system chooses
}

func newSender(family int, from *sources) *sender {
	s := &sender{
		Batch: newBatch(), send: sendmmsg, family: family, segments: true, sources: from,
		headers: make([]unix.Mmsghdr, sendMessages), messages: make([]message, sendMessages),
	}
	link(s.headers, s.messages)
	return s
}

// flush sends what waits. It reports false if the socket has no room for all of
// it now. A datagram that the system refuses is sent and lost: what forged ICMP, a
// firewall or a route says about one peer is no news about its path.
// [XTMP-UDP-007] [XTMP-UDP-008]
func (s *sender) flush(fd int) bool {
	for s.Waiting() > 0 {
		n, err := s.send(fd, s.headers[:s.build()])
		switch err {
		case 0:
			s.took(n)
		case unix.EAGAIN:
			return false
		default:
			s.refused(err)
		}
	}
	return true
}

// build makes messages of the first datagrams that wait and returns their number.
func (s *sender) build() (n int) {
	for i := s.head; n < sendMessages && i < len(s.items); n++ {
		count := 1
		if s.segments {
			count = s.run(i)
		}
		first, last := &s.items[i], &s.items[i+count-1]
		h, m := &s.headers[n].Hdr, &s.messages[n]
		h.Namelen = m.setTo(s.family, first.to)
		m.setBytes(s.bytes[first.start:last.end])
		c := m.controls()[:0]
		local := netip.Addr{}
		if s.sources != nil && (n > 0 || !s.bare) {
			local = s.sources.of(first.to)
		}
		if local.IsValid() {
			c = appendSource(c, s.family, local)
		}
		if count > 1 {
			c = appendSegment(c, first.end-first.start)
		}
		h.SetControllen(len(c))
		s.datagrams[n], s.locals[n] = count, local
		i += count
	}
	return n
}

// run returns how many items from i on can go as segments of one message: to one
// address, of one size but for the last, which may be shorter.
func (b *Batch) run(i int) (count int) {
	first := &b.items[i]
	size := first.end - first.start
	for count = 1; i+count < len(b.items) && count < runDatagrams && size > 0; count++ {
		next := &b.items[i+count]
		n := next.end - next.start
		if next.to != first.to || n > size || n == 0 || next.end-first.start > runBytes {
			break
		}
		if n < size {
			return count + 1
		}
	}
	return count
}

// took notes that the socket has taken n messages.
func (s *sender) took(n int) {
	if s.bare { // so the source was to blame
		s.bare = false
		s.sources.forget(s.items[s.head].to)
	}
	for _, count := range s.datagrams[:n] {
		s.sent(count)
	}
}

// refused deals with the first of the messages that were built: it is sent in
// another way if there is one, and is lost otherwise. A source may be an address
// that the machine has no more; a device without checksums, or an old kernel, does
// not cut messages.
func (s *sender) refused(why unix.Errno) {
	count := s.datagrams[0]
	switch {
	case s.locals[0].IsValid() && why != unix.EIO:
		s.bare = true
	case count > 1 && (why == unix.EIO || why == unix.EINVAL):
		s.segments, s.bare = false, false
	default:
		s.bare = false
		s.sent(count)
	}
}
