package endpoint

import (
	"testing"

	"github.com/bpci/xtmp/spec"
)

// TestDefaultsEqualRegistry compares the limits that nobody has configured.
func TestDefaultsEqualRegistry(t *testing.T) {
	l := Limits{}.withDefaults()
	for name, got := range map[string]int{
		"half_open_total": l.HalfOpen, "half_open_per_source": l.HalfOpenPerSource, "sessions_per_source": l.SessionsPerSource,
		"connections_per_client": l.ConnectionsPerClient, "pre_session_rate": l.FirstFrameRate, "pre_session_burst": l.FirstFrameBurst,
		"receive_memory_total": l.ReceiveMemory, "receive_memory_per_source": l.ReceivePerSource,
		"datagram_min": datagramMax, "reset_trigger": resetTrigger, "resets_per_source": 2 * resetBurst,
	} {
		if want, ok := spec.Default().Limit(name); !ok || uint64(got) != want.Value {
			t.Errorf("%s is %d here, %d in the registry", name, got, want.Value)
		}
	}
}
