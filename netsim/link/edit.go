package link

import (
	"errors"
	"strconv"

	"github.com/bpci/xtmp/netsim/vtime"
)

// Cause says why a packet did not arrive.
type Cause uint8

// The causes. Lost, Burst and Listed are edits; the others follow from the
// state of the link.
const (
	Passed    Cause = iota
	Lost            // alone
	Burst           // by a model with states
	Listed          // by a list
	Cut             // the link is cut
	TooLarge        // over the MTU
	QueueFull       // at the tail
	Managed         // by CoDel
	causes
)

var causeWords = [causes]string{"passed", "lost", "burst", "listed", "cut", "mtu", "queue", "codel"}

func (c Cause) String() string {
	if c >= causes {
		return "cause " + strconv.Itoa(int(c))
	}
	return causeWords[c]
}

// Edit is everything that chance or a list decides about one packet. The zero
// Edit leaves it alone.
type Edit struct {
	Drop     Cause      // Passed, Lost, Burst or Listed
	Late     vtime.Time // beyond the delay of the link; negative is early
	Copy     bool       // a second one follows …
	CopyLate vtime.Time // … so much beyond the delay
	Flip     bool       // a bit is flipped …
	Bit      uint32     // … this one, modulo the length
}

// String writes the edit as ParseEdit reads it.
func (e Edit) String() string {
	if e.Drop != Passed {
		return "drop " + e.Drop.String()
	}
	var b []byte
	if e.Late != 0 {
		b = append(b, " late "+e.Late.String()...)
	}
	if e.Copy {
		b = append(b, " copy "+e.CopyLate.String()...)
	}
	if e.Flip {
		b = strconv.AppendUint(append(b, " flip "...), uint64(e.Bit), 10)
	}
	if b == nil {
		return "pass"
	}
	return string(b[1:])
}

// ParseEdit reads pass, drop, drop CAUSE, or some of late, copy and flip.
func ParseEdit(words []string) (e Edit, err error) {
	if len(words) == 0 {
		return e, errors.New("an edit is pass, drop, late, copy or flip")
	}
	switch {
	case words[0] == "pass" && len(words) == 1:
		return e, nil
	case words[0] == "drop" && len(words) == 1:
		return Edit{Drop: Listed}, nil
	case words[0] == "drop" && len(words) == 2:
		for c := Lost; c <= Listed; c++ {
			if words[1] == c.String() {
				return Edit{Drop: c}, nil
			}
		}
	}
	for ; len(words) >= 2; words = words[2:] {
		switch words[0] {
		case "late":
			e.Late, err = vtime.Parse(words[1])
		case "copy":
			e.Copy = true
			e.CopyLate, err = vtime.Parse(words[1])
		case "flip":
			var bit uint64
			bit, err = strconv.ParseUint(words[1], 10, 32)
			e.Flip, e.Bit = true, uint32(bit)
		default:
			err = errors.New("an edit has no word " + strconv.Quote(words[0]))
		}
		if err != nil {
			return Edit{}, err
		}
	}
	if len(words) > 0 {
		return Edit{}, errors.New("an edit ends with " + strconv.Quote(words[0]))
	}
	if abs(e.Late) > maxDelay || abs(e.CopyLate) > maxDelay {
		return Edit{}, errors.New("a delay lies between 0 and 24h")
	}
	return e, nil
}

func abs(t vtime.Time) vtime.Time { return max(t, -t) }

// Packet selects a packet of a link: the one with an index, or the nth of a
// name, both counted from 1.
type Packet struct {
	Name  string // "" selects by index
	Index uint64
}

// Verdict is what became of a packet.
type Verdict struct {
	Cause  Cause // Passed, or why nothing arrives
	Index  uint64
	Nth    uint64     // of its name, 0 without one
	At     vtime.Time // of the packet
	Copied bool
	CopyAt vtime.Time // of its copy
	Edit   Edit       // what chance or a list decided, if it mattered
}
