package server

import (
	"log/slog"
	"os"
	"path/filepath"
)

// File is the configuration file: blocks of keys, each of which may be absent.
// Names and units are those of the original document where it has them:
// intervals in seconds, sizes in bytes. docs/configuration.md has the defaults.
type File struct {
	Protocol struct {
		Version           *int    `yaml:"version"`
		MagicBytes        *string `yaml:"magic_bytes"`
		DefaultEncryption *string `yaml:"default_encryption"`
		MaxPayloadSize    *int    `yaml:"max_payload_size"`
	} `yaml:"xtmp_protocol"`
	Connections struct {
		MaxPerClient  *int  `yaml:"max_connections_per_client"`
		TCPKeepAlive  *bool `yaml:"tcp_keepalive"`
		UDPBufferSize *int  `yaml:"udp_buffer_size"`
	} `yaml:"connection_management"`
	Security struct {
		RequireEncryption   *bool    `yaml:"require_encryption"`
		KeyRotationInterval *int     `yaml:"key_rotation_interval"`
		IdentityKeys        []string `yaml:"identity_keys"`
		Suites              []string `yaml:"suites"`
	} `yaml:"security"`
	Server struct {
		BindAddress       *string  `yaml:"bind_address"`
		MaxConnections    *int     `yaml:"max_connections"`
		ConnectionTimeout *int     `yaml:"connection_timeout"`
		HeartbeatInterval *int     `yaml:"heartbeat_interval"`
		EnableCompression *bool    `yaml:"enable_compression"`
		AttachAddresses   []string `yaml:"attach_addresses"`
		UDP               *bool    `yaml:"udp"`
		WebSocket         *bool    `yaml:"websocket"`
	} `yaml:"bpci_xtmp_server"`
	Routing struct {
		WalletThreads   *int `yaml:"wallet_handler_threads"`
		BundleThreads   *int `yaml:"bundle_handler_threads"`
		RegistryThreads *int `yaml:"registry_handler_threads"`
		StreamThreads   *int `yaml:"stream_handler_threads"`
		OtherThreads    *int `yaml:"other_handler_threads"`
	} `yaml:"message_routing"`
	Limits struct {
		HalfOpen               *int `yaml:"half_open"`
		HalfOpenPerSource      *int `yaml:"half_open_per_source"`
		SessionsPerSource      *int `yaml:"sessions_per_source"`
		FirstFramesPerSecond   *int `yaml:"first_frames_per_second"`
		FirstFramesBurst       *int `yaml:"first_frames_burst"`
		ReceiveMemory          *int `yaml:"receive_memory"`
		ReceiveMemoryPerSource *int `yaml:"receive_memory_per_source"`
		MaxInflight            *int `yaml:"max_inflight"`
	} `yaml:"limits"`
	Performance struct {
		EventLoops        *int `yaml:"event_loops"`
		MessageBufferSize *int `yaml:"message_buffer_size"`
	} `yaml:"performance"`
	Diagnostics struct {
		Probe *bool `yaml:"probe"`
	} `yaml:"diagnostics"`
	Logging struct {
		Level *string `yaml:"level"`
	} `yaml:"logging"`
}

// Load reads a configuration file and the identity keys that it names, relative
// to the file. Keys that the caller names, relative to the working directory,
// replace those of the file, which are not read then. Its error is a *FileError or
// a *KeyError.
func Load(file string, keys ...string) (Config, slog.Level, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, 0, &FileError{File: file, Reason: "the configuration cannot be read: " + reason(err)}
	}
	return Parse(file, text, keys...)
}

// Parse reads the text of a configuration file; file names it in errors and is
// what relative paths are relative to. Keys are as for Load. Its error is a
// *FileError or a *KeyError.
func Parse(file string, text []byte, keys ...string) (Config, slog.Level, error) {
	var f File
	r, err := decode(file, text, &f)
	if err != nil {
		return Config{}, 0, err
	}
	cfg, level := r.config(&f)
	if r.err != nil {
		return Config{}, 0, r.err
	}
	if len(keys) == 0 {
		for _, key := range f.Security.IdentityKeys {
			if !filepath.IsAbs(key) {
				key = filepath.Join(filepath.Dir(file), key)
			}
			keys = append(keys, key)
		}
	}
	if cfg.Identities, err = LoadKeys(keys); err != nil {
		return Config{}, 0, err
	}
	if r.checkServed(&cfg); r.err != nil {
		return Config{}, 0, r.err
	}
	return cfg, level, nil
}
