package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bpci/xtmp/internal/capturefile"
	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/tcp"
)

// capture is what a person with a packet reader would see of a run: every packet, as
// it was sent and when, also if it was lost; and the secrets of all sessions.
type capture struct {
	packets []capturefile.Packet
	secrets []byte // a key log
	logged  map[string]bool
	err     error // the first
}

func newCapture() *capture { return &capture{logged: map[string]bool{}} }

// trace is told the events.
func (c *capture) trace(e netsim.Event) {
	if e.Kind != netsim.Sent || c.err != nil {
		return
	}
	s, err := segmentOf(e.Packet)
	if err == nil {
		var p capturefile.Packet
		p, err = s.Packet(time.UnixMicro(int64(netsim.Epoch + e.At)).UTC())
		c.packets = append(c.packets, p)
	}
	c.err = err
}

// segmentOf takes a packet of the simulator apart, and copies what it carries.
func segmentOf(p *netsim.Packet) (capturefile.Segment, error) {
	s := capturefile.Segment{From: p.Src, To: p.Dst, UDP: p.Protocol == netsim.UDP, Payload: p.Data}
	if s.UDP {
		return s, nil
	}
	var t tcp.Segment
	if err := t.Parse(p.Data); err != nil {
		return s, err
	}
	s.Seq, s.Ack, s.Payload = t.Seq, t.Ack, t.Data
	s.SYN, s.ACK, s.FIN, s.RST = t.Flags&tcp.SYN != 0, t.Flags&tcp.ACK != 0, t.Flags&tcp.FIN != 0, t.Flags&tcp.RST != 0
	s.Window, s.Scale = uint16(t.Window>>tcp.WindowScale), tcp.WindowScale
	return s, nil
}

// secret is told the secrets, mostly by both ends of a session.
func (c *capture) secret(label string, sessionID uint64, secret []byte) {
	line := fmt.Sprintf("%s %016x %x\n", label, sessionID, secret)
	if !c.logged[line] {
		c.logged[line] = true
		c.secrets = append(c.secrets, line...)
	}
}

// maxComment is how much of a plan stands in front of the packets, in bytes.
const maxComment = 32 << 10

// write writes a pcapng file, with the plan as its comment.
func (c *capture) write(name, plan string) error {
	if c.err != nil {
		return c.err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	comment := strings.ToValidUTF8(plan[:min(len(plan), maxComment)], "")
	w, err := capturefile.NewWriter(f, capturefile.Section{Application: "xtmp-netsim", Comment: comment},
		capturefile.Secrets{Type: capturefile.SecretsXTMP, Data: c.secrets})
	if err != nil {
		return err
	}
	for _, p := range c.packets {
		if err := w.Write(p); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
