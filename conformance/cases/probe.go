package cases

import (
	"errors"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
)

// Probe asks whether a server still serves: a handshake and a PING.
func Probe(x *conformance.Exchange) error {
	c := dial(x)
	s, err := c.Handshake(peer.Script{Lenient: true})
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
