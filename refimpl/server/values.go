package server

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"time"
)

// config turns a File into a Config. A mistake is kept in d.err.
func (d *decoder) config(f *File) (Config, slog.Level) {
	one(d, "xtmp_protocol.version", f.Protocol.Version, 1, "this server speaks version 1 only")
	one(d, "xtmp_protocol.magic_bytes", f.Protocol.MagicBytes, "XTMP", "the magic is XTMP")
	cfg := Config{
		Address:             d.address("bpci_xtmp_server.bind_address", f.Server.BindAddress),
		AttachAddresses:     d.attachAddresses(f.Server.AttachAddresses),
		HeartbeatInterval:   d.seconds("bpci_xtmp_server.heartbeat_interval", f.Server.HeartbeatInterval, 86_400),
		ConnectionTimeout:   d.seconds("bpci_xtmp_server.connection_timeout", f.Server.ConnectionTimeout, 86_400),
		KeyRotationInterval: d.seconds("security.key_rotation_interval", f.Security.KeyRotationInterval, 31_536_000),
		MaxPayload:          uint32(d.integer("xtmp_protocol.max_payload_size", f.Protocol.MaxPayloadSize, 65_536, 16_777_216)),
		MaxInflight:         uint32(d.integer("limits.max_inflight", f.Limits.MaxInflight, 1, 65_536)),
		MaxConnections:      d.limit("bpci_xtmp_server.max_connections", f.Server.MaxConnections),
		Loops:               d.integer("performance.event_loops", f.Performance.EventLoops, 1, 256),
		QueueSize:           d.integer("performance.message_buffer_size", f.Performance.MessageBufferSize, 1, 1_000_000),
		NoCompression:       is(f.Server.EnableCompression, false),
		NoUDP:               is(f.Server.UDP, false),
		UDPBuffer:           d.integer("connection_management.udp_buffer_size", f.Connections.UDPBufferSize, 65_536, math.MaxInt32),
		NoKeepAlive:         is(f.Connections.TCPKeepAlive, false),
		NoWebSocket:         is(f.Server.WebSocket, false),
		AllowUnencrypted:    is(f.Security.RequireEncryption, false),
		Probe:               is(f.Diagnostics.Probe, true),
		Workers: Workers{
			Wallet:   d.threads("wallet", f.Routing.WalletThreads),
			Bundle:   d.threads("bundle", f.Routing.BundleThreads),
			Registry: d.threads("registry", f.Routing.RegistryThreads),
			Stream:   d.threads("stream", f.Routing.StreamThreads),
			Other:    d.threads("other", f.Routing.OtherThreads),
		},
		Limits: Limits{
			HalfOpen:             d.integer("limits.half_open", f.Limits.HalfOpen, 1, math.MaxInt32),
			HalfOpenPerSource:    d.limit("limits.half_open_per_source", f.Limits.HalfOpenPerSource),
			SessionsPerSource:    d.limit("limits.sessions_per_source", f.Limits.SessionsPerSource),
			ConnectionsPerClient: d.limit("connection_management.max_connections_per_client", f.Connections.MaxPerClient),
			FirstFrameRate:       d.limit("limits.first_frames_per_second", f.Limits.FirstFramesPerSecond),
			FirstFrameBurst:      d.integer("limits.first_frames_burst", f.Limits.FirstFramesBurst, 1, 1_000_000),
			ReceiveMemory:        d.integer("limits.receive_memory", f.Limits.ReceiveMemory, 1<<20, math.MaxInt32),
			ReceivePerSource:     d.integer("limits.receive_memory_per_source", f.Limits.ReceiveMemoryPerSource, 1<<17, math.MaxInt32),
		},
	}
	cfg.Suites = d.suites(f)
	return cfg, d.level("logging.level", f.Logging.Level)
}

// is reports whether a key is there and has a value.
func is(v *bool, value bool) bool { return v != nil && *v == value }

// threads reads the size of a pool of handlers.
func (d *decoder) threads(family string, v *int) int {
	return d.integer("message_routing."+family+"_handler_threads", v, 1, 1024)
}

// suites reads what may be used to encrypt: security.suites, or else the one of
// xtmp_protocol.default_encryption, which is one of them.
func (d *decoder) suites(f *File) []Suite {
	const onePath, listPath = "xtmp_protocol.default_encryption", "security.suites"
	var suites []Suite
	for i, name := range f.Security.Suites {
		at := fmt.Sprintf("%s.%d", listPath, i)
		suite, ok := d.suite(f, at, listPath, name)
		if ok && slices.Contains(suites, suite) {
			d.fail(d.at[at], listPath+": "+name+" is listed twice")
		}
		suites = append(suites, suite)
	}
	if _, there := d.at[listPath]; there && len(suites) == 0 {
		d.wrong(listPath, "an empty list: name at least one suite")
	}
	if f.Protocol.DefaultEncryption == nil {
		return suites
	}
	name := *f.Protocol.DefaultEncryption
	suite, ok := d.suite(f, onePath, onePath, name)
	switch {
	case len(suites) == 0:
		return []Suite{suite}
	case ok && !slices.Contains(suites, suite):
		d.wrong(onePath, name+" is not among security.suites")
	}
	return suites
}

// suite reads the name of a suite.
func (d *decoder) suite(f *File, at, path, name string) (Suite, bool) {
	suite, ok := ParseSuite(name)
	switch {
	case !ok:
		d.fail(d.at[at], path+": "+strconv.Quote(name)+" is none of "+suiteNames)
	case suite == SuiteNone && !is(f.Security.RequireEncryption, false):
		d.fail(d.at[at], path+": none leaves sessions without encryption: allow that with security.require_encryption: false")
	default:
		return suite, true
	}
	return suite, false
}

const suiteNames = "aes256gcm, chacha20poly1305, postquantum, none"

// ParseSuite reads the name of a suite: aes256gcm, chacha20poly1305, postquantum or
// none.
func ParseSuite(name string) (suite Suite, ok bool) {
	for _, suite := range [...]Suite{SuiteAES256GCM, SuiteChaCha20, SuitePostQuantum, SuiteNone} {
		if suite.String() == name {
			return suite, true
		}
	}
	return 0, false
}

// checkServed refuses a suite that no identity can serve. Without identities there
// is no server anyway.
func (d *decoder) checkServed(cfg *Config) {
	suite, ok := unserved(cfg.Suites, cfg.Identities)
	if !ok || len(cfg.Identities) == 0 {
		return
	}
	path := "xtmp_protocol.default_encryption"
	at := d.at[path]
	if _, there := d.at["security.suites"]; there {
		path = "security.suites"
		at = d.at[fmt.Sprintf("%s.%d", path, slices.Index(cfg.Suites, suite))]
	}
	d.fail(at, fmt.Sprintf("%s: %v needs an identity key of kind 2: make one with `bpci-xtmp-server keygen --kind 2 --out FILE`", path, suite))
}

// wrong reports a value that is well-formed and wrong.
func (d *decoder) wrong(path, why string) { d.fail(d.at[path], path+": "+why) }

// integer reads a number in a range; 0 stands for one that is absent.
func (d *decoder) integer(path string, v *int, low, high int) int {
	if v == nil {
		return 0
	}
	if *v < low || *v > high {
		d.wrong(path, fmt.Sprintf("%d is not between %d and %d", *v, low, high))
	}
	return *v
}

// seconds reads a time of at least a second.
func (d *decoder) seconds(path string, v *int, high int) time.Duration {
	return time.Duration(d.integer(path, v, 1, high)) * time.Second
}

// limit reads a limit that 0 switches off.
func (d *decoder) limit(path string, v *int) int {
	n := d.integer(path, v, 0, math.MaxInt32)
	if v != nil && n == 0 {
		return -1
	}
	return n
}

// one refuses every value but the one that this version has.
func one[T comparable](d *decoder, path string, v *T, only T, why string) {
	if v != nil && *v != only {
		d.wrong(path, fmt.Sprintf("%v: %s", *v, why))
	}
}

// address reads host:port.
func (d *decoder) address(path string, v *string) string {
	if v == nil {
		return ""
	}
	if !isAddress(*v) {
		d.wrong(path, strconv.Quote(*v)+" is not host:port")
	}
	return *v
}

// attachAddresses reads a list of host:port, which clients must be able to use.
func (d *decoder) attachAddresses(all []string) []string {
	for i, address := range all {
		if _, err := (&Config{AttachAddresses: []string{address}}).endpoints(); err != nil {
			const path = "bpci_xtmp_server.attach_addresses"
			d.fail(d.at[fmt.Sprintf("%s.%d", path, i)], path+": "+strconv.Quote(address)+" is not host:port")
		}
	}
	return all
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func (d *decoder) level(path string, v *string) slog.Level {
	if v == nil {
		return slog.LevelInfo
	}
	level, ok := ParseLevel(*v)
	if !ok {
		d.wrong(path, strconv.Quote(*v)+" is none of debug, info, warn, error")
	}
	return level
}

// ParseLevel reads the name of a log level: debug, info, warn or error.
func ParseLevel(name string) (level slog.Level, ok bool) {
	switch name {
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	default:
		return slog.LevelInfo, false
	}
}
