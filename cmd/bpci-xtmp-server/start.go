package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/keylog"
	"github.com/bpci/xtmp/refimpl/server"
)

// startFlags override what the configuration file says. An empty string is a
// flag that was not given.
type startFlags struct {
	config      string
	bind        string
	port        string
	keys        []string
	suites      []string
	unencrypted bool
	probe       bool
	compression string
	level       string
}

func startCommand(stdout, stderr io.Writer) *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use:   "start",
		Short: "Serve until SIGTERM or SIGINT",
		Long: "Serves XTMP/1 on TCP. Once it serves, it prints one line on standard output:\n\n" +
			"    READY tcp=host:port udp=host:port fingerprint=HEX pins=1:HEX\n\n" +
			"fingerprint is that of the default identity; pins names every identity with its kind,\n" +
			"the default first.\n\n" +
			"The log is JSON lines on standard error. Flags override the configuration file.\n" +
			"SIGHUP reads the identity keys again, SIGUSR1 asks every client for fresh session keys.",
		Example: "bpci-xtmp-server start --config /etc/bpi/xtmp-server.yaml --port 8090\n" +
			"bpci-xtmp-server start --key identity.pem --bind 127.0.0.1 --port 0\n" +
			"bpci-xtmp-server start --config deploy/certify.yaml",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return start(c.Context(), f, stdout, stderr) },
	}
	c.Flags().StringVar(&f.config, "config", "", "configuration file, YAML; docs/configuration.md has the keys")
	c.Flags().StringVar(&f.bind, "bind", "", "address to listen on, host or host:port (default 0.0.0.0:8090)")
	c.Flags().StringVar(&f.port, "port", "", "port to listen on; 0 lets the system choose")
	c.Flags().StringArrayVar(&f.keys, "key", nil, "identity key file; the first is the default (repeatable)")
	c.Flags().StringArrayVar(&f.suites, "suite", nil, "suite to accept: aes256gcm, chacha20poly1305, postquantum, none (repeatable)")
	c.Flags().BoolVar(&f.unencrypted, "allow-unencrypted", false, "allow the suite none, whose sessions anybody on the way can read")
	c.Flags().BoolVar(&f.probe, "probe", false, "answer Probe, for measuring; not for production")
	c.Flags().StringVar(&f.compression, "compression", "", "on or off (default on)")
	c.Flags().StringVar(&f.level, "log-level", "", "debug, info, warn or error (default info)")
	return c
}

// start is the start command.
func start(ctx context.Context, f startFlags, stdout, stderr io.Writer) error {
	cfg, level, err := f.resolve()
	if err != nil {
		return refusal{err}
	}
	cfg.Log = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	var secrets string
	if cfg.KeyLog, secrets, err = keylog.Open(); err != nil {
		return refusal{err}
	}
	if secrets != "" {
		cfg.Log.Warn("the secrets of all sessions are written to a file: whoever has it reads them", "file", secrets)
	}
	s, err := server.Listen(ctx, cfg)
	if err != nil {
		return refusal{explain(cfg.Address, err)}
	}
	ended := obey(ctx, s, f, cfg.Log)
	defer ended()
	if _, err := fmt.Fprintln(stdout, s.Ready()); err != nil {
		return fmt.Errorf("announcing readiness: %w", err)
	}
	return s.Serve(ctx)
}

// reload reads the identity keys again, for the handshakes to come.
func reload(ctx context.Context, s *server.Server, f startFlags, log *slog.Logger) {
	cfg, _, err := f.resolve()
	if err == nil {
		err = s.SetIdentities(ctx, cfg.Identities)
	}
	if err != nil {
		log.Error("the identity keys stay as they were", "error", err)
	}
}

// resolve merges configuration file and flags.
func (f startFlags) resolve() (server.Config, slog.Level, error) {
	var cfg server.Config
	var level slog.Level
	var err error
	if f.config != "" {
		cfg, level, err = server.Load(f.config, f.keys...)
	} else {
		cfg.Identities, err = server.LoadKeys(f.keys)
	}
	if err != nil {
		return cfg, level, err
	}
	if len(cfg.Identities) == 0 {
		return cfg, level, errors.New("no identity key: name one with --key or security.identity_keys; " +
			"`bpci-xtmp-server keygen --out FILE` makes one")
	}
	if f.level != "" {
		var ok bool
		if level, ok = server.ParseLevel(f.level); !ok {
			return cfg, level, fmt.Errorf("--log-level %s is none of debug, info, warn, error", f.level)
		}
	}
	if err := f.features(&cfg); err != nil {
		return cfg, level, err
	}
	cfg.Address, err = f.address(cfg.Address)
	return cfg, level, err
}

// features merges the flags that switch something on or off.
func (f startFlags) features(cfg *server.Config) error {
	cfg.Probe = cfg.Probe || f.probe
	cfg.AllowUnencrypted = cfg.AllowUnencrypted || f.unencrypted
	switch f.compression {
	case "":
	case "on", "off":
		cfg.NoCompression = f.compression == "off"
	default:
		return fmt.Errorf("--compression %s is neither on nor off", f.compression)
	}
	if len(f.suites) > 0 {
		cfg.Suites = nil
	}
	for _, name := range f.suites {
		suite, ok := server.ParseSuite(name)
		if !ok {
			return fmt.Errorf("--suite %s is none of aes256gcm, chacha20poly1305, postquantum, none", name)
		}
		if !slices.Contains(cfg.Suites, suite) {
			cfg.Suites = append(cfg.Suites, suite)
		}
	}
	return nil
}

// address merges --bind and --port into the configured address.
func (f startFlags) address(configured string) (string, error) {
	if configured == "" {
		configured = server.DefaultAddress
	}
	host, port, err := net.SplitHostPort(configured)
	if err != nil {
		return "", err // a file is checked as it is read
	}
	if f.bind != "" {
		h, p, err := net.SplitHostPort(f.bind)
		if err != nil {
			h, p = strings.Trim(f.bind, "[]"), port
		}
		host, port = h, p
		if !isPort(port) {
			return "", fmt.Errorf("--bind %s is neither host nor host:port", f.bind)
		}
	}
	if f.port != "" {
		if port = f.port; !isPort(port) {
			return "", fmt.Errorf("--port %s is no port: 0 … 65535", f.port)
		}
	}
	return net.JoinHostPort(host, port), nil
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
