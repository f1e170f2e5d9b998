package client

import (
	"net"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
)

// Quality is how well a session does.
type Quality struct {
	// Calls counts the calls that have ended, and messages without reply that had to
	// wait; Failed those of them that were answered by an Error, are unknown or were not
	// sent.
	Calls, Failed uint64
	// Paths are those that are open.
	Paths []PathQuality
}

// ErrorRate is the share of calls that have failed, 0 to 1.
func (q Quality) ErrorRate() float64 { return share(q.Failed, q.Calls) }

// Current returns the path on which messages go by default; false while there is none.
func (q Quality) Current() (PathQuality, bool) {
	for _, p := range q.Paths {
		if p.Current {
			return p, true
		}
	}
	return PathQuality{}, false
}

// PathQuality is how well one path of a session does.
type PathQuality struct {
	Transport ConnectionType // TCP, UDP or WebSocket
	Current   bool           // messages go there by default
	Standby   bool           // it stands by
	Live      bool           // the server is heard on it

	// Latency is the smoothed round-trip time, Variation how much it varies; 0 until
	// they are known, and on TCP where the system does not tell.
	Latency, Variation time.Duration
	// Packets were sent, datagrams or segments of TCP, and Lost of them were lost as
	// far as the sender knows. 0 on TCP where the system does not tell.
	Packets, Lost uint64
	// BytesSent and BytesReceived count what went to the system and came from it.
	BytesSent, BytesReceived uint64
	// Throughput is bytes per second, in both directions, of the last second in which
	// there were any and that is over.
	Throughput float64
}

// Loss is the share of packets that were lost, 0 to 1.
func (p PathQuality) Loss() float64 { return share(p.Lost, p.Packets) }

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Quality returns how well the session does so far.
func (s *Session) Quality() Quality {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := Quality{Calls: s.callsEnded, Failed: s.callsFailed}
	for _, l := range s.links {
		standing := s.core.Standing(l.id)
		p := PathQuality{
			Current: standing.Current, Standby: standing.Standby, Live: standing.Live,
			BytesSent: l.sent, BytesReceived: l.received, Throughput: l.rate.at(s.clock().Elapsed),
		}
		switch c := l.carrier.(type) {
		case *socket:
			known := s.core.Quality(l.id)
			p.Transport = UDP
			p.Latency, p.Variation = known.Smoothed, known.Variation
			p.Lost = known.Lost - known.Late
			p.Packets = known.Acked + p.Lost
		case *webSocket:
			p.Transport = WebSocket
			p.askSystem(c.Conn)
		case connection:
			p.askSystem(c.Conn)
		}
		q.Paths = append(q.Paths, p)
	}
	return q
}

// askSystem adds what the system knows of a connection.
func (p *PathQuality) askSystem(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { p.readTCP(fd) })
		}
	}
}

// rate measures bytes per second.
type rate struct {
	bytes uint64        // since since
	since time.Duration // reading of the clock
	last  float64       // of the second before
}

// rateSpan is over what time bytes are counted.
const rateSpan = time.Second

// add counts bytes.
func (r *rate) add(now session.Now, n int) {
	if past := now.Elapsed - r.since; past >= rateSpan {
		if r.since != 0 {
			r.last = float64(r.bytes) / past.Seconds()
		}
		r.bytes, r.since = 0, now.Elapsed
	}
	r.bytes += uint64(n)
}

// at returns the rate.
func (r *rate) at(now time.Duration) float64 {
	if past := now - r.since; past >= rateSpan && r.since != 0 {
		return float64(r.bytes) / past.Seconds()
	}
	return r.last
}
