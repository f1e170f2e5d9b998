package udp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func listenOne(t testing.TB, address string) *Socket {
	t.Helper()
	all, err := Listen(t.Context(), address, 1, connBuffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all[0].Close)
	return all[0]
}

// listen4 is a socket of IPv4 alone, which Listen makes where there is no IPv6.
func listen4(t testing.TB, ip [4]byte) *Socket {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &Socket{fd: fd}
	t.Cleanup(s.Close)
	if err := errors.Join(prepare(fd, connBuffer), unix.Bind(fd, &unix.SockaddrInet4{Addr: ip})); err != nil {
		t.Fatal(err)
	}
	family, from, err := describe(fd)
	if err != nil || family != unix.AF_INET {
		t.Fatal(family, err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(name.(*unix.SockaddrInet4).Port))
	s.sender, s.receiver = newSender(family, from), newReceiver(loopPieces, pieceBytes, from)
	return s
}

// await waits until a socket has something.
func await(t testing.TB, s *Socket) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(s.FD()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 10_000)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || n == 0:
			t.Fatalf("nothing arrives at %v: %v", s.Addr(), err)
		default:
			return
		}
	}
}

type received struct {
	from  netip.AddrPort
	bytes string
}

// collect takes n datagrams.
func collect(t testing.TB, s *Socket, n int) (all []received) {
	t.Helper()
	for len(all) < n {
		await(t, s)
		batch, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			all = append(all, received{d.From, string(d.Bytes)})
		}
	}
	return all
}

func flush(t testing.TB, s *Socket) {
	t.Helper()
	if !s.Flush() {
		t.Fatalf("%d datagrams wait", s.Waiting())
	}
}

func setOption(t testing.TB, s *Socket, level, option, value int) {
	t.Helper()
	if err := unix.SetsockoptInt(s.FD(), level, option, value); err != nil {
		t.Fatal(err)
	}
}

// Whatever is added arrives, each address's in order, with and without segments
// at either end.
func TestWhatIsAddedArrives(t *testing.T) {
	for _, segments := range []bool{true, false} {
		for _, gro := range []int{1, 0} {
			t.Run(fmt.Sprintf("segments=%v/gro=%d", segments, gro), func(t *testing.T) {
				from := listenOne(t, "[::]:0")
				from.segments = segments
				to := []*Socket{listenOne(t, "127.0.0.1:0"), listenOne(t, "[::1]:0"), listenOne(t, "127.0.0.1:0")}
				source := []string{"127.0.0.1", "::1", "127.0.0.1"}
				for _, s := range to {
					setOption(t, s, unix.IPPROTO_UDP, unix.UDP_GRO, gro)
				}
				rapid.Check(t, func(r *rapid.T) {
					want := make([][]received, len(to))
					for i := range rapid.IntRange(0, 60).Draw(r, "datagrams") {
						k := rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(r, "to")
						size := rapid.OneOf(rapid.SampledFrom([]int{1200, 1200, 1200, 96, 0}), rapid.IntRange(0, 2000)).Draw(r, "size")
						b := bytes.Repeat([]byte{byte(i)}, size)
						if rapid.Bool().Draw(r, "in place") {
							b = append(from.Room(), b...)
						}
						from.Add(b, to[k].Addr())
						want[k] = append(want[k], received{netip.AddrPortFrom(netip.MustParseAddr(source[k]), from.Addr().Port()), string(b)})
					}
					flush(t, from)
					for k, s := range to {
						got := collect(t, s, len(want[k]))
						if len(got) != len(want[k]) {
							r.Fatalf("socket %d: %d datagrams, want %d", k, len(got), len(want[k]))
						}
						for i := range got {
							if got[i] != want[k][i] {
								r.Fatalf("socket %d: datagram %d is %d B from %v, want %d B from %v", k, i,
									len(got[i].bytes), got[i].from, len(want[k][i].bytes), want[k][i].from)
							}
						}
					}
				})
			})
		}
	}
}

// The kernel cuts and joins: that a run is one message at either end is why this
// package exists.
func TestRunIsOneMessage(t *testing.T) {
	from, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	for range 10 {
		from.Add(make([]byte, 1200), to.Addr())
	}
	from.Add(make([]byte, 7), to.Addr())
	sent, send := 0, from.send
	from.send = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
		sent += len(headers)
		return send(fd, headers)
	}
	flush(t, from)
	await(t, to)
	batch, err := to.Receive()
	if err != nil || len(batch) != 11 || sent != 1 {
		t.Fatalf("%d messages sent, the first call receives %d datagrams, %v", sent, len(batch), err)
	}
	for i, d := range batch {
		if want := min(1200, 1200-1193*(i/10)); len(d.Bytes) != want || cap(d.Bytes) != want+Spare {
			t.Errorf("datagram %d has %d B, capacity %d", i, len(d.Bytes), cap(d.Bytes))
		}
	}
	if batch, err := to.Receive(); len(batch) != 0 || err != nil {
		t.Fatal(batch, err)
	}
}

// A closed port answers with ICMP, of which nobody hears.
func TestICMPIsNotHeard(t *testing.T) {
	s, gone, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	gone.Close()
	for range 3 {
		s.Add([]byte("to nobody"), gone.Addr())
		flush(t, s)
		if batch, err := s.Receive(); len(batch) != 0 || err != nil {
			t.Fatal(batch, err)
		}
	}
	s.Add([]byte("to somebody"), to.Addr())
	flush(t, s)
	collect(t, to, 1)
}

func TestReceiveErrors(t *testing.T) {
	s, from := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	from.Add([]byte("late"), s.Addr())
	flush(t, from)
	await(t, s)
	calls := 0
	s.receiver.receive = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
		if calls++; calls < 4 {
			return -1, unix.ECONNREFUSED
		}
		return recvmmsg(fd, headers)
	}
	if batch, err := s.Receive(); len(batch) != 1 || err != nil {
		t.Fatal(batch, err)
	}
	s.Close()
	if _, err := s.Receive(); !errors.Is(err, unix.EBADF) {
		t.Fatalf("a closed socket says %v", err)
	}
}

// A datagram that is larger than a piece of memory is dropped, and no other.
func TestTruncatedIsDropped(t *testing.T) {
	from, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	from.segments, to.receiver = false, newReceiver(4, 100, nil)
	for _, n := range []int{100, 101, 99, 2000, 1} {
		from.Add(make([]byte, n), to.Addr())
	}
	flush(t, from)
	got := collect(t, to, 3)
	if len(got[0].bytes) != 100 || len(got[1].bytes) != 99 || len(got[2].bytes) != 1 {
		t.Errorf("%d, %d, %d B arrive", len(got[0].bytes), len(got[1].bytes), len(got[2].bytes))
	}
}

// The largest datagram that there is arrives whole.
func TestLargest(t *testing.T) {
	from, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	from.Add(bytes.Repeat([]byte{7}, 65507), to.Addr())
	flush(t, from)
	if got := collect(t, to, 1); len(got[0].bytes) != 65507 {
		t.Errorf("%d B arrive", len(got[0].bytes))
	}
}

// Who is bound to every address answers from the one that was asked.
func TestAnswersFromTheAddressThatWasAsked(t *testing.T) {
	for name, s := range map[string]*Socket{"both families": listenOne(t, "[::]:0"), "IPv4": listen4(t, [4]byte{})} {
		addresses := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"}
		if s.family == unix.AF_INET {
			addresses = addresses[:3]
		}
		var clients []*Socket
		for _, a := range addresses {
			own := "127.0.0.1:0"
			if a == "::1" {
				own = "[::1]:0"
			}
			c := listenOne(t, own)
			c.Add([]byte("hello"), netip.AddrPortFrom(netip.MustParseAddr(a), s.Addr().Port()))
			flush(t, c)
			clients = append(clients, c)
		}
		collect(t, s, len(clients))
		for range 2 {
			for _, c := range clients {
				s.Add([]byte("answer"), c.Addr())
			}
		}
		flush(t, s)
		for i, c := range clients {
			for _, d := range collect(t, c, 2) {
				if d.from.Addr() != netip.MustParseAddr(addresses[i]) {
					t.Errorf("%s: asked %s, answered by %v", name, addresses[i], d.from)
				}
			}
		}
	}
}

// An address that the machine has no more is replaced by the system's choice.
func TestSourceThatIsGone(t *testing.T) {
	for name, s := range map[string]*Socket{"both families": listenOne(t, "[::]:0"), "IPv4": listen4(t, [4]byte{})} {
		to := []*Socket{listenOne(t, "127.0.0.1:0"), listenOne(t, "[::1]:0")}
		gone := []string{"192.0.2.77", "2001:db8::77"}
		if s.family == unix.AF_INET {
			to, gone = to[:1], gone[:1]
		}
		for i, c := range to {
			s.sources.note(c.Addr(), netip.MustParseAddr(gone[i]))
			s.Add([]byte("one"), c.Addr())
			s.Add([]byte("two"), c.Addr())
			flush(t, s)
			if got := collect(t, c, 2); got[0].bytes != "one" || got[1].bytes != "two" {
				t.Errorf("%s: %v", name, got)
			}
			if a := s.sources.of(c.Addr()); a.IsValid() || !s.segments {
				t.Errorf("%s: the source is %v, segments are %v", name, a, s.segments)
			}
		}
	}
}

func TestSteer(t *testing.T) {
	all, err := Listen(t.Context(), "127.0.0.1:0", 3, connBuffer)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		defer s.Close()
		if s.Addr() != all[0].Addr() {
			t.Fatalf("%v is not %v", s.Addr(), all[0].Addr())
		}
	}
	if err := all[0].Steer(12, 3); err != nil {
		t.Skipf("this kernel does not steer: %v", err)
	}
	c := listenOne(t, "127.0.0.1:0")
	by := func(word uint32) (who int) {
		t.Helper()
		b := make([]byte, 96)
		binary.BigEndian.PutUint32(b[12:], word)
		c.Add(b, all[0].Addr())
		flush(t, c)
		fds := make([]unix.PollFd, len(all))
		for i, s := range all {
			fds[i] = unix.PollFd{Fd: int32(s.FD()), Events: unix.POLLIN}
		}
		if n, err := unix.Poll(fds, 10_000); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for i := range fds {
			if fds[i].Revents != 0 {
				collect(t, all[i], 1)
				return i
			}
		}
		return -1
	}
	for i := range uint32(3) {
		for _, word := range []uint32{0x12345670, 0xfffffff0, 4} {
			if got := by(word + i); got != int(i) {
				t.Errorf("word %#x goes to socket %d", word+i, got)
			}
		}
	}
	for _, word := range []uint32{0, 7} { // by address, always the same
		first := by(word)
		for range 4 {
			if got := by(word); got != first {
				t.Errorf("word %#x goes to socket %d, then to %d", word, first, got)
			}
		}
	}
}

// An address is not shared with whoever comes later.
func TestAddressIsTaken(t *testing.T) {
	for n := 1; n <= 2; n++ {
		all, err := Listen(t.Context(), "127.0.0.1:0", n, connBuffer)
		if err != nil {
			t.Fatal(err)
		}
		for again := 1; again <= 2; again++ {
			_, err := Listen(t.Context(), all[0].Addr().String(), again, connBuffer)
			var op *net.OpError
			if !errors.As(err, &op) || !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("%d sockets, then %d at the same address: %v", n, again, err)
			}
		}
		for _, s := range all {
			s.Close()
		}
	}
	if _, err := Listen(t.Context(), "nowhere", 1, connBuffer); err == nil {
		t.Error("nowhere is an address")
	}
}

// [XTMP-UDP-006] [XTMP-UDP-007]
func TestDF(t *testing.T) {
	for _, address := range []string{"[::]:0", "127.0.0.1:0"} {
		s := listenOne(t, address)
		if v, err := unix.GetsockoptInt(s.FD(), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER); v != unix.IP_PMTUDISC_PROBE || err != nil {
			t.Errorf("%s: IP_MTU_DISCOVER is %d, %v", address, v, err)
		}
		if s.family != unix.AF_INET6 {
			continue
		}
		if v, err := unix.GetsockoptInt(s.FD(), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER); v != unix.IPV6_PMTUDISC_PROBE || err != nil {
			t.Errorf("%s: IPV6_MTU_DISCOVER is %d, %v", address, v, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s, to := listenOne(t, "[::]:0"), listenOne(t, "[::]:0")
	target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Addr().Port())
	back := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Addr().Port())
	round := func() {
		for i := range 40 {
			s.Add(s.Room()[:1200-i/10], target)
		}
		flush(t, s)
		for n := 0; n < 40; {
			batch, err := to.Receive()
			if err != nil {
				t.Fatal(err)
			}
			n += len(batch)
		}
		to.Add(to.Room()[:96], back)
		flush(t, to)
		for batch, _ := s.Receive(); len(batch) == 0; batch, _ = s.Receive() {
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for 41 datagrams", n)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	var s sources
	usual, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	peer := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
	}
	s.note(peer(1), usual)
	s.note(peer(0), other)
	for i := range 5 * sourcesKept {
		s.note(peer(i+2), other)
		if i%sourcesKept == 0 && s.of(peer(0)) != other {
			t.Fatalf("who is in use is forgotten after %d others", i)
		}
	}
	if n := len(s.recent) + len(s.earlier); n > 2*sourcesKept {
		t.Errorf("%d are kept", n)
	}
	if s.of(peer(2)) != usual {
		t.Error("the oldest of many is not forgotten")
	}
	s.note(peer(0), usual)
	if s.of(peer(0)) != usual {
		t.Error("a peer that asks the usual address is answered by the other")
	}
	if six := netip.MustParseAddrPort("[2001:db8::1]:1"); s.of(six).IsValid() {
		t.Error("a peer on IPv6 is answered from IPv4")
	}
}

func TestConnEnds(t *testing.T) {
	c, err := Open(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := c.Receive()
		ended <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Receive does not end")
	}
	c.Add([]byte("late"), c.Addr())
	if err := c.Flush(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Flush says %v", err)
	}
}

// BenchmarkOneWay sends batches of 64 datagrams of 160 B to a socket that reads
// them, on one processor: as much as a run, one by one in one call, or each in a
// call.
func BenchmarkOneWay(b *testing.B) {
	for _, bench := range []struct {
		name     string
		segments bool
		batch    int
	}{{"segments", true, 64}, {"batches", false, 64}, {"single", false, 1}} {
		b.Run(bench.name, func(b *testing.B) {
			s, to := listenOne(b, "127.0.0.1:0"), listenOne(b, "127.0.0.1:0")
			s.segments = bench.segments
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for range bench.batch {
					s.Add(s.Room()[:160], to.Addr())
				}
				flush(b, s)
				for got := 0; got < bench.batch; {
					batch, err := to.Receive()
					if err != nil {
						b.Fatal(err)
					}
					got += len(batch)
				}
				n += bench.batch
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "datagrams/s")
		})
	}
}

func TestBuffer(t *testing.T) {
	for buffer, least := range map[int]int{connBuffer: 212992, 65536: 65536} { // what a system allows whatever its limits are
		all, err := Listen(t.Context(), "127.0.0.1:0", 1, buffer)
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
			if n, err := unix.GetsockoptInt(all[0].FD(), unix.SOL_SOCKET, option); n < least || n > 4*buffer || err != nil {
				t.Errorf("asked for %d, the kernel holds %d B, %v", buffer, n, err)
			}
		}
		all[0].Close()
	}
}
