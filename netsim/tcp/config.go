package tcp

import (
	"errors"

	"github.com/bpci/xtmp/netsim/vtime"
)

// Config is the same at both ends. The zero value of a field means its default,
// the value of Linux where there is one.
type Config struct {
	SegmentSize   int        // 1460
	SendBuffer    int        // 256 KiB
	ReceiveBuffer int        // 256 KiB; at most 8 MiB
	InitialCwnd   int        // 10 segments
	InitialRTO    vtime.Time // 1s
	MinRTO        vtime.Time // 200ms
	MaxRTO        vtime.Time // 120s
	SynRetries    int        // 6: a connect fails after 127 s
	Retries       int        // 15: a connection is given up after about 15 minutes
	DelayedAck    vtime.Time // 40ms
	TimeWait      vtime.Time // 60s
	OrphanWait    vtime.Time // 60s: how long a closed end waits for the other's FIN
}

// WithDefaults returns the configuration with its defaults filled in.
func (c Config) WithDefaults() Config {
	number := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	span := func(t *vtime.Time, def vtime.Time) {
		if *t == 0 {
			*t = def
		}
	}
	number(&c.SegmentSize, 1460)
	number(&c.SendBuffer, 256<<10)
	number(&c.ReceiveBuffer, 256<<10)
	number(&c.InitialCwnd, 10)
	number(&c.SynRetries, 6)
	number(&c.Retries, 15)
	span(&c.InitialRTO, vtime.Second)
	span(&c.MinRTO, 200*vtime.Millisecond)
	span(&c.MaxRTO, 120*vtime.Second)
	span(&c.DelayedAck, 40*vtime.Millisecond)
	span(&c.TimeWait, 60*vtime.Second)
	span(&c.OrphanWait, 60*vtime.Second)
	return c
}

// Why a connection ended. A connection that both ends closed has no error.
var (
	ErrReset   = errors.New("tcp: reset by the peer")
	ErrRefused = errors.New("tcp: refused")
	ErrTimeout = errors.New("tcp: timed out")
	ErrAborted = errors.New("tcp: aborted")
)
