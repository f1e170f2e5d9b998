package capturefile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/bpci/xtmp/internal/capturefile/keylog"
)

var (
	client4 = netip.MustParseAddrPort("127.0.0.7:40000")
	server4 = netip.MustParseAddrPort("127.0.0.1:8090")
	client6 = netip.MustParseAddrPort("[fd00::7]:40000")
	server6 = netip.MustParseAddrPort("[fd00::1]:8090")
)

func TestPacketsOfAConversation(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	for _, ends := range [][2]netip.AddrPort{{client4, server4}, {client6, server6}} {
		packets, err := Packets(Conversation{Client: ends[0], Server: ends[1], Steps: []Step{
			{At: at, FromClient: true, Kind: Opened},
			{At: at, FromClient: true, Kind: Sent, Data: []byte("question")},
			{At: at.Add(time.Second), Kind: Sent, Data: bytes.Repeat([]byte("a"), maxSegment+10)},
			{At: at.Add(2 * time.Second), Kind: Closed},
			{At: at.Add(2 * time.Second), FromClient: true, Kind: Reset},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range packets {
			got = append(got, fmt.Sprint(p.At.Sub(at).Round(time.Millisecond), " ", describe(t, p, ends[0])))
			checkSums(t, p)
		}
		want := []string{
			"0s → SYN 0 0 0", "0s ← SYN ACK 0 1 0", "0s → ACK 1 1 0",
			"0s → ACK 1 1 8", "1s ← ACK 1 9 65000", "1s ← ACK 65001 9 10",
			"2s ← ACK FIN 65011 9 0", "2s → ACK 9 65012 0", "2s → ACK RST 9 65012 0",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// describe is a segment in words: direction, flags, seq, ack, length.
func describe(t *testing.T, p Packet, client netip.AddrPort) string {
	s, err := p.Segment()
	if err != nil {
		t.Fatal(err)
	}
	words := "←"
	if s.From == client {
		words = "→"
	}
	for _, flag := range []struct {
		name string
		is   bool
	}{{"SYN", s.SYN}, {"ACK", s.ACK}, {"FIN", s.FIN}, {"RST", s.RST}} {
		if flag.is {
			words += " " + flag.name
		}
	}
	return fmt.Sprint(words, " ", s.Seq, " ", s.Ack, " ", len(s.Payload))
}

// checkSums computes the checksum over segment and pseudo-header, which is 0 if
// the one in the packet is right.
func checkSums(t *testing.T, p Packet) {
	packet := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
	network, transport := packet.NetworkLayer(), packet.TransportLayer()
	if network == nil || transport == nil {
		t.Fatal("no TCP over IP")
	}
	segment := append(bytes.Clone(transport.LayerContents()), transport.LayerPayload()...)
	src, dst := network.NetworkFlow().Endpoints()
	pseudo := append(append(bytes.Clone(src.Raw()), dst.Raw()...), 0, 0, byte(len(segment)>>8), byte(len(segment)), 0, 6)
	if sum := onesSum(append(pseudo, segment...)); sum != 0xFFFF {
		t.Errorf("the checksum of TCP is off: %04x", sum)
	}
	if ip, ok := network.(*layers.IPv4); ok && onesSum(ip.Contents) != 0xFFFF {
		t.Error("the checksum of IPv4 is off")
	}
}

func onesSum(data []byte) uint16 {
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(data[i])<<8 | uint32(data[i+1])
		sum = sum&0xFFFF + sum>>16
	}
	return uint16(sum)
}

// TestStreamsSurvive: whatever was said, in whatever pieces and with whatever
// clock, the packets of each direction give it back, in order, and in the file the
// times rise.
func TestStreamsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var talks []Conversation
		said := map[netip.AddrPort][]byte{}
		for i := range rapid.IntRange(1, 3).Draw(t, "conversations") {
			client := netip.AddrPortFrom(client4.Addr(), uint16(40000+i))
			server := netip.AddrPortFrom(server4.Addr(), uint16(50000+i))
			c := Conversation{Client: client, Server: server, Steps: []Step{{At: time.Unix(1700000000, 0), Kind: Opened}}}
			for range rapid.IntRange(0, 6).Draw(t, "steps") {
				step := Step{
					At: time.Unix(1700000000, rapid.Int64Range(-5, 100).Draw(t, "at")), Kind: Sent,
					FromClient: rapid.Bool().Draw(t, "from client"), Data: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data"),
				}
				from := server
				if step.FromClient {
					from = client
				}
				said[from] = append(said[from], step.Data...)
				c.Steps = append(c.Steps, step)
			}
			talks = append(talks, c)
		}
		packets, err := Packets(talks...)
		if err != nil {
			t.Fatal(err)
		}
		heard := map[netip.AddrPort][]byte{}
		var last time.Time
		for _, p := range packets {
			s, err := p.Segment()
			if err != nil || p.At.Before(last) {
				t.Fatalf("%v, at %v after %v", err, p.At, last)
			}
			last = p.At
			if len(s.Payload) > 0 && int(s.Seq) != len(heard[s.From])+1 {
				t.Fatalf("sequence number %d after %d bytes", s.Seq, len(heard[s.From]))
			}
			heard[s.From] = append(heard[s.From], s.Payload...)
		}
		for from, want := range said {
			if !bytes.Equal(heard[from], want) {
				t.Fatalf("%v said %x, the packets say %x", from, want, heard[from])
			}
		}
	})
}

func TestPacketsRefuses(t *testing.T) {
	opened := []Step{{At: time.Unix(1, 0), Kind: Opened}}
	for name, c := range map[string]Conversation{
		"two families":    {Client: client4, Server: server6, Steps: opened},
		"no address":      {Server: server4, Steps: opened},
		"an unknown step": {Client: client4, Server: server4, Steps: []Step{{At: time.Unix(1, 0)}}},
	} {
		if _, err := Packets(c); err == nil {
			t.Errorf("%s: packets were made", name)
		}
	}
	// An IPv4 address in the form of IPv6 is one of IPv4.
	mapped := netip.AddrPortFrom(netip.AddrFrom16(client4.Addr().As16()), 40000)
	if _, err := Packets(Conversation{Client: mapped, Server: server4, Steps: opened}); err != nil {
		t.Error(err)
	}
}

func TestSegment(t *testing.T) {
	udp := &layers.UDP{SrcPort: 40000, DstPort: 8090}
	ip := &layers.IPv4{Version: 4, TTL: 1, Protocol: layers.IPProtocolUDP, SrcIP: client4.Addr().AsSlice(), DstIP: server4.Addr().AsSlice()}
	_ = udp.SetNetworkLayerForChecksum(ip)
	serialize := func(list ...gopacket.SerializableLayer) []byte {
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	raw := serialize(ip, udp, gopacket.Payload("datagram"))
	cooked := append([]byte{0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, raw...)
	for name, p := range map[string]Packet{
		"raw":      {Link: LinkRaw, Data: raw},
		"loopback": {Link: LinkNull, Data: append([]byte{2, 0, 0, 0}, raw...)},
		"cooked":   {Link: LinkSLL, Data: cooked},
		"a VLAN": {Link: LinkEthernet, Data: append([]byte{
			2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 1, 8, 0,
		}, raw...)},
	} {
		p.Length = len(p.Data)
		s, err := p.Segment()
		if err != nil || !s.UDP || s.From != client4 || s.To != server4 || string(s.Payload) != "datagram" || s.Cut {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
	if s, err := (Packet{Link: LinkRaw, Data: raw, Length: len(raw) + 1}).Segment(); err != nil || !s.Cut {
		t.Errorf("a packet that is cut off: got %+v, %v", s, err)
	}
	ip.Flags = layers.IPv4MoreFragments
	for name, p := range map[string]Packet{
		"a fragment":      {Link: LinkRaw, Data: serialize(ip, udp)},
		"an unknown link": {Link: 9999, Data: raw},
		"ARP":             {Link: LinkEthernet, Data: append(make([]byte, 12), 8, 6, 0, 0)},
	} {
		if _, err := p.Segment(); !errors.Is(err, ErrNoSegment) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for cut := range raw {
		if s, err := (Packet{Link: LinkRaw, Data: raw[:cut], Length: len(raw)}).Segment(); err == nil && !s.Cut {
			t.Errorf("cut at %d: got %+v", cut, s)
		}
	}
}

// TestTshark asks another reader what it finds in a file of ours. It is a cross-
// check of the tests above, for machines that have one.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	at := time.Unix(1700000000, 0)
	talk := func(client, server netip.AddrPort) Conversation {
		return Conversation{Client: client, Server: server, Steps: []Step{
			{At: at, Kind: Opened, FromClient: true},
			{At: at, Kind: Sent, FromClient: true, Data: []byte("question")},
			{At: at.Add(time.Millisecond), Kind: Sent, Data: []byte("answer")},
			{At: at.Add(time.Second), Kind: Closed},
			{At: at.Add(time.Second), Kind: Closed, FromClient: true},
		}}
	}
	packets, err := Packets(talk(client4, server4), talk(client6, server6))
	if err != nil {
		t.Fatal(err)
	}
	keys := keylog.Entry{Side: keylog.Client, Session: 1}.Append(nil)
	name := filepath.Join(t.TempDir(), "ours.pcapng")
	if err := os.WriteFile(name, write(t, Section{Application: "test"}, []Secrets{{SecretsXTMP, keys}}, packets), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tshark, "-r", name, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-T", "fields", "-e", "tcp.stream", "-e", "tcp.flags.str", "-e", "tcp.payload", "-e", "tcp.checksum.status",
		"-e", "tcp.analysis.flags", "-e", "_ws.malformed").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := string(out)
	for _, want := range []string{"7175657374696f6e", "616e73776572"} {
		if n := strings.Count(text, want); n != 2 {
			t.Errorf("%q is there %d times, not in both streams", want, n)
		}
	}
	lines := strings.Split(strings.TrimRight(text[strings.Index(text, "0\t"):], "\n"), "\n")
	if len(lines) != len(packets) {
		t.Errorf("%d packets, want %d", len(lines), len(packets))
	}
	for _, line := range lines {
		if fields := strings.Split(line, "\t"); len(fields) != 6 || fields[3] != "1" || fields[4] != "" || fields[5] != "" {
			t.Errorf("tshark has a remark: %q", line)
		}
	}
}

func TestPacketsOfDatagrams(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	for _, ends := range [][2]netip.AddrPort{{client4, server4}, {client6, server6}} {
		packets, err := Packets(Conversation{Client: ends[0], Server: ends[1], UDP: true, Steps: []Step{
			{At: at, FromClient: true, Kind: Opened},
			{At: at, FromClient: true, Kind: Sent, Data: []byte("question")},
			{At: at.Add(time.Second), Kind: Sent, Data: bytes.Repeat([]byte("a"), 1200)},
		}})
		if err != nil || len(packets) != 2 {
			t.Fatalf("%d packets, %v; want 2", len(packets), err)
		}
		for i, want := range []struct {
			from netip.AddrPort
			size int
		}{{ends[0], 8}, {ends[1], 1200}} {
			s, err := packets[i].Segment()
			if err != nil || !s.UDP || s.From != want.from || len(s.Payload) != want.size {
				t.Errorf("packet %d is %+v, %v", i, s, err)
			}
		}
	}
}

// TestPacketOfASegment makes packets of segments and takes them apart again.
func TestPacketOfASegment(t *testing.T) {
	at := time.Unix(1700000000, 1000).UTC()
	for name, s := range map[string]Segment{
		"SYN":       {From: client4, To: server4, Seq: 1<<32 - 1, SYN: true, Window: 2048, Scale: 7},
		"data":      {From: server4, To: client4, Seq: 7, Ack: 9, ACK: true, Window: 1, Payload: []byte("data")},
		"end":       {From: client6, To: server6, Seq: 7, Ack: 9, ACK: true, FIN: true},
		"reset":     {From: server6, To: client6, RST: true},
		"datagram":  {From: client4, To: server4, UDP: true, Payload: bytes.Repeat([]byte{1}, 1200)},
		"datagram6": {From: server6, To: client6, UDP: true, Payload: []byte{}},
	} {
		p, err := s.Packet(at)
		if err != nil || !p.At.Equal(at) || p.Link != LinkEthernet || p.Length != len(p.Data) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		got, err := p.Segment()
		if err != nil || !bytes.Equal(got.Payload, s.Payload) {
			t.Errorf("%s: %x, %v", name, got.Payload, err)
		}
		got.Payload, s.Payload = nil, nil
		if diff := cmp.Diff(s, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, s := range []Segment{{From: client4, To: server6}, {}} {
		if _, err := s.Packet(at); err == nil {
			t.Errorf("a packet from %v to %v", s.From, s.To)
		}
	}
}
