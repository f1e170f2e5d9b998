package cases

import (
	"errors"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The message types that a peer of this version implements, and one of each kind
// that no version gives a meaning.
const (
	typeHandshake    = 0x01
	typeHandshakeAck = 0x02
	typeHeartbeat    = 0x03
	typeDisconnect   = 0x04
	typeAck          = 0x05
	typeUnknown      = 0x5A // reserved range
	typeExtension    = 0xA5
	typeError        = 0xFE
)

// The profiles of UDP and of several paths, which a server may lack.
const (
	profileUDP      = "udp"
	profileFailover = "failover"
)

// noSequence is ref_seq of an Error that no authenticated frame caused.
const noSequence = 1<<64 - 1

// dial connects from the case's own address and pins the target.
func dial(x *conformance.Exchange, edits ...func(*peer.Options)) *peer.Conn {
	return dialOn(x, x.Dial(), edits...)
}

// dialOn takes over a connection that exists, such as one of DialAs.
func dialOn(x *conformance.Exchange, nc *conformance.Conn, edits ...func(*peer.Options)) *peer.Conn {
	options := optionsOf(x)
	for _, edit := range edits {
		edit(&options)
	}
	return peer.New(nc, peer.Target{Pin: x.Endpoint().Fingerprint}, options)
}

func optionsOf(x *conformance.Exchange) peer.Options {
	return peer.Options{Entropy: x.Entropy("peer"), Declares: x.Declares, Wait: x.Wait(conformance.BudgetReply).Longest()}
}

// session returns an established session whose HandshakeDone is acknowledged.
// Without one the case is inconclusive: what failed is not what it asks about.
func session(x *conformance.Exchange) *peer.Session { return sessionBy(x, peer.Script{}) }

// sessionBy is session with an altered, but legal, handshake.
func sessionBy(x *conformance.Exchange, script peer.Script, edits ...func(*peer.Options)) *peer.Session {
	script.Lenient = true
	s, err := dial(x, edits...).Handshake(script)
	if err != nil {
		unprepared(x, "a session", err)
	}
	return s
}

// flight returns a connection on which ServerFlight was read and ClientFinish is
// due. Without one the case is inconclusive.
func flight(x *conformance.Exchange) *peer.Conn { return flightBy(x, peer.Script{}) }

// flightBy is flight with an altered, but legal, ClientHello.
func flightBy(x *conformance.Exchange, script peer.Script) *peer.Conn {
	c := dial(x)
	script.Lenient, script.Write = true, holdFinish
	if _, err := c.Handshake(script); !errors.Is(err, errHeld) {
		unprepared(x, "ServerFlight", err)
	}
	return c
}

// errHeld says that a handshake has come to the step that was to be held back.
var errHeld = errors.New("ClientFinish is held back")

// holdFinish writes ClientHello and keeps ClientFinish.
func holdFinish(c *peer.Conn, step string, raw []byte) error {
	if step == "ClientFinish" {
		return errHeld
	}
	return writeStep(c, step, raw)
}

// writeStep writes a step of the handshake and names it in the timeline.
func writeStep(c *peer.Conn, step string, raw []byte) error {
	err := c.WriteRaw(raw)
	if own, ok := c.NetConn().(*conformance.Conn); ok {
		var fields []conformance.Field
		for _, p := range testkit.Annotate(raw) {
			fields = append(fields, conformance.Field{Name: p.Label, Offset: p.Offset, Size: len(p.Bytes), Meaning: p.Meaning})
		}
		own.Sent(step, raw, fields...)
	}
	return err
}

func unprepared(x *conformance.Exchange, what string, err error) {
	x.Note("no %s: %v", what, err)
	x.Inconclusive("%s did not come about: %s", what, observe(x, err, conformance.BudgetReply))
}

// send looks at the error of a write. A peer that has closed shows in the next
// read, which also finds what it said before.
func send(x *conformance.Exchange, err error) {
	if err == nil {
		return
	}
	if _, ok := conformance.Seen(err, conformance.BudgetReply); !ok {
		x.Fatal(err)
	}
	x.Note("writing: %v", err)
}
