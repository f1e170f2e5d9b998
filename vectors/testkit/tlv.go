package testkit

// tlvLenSize is the size of ext_len, which opens a TLV block.
const tlvLenSize = 2

// tlvAttachEndpoints is the type of attach_endpoints, which ServerIdentity alone
// knows.
const tlvAttachEndpoints = 2

// Endpoints returns the value of attach_endpoints: one attach_endpoint after the
// other.
func Endpoints(endpoints ...*Message) []byte {
	var value []byte
	for _, e := range endpoints {
		value = append(value, e.Encode()...)
	}
	return value
}

// Endpoint returns an attach_endpoint of a kind, 1 for TCP and WebSocket, 2 for UDP.
func Endpoint(kind uint8, host string, port uint16) *Message {
	return Compose("attach_endpoint").DefaultUint("kind", uint64(kind)).DefaultUint("port", uint64(port)).Default("host", []byte(host))
}

// A TLV is one entry of a TLV block.
type TLV struct {
	Type  uint16
	Value []byte
}

// TLVBlock returns ext_len and the entries, in the order given.
func TLVBlock(entries ...TLV) []byte {
	var body []byte
	for _, e := range entries {
		m := Compose("tlv_entry").SetUint("type", uint64(e.Type))
		m.Set("value", e.Value)
		body = append(body, m.Encode()...)
	}
	return append(PutUint(uint64(len(body)), tlvLenSize), body...)
}

// TLVEntries reads the entries of a TLV block. It returns false if ext_len or an
// entry does not fit the bytes that are there exactly; the entries before it are
// returned all the same.
func TLVEntries(block []byte) (entries []TLV, fits bool) {
	if len(block) < tlvLenSize || int(Uint(block[:tlvLenSize])) != len(block)-tlvLenSize {
		return nil, false
	}
	rest := block[tlvLenSize:]
	for len(rest) > 0 {
		var m *Message
		m, rest = Decode("tlv_entry", 0, rest)
		if m.Short() {
			return entries, false
		}
		entries = append(entries, TLV{Type: uint16(m.Uint("type")), Value: m.Bytes("value")})
	}
	return entries, true
}
