package client

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// hybrid returns an identity of kind 2.
func hybrid(t testing.TB, seed byte) *security.Identity {
	t.Helper()
	id, err := security.NewHybridIdentity(bytes.Repeat([]byte{seed}, 32), bytes.Repeat([]byte{seed + 1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSuites(t *testing.T) {
	id := hybrid(t, 1)
	all := []wire.Suite{wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum}
	for _, suite := range all {
		t.Run(suite.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := pinned(id)
				cfg.AllowUnencrypted = suite == wire.SuiteNone
				cfg.Suites = []wire.Suite{suite}
				near, far := newPipe(64 << 10)
				p := serve(t, far, id, func(c *session.Config) { c.Suites = all })
				s, err := NewSession(t.Context(), near, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Identity(); got.Suite != suite || got.Kind != 2 {
					t.Errorf("the session has suite %v and kind %d", got.Suite, got.Kind)
				}
				if _, err := s.Call(t.Context(), echo([]byte("x")), nil); err != nil {
					t.Error(err)
				}
				closeInOrder(t, s, p)
			})
		})
	}
}

// The server takes its own preference from what is offered; the client refuses
// before it connects what it would not get.
func TestSuitesRefused(t *testing.T) {
	one, two := identity(t, 1), hybrid(t, 1)
	for _, test := range []struct {
		id     *security.Identity
		suites []wire.Suite
		want   string
	}{
		{one, []wire.Suite{wire.SuiteAES256GCM, wire.SuiteNone}, "it takes AllowUnencrypted"},
		{one, []wire.Suite{wire.SuitePostQuantum}, "takes a pin of kind 2"},
		{two, slices.Repeat([]wire.Suite{wire.SuiteAES256GCM}, 5), "more than four"},
		{two, []wire.Suite{9}, "suite 0x09 is not available"},
		{two, []wire.Suite{wire.SuitePostQuantum}, ""},
		{one, []wire.Suite{wire.SuitePostQuantum, wire.SuiteAES256GCM}, ""},
	} {
		cfg := pinned(test.id)
		cfg.Suites = test.suites
		switch _, err := cfg.core(); {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%v: %v, want %q", test.suites, err, test.want)
		}
	}
}

func TestParseSuite(t *testing.T) {
	for s := wire.SuiteNone; s <= wire.SuitePostQuantum; s++ {
		if got, err := ParseSuite(s.String()); got != s || err != nil {
			t.Errorf("ParseSuite(%q) is %v, %v", s.String(), got, err)
		}
	}
	for _, name := range []string{"", "unused", "AES256GCM", "suite 0x09"} {
		if _, err := ParseSuite(name); err == nil {
			t.Errorf("ParseSuite(%q) succeeds", name)
		}
	}
}

// A line of kind 2 with its key of 1985 bytes.
func TestPinFileKind2(t *testing.T) {
	id := hybrid(t, 1)
	key := func(change func(k []byte) []byte) string {
		return base64.StdEncoding.EncodeToString(change(bytes.Clone(id.Key())))
	}
	same := func(k []byte) []byte { return k }
	line := func(kind int, key string) []byte {
		return fmt.Appendf(nil, "host:1 %d %v %s", kind, id.Fingerprint(), key)
	}
	pins, err := ParsePins("f", line(2, key(same)))
	if err != nil {
		t.Fatal(err)
	}
	if p := pins.For("host:1"); len(p) != 1 || p[0].Kind != 2 || !bytes.Equal(p[0].Key, id.Key()) || len(p[0].Key) != 1985 {
		t.Errorf("got %v", p)
	}
	for name, text := range map[string][]byte{
		"of another kind": line(1, key(same)),
		"malformed":       line(2, key(func(k []byte) []byte { return k[:1984] })),
		"not canonical":   line(2, key(func(k []byte) []byte { copy(k[1:], bytes.Repeat([]byte{0xff}, 32)); return k })),
		"does not hash":   line(2, key(func(k []byte) []byte { k[1000] ^= 1; return k })),
	} {
		if _, err := ParsePins("f", text); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the client records, it reads.
	again, err := ParsePins("f", []byte(FormatPin("host:1", Identity{Kind: 2, Fingerprint: id.Fingerprint(), Key: id.Key()})))
	if err != nil || !bytes.Equal(again.For("host:1")[0].Key, id.Key()) {
		t.Error(err)
	}
}

// A pin of kind 2 with its key is enough: the server need not send it.
func TestPinWithHybridKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		id := hybrid(t, 1)
		cfg := pinned(id)
		cfg.Pins[0].Key = id.Key()
		near, far := newPipe(64 << 10)
		p := serve(t, far, id, nil)
		s, err := NewSession(t.Context(), near, cfg)
		if err != nil {
			t.Fatal(err)
		}
		closeInOrder(t, s, p)
	})
}

// Calls go on while the keys change.
func TestRekey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 100 {
					if _, err := s.Call(t.Context(), later(30*time.Millisecond), nil); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for epoch := uint32(1); epoch <= 3; epoch++ {
			start := time.Now()
			if err := s.Rekey(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Second+100*time.Millisecond {
				t.Errorf("Rekey %d took %v", epoch, took)
			}
			p.mu.Lock()
			if got := p.core.Epoch(); got != epoch {
				t.Errorf("the server seals in epoch %d, want %d", got, epoch)
			}
			p.mu.Unlock()
		}
		wg.Wait()
		p.do(func(session.Now, *session.Session) { p.mute = true })
		synctest.Wait()
		if err := s.Rekey(ended(t)); err == nil || err.Error() != "xtmp: rekeying: context canceled" {
			t.Errorf("Rekey with an ended context: %v", err)
		}
		_ = s.Close(ended(t))
		if err := s.Rekey(t.Context()); err == nil || !errors.Is(err, s.Err()) {
			t.Errorf("Rekey of an ended session: %v", err)
		}
		<-p.done
	})
}

func TestRekeyEndsWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		synctest.Wait()
		wakeUp := p.sleep(64 << 10)
		start := time.Now()
		err := s.Rekey(t.Context()) // nobody answers
		var coded *Error
		if !errors.As(err, &coded) || coded.Code != wire.RekeyFailed || time.Since(start) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		<-s.Done()
		wakeUp()
	})
}

// Both sides log the same secrets, the client without its lock.
func TestKeyLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *Session
		ready := make(chan struct{})
		mine, theirs := map[string]string{}, map[string]string{}
		s, p := connect(t, func(c *Config, srv *session.Config) {
			c.KeyLog = func(label string, id uint64, secret []byte) {
				mine[fmt.Sprint(label, " ", id)] = string(secret)
				if label == "SERVER_PATH_SECRET_0_1" {
					<-ready
					_ = s.ID() // the session is not locked
				}
			}
			srv.KeyLog = func(label string, id uint64, secret []byte) { theirs[fmt.Sprint(label, " ", id)] = string(secret) }
		})
		close(ready)
		if err := s.Rekey(t.Context()); err != nil {
			t.Error(err)
		}
		closeInOrder(t, s, p)
		<-s.Done()
		if !maps.Equal(mine, theirs) || len(mine) != 6 {
			t.Errorf("the client logged %q, the server %q", slices.Sorted(maps.Keys(mine)), slices.Sorted(maps.Keys(theirs)))
		}
	})
}
