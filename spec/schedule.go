package spec

// Schedule is every derivation of the protocol; the package comment defines its
// language.
type Schedule struct {
	Hash        string     `json:"hash"`
	LabelPrefix Operand    `json:"label_prefix"`
	Seal        Seal       `json:"seal"`
	Constants   []Constant `json:"constants"`
	Functions   []Function `json:"functions"`
	Slots       []Slot     `json:"slots"`
}

// Function returns the function of that name, such as "handshake".
func (s Schedule) Function(name string) (Function, bool) {
	return find(s.Functions, func(f Function) bool { return f.Name == name })
}

// Constant returns the constant of that name.
func (s Schedule) Constant(name string) (Constant, bool) {
	return find(s.Constants, func(c Constant) bool { return c.Name == name })
}

// Slot returns the entry of a key slot ("path") and a sender ("client").
func (s Schedule) Slot(slot, direction string) (Slot, bool) {
	return find(s.Slots, func(e Slot) bool { return e.Slot == slot && e.Direction == direction })
}

// Seal says what the tag and the checksum of a frame cover.
type Seal struct {
	AAD        AAD      `json:"aad"`
	NonceField Operand  `json:"nonce_field"`
	Checksum   Checksum `json:"checksum"`
}

// AAD is bytes From up to To of a layout, with some fields taken as zero.
type AAD struct {
	Layout string   `json:"layout"`
	From   int      `json:"from"`
	To     int      `json:"to"`
	Zeroed []string `json:"zeroed"`
}

// Checksum is a CRC over frame and payload, with some fields taken as zero.
// Check is the CRC of the ASCII text "123456789".
type Checksum struct {
	Algorithm string   `json:"algorithm"`
	Over      string   `json:"over"`
	Zeroed    []string `json:"zeroed"`
	Check     string   `json:"check"`
}

// Constant is a named byte string.
type Constant struct {
	Name    string  `json:"name"`
	Value   Operand `json:"value"`
	Meaning string  `json:"meaning"`
}

// Function derives named byte strings from inputs.
type Function struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Profile string  `json:"profile"`
	Inputs  []Input `json:"inputs"`
	Steps   []Step  `json:"steps"`
}

// Step returns the step of that name.
func (f Function) Step(name string) (Step, bool) {
	return find(f.Steps, func(s Step) bool { return s.Name == name })
}

// Input is a value that the caller of a function brings. Size is bytes, 0 for any
// length. Number marks an integer that is only named by SizeFrom.
type Input struct {
	Name    string `json:"name"`
	Size    int    `json:"size"`
	Secret  bool   `json:"secret"`
	Number  bool   `json:"number"`
	Meaning string `json:"meaning"`
}

// Operations of steps.
const (
	OpConcat  = "concat"
	OpHash    = "hash"
	OpHMAC    = "hmac"
	OpExtract = "extract"
	OpExpand  = "expand"
	OpXOR     = "xor"
	OpTake    = "take"
)

// Step gives one named byte string. Which operands it has depends on Op.
type Step struct {
	Name     string  `json:"name"`
	Op       string  `json:"op"`
	Hash     string  `json:"hash"`      // "" for that of the schedule
	Parts    Operand `json:"parts"`     // concat, hash, hmac, take
	Key      Operand `json:"key"`       // hmac
	Salt     Operand `json:"salt"`      // extract
	IKM      Operand `json:"ikm"`       // extract
	SecretIn Operand `json:"secret_in"` // expand
	Label    Operand `json:"label"`     // expand
	Context  Operand `json:"context"`   // expand
	Left     Operand `json:"left"`      // xor
	Right    Operand `json:"right"`     // xor
	Size     int     `json:"size"`      // bytes of the result, 0 if SizeFrom rules
	SizeFrom string  `json:"size_from"` // expand: the input that gives the size
	Secret   bool    `json:"secret"`    // never to be logged, erased after use
	Meaning  string  `json:"meaning"`
}

// Slot ties a key slot to its traffic secret: step Secret of Function.
type Slot struct {
	Slot      string `json:"slot"`
	Direction string `json:"direction"` // who seals under it
	Function  string `json:"function"`
	Secret    string `json:"secret"`
	Sequence  string `json:"sequence"`
}
