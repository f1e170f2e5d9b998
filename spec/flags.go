package spec

// Flag is one bit of the header's flags.
type Flag struct {
	Value   uint16 `json:"value"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

// FlagRule says how a flag stands in the frames of a row of the matrix.
type FlagRule string

// The rules of the flag matrix.
const (
	FlagSet      FlagRule = "set"
	FlagClear    FlagRule = "clear"
	FlagOptional FlagRule = "optional"
)

// FlagRow is one kind of frame and the flags it may carry. ENCRYPTED is not in the
// matrix: it is set exactly when encryption_type is not 0.
//
// A combination of type and flags that no row allows fails step 3. Of the slots
// only clear and sealed can be told apart there; a row of another role or of
// another sealed slot is told apart once the frame is open.
type FlagRow struct {
	Frame       string     `json:"frame"`
	Types       []TypeSpan `json:"types"`
	HSTypes     []uint8    `json:"hs_types"`     // the row is for these only, if any
	Slots       []string   `json:"slots"`        // clear, handshake, attach, path
	UnknownOnly bool       `json:"unknown_only"` // only for types that the receiver does not know
	Sender      string     `json:"sender"`       // client, server, both
	RequiresAck FlagRule   `json:"requires_ack"`
	Reply       FlagRule   `json:"reply"`
	Streaming   FlagRule   `json:"streaming"`
	Priority    FlagRule   `json:"priority"`
	Fragment    FlagRule   `json:"fragment"`
	Compressed  FlagRule   `json:"compressed"`
	Note        string     `json:"note"`
}

// TypeSpan is a span of message types, both ends included.
type TypeSpan struct {
	From uint8 `json:"from"`
	To   uint8 `json:"to"`
}
