package client

import (
	"time"

	"golang.org/x/sys/unix"
)

// readTCP asks the kernel about a connection.
func (p *PathQuality) readTCP(fd uintptr) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return
	}
	p.Latency = time.Duration(info.Rtt) * time.Microsecond
	p.Variation = time.Duration(info.Rttvar) * time.Microsecond
	p.Packets, p.Lost = uint64(info.Data_segs_out), uint64(info.Total_retrans)
}
