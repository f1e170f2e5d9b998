package testkit

// tlvLenSize is the size of ext_len, which opens a TLV block.
const tlvLenSize = 2

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
