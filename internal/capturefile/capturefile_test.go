package capturefile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"pgregory.net/rapid"
)

// readAll reads a capture to its end.
func readAll(raw []byte) (packets []Packet, secrets []Secrets, err error) {
	r, err := NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return packets, r.Secrets(), nil
		}
		if err != nil {
			return packets, r.Secrets(), err
		}
		packets = append(packets, p)
	}
}

func write(t interface{ Fatal(...any) }, section Section, secrets []Secrets, packets []Packet) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, section, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t *testing.T, raw []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packetsOf() *rapid.Generator[[]Packet] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Packet {
		data := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data")
		return Packet{
			At: time.Unix(0, rapid.Int64Min(0).Draw(t, "at")).UTC(), Link: LinkEthernet,
			Data: data, Length: len(data) + rapid.IntRange(0, 10).Draw(t, "more"),
		}
	}), 0, 8)
}

// TestReadInvertsWrite, plain and in gzip.
func TestReadInvertsWrite(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		section := Section{Application: rapid.StringN(0, 40, 400).Draw(rt, "application"), Comment: rapid.StringN(0, 40, 400).Draw(rt, "comment")}
		secrets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Secrets {
			kind := rapid.SampledFrom([]SecretsType{SecretsXTMP, SecretsTLS, 7}).Draw(t, "type")
			return Secrets{Type: kind, Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "secrets")}
		}), 0, 4).Draw(rt, "secrets")
		packets := packetsOf().Draw(rt, "packets")
		raw := write(rt, section, secrets, packets)
		for _, raw := range [][]byte{raw, zipped(t, raw)} {
			got, gotSecrets, err := readAll(raw)
			if err != nil {
				rt.Fatal(err)
			}
			if !slices.EqualFunc(got, packets, func(a, b Packet) bool { return cmp.Equal(a, b) }) {
				rt.Fatalf("packets: got %v, want %v", got, packets)
			}
			same := func(a, b Secrets) bool { return a.Type == b.Type && bytes.Equal(a.Data, b.Data) }
			if !slices.EqualFunc(gotSecrets, secrets, same) {
				rt.Fatalf("secrets: got %v, want %v", gotSecrets, secrets)
			}
			r, err := NewReader(bytes.NewReader(raw))
			if err != nil || r.Section() != section {
				rt.Fatalf("section: got %+v, %v, want %+v", r.Section(), err, section)
			}
		}
	})
}

// TestSecretsComeFirst: a reader that goes from front to back has the secrets
// before it needs them.
func TestSecretsComeFirst(t *testing.T) {
	raw := write(t, Section{}, []Secrets{{SecretsXTMP, []byte("k")}}, []Packet{{At: time.Unix(1, 0), Link: LinkEthernet}})
	r, err := NewReader(iotest.OneByteReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil || len(r.Secrets()) != 1 {
		t.Errorf("%v, %d secrets with the first packet", err, len(r.Secrets()))
	}
	// Elsewhere they are found too.
	raw = slices.Concat(raw, Secrets{SecretsTLS, []byte("late")}.append(nil))
	if _, secrets, err := readAll(raw); err != nil || len(secrets) != 2 || string(secrets[1].Data) != "late" {
		t.Errorf("got %v, %v", secrets, err)
	}
}

func TestReadPcap(t *testing.T) {
	want := Packet{At: time.Unix(1700000000, 123456000).UTC(), Link: LinkEthernet, Data: []byte("packet"), Length: 9}
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	err := errors.Join(
		w.WriteFileHeader(4, layers.LinkTypeEthernet), // a bound that the packet exceeds, as some writers have it
		w.WritePacket(gopacket.CaptureInfo{Timestamp: want.At, CaptureLength: 6, Length: 9}, want.Data),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"plain": b.Bytes(), "gzip": zipped(t, b.Bytes())} {
		got, _, err := readAll(raw)
		if err != nil || !cmp.Equal(got, []Packet{want}) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	nano := bytes.Clone(b.Bytes())
	binary.LittleEndian.PutUint32(nano, 0xA1B23C4D)
	if got, _, err := readAll(nano); err != nil || got[0].At.Nanosecond() != 123456 {
		t.Errorf("nanoseconds: got %v, %v", got, err)
	}
}

// TestBigEndian: a section says its own byte order.
func TestBigEndian(t *testing.T) {
	raw := words(blockSection, 28, byteOrderMagic, 1<<16, 0xFFFFFFFF, 0xFFFFFFFF, 28,
		blockInterface, 20, 1<<16, 0, 20,
		blockSecrets, 24, uint32(SecretsXTMP), 3, 0x61626300, 24,
		blockEnhanced, 36, 0, 0x0005AF31, 0x07A40000, 4, 4, 0x01020304, 36)
	packets, secrets, err := readAll(raw)
	if err != nil || len(packets) != 1 || len(secrets) != 1 || string(secrets[0].Data) != "abc" {
		t.Fatalf("got %v, %v, %v", packets, secrets, err)
	}
	want := Packet{At: time.UnixMicro(0x0005AF3107A40000).UTC(), Link: LinkEthernet, Data: []byte{1, 2, 3, 4}, Length: 4}
	if !cmp.Equal(packets[0], want) {
		t.Errorf("got %v, want %v", packets[0], want)
	}
}

func words(list ...uint32) (raw []byte) {
	for _, word := range list {
		raw = binary.BigEndian.AppendUint32(raw, word)
	}
	return raw
}

// The front of a file, in big-endian order, for damage behind it.
func front(more ...uint32) []byte {
	return words(append([]uint32{
		blockSection, 28, byteOrderMagic, 1 << 16, 0xFFFFFFFF, 0xFFFFFFFF, 28, blockInterface, 20, 1 << 16, 0, 20,
	}, more...)...)
}

func TestMalformed(t *testing.T) {
	head := []uint32{blockSection, 28, byteOrderMagic, 1 << 16, 0xFFFFFFFF, 0xFFFFFFFF, 28}
	for name, raw := range map[string][]byte{
		"nothing":                       nil,
		"three bytes":                   {0x0A, 0x0D, 0x0D},
		"other bytes":                   []byte("XTMP or so"),
		"no byte order":                 words(blockSection, 28, 0, 0, 0, 0, 28),
		"a length that is no multiple":  words(blockSection, 30, byteOrderMagic, 1<<16, 0, 0, 30),
		"a length below the least":      front(blockEnhanced, 8),
		"a length above the bound":      front(blockEnhanced, 0xFFFFFFFC),
		"two lengths":                   front(7, 16, 0, 20),
		"a block that is cut off":       front(blockEnhanced, 1000, 0, 0, 0, 4),
		"another version":               words(blockSection, 28, byteOrderMagic, 2<<16, 0, 0, 28),
		"a short section header":        words(blockSection, 20, byteOrderMagic, 1<<16, 20),
		"a short interface":             words(append(head, blockInterface, 16, 1<<16, 16)...),
		"a packet without interface":    words(append(head, blockEnhanced, 32, 0, 0, 0, 0, 0, 32)...),
		"a packet of no interface":      front(blockEnhanced, 32, 1, 0, 0, 0, 0, 32),
		"a packet of interface 2^32-1":  front(blockEnhanced, 32, 0xFFFFFFFF, 0, 0, 0, 0, 32),
		"a packet beyond its block":     front(blockEnhanced, 32, 0, 0, 0, 4, 4, 32),
		"a packet of 4 GiB":             front(blockEnhanced, 32, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 32),
		"more captured than there was":  front(blockEnhanced, 36, 0, 0, 0, 4, 3, 0, 36),
		"a short packet block":          front(blockEnhanced, 16, 0, 16),
		"an old packet block":           front(blockPacket, 32, 1<<16, 0, 0, 0, 0, 32),
		"a simple packet beyond":        front(blockSimple, 16, 9, 16),
		"a simple packet of interface":  words(append(head, blockSimple, 16, 0, 16)...),
		"short secrets":                 front(blockSecrets, 16, uint32(SecretsXTMP), 16),
		"secrets beyond their block":    front(blockSecrets, 20, uint32(SecretsXTMP), 1, 20),
		"secrets of 4 GiB":              front(blockSecrets, 20, uint32(SecretsXTMP), 0xFFFFFFFF, 20),
		"an option beyond its block":    words(append(head, blockInterface, 24, 1<<16, 0, 2<<16|5, 24)...),
		"an option of 65535":            words(append(head, blockInterface, 24, 1<<16, 0, 2<<16|0xFFFF, 24)...),
		"an end of options with length": words(append(head, blockInterface, 28, 1<<16, 0, 4, 0, 28)...),
		"a resolution of 10^20":         words(append(head, blockInterface, 28, 1<<16, 0, 9<<16|1, 20<<24, 28)...),
		"a resolution of 2^64":          words(append(head, blockInterface, 28, 1<<16, 0, 9<<16|1, 0xC0<<24, 28)...),
		"a resolution of no bytes":      words(append(head, blockInterface, 24, 1<<16, 0, 9<<16, 24)...),
		"a time offset of 4 bytes":      words(append(head, blockInterface, 28, 1<<16, 0, 14<<16|4, 0, 28)...),
		"a pcap header that is cut off": {0xA1, 0xB2, 0xC3, 0xD4, 0, 2},
		"a pcap of another version":     words(0xA1B2C3D4, 0x00030000, 0, 0, 9, 1),
		"a pcap record cut in its head": words(0xA1B2C3D4, 0x00020004, 0, 0, 9, 1, 0),
		"a pcap record cut off":         words(0xA1B2C3D4, 0x00020004, 0, 0, 9, 1, 0, 0, 4, 4),
		"a pcap record of 4 GiB":        words(0xA1B2C3D4, 0x00020004, 0, 0, 0xFFFFFFFF, 1, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF),
		"a gzip of nothing":             zipped(t, nil),
		"a gzip of gzip":                zipped(t, zipped(t, front())),
		"a gzip that is cut off":        zipped(t, front())[:20],
		"a gzip header that is none":    {0x1F, 0x8B, 0, 0},
	} {
		var wrong *FormatError
		if packets, _, err := readAll(raw); !errors.As(err, &wrong) || len(packets) != 0 {
			t.Errorf("%s: got %d packets and %v, want a FormatError", name, len(packets), err)
		}
	}
}

// TestSound keeps the table above honest: what it damages is read if it is whole.
func TestSound(t *testing.T) {
	head := []uint32{blockSection, 28, byteOrderMagic, 1 << 16, 0xFFFFFFFF, 0xFFFFFFFF, 28}
	for name, raw := range map[string][]byte{
		"front":               front(),
		"an unknown block":    front(0xBAD, 16, 0, 16),
		"a packet":            front(blockEnhanced, 36, 0, 0, 0, 3, 3, 0, 36),
		"an old packet":       front(blockPacket, 32, 0, 0, 0, 0, 0, 32),
		"a simple packet":     front(blockSimple, 20, 4, 0, 20),
		"options without end": words(append(head, blockInterface, 28, 1<<16, 0, 9<<16|1, 9<<24, 28)...),
		"a resolution of 10^19": words(append(head, blockInterface, 28, 1<<16, 0, 9<<16|1, 19<<24, 28,
			blockEnhanced, 32, 0, 9, 9, 0, 0, 32)...),
		"a resolution of 2^63": words(append(head, blockInterface, 28, 1<<16, 0, 9<<16|1, 0xBF<<24, 28,
			blockEnhanced, 32, 0, 9, 9, 0, 0, 32)...),
		"a second section": slices.Concat(front(), front(blockEnhanced, 32, 0, 0, 0, 0, 0, 32)),
	} {
		if _, _, err := readAll(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	interfaces := front()
	for range maxInterfaces {
		interfaces = append(interfaces, words(blockInterface, 20, 1<<16, 0, 20)...)
	}
	if _, _, err := readAll(interfaces); err == nil {
		t.Error("there is no bound of interfaces")
	}
}

// TestFileErrorIsNoFormatError: a disk that fails is not the bytes' fault.
func TestFileErrorIsNoFormatError(t *testing.T) {
	broken := errors.New("broken disk")
	raw := front(blockEnhanced, 32, 0, 0, 0, 0, 0, 32)
	for cut := range raw {
		r, err := NewReader(io.MultiReader(bytes.NewReader(raw[:cut]), iotest.ErrReader(broken)))
		if err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %v", cut, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(io.Discard, Section{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	for name, p := range map[string]Packet{
		"another link":    {At: now, Link: LinkRaw},
		"before 1970":     {At: time.Unix(-1, 0), Link: LinkEthernet},
		"no time":         {Link: LinkEthernet},
		"after 2262":      {At: time.Unix(1<<40, 0), Link: LinkEthernet},
		"a short length":  {At: now, Link: LinkEthernet, Data: []byte{1}},
		"too many bytes":  {At: now, Link: LinkEthernet, Data: make([]byte, MaxPacket+1), Length: MaxPacket + 1},
		"a length of < 0": {At: now, Link: LinkEthernet, Length: -1},
	} {
		if err := w.Write(p); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
	if _, err := NewWriter(io.Discard, Section{}, Secrets{Data: make([]byte, MaxSecrets+1)}); err == nil {
		t.Error("secrets beyond the bound were written")
	}
	if _, err := NewWriter(io.Discard, Section{Comment: string(make([]byte, maxOption+1))}); err == nil {
		t.Error("a comment beyond the bound was written")
	}
	broken := errors.New("broken disk")
	if _, err := NewWriter(writerFunc(func([]byte) (int, error) { return 0, broken }), Section{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzReader(f *testing.F) {
	f.Add(front(blockEnhanced, 36, 0, 0, 0, 4, 4, 0x01020304, 36))
	f.Add(front(blockSecrets, 24, uint32(SecretsXTMP), 3, 0x61626300, 24, blockSimple, 20, 4, 0, 20))
	f.Add(words(0xA1B2C3D4, 0x00020004, 0, 0, 64, 101, 0, 0, 4, 4, 0x45000000))
	f.Fuzz(func(t *testing.T, raw []byte) {
		packets, secrets, err := readAll(raw)
		var wrong *FormatError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("got %v, which is no FormatError", err)
		}
		for _, s := range secrets {
			if len(s.Data) > MaxSecrets {
				t.Errorf("%d bytes of secrets", len(s.Data))
			}
		}
		for _, p := range packets {
			if len(p.Data) > MaxPacket || len(p.Data) > p.Length {
				t.Errorf("%d bytes of a packet of %d", len(p.Data), p.Length)
			}
			_, _ = p.Segment()
		}
	})
}
