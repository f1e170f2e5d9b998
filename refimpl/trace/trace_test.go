package trace

import (
	"testing"
	"time"
)

func TestString(t *testing.T) {
	for _, c := range []struct {
		event Event
		want  string
	}{
		{
			Event{Elapsed: time.Second, Kind: FrameRefused, Step: 7, Type: 3, Flags: 1, SessionID: 0xab, Sequence: 4, Size: 97, Reason: "checksum"},
			`1s frame_refused session=ab path=0 step=7 reason="checksum" type=03 flags=0001 seq=4 size=97`,
		},
		{Event{Kind: FrameDropped, Step: 2}, `0s frame_dropped session=0 path=0 step=2 reason="" type=00 flags=0000 seq=0 size=0`},
		{Event{Kind: FrameSent, Type: 0x10, Flags: 3, Size: 96}, `0s frame_sent session=0 path=0 type=10 flags=0003 seq=0 size=96`},
		{Event{Kind: StateChanged, State: "half"}, `0s state_changed session=0 path=0 state=half`},
		{Event{Kind: PathClosed, Path: 1, Reason: "lost"}, `0s path_closed session=0 path=1 reason=lost`},
		{Event{Kind: Rekeyed, Sequence: 5}, `0s key_updated session=0 path=0 epoch=5`},
		{Event{Kind: 99}, `0s kind 99 session=0 path=0 type=00 flags=0000 seq=0 size=0`},
	} {
		if got := c.event.String(); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}
