package tcp

import (
	"fmt"
	"math"
	"testing"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// rate sends for a while as fast as it goes and returns bit/s.
func rate(cfg Config, there link.Impairment, span vtime.Time) float64 {
	p := newPair(5, cfg, there, link.Impairment{Delay: there.Delay}, 1)
	data := make([]byte, 1<<20)
	got := 0
	for p.step(span) {
		p.ends[0].Write(data)
		if p.ends[1] != nil {
			got += p.ends[1].Read(data)
		}
	}
	return float64(got) * 8 * float64(vtime.Second) / float64(span)
}

// Without loss a connection fills the link, less headers and the start.
func TestFillsTheLink(t *testing.T) {
	for _, bps := range []int64{1_000_000, 20_000_000} {
		i := link.Impairment{Delay: 20 * vtime.Millisecond, Rate: bps, Queue: max(int(bps/8/25), 15_000)}
		if share := rate(Config{}, i, 30*vtime.Second) / float64(bps); share < 0.85 || share > 1460.0/1500+0.01 {
			t.Errorf("%d bit/s are used to %.3f", bps, share)
		}
	}
}

// A window of one buffer per round trip is the most that goes through.
func TestWindowBoundsTheRate(t *testing.T) {
	i := link.Impairment{Delay: 50 * vtime.Millisecond}
	got := rate(Config{ReceiveBuffer: 64 << 10}, i, 30*vtime.Second)
	if most := float64(64<<10) * 8 * 10; got > most*1.01 || got < most*0.8 {
		t.Errorf("%.0f bit/s, of at most %.0f", got, most)
	}
}

// With random loss the rate is near MSS/RTT · √(3/4p), after Mathis et al. for one
// acknowledgement of two segments. Timeouts, where loss is frequent, make it less.
func TestLossBoundsTheRate(t *testing.T) {
	for _, permille := range []int{1, 3, 10, 20} {
		for _, delay := range []vtime.Time{10 * vtime.Millisecond, 50 * vtime.Millisecond} {
			t.Run(fmt.Sprintf("%d permille, %s", permille, delay), func(t *testing.T) {
				buffers := Config{SendBuffer: 4 << 20, ReceiveBuffer: 4 << 20}
				got := rate(buffers, link.Impairment{Delay: delay, Loss: permille, InOrder: true}, 6000*delay)
				trip := 2 * float64(delay) / float64(vtime.Second)
				want := 1460 * 8 / trip * math.Sqrt(0.75/(float64(permille)/1000))
				if got < want*0.65 || got > want*1.2 {
					t.Errorf("%.0f bit/s, %.2f of what the formula says", got, got/want)
				}
			})
		}
	}
}
