// Package specimen is a server of XTMP/1 on UDP and TCP for the judge's own tests: as
// much of a conforming one as cases ask for, written over testkit from the text alone.
//
//	UDP ─▶ Server ─▶ contact (Retry, fragments) ─▶ session ─▶ path ─▶ frames, Acks, timers
//	TCP ─▶   │                                        ▲        ▲
//	         └── Attach ──────────────────────────────┴────────┘
//
// Cases are tried against it before there is a server to judge, and its flaws make it
// a mutant that a case has to see: a test names the flaw and the case. It is no
// product: it keeps its limits loosely, its memory not at all, and speaks to loopback.
package specimen

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A Server is one instance. Its fields are set before Start.
type Server struct {
	Identity testkit.Identity
	Flaws    map[string]bool // what it does wrong, by name

	mu        sync.Mutex
	socket    *net.UDPConn
	listener  net.Listener
	stopped   chan struct{}
	running   sync.WaitGroup
	sessions  map[uint64]*session
	contacts  map[contactKey]*contact
	used      map[string]bool // address tokens
	cookieKey []byte
	tokenKey  []byte
	resetKey  []byte
	resets    map[netip.Addr][]time.Time
}

// The message types and handshake messages of the server.
const (
	typeHandshake    = 0x01
	typeHandshakeAck = 0x02
	typeHeartbeat    = 0x03
	typeDisconnect   = 0x04
	typeAck          = 0x05
	typeProbe        = 0x70
	typeError        = 0xFE

	hsClientHello   = 1
	hsRetry         = 2
	hsServerHello   = 3
	hsServerFlight  = 4
	hsClientFinish  = 5
	hsHandshakeDone = 6
	hsAttach        = 16
	hsAttachAck     = 17
	hsRekeyInit     = 32
	hsRekeyResp     = 33

	noSequence = 1<<64 - 1
)

// tickEvery is how often the server looks at its timers.
const tickEvery = 2 * time.Millisecond

// Start listens on loopback, on one port for TCP and UDP, until Stop.
func (s *Server) Start() error {
	s.sessions, s.contacts, s.used = map[uint64]*session{}, map[contactKey]*contact{}, map[string]bool{}
	s.resets = map[netip.Addr][]time.Time{}
	s.cookieKey, s.tokenKey, s.resetKey = draw(32), draw(32), draw(32)
	s.stopped = make(chan struct{})
	for range 20 {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		port := listener.Addr().(*net.TCPAddr).Port
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			_ = listener.Close() // another process has the port of UDP
			continue
		}
		s.listener, s.socket = listener, socket
		_ = socket.SetReadBuffer(4 << 20)
		s.running.Go(s.serveUDP)
		s.running.Go(s.serveTCP)
		return nil
	}
	return errors.New("specimen: no port is free for TCP and UDP")
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Stop ends it.
func (s *Server) Stop() {
	close(s.stopped)
	_, _ = s.listener.Close(), s.socket.Close()
	s.mu.Lock()
	for _, own := range s.sessions {
		own.erase()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) flaw(name string) bool { return s.Flaws[name] }

func (s *Server) serveUDP() {
	buffer := make([]byte, 1<<16)
	for {
		_ = s.socket.SetReadDeadline(time.Now().Add(tickEvery)) // fails only when it is closed; the read tells
		n, from, err := s.socket.ReadFromUDPAddrPort(buffer)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		s.mu.Lock()
		if err == nil {
			s.datagram(bytes.Clone(buffer[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
		s.tick(time.Now())
		s.mu.Unlock()
	}
}

// datagram is checks 1 … 7 of one datagram (7.4).
func (s *Server) datagram(raw []byte, from netip.AddrPort) {
	f, rest, whole := testkit.DecodeFrame(raw)
	if !whole || len(rest) > 0 && !s.flaw("trailing bytes") || !plausible(f) {
		return
	}
	raw = raw[:len(raw)-len(rest)]
	if f.Clear() {
		s.clearFrame(f, raw, from)
		return
	}
	id := f.Header.Uint("session_id")
	if owner := s.sessions[id]; owner != nil {
		owner.sealed(f, raw, from)
		return
	}
	s.reset(id, len(raw), from)
}

// plausible is checks 2 … 4, as far as the cases go.
func plausible(f *testkit.Frame) bool {
	h, flags := f.Header, f.Flags()
	encrypted := flags&testkit.FlagValue("ENCRYPTED") != 0
	return string(h.Bytes("magic")) == "XTMP" && h.Uint("version") == 1 && flags < 0x80 && f.Type() != 0 && f.Type() != 0xFF &&
		encrypted == (h.Uint("encryption_type") != 0) && h.Uint("payload_length") <= 8208
}

// sum is check 7.
func sum(f *testkit.Frame, raw []byte) bool {
	return f.Header.Uint("checksum") == uint64(testkit.Checksum(raw))
}

// reset answers a datagram of a session that is unknown (12.14).
func (s *Server) reset(id uint64, size int, to netip.AddrPort) {
	recent := s.resets[to.Addr()]
	for len(recent) > 0 && time.Since(recent[0]) > time.Second {
		recent = recent[1:]
	}
	if size < 160 && !s.flaw("reset short") || len(recent) >= 10 && !s.flaw("reset flood") {
		return
	}
	s.resets[to.Addr()] = append(recent, time.Now())
	s.write(s.unknown(id), to)
}

// unknown is the clear Error SESSION_UNKNOWN.
func (s *Server) unknown(id uint64) []byte {
	f := testkit.NewFrame(typeError, 0)
	f.Header.SetUint("session_id", id).SetUint("timestamp", now())
	token := testkit.ResetToken(s.resetKey, testkit.PutUint(id, 8))
	if s.flaw("reset token") {
		token[0] ^= 1
	}
	f.Payload = testkit.Compose("error").SetUint("code", 0x10).SetUint("scope", 2).SetUint("flags", 1).
		SetUint("ref_seq", noSequence).Set("token", token).Encode()
	return f.Encode()
}

func (s *Server) write(raw []byte, to netip.AddrPort) { _, _ = s.socket.WriteToUDPAddrPort(raw, to) }

// tick looks at every timer.
func (s *Server) tick(at time.Time) {
	for key, c := range s.contacts {
		if c.late(at) {
			delete(s.contacts, key)
		}
	}
	for _, own := range s.sessions {
		own.tick(at)
	}
}

func now() uint64 { return uint64(time.Now().UnixMicro()) }

func draw(n int) []byte { return testkit.Draw(rand.Reader, n) }
