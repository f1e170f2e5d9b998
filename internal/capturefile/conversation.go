package capturefile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A Conversation is what passed on one TCP connection, or between two UDP addresses,
// as either end saw it. Both addresses are of the same family.
type Conversation struct {
	Client, Server netip.AddrPort // the client opened it
	UDP            bool           // each Sent is a datagram; the other steps leave no packet
	Steps          []Step         // in order of time
}

// A Step is one thing that happened on a connection.
type Step struct {
	At         time.Time
	FromClient bool
	Kind       StepKind
	Data       []byte // of Sent
}

// A StepKind says what a step is.
type StepKind int

// The kinds of steps. A connection whose first step is not Opened was open before.
const (
	Opened StepKind = iota + 1 // the connection was made, by the client
	Sent                       // bytes
	Closed                     // the end of one direction (FIN)
	Reset                      // the end of both (RST)
)

// maxSegment is how much one segment carries. What was written at once stays in one
// packet as far as IP can hold it, which is how a loopback capture looks too.
const maxSegment = 65000

// windowScale makes the window 0xFFFF shifted left by it.
const windowScale = 10

// Packets turns conversations into the packets that could have carried them:
// Ethernet, IP and UDP, or TCP with the handshake, sequence numbers and
// acknowledgements; with checksums, all in order of time. It returns an error for addresses that cannot
// stand in one packet.
func Packets(conversations ...Conversation) ([]Packet, error) {
	var all []Packet
	for _, c := range conversations {
		client, server := c.Client.Addr().Unmap(), c.Server.Addr().Unmap()
		if !client.IsValid() || client.Is4() != server.Is4() {
			return nil, fmt.Errorf("capture: a conversation of %v and %v", c.Client, c.Server)
		}
		t := &tcp{client: end{c.Client, client}, server: end{c.Server, server}}
		for _, step := range c.Steps {
			take := t.step
			if c.UDP {
				take = t.datagram
			}
			if err := take(step); err != nil {
				return nil, fmt.Errorf("capture: %v to %v: %w", c.Client, c.Server, err)
			}
		}
		all = append(all, t.packets...)
	}
	slices.SortStableFunc(all, func(a, b Packet) int { return a.At.Compare(b.At) })
	return all, nil
}

// A tcp is a connection while its packets are made. Sequence numbers begin at 0 on
// either side, so that they count bytes from 1.
type tcp struct {
	client, server end
	next           [2]uint32 // sequence number, of the server and of the client
	last           time.Time
	packets        []Packet
}

type end struct {
	port netip.AddrPort
	addr netip.Addr
}

func (t *tcp) step(s Step) error {
	// A clock may stand still or go back between two steps; the wire does not.
	s.At = slices.MaxFunc([]time.Time{s.At.UTC(), t.last}, time.Time.Compare)
	switch s.Kind {
	case Opened:
		t.next = [2]uint32{}
		return errors.Join(
			t.segment(s.At, true, layers.TCP{SYN: true}, nil),
			t.segment(s.At, false, layers.TCP{SYN: true, ACK: true}, nil),
			t.segment(s.At, true, layers.TCP{ACK: true}, nil),
		)
	case Sent:
		for piece := range slices.Chunk(s.Data, maxSegment) {
			if err := t.segment(s.At, s.FromClient, layers.TCP{PSH: true, ACK: true}, piece); err != nil {
				return err
			}
		}
		return nil
	case Closed:
		return errors.Join(
			t.segment(s.At, s.FromClient, layers.TCP{FIN: true, ACK: true}, nil),
			t.segment(s.At, !s.FromClient, layers.TCP{ACK: true}, nil),
		)
	case Reset:
		return t.segment(s.At, s.FromClient, layers.TCP{RST: true, ACK: true}, nil)
	}
	return fmt.Errorf("a step of kind %d", s.Kind)
}

// datagram adds the packet of a step on UDP.
func (t *tcp) datagram(s Step) error {
	if s.Kind != Sent {
		return nil
	}
	from, to := t.server, t.client
	if s.FromClient {
		from, to = to, from
	}
	head := &layers.UDP{SrcPort: layers.UDPPort(from.port.Port()), DstPort: layers.UDPPort(to.port.Port())}
	raw, err := serialize(from, to, s.FromClient, head, s.Data)
	t.packets = append(t.packets, Packet{At: s.At.UTC(), Link: LinkEthernet, Data: raw, Length: len(raw)})
	return err
}

// segment adds one packet, a nanosecond after the one before at the earliest, so
// that readers that sort keep the order.
func (t *tcp) segment(at time.Time, fromClient bool, flags layers.TCP, data []byte) error {
	if !at.After(t.last) && !t.last.IsZero() {
		at = t.last.Add(time.Nanosecond)
	}
	t.last = at
	from, to, own, other := t.server, t.client, &t.next[0], &t.next[1]
	if fromClient {
		from, to, own, other = t.client, t.server, &t.next[1], &t.next[0]
	}
	head := flags
	head.SrcPort, head.DstPort = layers.TCPPort(from.port.Port()), layers.TCPPort(to.port.Port())
	head.Seq, head.Window = *own, 0xFFFF
	if head.ACK {
		head.Ack = *other
	}
	*own += uint32(len(data))
	if flags.SYN {
		// Room for all segments that come before the next acknowledgement.
		head.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{windowScale}}}
	}
	if flags.SYN || flags.FIN {
		*own++
	}
	raw, err := serialize(from, to, fromClient, &head, data)
	t.packets = append(t.packets, Packet{At: at, Link: LinkEthernet, Data: raw, Length: len(raw)})
	return err
}

// A transport is the header of TCP or UDP.
type transport interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

func serialize(from, to end, fromClient bool, head transport, data []byte) ([]byte, error) {
	protocol := layers.IPProtocolTCP
	if head.LayerType() == layers.LayerTypeUDP {
		protocol = layers.IPProtocolUDP
	}
	// Locally administered addresses that tell the sides apart.
	link := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 2}, DstMAC: []byte{2, 0, 0, 0, 0, 1}}
	if fromClient {
		link.SrcMAC, link.DstMAC = link.DstMAC, link.SrcMAC
	}
	var network gopacket.SerializableLayer
	if from.addr.Is4() {
		link.EthernetType = layers.EthernetTypeIPv4
		ip := &layers.IPv4{
			Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: protocol,
			SrcIP: from.addr.AsSlice(), DstIP: to.addr.AsSlice(),
		}
		network = ip
		_ = head.SetNetworkLayerForChecksum(ip) // fails for other layers only
	} else {
		link.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: from.addr.AsSlice(), DstIP: to.addr.AsSlice(),
		}
		network = ip
		_ = head.SetNetworkLayerForChecksum(ip)
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, link, network, head, gopacket.Payload(data))
	return buffer.Bytes(), err
}
