package wire

import "strings"

// Flags are bytes 6 and 7 of a frame.
type Flags uint16

// Flag bits. A frame with any other bit is refused.
const (
	FlagEncrypted   Flags = 0x0001
	FlagRequiresAck Flags = 0x0002
	FlagPriority    Flags = 0x0004
	FlagStreaming   Flags = 0x0008
	FlagCompressed  Flags = 0x0010
	FlagFragment    Flags = 0x0020
	FlagReply       Flags = 0x0040

	flagsDefined = FlagEncrypted | FlagRequiresAck | FlagPriority | FlagStreaming |
		FlagCompressed | FlagFragment | FlagReply
)

// Has reports whether all bits of m are set.
func (f Flags) Has(m Flags) bool { return f&m == m }

// String lists the names of the set bits.
func (f Flags) String() string {
	if f == 0 {
		return "none"
	}
	names := [...]string{"ENCRYPTED", "REQUIRES_ACK", "PRIORITY", "STREAMING", "COMPRESSED", "FRAGMENT", "REPLY"}
	var set []string
	for i, name := range names {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if f&^flagsDefined != 0 {
		set = append(set, "undefined")
	}
	return strings.Join(set, "|")
}

// LegalFlags reports whether some row of the flag matrix allows flags f on a
// sealed frame of type t, whoever sends it. ENCRYPTED follows the suite and is
// left out. A combination that only the other role may send passes here and is
// judged when the frame has been opened.
func LegalFlags(t MessageType, f Flags) bool {
	if f&^flagsDefined != 0 {
		return false
	}
	if t.Extension() {
		return true
	}
	role := f & (FlagRequiresAck | FlagReply | FlagStreaming)
	big := f & (FlagFragment | FlagCompressed)
	const request, reply, push = FlagRequiresAck, FlagRequiresAck | FlagReply, FlagStreaming
	switch {
	case t == TypeHandshake: // sealed handshake frame, or RekeyInit
		return f&FlagCompressed == 0 && (role == 0 && big == 0 || role == request)
	case t == TypeHandshakeAck: // …, HandshakeDone, or RekeyResp
		return f&FlagCompressed == 0 && ((role == 0 || role == request) && big == 0 || role == reply)
	case t == TypeHeartbeat, t == TypeDisconnect, t == TypeAck:
		return role == 0 && big == 0
	case t == TypeError:
		return big == 0 && (role == 0 || role == reply)
	case t < TypeError: // requests, replies and pushes; a request without mid is judged later
		if t <= TypeWalletTransaction && f&FlagCompressed != 0 {
			return false
		}
		return role == request || role == reply || role == push || role == 0
	default:
		return false
	}
}
