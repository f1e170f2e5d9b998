package websocket

import (
	"testing"

	"github.com/bpci/xtmp/spec"
)

// The bounds are those of the specification.
func TestBoundsAreTheSpecification(t *testing.T) {
	for name, bound := range map[string]uint64{"websocket_message": MaxMessage, "upgrade_request": MaxRequest} {
		if limit, ok := spec.Default().Limit(name); !ok || limit.Value != bound {
			t.Errorf("%s is %d here, %d in the registry", name, bound, limit.Value)
		}
	}
}
