package spec

import (
	"embed"
	"sync"
)

//go:embed *.md registry
var embedded embed.FS

// embeddedRegistry parses the embedded files at the first call.
var embeddedRegistry = sync.OnceValue(func() *Registry {
	registry, err := Load(embedded)
	if err != nil {
		// The files are part of the binary: no caller can do anything about it.
		panic(err)
	}
	return registry
})

// Default returns the registry of this version of the text, parsed once. The
// value is shared: treat it as read-only.
func Default() *Registry { return embeddedRegistry() }

// Registry is the whole text as data. Slices keep the order of their files.
type Registry struct {
	Layouts        []Layout
	Types          []MessageType
	TypeRanges     []TypeRange
	Flags          []Flag
	FlagMatrix     []FlagRow
	Suites         []Suite
	HSTypes        []HSType
	FlightTypes    []FlightType
	HeartbeatKinds []Code
	Errors         []ErrorCode
	Bits           []Bit
	TLVs           []TLV
	Schedule       Schedule
	Sizes          []Limit
	Counts         []Limit
	Timers         []Timer
	Checks         []Check
	States         map[string]StateTable
	Profiles       []Profile
	Areas          []Area
	Requirements   []Requirement
	Withdrawn      []Withdrawn
	Chapters       []Chapter
}

// Layout returns the layout of that name, such as "client_hello".
func (r *Registry) Layout(name string) (Layout, bool) {
	return find(r.Layouts, func(l Layout) bool { return l.Name == name })
}

// Type returns the message type of that code.
func (r *Registry) Type(code uint8) (MessageType, bool) {
	return find(r.Types, func(t MessageType) bool { return t.Code == code })
}

// TypeRange returns the range that a message type, known or not, lies in.
func (r *Registry) TypeRange(code uint8) (TypeRange, bool) {
	return find(r.TypeRanges, func(t TypeRange) bool { return t.From <= code && code <= t.To })
}

// Flag returns the header flag of that name, such as "REQUIRES_ACK".
func (r *Registry) Flag(name string) (Flag, bool) {
	return find(r.Flags, func(f Flag) bool { return f.Name == name })
}

// Suite returns the suite of that encryption_type.
func (r *Registry) Suite(value uint8) (Suite, bool) {
	return find(r.Suites, func(s Suite) bool { return s.Value == value })
}

// HSType returns the handshake message of that hs_type.
func (r *Registry) HSType(value uint8) (HSType, bool) {
	return find(r.HSTypes, func(h HSType) bool { return h.Value == value })
}

// Error returns the Error code of that value.
func (r *Registry) Error(code uint16) (ErrorCode, bool) {
	return find(r.Errors, func(e ErrorCode) bool { return e.Code == code })
}

// Timer returns the timer of that name, such as "T_ACK".
func (r *Registry) Timer(name string) (Timer, bool) {
	return find(r.Timers, func(t Timer) bool { return t.Name == name })
}

// Limit returns the size or count of that name, such as "mid_window".
func (r *Registry) Limit(name string) (Limit, bool) {
	named := func(l Limit) bool { return l.Name == name }
	if size, ok := find(r.Sizes, named); ok {
		return size, true
	}
	return find(r.Counts, named)
}

// Requirement returns the requirement of that ID.
func (r *Registry) Requirement(id string) (Requirement, bool) {
	return find(r.Requirements, func(q Requirement) bool { return q.ID == id })
}

// Profile returns the profile of that name.
func (r *Registry) Profile(name string) (Profile, bool) {
	return find(r.Profiles, func(p Profile) bool { return p.Name == name })
}

// Draft reports whether a requirement is of a draft profile, or cannot be judged
// without one.
func (r *Registry) Draft(q Requirement) bool {
	profile, _ := r.Profile(q.Profile)
	needed, _ := r.Profile(q.Needs)
	return profile.Draft || needed.Draft
}

func find[T any](list []T, wanted func(T) bool) (T, bool) {
	for _, entry := range list {
		if wanted(entry) {
			return entry, true
		}
	}
	var none T
	return none, false
}
