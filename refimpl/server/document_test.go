package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/transport"
	"github.com/bpci/xtmp/spec"
)

// row is a line of the table in docs/configuration.md.
type row struct{ key, unit, value, meaning string }

func documented(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	line := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]*)\\| ([^|]+) \\| ([^|]+) \\|$")
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, row{m[1], strings.TrimSpace(m[2]), m[3], m[4]})
	}
	return rows
}

// sample returns the settings of deploy/xtmp-server.yaml, by key; the commented
// ones are marked.
func sample(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/xtmp-server.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	block := ""
	line := regexp.MustCompile(`^( *)(# )?([a-z_]+): *("[^"]*"|[^ #\n]*)`)
	for l := range strings.Lines(string(text)) {
		m := line.FindStringSubmatch(l)
		switch {
		case m == nil:
		case m[1] == "" && m[2] == "":
			block = m[3]
		case m[1] == "  " && m[2] == "":
			settings[block+"."+m[3]] = strings.Trim(m[4], `"`)
		case m[1] == "  ":
			settings[block+"."+m[3]] = "commented"
		}
	}
	return settings
}

// The table, the sample and the struct have the same keys, and the table is in
// the order of the struct.
func TestDocumentedKeys(t *testing.T) {
	var keys []string
	for _, r := range documented(t) {
		keys = append(keys, r.key)
	}
	if diff := cmp.Diff(allKeys(), keys); diff != "" {
		t.Errorf("docs/configuration.md (-File +table):\n%s", diff)
	}
	var sampled []string
	for key := range sample(t) {
		sampled = append(sampled, key)
	}
	slices.Sort(sampled)
	slices.Sort(keys)
	if diff := cmp.Diff(keys, sampled); diff != "" {
		t.Errorf("deploy/xtmp-server.yaml (-table +sample):\n%s", diff)
	}
}

// What the sample sets is what the table calls the default.
func TestDocumentedDefaults(t *testing.T) {
	settings := sample(t)
	for _, r := range documented(t) {
		want := r.value
		switch r.key {
		case "security.identity_keys": // a list, on the next line
			want = ""
		case "performance.event_loops", "security.suites", "bpci_xtmp_server.attach_addresses":
			want = "commented"
		}
		if settings[r.key] != want {
			t.Errorf("%s is %q in the sample and %q in the table", r.key, settings[r.key], r.value)
		}
	}
}

// The defaults of the table are those of the specification and of the code.
func TestDefaultsAreTheSpecification(t *testing.T) {
	text := spec.Default()
	want := map[string]string{
		"xtmp_protocol.version":                    "1",
		"xtmp_protocol.magic_bytes":                "XTMP",
		"xtmp_protocol.default_encryption":         "aes256gcm",
		"xtmp_protocol.max_payload_size":           strconv.Itoa(session.DefaultMaxPayload),
		"security.require_encryption":              "true",
		"security.identity_keys":                   "none",
		"security.suites":                          "default_encryption",
		"bpci_xtmp_server.enable_compression":      "true",
		"connection_management.tcp_keepalive":      "true",
		"connection_management.udp_buffer_size":    strconv.Itoa(transport.DefaultUDPBuffer),
		"bpci_xtmp_server.attach_addresses":        "none",
		"bpci_xtmp_server.udp":                     "true",
		"bpci_xtmp_server.websocket":               "true",
		"message_routing.wallet_handler_threads":   "4",
		"message_routing.bundle_handler_threads":   "8",
		"message_routing.registry_handler_threads": "2",
		"message_routing.stream_handler_threads":   "4",
		"message_routing.other_handler_threads":    "2",
		"performance.message_buffer_size":          strconv.Itoa(transport.DefaultQueueSize),
		"diagnostics.probe":                        "false",
		"bpci_xtmp_server.bind_address":            DefaultAddress,
		"bpci_xtmp_server.max_connections":         "10000",
		"performance.event_loops":                  "processors",
		"logging.level":                            "info",
	}
	for key, name := range map[string]string{
		"connection_management.max_connections_per_client": "connections_per_client",
		"limits.half_open":                 "half_open_total",
		"limits.half_open_per_source":      "half_open_per_source",
		"limits.sessions_per_source":       "sessions_per_source",
		"limits.first_frames_per_second":   "pre_session_rate",
		"limits.first_frames_burst":        "pre_session_burst",
		"limits.receive_memory":            "receive_memory_total",
		"limits.receive_memory_per_source": "receive_memory_per_source",
		"limits.max_inflight":              "max_inflight",
	} {
		limit, ok := text.Limit(name)
		if !ok {
			t.Fatalf("the registry has no %s", name)
		}
		want[key] = strconv.FormatUint(limit.Value, 10)
	}
	for key, timer := range map[string]struct {
		name string
		code time.Duration
	}{
		"bpci_xtmp_server.heartbeat_interval": {"T_HEARTBEAT", session.DefaultHeartbeatInterval},
		"bpci_xtmp_server.connection_timeout": {"T_IDLE", session.DefaultConnectionTimeout},
		"security.key_rotation_interval":      {"T_ROTATE", session.DefaultKeyRotationInterval},
	} {
		i := slices.IndexFunc(text.Timers, func(x spec.Timer) bool { return x.Name == timer.name })
		if i < 0 || text.Timers[i].Value != timer.code {
			t.Fatalf("the registry has no %s of %v", timer.name, timer.code)
		}
		want[key] = fmt.Sprint(int(timer.code / time.Second))
	}
	for _, r := range documented(t) {
		if want[r.key] != r.value {
			t.Errorf("%s: the table says %s, the specification and the code %s", r.key, r.value, want[r.key])
		}
		if r.meaning == "" {
			t.Errorf("%s has no meaning", r.key)
		}
	}
}

var uncomment = strings.NewReplacer("# event_loops", "event_loops", "# suites", "suites", "# attach_addresses", "attach_addresses")

// The sample starts a server.
func TestSampleLoads(t *testing.T) {
	text, err := os.ReadFile("../../deploy/xtmp-server.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id, err := GenerateKey(filepath.Join(dir, "identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(text), uncomment.Replace(string(text))} {
		cfg, _, err := Parse(filepath.Join(dir, "server.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Identities) != 1 || cfg.Identities[0].Fingerprint() != id.Fingerprint() || cfg.Address != DefaultAddress {
			t.Errorf("the sample gives %+v", cfg)
		}
	}
}

// The error that the documentation shows is the one that the server prints.
func TestDocumentedError(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("#\n", 6) + "bpci_xtmp_server:\n  bind_address: \"127.0.0.1:8090\"\n  heartbeat_interval: 0\n"
	_, _, err = Parse("xtmp-server.yaml", []byte(text))
	if err == nil || !strings.Contains(string(doc), "```\n"+err.Error()+"\n```") {
		t.Errorf("docs/configuration.md does not show\n%v", err)
	}
}

// The file for certification has everything on, and limits as by default.
func TestCertifyLoads(t *testing.T) {
	text, err := os.ReadFile("../../deploy/certify.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, err := GenerateKey(filepath.Join(dir, "identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := GenerateHybridKey(filepath.Join(dir, "identity-2.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Parse(filepath.Join(dir, "certify.yaml"), text)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Identities) != 2 || cfg.Identities[0].Fingerprint() != first.Fingerprint() ||
		cfg.Identities[1].Fingerprint() != second.Fingerprint() {
		t.Errorf("%d identities", len(cfg.Identities))
	}
	want := Config{
		Address: "127.0.0.1:0", Suites: []Suite{SuiteAES256GCM, SuiteChaCha20, SuitePostQuantum, SuiteNone},
		AllowUnencrypted: true, Probe: true,
	}
	cfg.Identities = nil
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("deploy/certify.yaml (-want +got):\n%s", diff)
	}
}
