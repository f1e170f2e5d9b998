package handler

import (
	"testing"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
)

// TestLimitsEqualRegistry compares the limits of Probe.
func TestLimitsEqualRegistry(t *testing.T) {
	for name, got := range map[string]uint64{
		"probe_delay_ms": delayMax, "probe_pushes": streamMax, "probe_streams": streamsMax,
		"message_to_client": MaxReply, "probe_data_to_client": MaxReply - wire.ProbeHeader, "probe_code_max": codeMax,
	} {
		if l, ok := spec.Default().Limit(name); !ok || got != l.Value {
			t.Errorf("%s is %d here, %d in the registry", name, got, l.Value)
		}
	}
}
