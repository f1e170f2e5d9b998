package testkit

import "slices"

// A Draft is a frame that has not been sent: every field can still be set, and a
// field that was set stands. Header fields set on Frame.Header are authenticated;
// what Sealed changes is not.
type Draft struct {
	Frame     *Frame
	Plaintext *Plaintext     // prologue, envelope and body
	Body      *Message       // written over Plaintext.Body when the draft is encoded, unless nil
	Trailing  []byte         // written after the body
	Keys      *Keys          // nil for a clear frame
	Sequence  uint64         // of the slot; it gives the nonce
	Sealed    []func(*Frame) // run after sealing, in order; checksum is computed after them
}

// Encode seals the draft, if it has keys, and returns the bytes of the frame.
func (d *Draft) Encode() []byte {
	plaintext := d.Inside()
	if d.Keys != nil {
		d.Frame.Seal(*d.Keys, d.Sequence, plaintext)
	} else {
		d.Frame.Payload = plaintext
	}
	for _, change := range d.Sealed {
		change(d.Frame)
	}
	return d.Frame.Encode()
}

// AfterSeal adds a change that is made when the frame has been sealed.
func (d *Draft) AfterSeal(change func(*Frame)) *Draft {
	d.Sealed = append(d.Sealed, change)
	return d
}

// Mid returns the mid of the draft, 0 if it has none.
func (d *Draft) Mid() uint64 { return d.Plaintext.Prologue.Uint("mid") }

// Inside returns the plaintext as it is sealed, which is the payload of a clear
// frame.
func (d *Draft) Inside() []byte {
	whole := *d.Plaintext // the envelope is shared, so that its total_len is what was written
	whole.Body = d.WholeBody()
	return whole.Encode()
}

// WholeBody returns what follows prologue and envelope.
func (d *Draft) WholeBody() []byte {
	if d.Body != nil {
		d.Plaintext.Body = d.Body.Encode()
	}
	return slices.Concat(d.Plaintext.Body, d.Trailing)
}

// NewDraft returns the draft of a clear frame with an empty body. Its stamp is in
// microseconds since the Unix epoch.
func NewDraft(messageType uint8, flags uint16, stamp uint64) *Draft {
	d := &Draft{Frame: NewFrame(messageType, flags), Plaintext: NewPlaintext(messageType, flags, nil)}
	d.Frame.Header.DefaultUint("timestamp", stamp)
	return d
}
