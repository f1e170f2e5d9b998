package session

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
)

// TestExercise watches an idle session for two hours: extension types go out now
// and then, never two within a minute, and the peer does not mind. [XTMP-TYP-002]
func TestExercise(t *testing.T) {
	k := newTalk(t, nil)
	var at []time.Duration
	k.mangle = func(_ byte, b []byte) {
		for len(b) > 0 {
			var h wire.Header
			h.Decode(b)
			if h.Type.Extension() {
				at = append(at, k.now.Elapsed)
				if h.PayloadLength > 64 {
					t.Errorf("%d bytes of exercise", h.PayloadLength)
				}
			}
			b = b[wire.Overhead+int(h.PayloadLength):]
		}
	}
	k.pass(2 * time.Hour)
	k.established()
	if len(at) < 5 || len(at) > 60 {
		t.Errorf("%d frames in two hours", len(at))
	}
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] < exerciseEvery {
			t.Errorf("two within %v", at[i]-at[i-1])
		}
	}
}
