package world

import (
	"fmt"
	"strings"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/refimpl/wire"
)

// PacketName is the name by which a scenario may speak of a packet: of a datagram or of
// a segment that begins with a frame, what the header of the frame says; else what
// the segment is for TCP. A segment that goes on with a frame has none.
func PacketName(p *netsim.Packet) string {
	data := p.Data
	if p.Protocol == netsim.TCP {
		var s tcp.Segment
		if s.Parse(data) != nil {
			return ""
		}
		if data = s.Data; len(data) == 0 {
			return segmentName(s.Flags)
		}
	}
	var h wire.Header
	if wire.ParseHeader(data, &h) != nil {
		return ""
	}
	return frameName(&h, data[wire.Overhead:])
}

func segmentName(f tcp.Flags) string {
	switch {
	case f&tcp.RST != 0:
		return "RST"
	case f&tcp.SYN != 0 && f&tcp.ACK != 0:
		return "SYN-ACK"
	case f&tcp.SYN != 0:
		return "SYN"
	case f&tcp.FIN != 0:
		return "FIN"
	default:
		return "ACK"
	}
}

// frameName is the name of a frame by its header, and of a clear one by its
// envelope.
func frameName(h *wire.Header, payload []byte) string {
	if h.Clear() && len(payload) > 0 && (h.Type == wire.TypeHandshake || h.Type == wire.TypeHandshakeAck) {
		return hsName(wire.HSType(payload[0]), h.Type)
	}
	if name := h.Type.String(); !strings.Contains(name, " ") {
		return name
	}
	return fmt.Sprintf("Type-%02x", uint8(h.Type))
}

func hsName(t wire.HSType, outer wire.MessageType) string {
	switch t {
	case wire.HSClientHello:
		return "ClientHello"
	case wire.HSServerHello:
		return "ServerHello"
	case wire.HSServerFlight:
		return "ServerFlight"
	case wire.HSClientFinish:
		return "ClientFinish"
	case wire.HSHandshakeDone:
		return "HandshakeDone"
	case wire.HSRekeyInit:
		return "RekeyInit"
	case wire.HSRekeyResp:
		return "RekeyResp"
	default:
		return outer.String()
	}
}
