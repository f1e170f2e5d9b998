package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// File is the configuration file. Names and units are those of the original
// document where it has them: intervals in seconds, sizes in bytes. A key that
// is absent means the default; 0 switches a limit off.
type File struct {
	Protocol struct {
		Version           *int    `yaml:"version"`
		MagicBytes        *string `yaml:"magic_bytes"`
		DefaultEncryption *string `yaml:"default_encryption"`
		MaxPayloadSize    *int    `yaml:"max_payload_size"`
	} `yaml:"xtmp_protocol"`
	Connections struct {
		MaxPerClient *int `yaml:"max_connections_per_client"`
	} `yaml:"connection_management"`
	Security struct {
		RequireEncryption   *bool    `yaml:"require_encryption"`
		KeyRotationInterval *int     `yaml:"key_rotation_interval"`
		IdentityKeys        []string `yaml:"identity_keys"`
	} `yaml:"security"`
	Server struct {
		BindAddress       *string `yaml:"bind_address"`
		MaxConnections    *int    `yaml:"max_connections"`
		ConnectionTimeout *int    `yaml:"connection_timeout"`
		HeartbeatInterval *int    `yaml:"heartbeat_interval"`
	} `yaml:"bpci_xtmp_server"`
	Limits struct {
		HalfOpen               *int `yaml:"half_open"`
		HalfOpenPerSource      *int `yaml:"half_open_per_source"`
		SessionsPerSource      *int `yaml:"sessions_per_source"`
		ReceiveMemory          *int `yaml:"receive_memory"`
		ReceiveMemoryPerSource *int `yaml:"receive_memory_per_source"`
		MaxInflight            *int `yaml:"max_inflight"`
	} `yaml:"limits"`
	Performance struct {
		EventLoops *int `yaml:"event_loops"`
	} `yaml:"performance"`
	Logging struct {
		Level *string `yaml:"level"`
	} `yaml:"logging"`
}

// FileError is a configuration file that stops the start: place, reason, the
// lines around it and a caret.
type FileError struct {
	File    string
	Line    int // 1-based; 0 if the file as a whole is at fault
	Column  int // 1-based
	Reason  string
	Excerpt string // source lines with a caret, may be empty
}

// Error implements error.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d:%d: %s\n%s", e.File, e.Line, e.Column, e.Reason, e.Excerpt)
}

// Load reads a configuration file and the identity keys that it names, relative
// to the file. Its error is a *FileError or a *KeyError.
func Load(file string) (Config, slog.Level, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, 0, &FileError{File: file, Reason: "the configuration cannot be read: " + reason(err)}
	}
	return Parse(file, text)
}

// Parse reads the text of a configuration file; file names it in errors and is
// what relative paths are relative to.
func Parse(file string, text []byte) (Config, slog.Level, error) {
	var f File
	tree, err := parser.ParseBytes(text, 0)
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, &f, yaml.Strict())
	}
	if err != nil {
		return Config{}, 0, located(file, text, err)
	}
	r := reader{file: file, text: text, tree: tree}
	cfg := r.config(&f)
	level := r.level(f.Logging.Level)
	if r.err != nil {
		return Config{}, 0, r.err
	}
	for _, key := range f.Security.IdentityKeys {
		if !filepath.IsAbs(key) {
			key = filepath.Join(filepath.Dir(file), key)
		}
		id, err := LoadKey(key)
		if err != nil {
			return Config{}, 0, err
		}
		cfg.Identities = append(cfg.Identities, id)
	}
	return cfg, level, nil
}

// located turns a YAML error into a FileError.
func located(file string, text []byte, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return &FileError{File: file, Reason: err.Error()}
	}
	why := at.GetMessage()
	var mismatch *yaml.TypeError
	switch {
	case errors.As(err, &mismatch):
		why = "expected " + expected(mismatch.DstType)
	case strings.HasPrefix(why, "unknown field"):
		why += ": remove it, or see docs/configuration.md for the keys of this version"
	}
	p := at.GetToken().Position
	return &FileError{File: file, Line: p.Line, Column: p.Column, Reason: why, Excerpt: excerpt(text, p.Line, p.Column)}
}

// expected names what a value of type t looks like in YAML.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	default:
		return "a block of keys"
	}
}

// excerpt shows a line, the two before it, and a caret under a column.
func excerpt(text []byte, line, column int) string {
	lines := strings.Split(string(text), "\n")
	var b strings.Builder
	for n := max(1, line-2); n <= min(line, len(lines)); n++ {
		fmt.Fprintf(&b, "%5d | %s\n", n, strings.TrimRight(lines[n-1], "\r"))
	}
	fmt.Fprintf(&b, "      | %s^", strings.Repeat(" ", max(column-1, 0)))
	return b.String()
}

// reader turns a File into a Config and keeps the first mistake.
type reader struct {
	file string
	text []byte
	tree *ast.File
	err  error
}

// fail reports a value that is well-formed and wrong. path is a YAML path.
func (r *reader) fail(path, why string) {
	if r.err != nil {
		return
	}
	e := &FileError{File: r.file, Reason: strings.TrimPrefix(path, "$.") + ": " + why}
	if p, err := yaml.PathString(path); err == nil {
		if node, err := p.FilterFile(r.tree); err == nil {
			e.Line, e.Column = node.GetToken().Position.Line, node.GetToken().Position.Column
			e.Excerpt = excerpt(r.text, e.Line, e.Column)
		}
	}
	r.err = e
}

// integer reads a number in a range.
func (r *reader) integer(path string, v *int, low, high, absent int) int {
	if v == nil {
		return absent
	}
	if *v < low || *v > high {
		r.fail(path, fmt.Sprintf("%d is not between %d and %d", *v, low, high))
	}
	return *v
}

// seconds reads a time; 0 means the default.
func (r *reader) seconds(path string, v *int, low, high int) time.Duration {
	return time.Duration(r.integer(path, v, low, high, 0)) * time.Second
}

// limit reads a limit: 0 in the file switches it off.
func (r *reader) limit(path string, v *int) int {
	n := r.integer(path, v, 0, 1<<31-1, 0)
	if v != nil && n == 0 {
		return -1
	}
	return n
}

// one refuses every value but the one that this version has.
func one[T comparable](r *reader, path string, v *T, only T, why string) {
	if v != nil && *v != only {
		r.fail(path, fmt.Sprintf("%v: %s", *v, why))
	}
}

func (r *reader) config(f *File) Config {
	one(r, "$.xtmp_protocol.version", f.Protocol.Version, 1, "this server speaks version 1 only")
	one(r, "$.xtmp_protocol.magic_bytes", f.Protocol.MagicBytes, "XTMP", "the magic is XTMP")
	one(r, "$.xtmp_protocol.default_encryption", f.Protocol.DefaultEncryption, "aes256gcm", "available: aes256gcm")
	one(r, "$.security.require_encryption", f.Security.RequireEncryption, true, "integrity-only sessions are not available")
	cfg := Config{
		HeartbeatInterval:   r.seconds("$.bpci_xtmp_server.heartbeat_interval", f.Server.HeartbeatInterval, 1, 86_400),
		ConnectionTimeout:   r.seconds("$.bpci_xtmp_server.connection_timeout", f.Server.ConnectionTimeout, 1, 86_400),
		KeyRotationInterval: r.seconds("$.security.key_rotation_interval", f.Security.KeyRotationInterval, 1, 31_536_000),
		MaxPayload:          uint32(r.integer("$.xtmp_protocol.max_payload_size", f.Protocol.MaxPayloadSize, 65_536, 16_777_216, 0)),
		MaxInflight:         uint32(r.integer("$.limits.max_inflight", f.Limits.MaxInflight, 1, 65_536, 0)),
		MaxConnections:      r.limit("$.bpci_xtmp_server.max_connections", f.Server.MaxConnections),
		Loops:               r.integer("$.performance.event_loops", f.Performance.EventLoops, 1, 256, 0),
		Limits: Limits{
			HalfOpen:             r.limit("$.limits.half_open", f.Limits.HalfOpen),
			HalfOpenPerSource:    r.limit("$.limits.half_open_per_source", f.Limits.HalfOpenPerSource),
			SessionsPerSource:    r.limit("$.limits.sessions_per_source", f.Limits.SessionsPerSource),
			ConnectionsPerClient: r.limit("$.connection_management.max_connections_per_client", f.Connections.MaxPerClient),
			ReceiveMemory:        r.limit("$.limits.receive_memory", f.Limits.ReceiveMemory),
			ReceivePerSource:     r.limit("$.limits.receive_memory_per_source", f.Limits.ReceiveMemoryPerSource),
		},
	}
	if f.Server.BindAddress != nil {
		cfg.Address = *f.Server.BindAddress
		if _, port, err := net.SplitHostPort(cfg.Address); err != nil || !isPort(port) {
			r.fail("$.bpci_xtmp_server.bind_address", strconv.Quote(cfg.Address)+" is not host:port")
		}
	}
	return cfg
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func (r *reader) level(v *string) slog.Level {
	if v == nil {
		return slog.LevelInfo
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(*v)); err != nil {
		r.fail("$.logging.level", strconv.Quote(*v)+" is none of debug, info, warn, error")
	}
	return level
}
