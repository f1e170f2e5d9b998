package peer

import (
	"fmt"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors/testkit"
)

// A Deviation is something that the peer sent and the text does not allow it to
// send. Req is the requirement that it breaks.
type Deviation struct { //nolint:errname // the word of the text for it; DeviationError says nothing more
	Req  string // "XTMP-HDR-029"
	What string
	Got  string // empty where What says it
	Want string
}

func (d *Deviation) Error() string {
	text := d.Req + ": " + d.What
	if d.Want != "" {
		text += ": want " + d.Want
	}
	if d.Got != "" {
		text += ", got " + d.Got
	}
	return text
}

// Observation implements conformance.Observable.
func (d *Deviation) Observation() conformance.Observation {
	return conformance.Malformed(d.Error())
}

// An ErrorFrame is an Error that the peer sent where something else was waited for.
type ErrorFrame struct { //nolint:errname // a frame of the wire first, an error only where another was due
	Code       uint16
	Scope      uint8
	Clear      bool   // without a session
	ReplyTo    uint64 // mid of our request if it is a reply, else 0
	RefSeq     uint64
	RetryAfter uint32 // milliseconds
	Session    uint64 // session_id of the frame
	Token      []byte // of a clear SESSION_UNKNOWN
	Text       string
}

func (e *ErrorFrame) Error() string {
	form := "an unsolicited Error"
	switch {
	case e.Clear:
		form = "a clear Error"
	case e.ReplyTo != 0:
		form = fmt.Sprintf("an Error in reply to mid %d", e.ReplyTo)
	}
	return fmt.Sprintf("the peer sent %s 0x%02X, scope %d, %q", form, e.Code, e.Scope, e.Text)
}

// Observation implements conformance.Observable.
func (e *ErrorFrame) Observation() conformance.Observation {
	o := conformance.ErrorFrame(int(e.Code), scopeOf(e.Scope))
	o.Detail = e.Text
	return o
}

// A Refused is an AttachAck with another status than 0.
type Refused struct{ Status uint8 } //nolint:errname // an answer of the wire first, an error only where another was due

func (r *Refused) Error() string {
	return fmt.Sprintf("the peer refused an Attach with status 0x%02X, %s", r.Status, errorName(uint16(r.Status)))
}

// Observation implements conformance.Observable.
func (r *Refused) Observation() conformance.Observation {
	return conformance.ErrorFrame(int(r.Status), conformance.ScopePath)
}

func scopeOf(scope uint8) conformance.Scope {
	switch scope {
	case 0:
		return conformance.ScopeMessage
	case 1:
		return conformance.ScopePath
	}
	return conformance.ScopeSession
}

// errorFrame reads the body of a frame of type 0xFE, which may be too short.
func errorFrame(r *Received) *ErrorFrame {
	body, _ := testkit.Decode("error", 0, r.Plaintext.Body)
	e := &ErrorFrame{
		Code:       uint16(body.Uint("code")),
		Scope:      uint8(body.Uint("scope")),
		Clear:      r.Slot == SlotClear,
		ReplyTo:    r.Plaintext.Prologue.Uint("reply_to"),
		RefSeq:     body.Uint("ref_seq"),
		RetryAfter: uint32(body.Uint("retry_after_ms")),
		Session:    r.Frame.Header.Uint("session_id"),
	}
	if body.Has("token") {
		e.Token = body.Bytes("token")
	}
	if body.Has("text") {
		e.Text = string(body.Bytes("text"))
	}
	return e
}
