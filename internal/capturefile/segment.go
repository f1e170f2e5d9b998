package capturefile

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A Segment is a packet of TCP or UDP, taken apart.
type Segment struct {
	From, To netip.AddrPort
	UDP      bool
	Seq, Ack uint32 // TCP only, as all that follow
	SYN, ACK bool
	FIN, RST bool
	Window   uint16 // as it stands in the header
	Scale    uint8  // of a SYN: what the sender's windows are shifted by; 0: it says nothing of it
	Payload  []byte // shares the packet's bytes
	Cut      bool   // the packet was longer than what was captured of it
}

// ErrNoSegment says that a packet carries neither TCP nor UDP, or does so over a
// link that is not known here.
var ErrNoSegment = errors.New("capture: no packet of TCP or UDP")

// Segment looks through link, IPv4 or IPv6 to TCP or UDP. Fragments of IP packets
// are no segments. The error is ErrNoSegment, or names what is malformed.
func (p Packet) Segment() (Segment, error) {
	first, data, ok := p.firstLayer()
	if !ok {
		return Segment{}, ErrNoSegment
	}
	var d decoders
	parser := gopacket.NewDecodingLayerParser(first, d.all()...)
	parser.IgnoreUnsupported = true
	var found []gopacket.LayerType
	if err := parser.DecodeLayers(data, &found); err != nil {
		return Segment{}, fmt.Errorf("capture: %w", err)
	}
	s := Segment{Cut: p.Length > len(p.Data) || parser.Truncated}
	var from, to net.IP
	for _, layer := range found {
		switch layer {
		case layers.LayerTypeIPv4:
			if d.ip4.FragOffset != 0 || d.ip4.Flags&layers.IPv4MoreFragments != 0 {
				return Segment{}, ErrNoSegment
			}
			from, to = d.ip4.SrcIP, d.ip4.DstIP
		case layers.LayerTypeIPv6:
			from, to = d.ip6.SrcIP, d.ip6.DstIP
		case layers.LayerTypeTCP:
			s.Seq, s.Ack, s.Payload = d.tcp.Seq, d.tcp.Ack, d.tcp.Payload
			s.SYN, s.ACK, s.FIN, s.RST = d.tcp.SYN, d.tcp.ACK, d.tcp.FIN, d.tcp.RST
			s.Window, s.Scale = d.tcp.Window, scaleOf(&d.tcp)
			return s.between(from, to, uint16(d.tcp.SrcPort), uint16(d.tcp.DstPort)), nil
		case layers.LayerTypeUDP:
			s.UDP, s.Payload = true, d.udp.Payload
			return s.between(from, to, uint16(d.udp.SrcPort), uint16(d.udp.DstPort)), nil
		}
	}
	return Segment{}, ErrNoSegment
}

// scaleOf returns the window scale of a SYN that has one.
func scaleOf(t *layers.TCP) uint8 {
	for _, o := range t.Options {
		if t.SYN && o.OptionType == layers.TCPOptionKindWindowScale && len(o.OptionData) == 1 {
			return o.OptionData[0]
		}
	}
	return 0
}

// Packet returns the packet that carries a segment over Ethernet, with its checksums:
// Packet.Segment gives the segment back. It returns an error for addresses that cannot
// stand in one packet.
func (s Segment) Packet(at time.Time) (Packet, error) {
	from, to := end{s.From, s.From.Addr().Unmap()}, end{s.To, s.To.Addr().Unmap()}
	if !from.addr.IsValid() || from.addr.Is4() != to.addr.Is4() {
		return Packet{}, fmt.Errorf("capture: a packet from %v to %v", s.From, s.To)
	}
	var head transport = &layers.UDP{SrcPort: layers.UDPPort(s.From.Port()), DstPort: layers.UDPPort(s.To.Port())}
	if !s.UDP {
		t := &layers.TCP{
			SrcPort: layers.TCPPort(s.From.Port()), DstPort: layers.TCPPort(s.To.Port()), Seq: s.Seq, Ack: s.Ack,
			SYN: s.SYN, ACK: s.ACK, FIN: s.FIN, RST: s.RST, PSH: len(s.Payload) > 0, Window: s.Window,
		}
		if s.SYN && s.Scale > 0 {
			t.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{s.Scale}}}
		}
		head = t
	}
	raw, err := serialize(from, to, s.From.Compare(s.To) < 0, head, s.Payload)
	return Packet{At: at.UTC(), Link: LinkEthernet, Data: raw, Length: len(raw)}, err
}

func (s Segment) between(from, to net.IP, fromPort, toPort uint16) Segment {
	source, _ := netip.AddrFromSlice(from)
	target, _ := netip.AddrFromSlice(to)
	s.From, s.To = netip.AddrPortFrom(source.Unmap(), fromPort), netip.AddrPortFrom(target.Unmap(), toPort)
	return s
}

// decoders are the layers that are looked through, and no others: the more
// decoders, the more bytes of strangers reach code that may not expect them.
type decoders struct {
	ethernet layers.Ethernet
	vlan     layers.Dot1Q
	loopback layers.Loopback
	cooked   layers.LinuxSLL
	ip4      layers.IPv4
	ip6      layers.IPv6
	tcp      layers.TCP
	udp      layers.UDP
}

func (d *decoders) all() []gopacket.DecodingLayer {
	return []gopacket.DecodingLayer{&d.ethernet, &d.vlan, &d.loopback, &d.cooked, &d.ip4, &d.ip6, &d.tcp, &d.udp}
}

// firstLayer says how the data begins.
func (p Packet) firstLayer() (first gopacket.LayerType, data []byte, ok bool) {
	switch p.Link {
	case LinkEthernet:
		return layers.LayerTypeEthernet, p.Data, true
	case LinkNull, LinkLoop:
		return layers.LayerTypeLoopback, p.Data, true
	case LinkSLL:
		return layers.LayerTypeLinuxSLL, p.Data, true
	case LinkRaw:
		if len(p.Data) > 0 && p.Data[0]>>4 == 6 {
			return layers.LayerTypeIPv6, p.Data, true
		}
		return layers.LayerTypeIPv4, p.Data, true
	}
	return 0, nil, false
}
