//go:build linux

package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(t *testing.T) Config {
	t.Helper()
	id, err := GenerateKey(filepath.Join(t.TempDir(), "identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return Config{Address: "127.0.0.1:0", Identities: []*Identity{id}}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestListenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no identity":        {func(c *Config) { c.Identities = nil }, "needs an identity key: make one with `bpci-xtmp-server keygen`"},
		"taken":              {func(c *Config) { c.Address = taken.Addr().String() }, "address already in use"},
		"no address":         {func(c *Config) { c.Address = "nowhere" }, "missing port in address"},
		"heartbeat":          {func(c *Config) { c.HeartbeatInterval = -time.Second }, "HeartbeatInterval is -1s: it is between 1ms and 24h0m0s"},
		"timeout":            {func(c *Config) { c.ConnectionTimeout = time.Microsecond }, "server.Config.ConnectionTimeout is 1µs"},
		"timeout, too long":  {func(c *Config) { c.ConnectionTimeout = 25 * time.Hour }, "server.Config.ConnectionTimeout is 25h0m0s"},
		"rotation":           {func(c *Config) { c.KeyRotationInterval = time.Millisecond }, "server.Config.KeyRotationInterval is 1ms"},
		"rotation, too long": {func(c *Config) { c.KeyRotationInterval = 9000 * time.Hour }, "KeyRotationInterval is 9000h0m0s"},
		"payload":            {func(c *Config) { c.MaxPayload = 1 }, "max_payload is not between 65536 and 16777216"},
		"loops":              {func(c *Config) { c.Loops = 257 }, "more than 256 event loops"},
	} {
		cfg := config(t)
		test.change(&cfg)
		_, err := Listen(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
		if name == "taken" && !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("the cause of %v is lost", err)
		}
	}
}

func TestServer(t *testing.T) {
	cfg := config(t)
	var log strings.Builder
	cfg.Log = slog.New(slog.NewJSONHandler(&log, nil))
	s, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.Fingerprint() != cfg.Identities[0].Fingerprint() || s.Addr().Port() == 0 || s.Addr().Addr().String() != "127.0.0.1" {
		t.Errorf("listens on %v as %v", s.Addr(), s.Fingerprint())
	}
	if err := s.Serve(ended(t)); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Serve(t.Context()); err == nil {
		t.Error("Serve serves twice")
	}
	var first struct{ Msg, TCP, Pins string }
	line, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil || first.Msg != "serving" || first.TCP != s.Addr().String() ||
		first.Pins != "1:"+s.Fingerprint().String() {
		t.Errorf("the log begins with %s", line)
	}
	again, err := Listen(t.Context(), func() Config { cfg.Address = s.Addr().String(); return cfg }())
	if err != nil {
		t.Fatalf("the address is not free after Serve: %v", err)
	}
	_ = again.Serve(ended(t))
}

func TestDefaultLoops(t *testing.T) {
	if loops(3) != 3 || loops(0) < 1 || loops(0) > 256 || loops(-1) != loops(0) {
		t.Errorf("loops: %d, %d, %d", loops(3), loops(0), loops(-1))
	}
}

// Suites that must not, or cannot, be served stop the start.
func TestListenRefusesSuites(t *testing.T) {
	for _, test := range []struct {
		suites []Suite
		allow  bool
		want   string
	}{
		{[]Suite{SuiteAES256GCM, SuiteNone}, false, "suite none leaves sessions without encryption"},
		{[]Suite{SuiteNone}, true, ""},
		{[]Suite{SuitePostQuantum}, false, "suite postquantum needs an identity of kind 2"},
		{[]Suite{SuiteChaCha20, SuiteAES256GCM}, false, ""},
	} {
		cfg := config(t)
		cfg.Suites, cfg.AllowUnencrypted = test.suites, test.allow
		s, err := Listen(t.Context(), cfg)
		if err == nil {
			_ = s.Serve(ended(t))
		}
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.suites, err, test.want)
		}
	}
}

// The sizes of the pools are those of the configuration.
func TestMetrics(t *testing.T) {
	cfg := config(t)
	cfg.Loops, cfg.QueueSize = 2, 7
	cfg.Workers = Workers{Wallet: 1, Bundle: 2, Registry: 3, Stream: 5}
	s, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Metrics()
	want := map[string]int{"wallet": 1, "bundle": 2, "registry": 3, "stream": 5, "other": 2}
	for _, p := range m.Pools {
		if p.Workers != want[p.Family] || p.Capacity != 7 {
			t.Errorf("%+v, want %d workers and room for 7", p, want[p.Family])
		}
	}
	if len(m.Pools) != len(want) || len(m.Loops) != 2 {
		t.Errorf("%d pools and %d loops", len(m.Pools), len(m.Loops))
	}
	if err := s.SetIdentities(t.Context(), nil); err == nil {
		t.Error("a server without identities is possible")
	}
	_ = s.Serve(ended(t))
}
