package capturefile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// A Packet is one packet of a capture.
type Packet struct {
	At     time.Time // UTC; zero if the file does not say it
	Link   Link
	Data   []byte // what was captured, from the link layer on
	Length int    // bytes that the packet had
}

// A Link says how Data begins, by the numbers of the link-layer header types.
type Link int

// The links that Packet.Segment can look through.
const (
	LinkNull     Link = 0
	LinkEthernet Link = 1
	LinkRaw      Link = 101
	LinkLoop     Link = 108
	LinkSLL      Link = 113
)

// A FormatError says what is wrong with a file.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "not a capture that can be read: " + e.Reason }

// A Reader reads the packets of a capture in the order of the file.
type Reader struct {
	source  gopacket.PacketDataSource
	blocks  *blocks // nil for a pcap file
	link    Link    // of a pcap file
	section Section
	file    *file
}

// A file remembers why it could not be read, so that this is not taken for an
// error of its bytes.
type file struct {
	r   io.Reader
	err error
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// NewReader recognises pcapng, pcap, and both in gzip by their first bytes. It
// returns a *FormatError for other bytes, or the error of r.
func NewReader(r io.Reader) (*Reader, error) {
	f := &file{r: r}
	reader, err := open(f)
	switch {
	case f.err != nil:
		return nil, f.err
	case errors.Is(err, io.EOF):
		return nil, &FormatError{Reason: "it is shorter than its first block"}
	case err != nil:
		return nil, formatError(err)
	}
	reader.file = f
	return reader, nil
}

func open(r io.Reader) (*Reader, error) {
	buffered := bufio.NewReader(r)
	magic, err := buffered.Peek(4)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(magic, []byte{0x1F, 0x8B}) {
		return openPlain(buffered, magic)
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, err
	}
	buffered = bufio.NewReader(unzipped)
	if magic, err = buffered.Peek(4); err != nil {
		return nil, err
	}
	return openPlain(buffered, magic)
}

func openPlain(r io.Reader, magic []byte) (*Reader, error) {
	switch string(magic) {
	case "\x0A\x0D\x0D\x0A":
		b := &blocks{r: r}
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, err
		}
		info := ng.SectionInfo()
		return &Reader{source: ng, blocks: b, section: Section{Application: info.Application, Comment: info.Comment}}, nil
	case "\xA1\xB2\xC3\xD4", "\xD4\xC3\xB2\xA1", "\xA1\xB2\x3C\x4D", "\x4D\x3C\xB2\xA1":
		s := newRecords(r, magic)
		if err := s.header(); err != nil {
			return nil, err
		}
		old, err := pcapgo.NewReader(s)
		if err != nil {
			return nil, err
		}
		old.SetSnaplen(MaxPacket) // some writers exceed the one they write
		return &Reader{source: old, link: Link(old.LinkType())}, nil
	}
	return nil, &FormatError{Reason: fmt.Sprintf("it begins with %x", magic)}
}

// Next returns the next packet. At the end of the file the error is io.EOF; for
// bytes that are no capture it is a *FormatError, else the error of the file. After
// an error nothing can follow.
func (r *Reader) Next() (Packet, error) {
	data, info, err := r.source.ReadPacketData()
	if err != nil && r.file.err != nil {
		return Packet{}, r.file.err
	}
	if err != nil {
		return Packet{}, formatError(err)
	}
	p := Packet{At: info.Timestamp, Link: r.link, Data: data, Length: info.Length}
	if len(info.AncillaryData) > 0 {
		if link, ok := info.AncillaryData[0].(layers.LinkType); ok {
			p.Link = Link(link)
		}
	}
	return p, nil
}

// Secrets returns the secrets that were found so far: all of them after io.EOF,
// and those in front of a packet once it was read.
func (r *Reader) Secrets() []Secrets {
	if r.blocks == nil {
		return nil
	}
	return r.blocks.secrets
}

// Section returns what the first section of the file says of itself.
func (r *Reader) Section() Section { return r.section }

// formatError keeps io.EOF, which is the end, and what is of this package; every
// other error of a decoder is about the bytes.
func formatError(err error) error {
	var known *FormatError
	switch {
	case errors.Is(err, io.EOF), errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &FormatError{Reason: "it is cut off"}
	}
	return &FormatError{Reason: err.Error()}
}
