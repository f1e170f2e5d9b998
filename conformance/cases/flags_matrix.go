package cases

import (
	"strconv"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/spec"
)

// parseFrame reads a type and flags such as "0x02 REQUIRES_ACK+REPLY".
func parseFrame(x *conformance.Exchange, text string) (messageType uint8, set uint16) {
	number, names, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(number, 0, 8)
	if err != nil {
		x.Fatal(err)
	}
	return uint8(n), flag(strings.Split(names, "+")...)
}

// draw picks a type and flags of which the matrix says what is wanted under a
// path key. With unknown, the type is one without meaning in any version.
func draw(x *conformance.Exchange, sender string, unknown bool) (messageType uint8, set uint16) {
	entropy := x.Entropy("draw")
	for {
		messageType, set = uint8(entropy.IntN(0xFF)), uint16(entropy.IntN(0x80))&^flag("ENCRYPTED")
		neverSent := messageType == 0 || messageType >= 0xF0 && messageType != typeError
		meaningless := messageType >= 0x50 && messageType < 0x70 || messageType >= 0x80 && messageType < 0xF0
		if neverSent || unknown && !meaningless {
			continue
		}
		if allowed(messageType, set, sender) == unknown {
			x.Note("type 0x%02X, flags %04x", messageType, set)
			return messageType, set
		}
	}
}

// allowed reports whether a row of the flag matrix has the type and the flags for
// a sender: "client", or "either" for a row of any role. Rows of a clear frame and
// of an attach key do not count.
func allowed(messageType uint8, set uint16, sender string) bool {
	for _, row := range spec.Default().FlagMatrix {
		if sender == "client" && row.Sender == "server" || !hasType(row, messageType) || !sealedRow(row) {
			continue
		}
		fits := true
		for name, rule := range map[string]spec.FlagRule{
			"REQUIRES_ACK": row.RequiresAck, "REPLY": row.Reply, "STREAMING": row.Streaming,
			"PRIORITY": row.Priority, "FRAGMENT": row.Fragment, "COMPRESSED": row.Compressed,
		} {
			is := set&flag(name) != 0
			fits = fits && !(rule == spec.FlagSet && !is || rule == spec.FlagClear && is)
		}
		if fits {
			return true
		}
	}
	return false
}

func hasType(row spec.FlagRow, messageType uint8) bool {
	for _, span := range row.Types {
		if span.From <= messageType && messageType <= span.To {
			return true
		}
	}
	return false
}

func sealedRow(row spec.FlagRow) bool {
	for _, slot := range row.Slots {
		if slot != peer.SlotClear {
			return true
		}
	}
	return false
}
