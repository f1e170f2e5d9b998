package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/server"
)

// Exit codes.
const (
	exitServing = 1 // serving failed
	exitRefused = 2 // the start was refused: usage, configuration, key, address
)

// refusal is an error for which the start is refused.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// run is the command without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "bpci-xtmp-server",
		Short: "The reference server of XTMP/1",
		Long: "The reference server of XTMP/1.\n\n" +
			"`keygen` makes the server's identity and prints the fingerprint that clients pin;\n" +
			"`start` serves. Exit codes: 0 orderly end, 1 serving failed, 2 the start was refused.",
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return refusal{fmt.Errorf("there is no command %s: see `bpci-xtmp-server --help`", args[0])}
		},
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return refusal{fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())}
	})
	root.AddCommand(startCommand(stdout, stderr), keygenCommand(stdout))
	err := fang.Execute(ctx, root, fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) {
		fmt.Fprintf(w, "bpci-xtmp-server: %v\n", err) // standard error is the last resort
	}))
	var refused refusal
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		return exitRefused
	default:
		return exitServing
	}
}

func keygenCommand(stdout io.Writer) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "keygen --out FILE",
		Short: "Make an identity key and print its fingerprint",
		Long: "Makes an Ed25519 key, writes it to a file that only its owner can read, and prints its\n" +
			"fingerprint. A client trusts the server once its pin file has the line\n" +
			"`host:port 1 FINGERPRINT`.",
		Example: "bpci-xtmp-server keygen --out /etc/bpi/identity.pem",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return refusal{errors.New("keygen needs a file: bpci-xtmp-server keygen --out FILE")}
			}
			id, err := server.GenerateKey(out)
			if err != nil {
				return refusal{err}
			}
			_, err = fmt.Fprintln(stdout, id.Fingerprint())
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write, which must not exist")
	return c
}

// startFlags override what the configuration file says. An empty string is a
// flag that was not given.
type startFlags struct {
	config string
	bind   string
	port   string
	keys   []string
	level  string
}

func startCommand(stdout, stderr io.Writer) *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use:   "start",
		Short: "Serve until SIGTERM or SIGINT",
		Long: "Serves XTMP/1 on TCP. Once it serves, it prints one line on standard output:\n\n" +
			"    READY tcp=host:port udp=- fingerprint=HEX\n\n" +
			"The log is JSON lines on standard error. Flags override the configuration file.",
		Example: "bpci-xtmp-server start --config /etc/bpi/xtmp-server.yaml --port 8090\n" +
			"bpci-xtmp-server start --key identity.pem --bind 127.0.0.1 --port 0",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return start(c.Context(), f, stdout, stderr) },
	}
	c.Flags().StringVar(&f.config, "config", "", "configuration file, YAML; docs/configuration.md has the keys")
	c.Flags().StringVar(&f.bind, "bind", "", "address to listen on, host or host:port (default 0.0.0.0:8090)")
	c.Flags().StringVar(&f.port, "port", "", "port to listen on; 0 lets the system choose")
	c.Flags().StringArrayVar(&f.keys, "key", nil, "identity key file; the first is the default (repeatable)")
	c.Flags().StringVar(&f.level, "log-level", "", "debug, info, warn or error (default info)")
	return c
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return refusal{fmt.Errorf("unexpected argument %q: see `%s --help`", args[0], c.CommandPath())}
	}
	return nil
}

// start is the start command.
func start(ctx context.Context, f startFlags, stdout, stderr io.Writer) error {
	cfg, level, err := f.resolve()
	if err != nil {
		return refusal{err}
	}
	cfg.Log = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	s, err := server.Listen(ctx, cfg)
	if err != nil {
		return refusal{explain(cfg.Address, err)}
	}
	if _, err := fmt.Fprintf(stdout, "READY tcp=%v udp=- fingerprint=%v\n", s.Addr(), s.Fingerprint()); err != nil {
		return fmt.Errorf("announcing readiness: %w", err)
	}
	return s.Serve(ctx)
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
	cfg.Address, err = f.address(cfg.Address)
	return cfg, level, err
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

// explain adds the next step to an address that cannot be bound.
func explain(address string, err error) error {
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is taken by another process: stop it, or choose another with --port", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be bound by this user: choose a port above 1023", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine: see `ip addr`", address)
	case errors.As(err, &name):
		return fmt.Errorf("%s: the host has no address: check --bind or bpci_xtmp_server.bind_address", address)
	default:
		return err
	}
}
