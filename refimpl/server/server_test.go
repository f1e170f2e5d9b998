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
	var first struct{ Msg, TCP, Fingerprint string }
	line, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil || first.Msg != "serving" || first.TCP != s.Addr().String() ||
		first.Fingerprint != s.Fingerprint().String() {
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
