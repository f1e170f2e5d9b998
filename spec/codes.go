package spec

// Suite is one value of encryption_type. Key, Nonce and Tag are bytes, 0 where
// the suite has no AEAD.
type Suite struct {
	Value    uint8  `json:"value"`
	Name     string `json:"name"`
	Config   string `json:"config"` // name in configuration, "aes256gcm"
	AEAD     string `json:"aead"`
	Key      int    `json:"key"`
	Nonce    int    `json:"nonce"`
	Tag      int    `json:"tag"`
	Identity string `json:"identity"`
	Profile  string `json:"profile"`
}

// HSType is one handshake message.
type HSType struct {
	Value     uint8  `json:"value"`
	Name      string `json:"name"`
	Type      uint8  `json:"type"`      // message_type that carries it
	Slot      string `json:"slot"`      // clear, handshake, attach, path
	Direction string `json:"direction"` // who sends it: client or server
	Layout    string `json:"layout"`    // layout of the body, "" if not defined yet
	Repeated  bool   `json:"repeated"`  // the body is that layout back to back
	Profile   string `json:"profile"`
}

// FlightType is one message inside ServerFlight. Layouts are the layouts its body
// may have, by identity kind, kind 1 first.
type FlightType struct {
	Value   uint8    `json:"value"`
	Name    string   `json:"name"`
	Layouts []string `json:"layouts"`
}

// Code is a named value with a rule.
type Code struct {
	Value   uint8  `json:"value"`
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Profile string `json:"profile"`
}

// ErrorCode is one code of an Error.
type ErrorCode struct {
	Code    uint16     `json:"code"`
	Name    string     `json:"name"`
	Class   string     `json:"class"` // public error name
	Scope   ErrorScope `json:"scope"`
	Profile string     `json:"profile"`
}

// ErrorScope says in which scopes a code is sent.
type ErrorScope struct {
	Message   bool `json:"message"`    // scope 0
	Path      bool `json:"path"`       // scope 1
	Session   bool `json:"session"`    // scope 2
	ReplyOnly bool `json:"reply_only"` // scope 0 only with REPLY
	Clear     bool `json:"clear"`      // also as clear frame
}

// Bit is one bit of a bit field other than the header's flags.
type Bit struct {
	Where   string `json:"where"`
	Layout  string `json:"layout"` // layout and field that hold it, "" if not defined yet
	Field   string `json:"field"`
	Value   uint16 `json:"value"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Unknown string `json:"unknown"` // fate of undefined bits of the same field
	Profile string `json:"profile"`
}

// TLV is one type of a TLV block, or a range of them, both ends included.
type TLV struct {
	From    uint16 `json:"from"`
	To      uint16 `json:"to"`
	Name    string `json:"name"`
	Message string `json:"message"` // where it is known, "any" for ranges
	Value   string `json:"value"`
	Rule    string `json:"rule"`
	Profile string `json:"profile"`
}

// Profile is a part of the protocol that a peer declares to implement.
type Profile struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Draft   bool   `json:"draft"` // its text binds; the suite does not certify it yet (chapter 19.1)
}

// Area is the middle part of a requirement ID.
type Area struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// Check is one step of the order of checks on receipt.
type Check struct {
	Step  int    `json:"step"`
	Check string `json:"check"`
	UDP   string `json:"udp"`
	TCP   string `json:"tcp"` // also WebSocket
}

// StateTable answers every event in every state. Cells is by event, then state.
type StateTable struct {
	Title  string                       `json:"title"`
	States []string                     `json:"states"`
	Events []string                     `json:"events"`
	Cells  map[string]map[string]string `json:"cells"`
}
