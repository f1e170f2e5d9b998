package cases

import (
	"bytes"
	"errors"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// Probe asks whether a server still serves: a handshake and a PING. A server with
// another identity than the pinned one is not the one that is to be judged.
func Probe(x *conformance.Exchange) error {
	c := dial(x)
	s, err := c.Handshake(peer.Script{Lenient: true})
	if pin := x.Endpoint().Fingerprint; err == nil && pin != nil {
		if met := s.Identity().Bytes("fingerprint"); !bytes.Equal(met, pin) {
			return &conformance.IdentityError{Expected: pin, Met: met}
		}
	}
	if err == nil {
		_, err = s.Ping([]byte("alive"))
	}
	var refused *peer.ErrorFrame
	if errors.As(err, &refused) && int(refused.Code) == code("SERVER_BUSY") {
		return busy{refused}
	}
	return err
}

// busy is a refusal for what the judge did before.
type busy struct{ *peer.ErrorFrame }

func (b busy) Observation() conformance.Observation { return conformance.Throttled(b.Error()) }
