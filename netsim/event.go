package netsim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/tcp"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Kind says what an Event is about.
type Kind uint8

// The kinds. Of packets first, then of hosts.
const (
	Sent    Kind = iota // a packet was given to a link; Cause and Edit say what comes of it
	Arrived             // a packet reached its socket
	Refused             // a packet reached no socket; Text says why
	Faulted             // a fault happened; Text is its line in a scenario
	Booted              // a node began
	Opened              // a stream is there, at Text
	Ended               // a stream is gone; Text says why
	Noted               // a node said Text
	kinds
)

var kindWords = [kinds]string{"sent", "arrived", "refused", "fault", "boot", "open", "end", "note"}

func (k Kind) String() string { return kindWords[k] }

// Event is one line of the trace.
type Event struct {
	At     vtime.Time
	Kind   Kind
	Host   string // where it happened; of Sent the sender
	Peer   string // of Sent: whose link
	Packet *Packet
	Name   string // of the packet
	Index  uint64 // of Sent: on the link
	Cause  link.Cause
	Edit   link.Edit
	Text   string
}

// String returns the event as a line.
func (e Event) String() string {
	switch e.Kind {
	case Sent:
		s := fmt.Sprintf("%s %s>%s %d %s", e.At, e.Host, e.Peer, e.Index, e.Packet)
		if e.Name != "" {
			s += " " + e.Name
		}
		if e.Edit != (link.Edit{}) {
			return s + " " + e.Edit.String()
		}
		if e.Cause != link.Passed {
			s += " " + e.Cause.String()
		}
		return s
	case Arrived:
		return fmt.Sprintf("%s %s arrived %s", e.At, e.Host, e.Packet)
	case Refused:
		return fmt.Sprintf("%s %s refused %s: %s", e.At, e.Host, e.Packet, e.Text)
	case Faulted:
		return fmt.Sprintf("%s %s", e.At, e.Text)
	default:
		return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.At, e.Host, e.Kind, e.Text))
	}
}

// String returns the packet's ends, its flags if it has any, and its length.
func (p *Packet) String() string {
	var s tcp.Segment
	if p.Protocol == TCP && s.Parse(p.Data) == nil {
		return fmt.Sprintf("tcp %s→%s %s %d", p.Src, p.Dst, s.Flags, len(s.Data))
	}
	return fmt.Sprintf("%s %s→%s %d", p.Protocol, p.Src, p.Dst, len(p.Data))
}

// emit adds an event to the hash and shows it to whoever looks.
func (w *World) emit(e Event) {
	e.At = w.now
	h := w.hash
	h = fold(h, uint64(e.At))
	h = fold(h, uint64(e.Kind)|uint64(e.Cause)<<8|e.Index<<16)
	h = foldString(h, e.Host)
	h = foldString(h, e.Peer)
	h = foldString(h, e.Text)
	if e.Edit != (link.Edit{}) {
		h = fold(h, uint64(e.Edit.Late))
		h = fold(h, uint64(e.Edit.CopyLate)<<1|bit(e.Edit.Copy))
		h = fold(h, uint64(e.Edit.Bit)<<2|bit(e.Edit.Flip)<<1|uint64(e.Edit.Drop)<<34)
	}
	if p := e.Packet; p != nil {
		h = foldAddr(h, p.Src, uint64(p.Protocol))
		h = foldAddr(h, p.Dst, uint64(len(p.Data)))
		h = foldBytes(h, p.Data)
	}
	w.hash = h
	if w.cfg.Trace != nil {
		w.cfg.Trace(e)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// fold mixes a word into a hash. It is not cryptographic: nobody forges a trace.
func fold(h, word uint64) uint64 {
	h = (h ^ word) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// foldAddr mixes an address and a small number into a hash.
func foldAddr(h uint64, a netip.AddrPort, n uint64) uint64 {
	ip := a.Addr().As16()
	h = fold(h, binary.LittleEndian.Uint64(ip[:8])^n<<16^uint64(a.Port()))
	return fold(h, binary.LittleEndian.Uint64(ip[8:]))
}

func foldBytes(h uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		h = fold(h, binary.LittleEndian.Uint64(b))
	}
	if len(b) == 0 {
		return h
	}
	var rest uint64
	for i, c := range b {
		rest |= uint64(c) << (8 * i)
	}
	return fold(h, rest)
}

func foldString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return fold(h, uint64(len(s)))
}
