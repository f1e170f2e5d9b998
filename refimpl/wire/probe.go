package wire

import "encoding/binary"

// ProbeHeader is the fixed part of a Probe body, in bytes.
const ProbeHeader = 8

// ProbeOp says what a Probe asks for.
type ProbeOp uint8

// Probe operations.
const (
	ProbeEcho   ProbeOp = 0 // the same data
	ProbeSink   ProbeOp = 1 // the number of bytes
	ProbeSource ProbeOp = 2 // arg bytes, byte i = i mod 251
	ProbeFail   ProbeOp = 3 // the Error with code arg
	ProbeDelay  ProbeOp = 4 // the same data after arg ms
	ProbeStream ProbeOp = 5 // arg pushes of the data
)

// ProbePeriod is the period of the bytes of ProbeSource.
const ProbePeriod = 251

// ErrProbe says that the body is too short, or that its zero bytes are not.
var ErrProbe = &ParseError{"Probe", "length or zero", "not 8 bytes with zeros at 1 to 3"}

// Probe is the body of a Probe, request, reply or push. Data of a parsed
// message aliases its input.
//
//	0 op u8 · 1 zero[3] · 4 arg u32 · 8 data
type Probe struct {
	Op   ProbeOp
	Arg  uint32
	Data []byte
}

// Parse reads a Probe body. An operation that does not exist is no error here.
func (m *Probe) Parse(b []byte) error {
	if len(b) < ProbeHeader || b[1]|b[2]|b[3] != 0 {
		return ErrProbe
	}
	*m = Probe{Op: ProbeOp(b[0]), Arg: binary.BigEndian.Uint32(b[4:]), Data: b[ProbeHeader:]}
	return nil
}

// AppendHeader appends the fixed part.
func (m *Probe) AppendHeader(dst []byte) []byte {
	dst = append(dst, byte(m.Op), 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, m.Arg)
}

// Append appends the whole body.
func (m *Probe) Append(dst []byte) []byte { return append(m.AppendHeader(dst), m.Data...) }
