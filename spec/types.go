package spec

// MessageType is one known value of message_type.
type MessageType struct {
	Code      uint8  `json:"code"`
	Name      string `json:"name"`
	Body      string `json:"body"`      // "binary" or "I-JSON"
	Layout    string `json:"layout"`    // layout the payload begins with, after the prologue
	Initiator string `json:"initiator"` // "client", "server" or "both"
	Pushes    bool   `json:"pushes"`    // the server also pushes it
	Profile   string `json:"profile"`
}

// What happens to an unknown type on receipt.
const (
	UnknownRefused     = "refused"     // fails step 3
	UnknownUnsupported = "unsupported" // Error UNSUPPORTED_TYPE
	UnknownIgnored     = "ignored"     // acked and discarded
)

// TypeRange is a range of message types, both ends included.
type TypeRange struct {
	From    uint8  `json:"from"`
	To      uint8  `json:"to"`
	Name    string `json:"name"`
	Unknown string `json:"unknown"`
	Rule    string `json:"rule"`
}
