//go:build linux

package transport

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bpci/xtmp/refimpl/client"
)

// BenchmarkCallsOver measures calls of 256 B of many callers on one session.
func BenchmarkCallsOver(b *testing.B) {
	for _, kind := range []string{"tcp", "udp"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprint(kind, "/", callers), func(b *testing.B) {
				cfg, err := testConfig()
				if err != nil {
					b.Fatal(err)
				}
				attachable(&cfg)
				s, err := Listen(b.Context(), "127.0.0.1:0", cfg)
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error)
				go func() { ended <- s.Serve(ctx) }()
				defer func() {
					cancel()
					if err := <-ended; err != nil {
						b.Error(err)
					}
				}()
				id, err := testIdentity()
				if err != nil {
					b.Fatal(err)
				}
				c, err := client.Dial(b.Context(), kind+"://"+s.Addr().String(), client.Config{
					Pins: []client.Pin{{Kind: id.Kind(), Fingerprint: id.Fingerprint()}}, NoStandby: true,
				})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close(context.Background())
				m := echoProbe(make([]byte, 256))
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						dst := make([]byte, 0, 512)
						for left.Add(-1) >= 0 {
							if _, err := c.Call(b.Context(), m, dst); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			})
		}
	}
}
