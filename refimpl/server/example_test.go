//go:build linux

package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bpci/xtmp/refimpl/server"
	"github.com/bpci/xtmp/refimpl/wire"
)

// A server that knows one kind of request. Its handler may take its time: others
// are served meanwhile.
func Example() {
	dir, err := os.MkdirTemp("", "xtmp")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	identity, err := server.GenerateKey(filepath.Join(dir, "identity.pem"))
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.Listen(ctx, server.Config{
		Address:    "127.0.0.1:0",
		Identities: []*server.Identity{identity},
		Handlers: map[server.MessageType]server.Handler{
			wire.TypeRegistryQuery: func(_ context.Context, r server.Request) ([]byte, error) {
				if len(r.Body) == 0 {
					return nil, &server.Error{Code: wire.InvalidPayload, Text: "a name is missing"}
				}
				return append([]byte("nothing is known of "), r.Body...), nil
			},
		},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("pool of", s.Metrics().Pools[2].Family, "requests:", s.Metrics().Pools[2].Workers, "workers")
	stop() // a real server serves until a signal ends its context
	fmt.Println("ended with", s.Serve(ctx))
	// Output:
	// pool of registry requests: 2 workers
	// ended with <nil>
}
