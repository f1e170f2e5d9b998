package capturefile

import (
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// A Section is what a file says of itself.
type Section struct {
	Application string // that wrote it
	Comment     string // what is in it, in words
}

// A Writer writes a pcapng file: one section, one Ethernet interface, the secrets,
// then packets.
type Writer struct{ ng *pcapgo.NgWriter }

// NewWriter writes everything that comes before the first packet. It returns the
// error of w, or one that names the caller's mistake.
func NewWriter(w io.Writer, section Section, secrets ...Secrets) (*Writer, error) {
	if len(section.Application) > maxOption || len(section.Comment) > maxOption {
		return nil, fmt.Errorf("capture: the section has more than %d bytes of text", maxOption)
	}
	size := 0
	for _, s := range secrets {
		size += len(s.Data)
	}
	if size > MaxSecrets {
		return nil, fmt.Errorf("capture: %d bytes of secrets, more than %d", size, MaxSecrets)
	}
	ng, err := pcapgo.NewNgWriterInterface(
		w,
		pcapgo.NgInterface{Name: "xtmp", LinkType: layers.LinkTypeEthernet},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: section.Application, Comment: section.Comment}},
	)
	if err != nil {
		return nil, err
	}
	if err := ng.Flush(); err != nil {
		return nil, err
	}
	for _, s := range secrets {
		if _, err := w.Write(s.append(nil)); err != nil {
			return nil, err
		}
	}
	return &Writer{ng: ng}, nil
}

// The times that a file can hold, in nanoseconds since the Unix epoch.
var (
	firstTime = time.Unix(0, 0)
	lastTime  = time.Unix(0, 1<<63-1)
)

// Write writes one packet. Its link is Ethernet; its time is between 1970 and 2262.
func (w *Writer) Write(p Packet) error {
	switch {
	case p.Link != LinkEthernet:
		return fmt.Errorf("capture: a packet of link %d in a file of Ethernet", p.Link)
	case p.At.Before(firstTime) || p.At.After(lastTime):
		return fmt.Errorf("capture: a packet at %v", p.At)
	case len(p.Data) > MaxPacket || p.Length < len(p.Data):
		return fmt.Errorf("capture: %d bytes of a packet of %d", len(p.Data), p.Length)
	}
	return w.ng.WritePacket(gopacket.CaptureInfo{Timestamp: p.At, CaptureLength: len(p.Data), Length: p.Length}, p.Data)
}

// Flush writes what is still held back.
func (w *Writer) Flush() error { return w.ng.Flush() }
