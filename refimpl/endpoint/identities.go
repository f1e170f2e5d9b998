package endpoint

import (
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
)

// SetIdentities replaces the server's identities for the handshakes to come;
// sessions stay as they are. It fails, and changes nothing, if the suites cannot
// be served with them.
func (e *Endpoint) SetIdentities(ids []*security.Identity) error {
	cfg := e.cfg
	cfg.Server.Identities = ids
	if _, err := cfg.Validate(session.Server); err != nil {
		return err
	}
	e.cfg.Server.Identities = ids
	return nil
}
