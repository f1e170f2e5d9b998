package recovery

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
)

// TestConstantsEqualRegistry compares every timer and count of this package.
func TestConstantsEqualRegistry(t *testing.T) {
	for name, got := range map[string]uint64{
		"replay_window": windowSize, "skip_period": skipPeriod, "skip_period_max": skipPeriodMax, "sequence_end": sequenceEnd,
		"ack_every_udp": ackEvery, "ack_ranges": wire.MaxAckPairs, "loss_frames": lossFrames, "window_initial": windowInitial,
		"window_min": windowMin, "persistent_ptos": persistentPTOs,
	} {
		if l, ok := spec.Default().Limit(name); !ok || got != l.Value {
			t.Errorf("%s is %d here, %d in the registry", name, got, l.Value)
		}
	}
	timers := map[string]time.Duration{}
	for _, timer := range spec.Default().Timers {
		timers[timer.Name] = timer.Value
	}
	for name, got := range map[string]time.Duration{"T_ACK": ackDelay, "T_SUSPECT": suspectTimeout} {
		if timers[name] != got {
			t.Errorf("%s is %v here, %v in the registry", name, got, timers[name])
		}
	}
}
