package security

// Pin is one identity that a client trusts for a server.
type Pin struct {
	Kind        uint8
	Fingerprint Fingerprint
	Key         []byte // identity key bytes if known, else nil
}

// FindPin returns the pin with fingerprint f, or nil.
func FindPin(pins []Pin, f Fingerprint) *Pin {
	for i := range pins {
		if pins[i].Fingerprint == f {
			return &pins[i]
		}
	}
	return nil
}
