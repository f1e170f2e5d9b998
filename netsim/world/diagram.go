package world

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Diagram draws a run as a sequence of messages: a column for each host, an arrow for
// each packet, named by the frames that begin in it.
//
//	              client                                  server
//	40ms            │────────── ClientFinish, Probe 1 ─────▶│
//	50ms            │✗─ HandshakeDone, reply 1 (cut) ───────│
//
// Its Trace and Show are Options of the run that it draws. A packet stands at the
// moment at which it was sent. Segments without data are left out unless something
// happens to them.
type Diagram struct {
	hosts []string
	names map[frameKey]string
	flows map[[2]netip.AddrPort]*flow
	text  strings.Builder
}

// frameKey tells frames apart.
type frameKey struct {
	key      [wire.KeyIDSize]byte
	sequence uint64
	checksum uint32
}

// flow is one direction of a connection: which frames its bytes are.
type flow struct {
	first uint32 // TCP's number of byte 0
	seen  int    // bytes
	head  []byte // of the frame that has begun
	left  int    // bytes of its payload that are missing
	marks []mark
}

// mark is the begin of a frame.
type mark struct {
	at   int
	name string
}

// Width of the drawing, in characters.
const (
	timeWidth   = 14
	columnWidth = 56
)

// NewDiagram returns a diagram of a run of p.
func NewDiagram(p *Plan) *Diagram {
	d := &Diagram{names: map[frameKey]string{}, flows: map[[2]netip.AddrPort]*flow{}}
	line := []rune(strings.Repeat(" ", timeWidth+columnWidth*max(len(p.Scenario.Hosts)-1, 0)+20))
	for i, h := range p.Scenario.Hosts {
		d.hosts = append(d.hosts, h.Name)
		copy(line[d.column(h.Name)-min(len(h.Name)/2, timeWidth+i*columnWidth):], []rune(h.Name))
	}
	d.text.WriteString(strings.TrimRight(string(line), " ") + "\n")
	return d
}

// String returns the drawing.
func (d *Diagram) String() string { return d.text.String() }

// Show is told the frames.
func (d *Diagram) Show(f *Frame) {
	d.names[frameKey{f.Header.KeyID, f.Header.Sequence, f.Header.Checksum}] = f.Name()
}

// Trace is told the events.
func (d *Diagram) Trace(e netsim.Event) {
	switch e.Kind {
	case netsim.Sent:
		d.sent(&e)
	case netsim.Faulted:
		d.line(&e, "", "══ "+e.Text)
	case netsim.Booted:
		d.line(&e, e.Host, "boots")
	case netsim.Noted:
		d.line(&e, e.Host, e.Text)
	case netsim.Ended:
		d.line(&e, e.Host, "connection: "+e.Text)
	case netsim.Refused:
		if e.Text != "no socket" || e.Packet.Protocol == netsim.UDP {
			d.line(&e, e.Host, "refuses a packet: "+e.Text)
		}
	case netsim.Arrived, netsim.Opened:
	default:
	}
}

// column returns where a host stands.
func (d *Diagram) column(host string) int {
	for i, name := range d.hosts {
		if name == host {
			return timeWidth + i*columnWidth
		}
	}
	return timeWidth
}

// blank returns a line with the time and a bar for each host.
func (d *Diagram) blank(e *netsim.Event, more int) []rune {
	line := []rune(fmt.Sprintf("%-*s", timeWidth+columnWidth*(len(d.hosts)-1)+1+more, e.At))
	for _, h := range d.hosts {
		line[d.column(h)] = '│'
	}
	return line
}

// line says something at a host, or about all.
func (d *Diagram) line(e *netsim.Event, host, text string) {
	words := []rune(text)
	line := d.blank(e, len(words)+4)
	at := timeWidth + 2
	if host != "" {
		at = d.column(host)
		line[at] = '■'
		at += 2
	}
	copy(line[at:], words)
	d.text.WriteString(strings.TrimRight(string(line), " ") + "\n")
}

// sent draws an arrow.
func (d *Diagram) sent(e *netsim.Event) {
	label, quiet := d.label(e.Packet)
	if quiet && e.Cause == link.Passed && e.Edit == (link.Edit{}) {
		return
	}
	line := d.blank(e, 0)
	from, to := d.column(e.Host), d.column(e.Peer)
	low, high := min(from, to)+1, max(from, to)
	for i := low; i < high; i++ {
		line[i] = '─'
	}
	head := '▶'
	if from > to {
		head = '◀'
	}
	switch {
	case e.Cause != link.Passed:
		head = '✗'
		label += " (" + e.Cause.String() + ")"
	case e.Edit != (link.Edit{}):
		label += " (" + e.Edit.String() + ")"
	}
	if from < to {
		line[high-1] = head
	} else {
		line[low] = head
	}
	words := []rune(" " + label + " ")
	if room := high - low - 4; len(words) > room {
		words = append(words[:max(room-2, 0)], '…', ' ')
	}
	copy(line[low+max(high-low-len(words), 0)/2:], words)
	d.text.WriteString(strings.TrimRight(string(line), " ") + "\n")
}

// label names what a packet carries. It is quiet if that is nothing.
func (d *Diagram) label(p *netsim.Packet) (name string, quiet bool) {
	if p.Protocol == netsim.UDP {
		return d.frameAt(p.Data), false
	}
	var s tcp.Segment
	if s.Parse(p.Data) != nil {
		return "?", false
	}
	f := d.flows[[2]netip.AddrPort{p.Src, p.Dst}]
	if f == nil || s.Flags&tcp.SYN != 0 {
		f = &flow{first: s.Seq + 1}
		d.flows[[2]netip.AddrPort{p.Src, p.Dst}] = f
	}
	if len(s.Data) == 0 {
		return "(" + strings.ReplaceAll(segmentName(s.Flags), "SYN-ACK", "SYN ACK") + ")", s.Flags == tcp.ACK
	}
	at := int(int32(s.Seq - f.first))
	again := ""
	if at+len(s.Data) <= f.seen {
		again = " again"
	}
	if at <= f.seen && again == "" {
		d.follow(f, s.Data[f.seen-at:])
	}
	return f.names(at, at+len(s.Data)) + again, false
}

// follow finds the frames in the next bytes of a flow.
func (d *Diagram) follow(f *flow, b []byte) {
	for len(b) > 0 {
		if n := min(f.left, len(b)); n > 0 {
			f.left -= n
			f.seen += n
			b = b[n:]
			continue
		}
		if len(f.head) == 0 {
			f.marks = append(f.marks, mark{at: f.seen})
		}
		n := min(wire.Overhead-len(f.head), len(b))
		f.head = append(f.head, b[:n]...)
		f.seen += n
		b = b[n:]
		if len(f.head) == wire.Overhead {
			var h wire.Header
			h.Decode(f.head)
			f.left = int(h.PayloadLength)
			f.marks[len(f.marks)-1].name = d.frameAt(f.head)
			f.head = f.head[:0]
		}
	}
}

// frameAt names the frame that begins with b.
func (d *Diagram) frameAt(b []byte) string {
	var h wire.Header
	if wire.ParseHeader(b, &h) != nil {
		return "?"
	}
	if name, ok := d.names[frameKey{h.KeyID, h.Sequence, h.Checksum}]; ok {
		return name
	}
	return h.Type.String()
}

// names lists the frames that begin in a piece of a flow.
func (f *flow) names(from, to int) string {
	var list []string
	for _, m := range f.marks {
		if m.at >= from && m.at < to {
			list = append(list, m.name)
		}
	}
	switch n := len(list); {
	case n == 0:
		return "…"
	case n > 3:
		return fmt.Sprintf("%s … %s (%d frames)", list[0], list[n-1], n)
	default:
		return strings.Join(list, ", ")
	}
}

// Name says what a frame is, as far as it opens: "ClientHello", "Ack 17", "Probe 3", "reply 3".
func (f *Frame) Name() string {
	h := &f.Header
	if f.Plain == nil || h.Clear() {
		return frameName(h, f.Plain)
	}
	var pro wire.Prologue
	body, err := pro.Parse(h.Flags, f.Plain)
	if err != nil {
		return h.Type.String()
	}
	piece := ""
	if h.Flags.Has(wire.FlagFragment) {
		piece = fmt.Sprintf(" %d/%d", pro.Index+1, pro.Count)
	}
	switch h.Type {
	case wire.TypeHandshake, wire.TypeHandshakeAck:
		if len(body) > 0 {
			return hsName(wire.HSType(body[0]), h.Type) + piece
		}
	case wire.TypeHeartbeat:
		if len(body) > 0 {
			return heartbeatName(wire.HeartbeatKind(body[0]))
		}
	case wire.TypeAck:
		if largest, err := wire.ParseStreamAck(body); err == nil {
			return fmt.Sprintf("Ack %d", largest)
		}
		var m wire.Ack
		if m.Parse(body) == nil {
			return "Ack" + rangesName(m.Ranges())
		}
	case wire.TypeError:
		var m wire.Error
		_ = m.Parse(body, true) // what can be read will do
		if pro.ReplyTo != 0 {
			return fmt.Sprintf("Error %v to %d", m.Code, pro.ReplyTo)
		}
		return fmt.Sprintf("Error %v", m.Code)
	case wire.TypeDisconnect:
	default:
		if h.Flags.Has(wire.FlagReply) {
			return fmt.Sprintf("reply %d", pro.ReplyTo) + piece
		}
		return fmt.Sprintf("%v %d", h.Type, pro.Mid) + piece
	}
	return h.Type.String()
}

// rangesName lists ranges: " 0-3,5".
func rangesName(ranges []wire.AckRange) (s string) {
	for i := len(ranges) - 1; i >= 0; i-- {
		r := ranges[i]
		if s += fmt.Sprintf(",%d", r.Low); r.High > r.Low {
			s += fmt.Sprintf("-%d", r.High)
		}
	}
	return " " + strings.TrimPrefix(s, ",")
}

func heartbeatName(k wire.HeartbeatKind) string {
	switch k {
	case wire.Ping:
		return "Ping"
	case wire.Pong:
		return "Pong"
	case wire.PathChallenge:
		return "PathChallenge"
	case wire.PathResponse:
		return "PathResponse"
	case wire.RekeyRequest:
		return "RekeyRequest"
	default:
		return "Heartbeat"
	}
}
