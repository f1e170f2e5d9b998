package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRuns(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2")
	for name, tt := range map[string]struct {
		sizes []int
		to    []netip.AddrPort // a where it ends
		want  []int
	}{
		"equal":              {[]int{9, 9, 9}, nil, []int{3}},
		"shorter last":       {[]int{9, 9, 3, 9}, nil, []int{3, 1}},
		"longer":             {[]int{9, 10, 10}, nil, []int{1, 2}},
		"other address":      {[]int{9, 9, 9}, []netip.AddrPort{a, b}, []int{1, 1, 1}},
		"empty":              {[]int{0, 0, 9, 0}, nil, []int{1, 1, 1, 1}},
		"64 segments":        {repeat(9, 130), nil, []int{64, 64, 2}},
		"65507 B":            {repeat(13101, 11), nil, []int{5, 5, 1}}, // 5 × 13101 = 65505
		"65507 B with short": {[]int{32000, 32000, 1508}, nil, []int{2, 1}},
	} {
		s := newBatch()
		for i, n := range tt.sizes {
			to := a
			if i < len(tt.to) {
				to = tt.to[i]
			}
			s.Add(make([]byte, n), to)
		}
		var got []int
		for s.Waiting() > 0 {
			got = append(got, s.run(s.head))
			s.sent(got[len(got)-1])
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func repeat(n, times int) (all []int) {
	for range times {
		all = append(all, n)
	}
	return all
}

// refusing answers calls of send with errors, then hands them on. It notes what
// the first message of each call was.
type refusing struct {
	answers []unix.Errno
	send    mmsg
	calls   []string
	s       *sender
}

func (f *refusing) call(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
	source := "-"
	if f.s.locals[0].IsValid() {
		source = f.s.locals[0].String()
	}
	f.calls = append(f.calls, fmt.Sprintf("%d×%d from %s", len(headers), f.s.datagrams[0], source))
	if len(f.answers) > 0 {
		err := f.answers[0]
		f.answers = f.answers[1:]
		if err != 0 {
			return -1, err
		}
	}
	return f.send(fd, headers)
}

// What a refused message becomes: the same without a source, or datagrams one by
// one, or nothing.
func TestRefused(t *testing.T) {
	const ok = unix.Errno(0)
	for name, tt := range map[string]struct {
		wildcard bool
		answers  []unix.Errno
		calls    string // each: messages × datagrams in the first, source of it
		arrived  int    // of 3
		segments bool   // afterwards
		source   bool   // is known afterwards
	}{
		"no checksums":         {false, []unix.Errno{unix.EIO}, "[1×3 from - 3×1 from -]", 3, false, false},
		"no segments":          {false, []unix.Errno{unix.EINVAL}, "[1×3 from - 3×1 from -]", 3, false, false},
		"unreachable":          {false, []unix.Errno{unix.EHOSTUNREACH}, "[1×3 from -]", 0, true, false},
		"refused":              {false, []unix.Errno{unix.ECONNREFUSED}, "[1×3 from -]", 0, true, false},
		"too large":            {false, []unix.Errno{unix.EINVAL, unix.EMSGSIZE}, "[1×3 from - 3×1 from - 2×1 from -]", 2, false, false},
		"source":               {true, []unix.Errno{unix.EINVAL}, "[1×3 from 127.0.0.1 1×3 from -]", 3, true, false},
		"source, no checksums": {true, []unix.Errno{unix.EIO}, "[1×3 from 127.0.0.1 3×1 from 127.0.0.1]", 3, false, true},
		"source is not at fault": {
			true, []unix.Errno{unix.ENETUNREACH, unix.ENETUNREACH}, "[1×3 from 127.0.0.1 1×3 from -]", 0, true, true,
		},
		"source, no segments": {
			true, []unix.Errno{unix.EINVAL, unix.EINVAL}, "[1×3 from 127.0.0.1 1×3 from - 3×1 from 127.0.0.1]", 3, false, true,
		},
		"source, then full": {
			true, []unix.Errno{unix.EINVAL, unix.EAGAIN, ok}, "[1×3 from 127.0.0.1 1×3 from - 1×3 from -]", 3, true, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
			if tt.wildcard {
				s = listenOne(t, "[::]:0")
				s.sources.note(to.Addr(), netip.MustParseAddr("127.0.0.1"))
			}
			f := &refusing{answers: tt.answers, send: sendmmsg, s: s.sender}
			s.send = f.call
			for range 3 {
				s.Add(make([]byte, 100), to.Addr())
			}
			for !s.Flush() {
			}
			if got := fmt.Sprint(f.calls); got != tt.calls {
				t.Errorf("calls are %s, want %s", got, tt.calls)
			}
			if s.segments != tt.segments {
				t.Errorf("segments are %v", s.segments)
			}
			if s.sources != nil && s.sources.of(to.Addr()).IsValid() != tt.source {
				t.Errorf("the source is %v", s.sources.of(to.Addr()))
			}
			collect(t, to, tt.arrived)
			if batch, _ := to.Receive(); len(batch) > 0 {
				t.Errorf("%d too many arrive", len(batch))
			}
		})
	}
}

// A full socket keeps the batch, and takes it up where it was.
func TestFullSocketKeepsTheBatch(t *testing.T) {
	s, to := listenOne(t, "127.0.0.1:0"), listenOne(t, "127.0.0.1:0")
	calls := 0
	s.send = func(fd int, headers []unix.Mmsghdr) (int, unix.Errno) {
		if calls++; calls%2 == 0 {
			return -1, unix.EAGAIN
		}
		return sendmmsg(fd, headers[:1])
	}
	var want []received
	for i := range 5 {
		b := bytes.Repeat([]byte{byte(i)}, 10+i) // longer each time: no runs
		s.Add(b, to.Addr())
		want = append(want, received{s.Addr(), string(b)})
	}
	for i := range 5 {
		if done := s.Flush(); done != (i == 4) || s.Waiting() != 4-i {
			t.Fatalf("flush %d: done is %v, %d wait", i, done, s.Waiting())
		}
	}
	got := collect(t, to, 5)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("datagram %d is %q, want %q", i, got[i].bytes, want[i].bytes)
		}
	}
}

func TestBatchIsFull(t *testing.T) {
	s, to := listenOne(t, "127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.1:9")
	n := 0
	for b := s.Room(); b != nil; b = s.Room() {
		if len(b) != 0 || cap(b) != Room {
			t.Fatalf("room for %d B of %d", cap(b), len(b))
		}
		s.Add(append(b, 1), to)
		n++
	}
	if n != batchDatagrams {
		t.Errorf("%d datagrams of 1 B fill a batch, want %d", n, batchDatagrams)
	}
	flush(t, s)
	for n = 0; s.Room() != nil; n++ {
		s.Add(make([]byte, 1400), to)
	}
	if want := (batchBytes-Room)/1400 + 1; n != want {
		t.Errorf("%d datagrams of 1400 B fill a batch, want %d", n, want)
	}
}

// A kernel that does not cut gets datagrams one by one, from then on.
func TestKernelRefusesSegments(t *testing.T) {
	s, to := listen4(t, [4]byte{127, 0, 0, 1}), listenOne(t, "127.0.0.1:0")
	setOption(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) // it takes no segments without checksums
	for range 8 {
		s.Add(make([]byte, 1200), to.Addr())
	}
	flush(t, s)
	if got := collect(t, to, 8); len(got) != 8 || s.segments {
		t.Errorf("%d arrive, segments are %v", len(got), s.segments)
	}
}

// What the system refuses is lost, and nothing else. [XTMP-UDP-008]
func TestSystemRefuses(t *testing.T) {
	for _, address := range []string{"[::]:0", "127.0.0.1:0"} {
		s, to := listenOne(t, address), listenOne(t, "127.0.0.1:0")
		for i, bad := range []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("255.255.255.255:9"), netip.MustParseAddrPort("[2001:db8::1]:9"), {},
		} {
			s.Add([]byte("bad"), bad)
			s.Add(make([]byte, 70_000), to.Addr())
			s.Add([]byte{byte(i)}, to.Addr())
		}
		flush(t, s)
		for i, d := range collect(t, to, 4) {
			if d.bytes != string(rune(i)) {
				t.Errorf("%s: datagram %d is %q", address, i, d.bytes)
			}
		}
	}
}
