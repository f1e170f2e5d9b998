//go:build linux

package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/server"
)

// A server and a client in one process: the server's key becomes a line of the
// client's pin file.
func ExampleDial() {
	dir, err := os.MkdirTemp("", "xtmp")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	identity, err := server.GenerateKey(filepath.Join(dir, "server.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	srv, err := server.Listen(ctx, server.Config{Address: "127.0.0.1:0", Identities: []*server.Identity{identity}})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(ctx) }()

	address := srv.Addr().String()
	pins, err := client.ParsePins("known_servers", fmt.Appendf(nil, "%s 1 %v\n", address, srv.Fingerprint()))
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.Dial(ctx, address, client.Config{Pins: pins.For(address)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := session.Ping(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the server answers, by", session.Identity().Suite)
	fmt.Println("closed:", session.Close(ctx) == nil)

	stop()
	fmt.Println("served:", <-served)

	// Output:
	// the server answers, by aes256gcm
	// closed: true
	// served: <nil>
}
