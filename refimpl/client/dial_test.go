package client

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// refused runs a handshake that must fail and returns its error.
func refused(t *testing.T, near *pipeConn, cfg Config) error {
	t.Helper()
	s, err := NewSession(t.Context(), near, cfg)
	if err == nil {
		t.Error("the handshake succeeded")
		_ = s.Close(t.Context())
		return errors.New("none")
	}
	if _, err := near.Write([]byte{0}); err == nil {
		t.Error("the connection is left open")
	}
	return err
}

func TestWrongPin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := newPipe(64 << 10)
		p := serve(t, far, identity(t, 1), nil)
		expected, met := identity(t, 2).Fingerprint(), identity(t, 1).Fingerprint()
		err := refused(t, near, pinned(identity(t, 2)))
		var pin *PinError
		if !errors.As(err, &pin) || pin.Met != met || len(pin.Expected) != 1 || pin.Expected[0].Fingerprint != expected {
			t.Errorf("got %#v", err)
		}
		text := err.Error()
		if !strings.HasPrefix(text, "EncryptionFailed: ") || !strings.Contains(text, expected.String()) || !strings.Contains(text, met.String()) {
			t.Errorf("the text is %q", text)
		}
		if Class(err) != "EncryptionFailed" {
			t.Errorf("Class is %s", Class(err))
		}
		if err := p.err(); !errors.Is(err, session.ErrTruncated) {
			t.Errorf("the server's session ended with %v", err)
		}
	})
}

// One of several pins is enough, wherever it stands. [XTMP-TRU-006]
func TestAnyPin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) {
			for seed := byte(2); seed < 8; seed++ {
				c.Pins = append(pinned(identity(t, seed)).Pins, c.Pins...)
			}
		})
		closeInOrder(t, s, p)
	})
}

func TestPinWithKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, func(c *Config, _ *session.Config) { c.Pins[0].Key = identity(t, 1).Key() })
		closeInOrder(t, s, p)
	})
}

func TestHandshakeCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := newPipe(64 << 10) // nobody answers
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("changed my mind")
		time.AfterFunc(time.Second, func() { cancel(why) })
		start := time.Now()
		_, err := NewSession(ctx, near, pinned(identity(t, 1)))
		if !errors.Is(err, why) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if _, err := far.Write([]byte{0}); err == nil {
			t.Error("the connection is left open")
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	for _, test := range []struct{ timeout, want time.Duration }{
		{0, 10 * time.Second},
		{3 * time.Second, 3 * time.Second},
		{-1, time.Hour}, // the context's
	} {
		bubble(t, func(t *testing.T) {
			near, _ := newPipe(64 << 10)
			cfg := pinned(identity(t, 1))
			cfg.ConnectTimeout = test.timeout
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			_, err := NewSession(ctx, near, cfg)
			want := ErrTimeout
			if test.timeout < 0 {
				want = context.DeadlineExceeded
			}
			if !errors.Is(err, want) || time.Since(start) != test.want {
				t.Errorf("ConnectTimeout %v: got %v after %v", test.timeout, err, time.Since(start))
			}
		})
	}
}

func TestServerThatIsNone(t *testing.T) {
	http := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	busy := wire.Error{Code: wire.ServerBusy, Scope: wire.ScopePath, RetryAfterMS: 1500, RefSequence: wire.NoSequence, Text: []byte("later")}
	for _, test := range []struct {
		name, says string
		class      string
		want       error // nil: an *Error
	}{
		{"speaks HTTP", http, "InvalidMessageFormat", ErrNotXTMP},
		{"hangs up", "", "ConnectionFailed", ErrRefused},
		{"hangs up within a frame", "XTMP\x01", "ConnectionFailed", ErrRefused},
		{"speaks version 2", "XTMP\x02" + strings.Repeat("\x00", 91), "EncryptionFailed", ErrHandshake},
		{"is busy", string(wire.AppendClear(nil, wire.TypeError, 0, 0, busy.Append(nil))), "ConnectionFailed", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				near, far := newPipe(64 << 10)
				if _, err := far.Write([]byte(test.says)); err != nil {
					t.Fatal(err)
				}
				_ = far.CloseWrite()
				err := refused(t, near, pinned(identity(t, 1)))
				var coded *Error
				switch {
				case test.want != nil:
					if !errors.Is(err, test.want) {
						t.Errorf("got %v, want %v", err, test.want)
					}
				case !errors.As(err, &coded) || coded.Code != wire.ServerBusy || !coded.Peer || coded.RetryAfter != 1500*time.Millisecond:
					t.Errorf("got %#v", err)
				}
				if Class(err) != test.class || !strings.HasPrefix(err.Error(), test.class+": ") {
					t.Errorf("class %s, text %q, want %s", Class(err), err, test.class)
				}
			})
		})
	}
}

// A clock that is off is told from everything else, with its distance.
func TestSkew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := newPipe(64 << 10)
		p := serve(t, far, identity(t, 1), nil)
		right := p.clock
		p.mu.Lock()
		p.clock = func() session.Now {
			now := right()
			now.Wall += uint64((301 * time.Second).Microseconds())
			return now
		}
		p.mu.Unlock()
		err := refused(t, near, pinned(identity(t, 1)))
		var skew *SkewError
		if !errors.As(err, &skew) || skew.Ahead != 301*time.Second || Class(err) != "ConnectionFailed" {
			t.Errorf("got %v", err)
		}
		<-p.done
	})
}

func TestConfigRefused(t *testing.T) {
	tiny := pinned(identity(t, 1))
	tiny.HeartbeatInterval = time.Microsecond
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "EncryptionFailed: no identity is pinned"},
		{tiny, "HeartbeatInterval is 1µs: it is at least 1ms"},
	} {
		// Dial refuses before it connects: nobody listens on port 0.
		_, err := Dial(t.Context(), "127.0.0.1:0", test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		near, far := newPipe(64)
		if _, err := NewSession(t.Context(), near, test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		if _, err := far.Write([]byte{0}); err == nil {
			t.Error("the connection is left open")
		}
	}
}

// trust returns a Config without clock: for real connections.
func trust() Config { return Config{TrustNew: true} }

func TestDialErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()

	_, err = Dial(t.Context(), address, trust())
	var op *net.OpError
	want := "xtmp: dialing " + address + ": ConnectionFailed: "
	if !errors.As(err, &op) || Class(err) != "ConnectionFailed" || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("nobody listens: %v", err)
	}

	why := errors.New("never mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := Dial(ctx, address, trust()); !errors.Is(err, why) {
		t.Errorf("with an ended context: %v", err)
	}

	cfg := trust()
	cfg.LocalAddress = "no such address"
	if _, err := Dial(t.Context(), address, cfg); err == nil || !strings.Contains(err.Error(), "no such address") {
		t.Errorf("with a bad LocalAddress: %v", err)
	}
}

// Dial counts the time for connecting too: a listener that never accepts lets
// TCP connect, and then nothing comes.
func TestDialTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := trust()
	cfg.ConnectTimeout = 20 * time.Millisecond
	if _, err := Dial(t.Context(), ln.Addr().String(), cfg); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want %v", err, ErrTimeout)
	}
}

// LocalAddress is where the connection comes from.
func TestLocalAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	from := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			from <- err.Error()
			return
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		_ = conn.Close()
		from <- host
	}()
	cfg := trust()
	cfg.LocalAddress = "127.0.0.2:0"
	if _, err := Dial(t.Context(), ln.Addr().String(), cfg); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want %v", err, ErrRefused)
	}
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("the connection comes from %s", got)
	}
}

func TestClass(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{ErrClosed, "ConnectionFailed"},
		{ErrIdle, "ConnectionFailed"},
		{ErrTimeout, "ConnectionFailed"},
		{ErrHandshake, "EncryptionFailed"},
		{ErrNoPins, "EncryptionFailed"},
		{ErrNotXTMP, "InvalidMessageFormat"},
		{context.Canceled, "ConnectionFailed"},
		{&Error{Code: wire.VersionUnsupported}, "ProtocolVersionMismatch"},
		{&Error{Code: wire.AuthFailed}, "AuthenticationFailed"},
		{&Error{Code: 0xfff0}, "ConnectionFailed"},
	} {
		if got := Class(test.err); got != test.want {
			t.Errorf("Class(%v) is %s, want %s", test.err, got, test.want)
		}
	}
}

// Handshakes at once share nothing.
func TestManySessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		id := identity(t, 1)
		cfg := pinned(id)
		sessions := make([]*Session, 20)
		peers := make([]*peer, len(sessions))
		for i := range sessions {
			near, far := newPipe(1 << rand32(t, 4, 16))
			peers[i] = serve(t, far, id, nil)
			var err error
			if sessions[i], err = NewSession(t.Context(), near, cfg); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range sessions {
			if _, err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			closeInOrder(t, s, peers[i])
		}
		synctest.Wait()
	})
}

// rand32 draws from low … high.
func rand32(t *testing.T, low, high byte) byte {
	var b [1]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return low + b[0]%(high-low+1)
}
