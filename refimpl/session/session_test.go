package session

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/wire"
)

func TestHandshake(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.established()
	if p.client.ID() != p.server.ID() || p.client.ID() == 0 {
		t.Errorf("session_id: client %x, server %x", p.client.ID(), p.server.ID())
	}
	if p.client.root != p.server.root || p.client.exporter != p.server.exporter {
		t.Error("the two sides hold different secrets")
	}
	if p.client.handshake != nil || p.server.handshake != nil {
		t.Error("handshake secrets outlive the handshake")
	}
	e := p.events[p.client]
	if len(e) != 1 || e[0].Kind != EventEstablished || e[0].Identity.Fingerprint != p.identity.Fingerprint() {
		t.Errorf("client events %+v", e)
	}
	if a := p.admission; a.half != 0 || a.settled != 1 {
		t.Errorf("admission holds %d half-open, %d settled", a.half, a.settled)
	}
	// HandshakeDone is mid 1; the client acknowledges it within T_ACK.
	if n := p.server.out.last - p.server.out.done; n != 1 {
		t.Fatalf("server waits for %d Acks, want 1", n)
	}
	p.pass(ackDelay)
	if !p.server.out.idle() {
		t.Error("HandshakeDone was not acknowledged within T_ACK")
	}
}

func TestHandshakeWithoutKeyWhenPinHoldsIt(t *testing.T) {
	p := newPair(t, func(p *pair) { p.clientCfg.Client.Pins[0].Key = p.identity.Key() })
	p.connect()
	p.established()
}

func TestPing(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.established()
	token, ok := p.client.Ping()
	if !ok {
		t.Fatal("Ping refused")
	}
	p.settle()
	events := p.events[p.client]
	if last := events[len(events)-1]; last.Kind != EventPong || last.Token != token {
		t.Errorf("last event %+v, want pong %d", last, token)
	}
}

// A PING right behind ClientFinish is answered behind HandshakeDone. [XTMP-HSK-053]
func TestHandshakeDoneIsFirst(t *testing.T) {
	p := newPair(t, nil)
	p.open()
	for p.client.State() != Established {
		p.write('c', p.client, &p.toServer)
		p.deliver(p.server, &p.toServer)
		p.write('s', p.server, &p.toClient)
		p.deliver(p.client, &p.toClient)
	}
	if _, ok := p.client.Ping(); !ok {
		t.Fatal("no PING")
	}
	p.settle()
	p.established()
}

// A client learns where further paths go, and takes no list that is wrong.
// [XTMP-PTH-056] [XTMP-PTH-060]
func TestEndpoints(t *testing.T) {
	all := []wire.AttachEndpoint{{Kind: wire.PathStream, Port: 1, Host: "a.example"}, {Kind: 7, Port: 2, Host: "b.example"}}
	p := newPair(t, func(p *pair) { p.serverCfg.Server.Endpoints = all })
	p.connect()
	p.established()
	for _, e := range p.events[p.client] {
		if e.Kind == EventEstablished && !slices.Equal(e.Endpoints, all) {
			t.Errorf("the client learns %v", e.Endpoints)
		}
	}
	p = newPair(t, func(p *pair) {
		p.serverCfg.Server.Endpoints = []wire.AttachEndpoint{{Kind: wire.PathStream, Host: "a.example"}}
	})
	p.connect()
	if !errors.Is(p.client.Err(), ErrHandshake) {
		t.Errorf("a list without port: %v", p.client.Err())
	}
	_, err := Config{Entropy: deterministic(1), Server: ServerConfig{
		Identities: p.serverCfg.Server.Identities, Encapsulate: p.serverCfg.Server.Encapsulate, Admission: p.admission,
		NewSessionID: p.serverCfg.Server.NewSessionID, Endpoints: slices.Repeat(all, 100),
	}}.Validate(Server)
	if err == nil {
		t.Error("a list of any length is accepted")
	}
}

func TestClose(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		p := newPair(t, nil)
		p.connect()
		p.established()
		closer, other := p.client, p.server
		if who == "server" {
			closer, other = p.server, p.client
		}
		closer.Close(p.now)
		p.settle()
		p.pass(ackDelay) // the server waits for the Ack of HandshakeDone
		if !errors.Is(closer.Err(), ErrClosed) || !errors.Is(other.Err(), ErrClosed) {
			t.Errorf("%s closes: closer %v, other %v", who, closer.Err(), other.Err())
		}
		if closer.Fate(0) != Drain || other.Fate(0) != Shut {
			t.Errorf("%s closes: fates %v and %v", who, closer.Fate(0), other.Fate(0))
		}
		p.pass(lingerTimeout)
		if closer.Fate(0) != Shut {
			t.Errorf("%s closes: still there after T_LINGER", who)
		}
		if p.admission.settled != 0 {
			t.Errorf("%s closes: admission still holds the session", who)
		}
	}
}

func TestCloseWithoutAck(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.established()
	p.server.Close(p.now)
	// The client's Ack never arrives.
	p.client.paths[0].ackCount = 0
	p.pass(closeTimeout - time.Millisecond)
	if p.server.State() != Closing {
		t.Fatalf("server %v before T_CLOSE", p.server.State())
	}
	p.pass(time.Millisecond)
	if !errors.Is(p.server.Err(), ErrClosed) || !errors.Is(p.client.Err(), ErrClosed) {
		t.Errorf("server %v, client %v", p.server.Err(), p.client.Err())
	}
}

func TestWrongPin(t *testing.T) {
	other := security.Fingerprint{1, 2, 3}
	p := newPair(t, func(p *pair) {
		p.clientCfg.Client.Pins = []security.Pin{{Kind: security.KindEd25519, Fingerprint: other}}
	})
	p.connect()
	var pin *PinError
	if !errors.As(p.client.Err(), &pin) || pin.Met != p.identity.Fingerprint() || pin.Expected[0].Fingerprint != other {
		t.Fatalf("client: %v", p.client.Err())
	}
	if len(p.toServer) != 0 || p.client.Fate(0) != Shut {
		t.Error("a client that refuses sends something, or keeps the connection")
	}
}

func TestUnknownHostRefusedUnlessTrustNew(t *testing.T) {
	p := newPair(t, func(p *pair) { p.clientCfg.Client.Pins = nil })
	p.connect()
	var pin *PinError
	if !errors.As(p.client.Err(), &pin) {
		t.Fatalf("without pins: %v", p.client.Err())
	}
	p = newPair(t, func(p *pair) { p.clientCfg.Client.Pins, p.clientCfg.Client.TrustNew = nil, true })
	p.connect()
	p.established()
}

// TestClockSkew lets each side in turn read a clock that is off while it
// judges the other.
func TestClockSkew(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int64 // server's wall − client's wall, µs
		ok   bool
	}{
		{"exactly 300 s ahead", skewMax, true},
		{"exactly 300 s behind", -skewMax, true},
		{"a microsecond more", skewMax + 1, false},
		{"a microsecond less", -skewMax - 1, false},
	} {
		t.Run("client judges/"+c.name, func(t *testing.T) {
			p := newPair(t, nil)
			p.open()
			p.write('c', p.client, &p.toServer)
			p.deliver(p.server, &p.toServer)
			p.write('s', p.server, &p.toClient)
			p.now.Wall = uint64(int64(p.now.Wall) - c.off)
			p.settle()
			var skew *SkewError
			if refused := errors.As(p.client.Err(), &skew); refused == c.ok {
				t.Errorf("client: %v", p.client.Err())
			}
			if !c.ok && p.server.State() != Half {
				t.Errorf("server is %v: the client said something", p.server.State())
			}
		})
		t.Run("server judges/"+c.name, func(t *testing.T) {
			p := newPair(t, nil)
			p.open()
			p.write('c', p.client, &p.toServer)
			p.now.Wall = uint64(int64(p.now.Wall) + c.off)
			p.settle() // the client reads the same clock, so only the server sees a difference
			if c.ok {
				p.established()
				return
			}
			var e *Error
			if !errors.As(p.client.Err(), &e) || e.Code != wire.ClockSkew || !e.Peer || e.Scope != wire.ScopeSession {
				t.Errorf("client: %v", p.client.Err())
			}
			if p.server.State() != Closed || p.admission.half != 0 || p.admission.settled != 0 {
				t.Errorf("server is %v, admission %+v", p.server.State(), *p.admission)
			}
		})
	}
}

func TestIdleAndHeartbeat(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	p.established()
	p.pass(time.Hour)
	p.established()
	if p.client.ping.last < 100 || p.client.ping.last > 125 {
		t.Errorf("client sent %d PINGs in an hour, want about 120", p.client.ping.last)
	}
	if p.server.ping.last != 0 {
		t.Errorf("server sent %d PINGs on a path that is not silent", p.server.ping.last)
	}
	// The client falls silent: the server probes after three intervals, then
	// closes at connection_timeout.
	silent := p.now.Elapsed
	for p.server.State() != Closed {
		at, _ := p.server.Deadline()
		p.now.Elapsed = at
		p.server.Advance(p.now)
		p.server.AppendOutput(p.now, 0, nil)
	}
	if !errors.Is(p.server.Err(), ErrIdle) || p.now.Elapsed-silent > DefaultConnectionTimeout {
		t.Errorf("server ends with %v after %v of silence", p.server.Err(), p.now.Elapsed-silent)
	}
	if n := p.server.ping.last; n < 5 || n > 8 {
		t.Errorf("server sent %d PINGs between 90 s and 300 s, want one per 30 s", n)
	}
}

// TestLinger looks at how long a connection stays after its final frame: T_LINGER
// from when the transport took it, T_CLOSE while it takes nothing, and a bounded
// number of bytes.
func TestLinger(t *testing.T) {
	refused := func() *pair {
		p := newPair(t, nil)
		p.server.Receive(p.now, 0, wire.AppendClear(nil, wire.TypeHandshakeAck, 0, wall, nil))
		if p.server.Fate(0) != Drain || p.admission.half != 0 {
			t.Fatalf("fate %v, %d half-open", p.server.Fate(0), p.admission.half)
		}
		return p
	}
	later := func(p *pair, d time.Duration, want Fate) {
		t.Helper()
		p.now.Elapsed += d
		p.server.Advance(p.now)
		if got := p.server.Fate(0); got != want {
			t.Errorf("fate %v, want %v", got, want)
		}
	}
	p := refused()
	later(p, closeTimeout-1, Drain) // the transport takes nothing
	later(p, 1, Shut)
	p = refused()
	later(p, 3*time.Second, Drain)
	if len(p.server.AppendOutput(p.now, 0, nil)) == 0 {
		t.Fatal("the Error is gone")
	}
	later(p, lingerTimeout-1, Drain)
	later(p, 1, Shut)
	p = refused()
	p.server.Receive(p.now, 0, make([]byte, lingerBytes+1))
	later(p, 0, Drain) // what arrives before the hand-over does not cost the Error
	p.server.AppendOutput(p.now, 0, nil)
	p.server.Receive(p.now, 0, make([]byte, lingerBytes))
	later(p, 0, Drain)
	p.server.Receive(p.now, 0, make([]byte, 1))
	later(p, 0, Shut)
}

func TestAge(t *testing.T) {
	p := newPair(t, func(p *pair) { p.serverCfg.KeyRotationInterval = time.Minute })
	p.connect()
	p.pass(7 * time.Minute)
	var e *Error
	if !errors.As(p.client.Err(), &e) || e.Code != wire.SessionExpired {
		t.Errorf("client: %v", p.client.Err())
	}
	if !errors.As(p.server.Err(), &e) || e.Code != wire.SessionExpired {
		t.Errorf("server: %v", p.server.Err())
	}
}

// TestAgeOwesAnAck ends a session of full age that has just received a
// repeated request: the Ack that is due goes before the Disconnect. [XTMP-DSC-018]
func TestAgeOwesAnAck(t *testing.T) {
	p := newPair(t, func(p *pair) { p.serverCfg.KeyRotationInterval = time.Minute })
	p.connect()
	p.pass(7*time.Minute - ackDelay/2)
	p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: 1}, nil)
	p.server.AppendOutput(p.now, 0, nil)                                   // the reply, which acknowledges it
	p.fromClientOnly(wire.TypeWalletAuth, ra, &wire.Prologue{Mid: 1}, nil) // repeated: an Ack is due
	p.now.Elapsed += ackDelay / 2
	p.server.Advance(p.now)
	var got []wire.MessageType
	for out := p.server.AppendOutput(p.now, 0, nil); len(out) > 0; {
		var h wire.Header
		if err := wire.ParseHeader(out, &h); err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Type)
		out = out[wire.Overhead+int(h.PayloadLength):]
	}
	if want := []wire.MessageType{wire.TypeAck, wire.TypeDisconnect}; !slices.Equal(got, want) {
		t.Errorf("the server ends the session with %v, want %v", got, want)
	}
}

// TestErrorTexts looks at what a person reads: nothing that a peer wrote reaches
// a terminal as it is, and a clear Error is not presented as the server's word.
func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		`ConnectionFailed: the peer answered: SERVER_BUSY: "\x1b[2J\nready"`: &Error{
			Code: wire.ServerBusy, Peer: true, Text: "\x1b[2J\nready",
		},
		"ConnectionFailed: the server's address answered, unauthenticated: SERVER_BUSY": &Error{ // [XTMP-HSK-086]
			Code: wire.ServerBusy, Peer: true, Clear: true,
		},
		"ConnectionFailed: the server's clock is 6m40s ahead of ours, more than 5m0s: set the clock and try again": &SkewError{
			Ahead: 400*time.Second + time.Millisecond,
		},
		"ConnectionFailed: the server's clock is 6m40s behind ours, more than 5m0s: set the clock and try again": &SkewError{
			Ahead: -400 * time.Second,
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestStepOfWallClockChangesNothing(t *testing.T) {
	p := newPair(t, nil)
	p.connect()
	for _, step := range []uint64{3600e6, 1 << 63} {
		p.now.Wall += step
		p.client.Ping()
		p.settle()
		p.established()
	}
}

func TestTimers(t *testing.T) {
	p := newPair(t, nil)
	p.pass(handshakeTimeout)
	if !errors.Is(p.server.Err(), ErrTimeout) || p.server.Fate(0) != Shut {
		t.Errorf("no ClientHello: %v", p.server.Err())
	}
	p = newPair(t, nil)
	p.open()
	p.client.AppendOutput(p.now, 0, nil) // lost
	p.pass(DefaultConnectTimeout - 1)
	if p.client.State() != Hello {
		t.Errorf("client %v before T_CONNECT", p.client.State())
	}
	p.pass(1)
	if !errors.Is(p.client.Err(), ErrTimeout) {
		t.Errorf("no answer to ClientHello: %v", p.client.Err())
	}
	p = newPair(t, nil)
	p.connect()
	p.pass(ackDelay)
	p.server.Receive(p.now, 0, []byte{'X'})
	p.pass(frameTimeout - 1)
	p.established()
	p.pass(1)
	if !errors.Is(p.server.Err(), ErrBadFrame) {
		t.Errorf("an incomplete frame after T_FRAME: %v", p.server.Err())
	}
}

// TestDelayedFirstFrame lets a first frame wait for its turn: the handshake goes
// on when it comes, T_HANDSHAKE_TCP ends it if it comes too late, and nothing may
// follow meanwhile.
func TestDelayedFirstFrame(t *testing.T) {
	p := newPair(t, func(p *pair) { p.admission.wait = 3 * time.Second })
	p.connect()
	if p.client.State() != Hello || p.server.State() != Start {
		t.Fatalf("client %v, server %v before the frame's turn", p.client.State(), p.server.State())
	}
	p.pass(3*time.Second - 1)
	if p.server.State() != Start {
		t.Fatalf("server %v before the frame's turn", p.server.State())
	}
	p.pass(1)
	p.established()

	p = newPair(t, func(p *pair) { p.admission.wait = handshakeTimeout + 1 })
	p.connect()
	p.pass(handshakeTimeout)
	if !errors.Is(p.server.Err(), ErrTimeout) {
		t.Errorf("a turn after T_HANDSHAKE_TCP: %v", p.server.Err())
	}

	for _, together := range []bool{false, true} {
		p = newPair(t, func(p *pair) { p.admission.wait = time.Second })
		p.open()
		hello := p.client.AppendOutput(p.now, 0, nil)
		if together {
			p.server.Receive(p.now, 0, append(bytes.Clone(hello), hello...))
		} else {
			p.server.Receive(p.now, 0, bytes.Clone(hello))
			p.server.Receive(p.now, 0, hello[:1])
		}
		if p.server.State() != Closed || p.server.Fate(0) != Shut {
			t.Errorf("something behind a first frame that waits (in one read: %v): %v", together, p.server.State())
		}
	}
}

// TestNotXTMP meets a peer that greets in another protocol, in fewer bytes than a
// header has.
func TestNotXTMP(t *testing.T) {
	p := newPair(t, nil)
	p.open()
	p.client.Receive(p.now, 0, []byte("SSH"))
	if p.client.State() != Hello {
		t.Fatalf("client %v after three bytes", p.client.State())
	}
	p.client.Receive(p.now, 0, []byte("-2.0-OpenSSH_9.2\r\n"))
	if !errors.Is(p.client.Err(), ErrNotXTMP) || p.client.Fate(0) != Shut {
		t.Errorf("client: %v", p.client.Err())
	}
	p.server.Receive(p.now, 0, []byte("GET / HTTP/1.1\r\n"))
	if p.server.State() != Closed || p.server.Fate(0) != Shut {
		t.Errorf("server: %v", p.server.State())
	}
	p = newPair(t, nil)
	p.server.Receive(p.now, 0, []byte("XTMP\x01"))
	if p.server.State() != Start {
		t.Errorf("server %v after five good bytes", p.server.State())
	}
}
