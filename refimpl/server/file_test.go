package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// keysOf lists the keys of a File as paths, in their order.
func keysOf(block reflect.Type, path string) (keys []string) {
	for i := range block.NumField() {
		f := block.Field(i)
		name := strings.TrimPrefix(path+"."+f.Tag.Get("yaml"), ".")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, name)...)
		} else {
			keys = append(keys, name)
		}
	}
	return keys
}

func allKeys() []string { return keysOf(reflect.TypeFor[File](), "") }

// setting is a configuration of one key.
func setting(path, value string) string {
	block, key, _ := strings.Cut(path, ".")
	return block + ":\n  " + key + ": " + value + "\n"
}

type effect struct {
	value string
	want  func(*Config, *slog.Level)
	fails string
}

// threads are the effects of the size of a pool.
func threads(of func(*Config) *int) []effect {
	return []effect{
		{value: "1", want: func(c *Config, _ *slog.Level) { *of(c) = 1 }},
		{value: "1024", want: func(c *Config, _ *slog.Level) { *of(c) = 1024 }},
		{value: "0", fails: "0 is not between 1 and 1024"},
	}
}

// effects say, for each key, what a value does to a Config, or why no other
// value than one is possible.
var effects = map[string][]effect{
	"xtmp_protocol.version": {
		{value: "1"},
		{value: "2", fails: "xtmp_protocol.version: 2: this server speaks version 1 only"},
	},
	"xtmp_protocol.magic_bytes": {
		{value: "XTMP"},
		{value: "xtmp", fails: "xtmp_protocol.magic_bytes: xtmp: the magic is XTMP"},
	},
	"xtmp_protocol.default_encryption": {
		{value: "aes256gcm", want: func(c *Config, _ *slog.Level) { c.Suites = []Suite{SuiteAES256GCM} }},
		{value: "chacha20poly1305", want: func(c *Config, _ *slog.Level) { c.Suites = []Suite{SuiteChaCha20} }},
		{value: "postquantum", want: func(c *Config, _ *slog.Level) { c.Suites = []Suite{SuitePostQuantum} }},
		{value: "none", fails: "none leaves sessions without encryption: allow that with security.require_encryption: false"},
		{value: "aes128", fails: `"aes128" is none of aes256gcm, chacha20poly1305, postquantum, none`},
	},
	"xtmp_protocol.max_payload_size": {
		{value: "65536", want: func(c *Config, _ *slog.Level) { c.MaxPayload = 65536 }},
		{value: "16777216", want: func(c *Config, _ *slog.Level) { c.MaxPayload = 1 << 24 }},
		{value: "65535", fails: "65535 is not between 65536 and 16777216"},
		{value: "16777217", fails: "16777217 is not between 65536 and 16777216"},
	},
	"connection_management.tcp_keepalive": {
		{value: "true"},
		{value: "false", want: func(c *Config, _ *slog.Level) { c.NoKeepAlive = true }},
	},
	"connection_management.udp_buffer_size": {
		{value: "65536", want: func(c *Config, _ *slog.Level) { c.UDPBuffer = 65536 }},
		{value: "65535", fails: "65535 is not between 65536 and 2147483647"},
	},
	"connection_management.max_connections_per_client": {
		{value: "7", want: func(c *Config, _ *slog.Level) { c.Limits.ConnectionsPerClient = 7 }},
		{value: "0", want: func(c *Config, _ *slog.Level) { c.Limits.ConnectionsPerClient = -1 }},
		{value: "-1", fails: "-1 is not between 0 and 2147483647"},
	},
	"security.require_encryption": {
		{value: "true"},
		{value: "false", want: func(c *Config, _ *slog.Level) { c.AllowUnencrypted = true }},
	},
	"security.suites": {
		{value: "[chacha20poly1305, aes256gcm]", want: func(c *Config, _ *slog.Level) { c.Suites = []Suite{SuiteChaCha20, SuiteAES256GCM} }},
		{value: "[postquantum]", want: func(c *Config, _ *slog.Level) { c.Suites = []Suite{SuitePostQuantum} }},
		{value: "[]", fails: "an empty list: name at least one suite"},
		{value: "[aes256gcm, none]", fails: "none leaves sessions without encryption"},
		{value: "[aes256gcm, aes256gcm]", fails: "aes256gcm is listed twice"},
		{value: "[AES]", fails: `"AES" is none of aes256gcm, chacha20poly1305, postquantum, none`},
	},
	"security.key_rotation_interval": {
		{value: "1", want: func(c *Config, _ *slog.Level) { c.KeyRotationInterval = time.Second }},
		{value: "31536000", want: func(c *Config, _ *slog.Level) { c.KeyRotationInterval = 365 * 24 * time.Hour }},
		{value: "0", fails: "0 is not between 1 and 31536000"},
		{value: "31536001", fails: "31536001 is not between 1 and 31536000"},
	},
	"security.identity_keys": {{value: "[]"}}, // TestIdentityKeys
	"bpci_xtmp_server.bind_address": {
		{value: "127.0.0.1:0", want: func(c *Config, _ *slog.Level) { c.Address = "127.0.0.1:0" }},
		{value: "':8090'", want: func(c *Config, _ *slog.Level) { c.Address = ":8090" }},
		{value: "'[::1]:8090'", want: func(c *Config, _ *slog.Level) { c.Address = "[::1]:8090" }},
		{value: "localhost", fails: `"localhost" is not host:port`},
		{value: "localhost:http", fails: `"localhost:http" is not host:port`},
		{value: "localhost:65536", fails: `"localhost:65536" is not host:port`},
		{value: "'::1:8090'", fails: `"::1:8090" is not host:port`},
	},
	"bpci_xtmp_server.max_connections": {
		{value: "2", want: func(c *Config, _ *slog.Level) { c.MaxConnections = 2 }},
		{value: "0", want: func(c *Config, _ *slog.Level) { c.MaxConnections = -1 }},
		{value: "-1", fails: "-1 is not between 0 and 2147483647"},
	},
	"bpci_xtmp_server.connection_timeout": {
		{value: "86400", want: func(c *Config, _ *slog.Level) { c.ConnectionTimeout = 24 * time.Hour }},
		{value: "0", fails: "0 is not between 1 and 86400"},
		{value: "86401", fails: "86401 is not between 1 and 86400"},
	},
	"bpci_xtmp_server.heartbeat_interval": {
		{value: "1", want: func(c *Config, _ *slog.Level) { c.HeartbeatInterval = time.Second }},
		{value: "0", fails: "0 is not between 1 and 86400"},
		{value: "86401", fails: "86401 is not between 1 and 86400"},
	},
	"bpci_xtmp_server.enable_compression": {
		{value: "true"},
		{value: "false", want: func(c *Config, _ *slog.Level) { c.NoCompression = true }},
	},
	"bpci_xtmp_server.attach_addresses": {
		{value: "[]", want: func(c *Config, _ *slog.Level) { c.AttachAddresses = nil }},
		{value: "['a.example:8090', '[2001:db8::1]:1']", want: func(c *Config, _ *slog.Level) {
			c.AttachAddresses = []string{"a.example:8090", "[2001:db8::1]:1"}
		}},
		{value: "['a.example:8090', 'a.example']", fails: `"a.example" is not host:port`},
		{value: "['a.example:0']", fails: `"a.example:0" is not host:port`},
		{value: "[':8090']", fails: `":8090" is not host:port`},
		{value: "['ä.example:8090']", fails: `"ä.example:8090" is not host:port`},
	},
	"bpci_xtmp_server.udp": {
		{value: "true"},
		{value: "false", want: func(c *Config, _ *slog.Level) { c.NoUDP = true }},
	},
	"bpci_xtmp_server.websocket": {
		{value: "true"},
		{value: "false", want: func(c *Config, _ *slog.Level) { c.NoWebSocket = true }},
	},
	"message_routing.wallet_handler_threads":   threads(func(c *Config) *int { return &c.Workers.Wallet }),
	"message_routing.bundle_handler_threads":   threads(func(c *Config) *int { return &c.Workers.Bundle }),
	"message_routing.registry_handler_threads": threads(func(c *Config) *int { return &c.Workers.Registry }),
	"message_routing.stream_handler_threads":   threads(func(c *Config) *int { return &c.Workers.Stream }),
	"message_routing.other_handler_threads":    threads(func(c *Config) *int { return &c.Workers.Other }),
	"limits.half_open": {
		{value: "1", want: func(c *Config, _ *slog.Level) { c.Limits.HalfOpen = 1 }},
		{value: "0", fails: "0 is not between 1 and 2147483647"},
	},
	"limits.half_open_per_source": {
		{value: "3", want: func(c *Config, _ *slog.Level) { c.Limits.HalfOpenPerSource = 3 }},
		{value: "0", want: func(c *Config, _ *slog.Level) { c.Limits.HalfOpenPerSource = -1 }},
		{value: "-2", fails: "-2 is not between 0 and 2147483647"},
	},
	"limits.sessions_per_source": {
		{value: "3", want: func(c *Config, _ *slog.Level) { c.Limits.SessionsPerSource = 3 }},
		{value: "0", want: func(c *Config, _ *slog.Level) { c.Limits.SessionsPerSource = -1 }},
	},
	"limits.first_frames_per_second": {
		{value: "7", want: func(c *Config, _ *slog.Level) { c.Limits.FirstFrameRate = 7 }},
		{value: "0", want: func(c *Config, _ *slog.Level) { c.Limits.FirstFrameRate = -1 }},
	},
	"limits.first_frames_burst": {
		{value: "9", want: func(c *Config, _ *slog.Level) { c.Limits.FirstFrameBurst = 9 }},
		{value: "0", fails: "0 is not between 1 and 1000000"},
	},
	"limits.receive_memory": {
		{value: "1048576", want: func(c *Config, _ *slog.Level) { c.Limits.ReceiveMemory = 1 << 20 }},
		{value: "0", fails: "0 is not between 1048576 and 2147483647"},
	},
	"limits.receive_memory_per_source": {
		{value: "131072", want: func(c *Config, _ *slog.Level) { c.Limits.ReceivePerSource = 1 << 17 }},
		{value: "0", fails: "0 is not between 131072 and 2147483647"},
	},
	"limits.max_inflight": {
		{value: "1", want: func(c *Config, _ *slog.Level) { c.MaxInflight = 1 }},
		{value: "65536", want: func(c *Config, _ *slog.Level) { c.MaxInflight = 65536 }},
		{value: "0", fails: "0 is not between 1 and 65536"},
	},
	"performance.event_loops": {
		{value: "256", want: func(c *Config, _ *slog.Level) { c.Loops = 256 }},
		{value: "0", fails: "0 is not between 1 and 256"},
		{value: "257", fails: "257 is not between 1 and 256"},
	},
	"performance.message_buffer_size": {
		{value: "1", want: func(c *Config, _ *slog.Level) { c.QueueSize = 1 }},
		{value: "0", fails: "0 is not between 1 and 1000000"},
	},
	"diagnostics.probe": {
		{value: "true", want: func(c *Config, _ *slog.Level) { c.Probe = true }},
		{value: "false"},
	},
	"logging.level": {
		{value: "debug", want: func(_ *Config, l *slog.Level) { *l = slog.LevelDebug }},
		{value: "info"},
		{value: "warn", want: func(_ *Config, l *slog.Level) { *l = slog.LevelWarn }},
		{value: "error", want: func(_ *Config, l *slog.Level) { *l = slog.LevelError }},
		{value: "INFO", fails: `"INFO" is none of debug, info, warn, error`},
	},
}

func TestEveryKeyHasAnEffect(t *testing.T) {
	for _, key := range allKeys() {
		if len(effects[key]) == 0 {
			t.Errorf("%s has no test that shows its effect", key)
		}
		for _, e := range effects[key] {
			cfg, level, err := Parse("f.yaml", []byte(setting(key, e.value)))
			if e.fails != "" {
				var bad *FileError
				if !errors.As(err, &bad) || !strings.Contains(bad.Reason, e.fails) || bad.Line != 2 || !strings.HasPrefix(bad.Reason, key+": ") {
					t.Errorf("%s: %s: got %v, want %q", key, e.value, err, e.fails)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", key, e.value, err)
			}
			var want Config
			wantLevel := slog.LevelInfo
			if e.want != nil {
				e.want(&want, &wantLevel)
			}
			if diff := cmp.Diff(want, cfg, cmpopts.EquateEmpty()); diff != "" || level != wantLevel {
				t.Errorf("%s: %s gives level %v and (-want +got):\n%s", key, e.value, level, diff)
			}
		}
	}
	for key := range effects {
		if !slices.Contains(allKeys(), key) {
			t.Errorf("%s is no key of File", key)
		}
	}
}

// An empty value, block or file means the defaults.
func TestAbsent(t *testing.T) {
	texts := []string{
		"", "# nothing\n", "---\n", "---\n# nothing\n...\n", "\ufeff",
		"limits:\n", "limits: {}\nlogging:\n", "limits:\n  # half_open: 5\n",
	}
	for _, key := range allKeys() {
		texts = append(texts, setting(key, ""), setting(key, "null"), setting(key, "~"))
	}
	for _, text := range texts {
		cfg, level, err := Parse("f.yaml", []byte(text))
		if err != nil || level != slog.LevelInfo || !cmp.Equal(cfg, Config{}) {
			t.Errorf("%q gives %+v, %v, %v", text, cfg, level, err)
		}
	}
}

// Forms of YAML that people use.
func TestForms(t *testing.T) {
	want := Config{HeartbeatInterval: 5 * time.Second, Address: "localhost:1"}
	for _, text := range []string{
		"bpci_xtmp_server:\n  heartbeat_interval: 5\n  bind_address: localhost:1\n",
		"bpci_xtmp_server: {heartbeat_interval: 5, bind_address: 'localhost:1'}\n",
		"\ufeff# c\r\n\r\nbpci_xtmp_server:\r\n    heartbeat_interval: 5 # c\r\n    bind_address: \"localhost:1\"\r\n",
		"---\n'bpci_xtmp_server':\n  \"heartbeat_interval\": 5\n  bind_address: localhost:1",
	} {
		cfg, _, err := Parse("f.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, cfg); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestIdentityKeys(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for _, name := range []string{"a.pem", "b.pem"} {
		id, err := GenerateKey(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id.Fingerprint().String())
	}
	file := filepath.Join(dir, "server.yaml")
	text := "security:\n  identity_keys: [a.pem, " + filepath.Join(dir, "b.pem") + "]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range cfg.Identities {
		got = append(got, id.Fingerprint().String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identities (-want +got):\n%s", diff)
	}

	_, _, err = Parse(file, []byte("security:\n  identity_keys:\n    - a.pem\n    - none.pem\n"))
	var bad *KeyError
	if !errors.As(err, &bad) || bad.File != filepath.Join(dir, "none.pem") {
		t.Errorf("a missing key: %v", err)
	}
}

func TestLoadMissingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.yaml")
	_, _, err := Load(file)
	if want := file + ": the configuration cannot be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What two keys say together.
func TestSuites(t *testing.T) {
	dir := t.TempDir()
	if _, err := GenerateKey(filepath.Join(dir, "one.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := GenerateHybridKey(filepath.Join(dir, "two.pem")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		want []Suite
		fail string
	}{
		{"security:\n  require_encryption: false\n  suites: [none]\n", []Suite{SuiteNone}, ""},
		{"security:\n  require_encryption: false\nxtmp_protocol:\n  default_encryption: none\n", []Suite{SuiteNone}, ""},
		{
			"xtmp_protocol:\n  default_encryption: aes256gcm\nsecurity:\n  suites: [chacha20poly1305, aes256gcm]\n",
			[]Suite{SuiteChaCha20, SuiteAES256GCM},
			"",
		},
		{
			"xtmp_protocol:\n  default_encryption: aes256gcm\nsecurity:\n  suites: [chacha20poly1305]\n", nil,
			"f.yaml:2:23: xtmp_protocol.default_encryption: aes256gcm is not among security.suites\n",
		},
		{"security:\n  identity_keys: [one.pem, two.pem]\n  suites: [postquantum]\n", []Suite{SuitePostQuantum}, ""},
		{
			"security:\n  identity_keys: [one.pem]\n  suites:\n    - aes256gcm\n    - postquantum\n", nil,
			"f.yaml:5:7: security.suites: postquantum needs an identity key of kind 2: " +
				"make one with `bpci-xtmp-server keygen --kind 2 --out FILE`\n",
		},
		{
			"security:\n  identity_keys: [one.pem]\nxtmp_protocol:\n  default_encryption: postquantum\n", nil,
			"f.yaml:4:23: xtmp_protocol.default_encryption: postquantum needs an identity key of kind 2",
		},
	} {
		cfg, _, err := Parse(filepath.Join(dir, "f.yaml"), []byte(test.text))
		if test.fail != "" {
			if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, test.fail)) {
				t.Errorf("%q gives %v, want %s", test.text, err, test.fail)
			}
			continue
		}
		if err != nil || !slices.Equal(cfg.Suites, test.want) {
			t.Errorf("%q gives %v, %v", test.text, cfg.Suites, err)
		}
	}
}
