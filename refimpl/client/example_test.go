//go:build linux

package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/bpci/xtmp/refimpl/client"
	"github.com/bpci/xtmp/refimpl/server"
	"github.com/bpci/xtmp/refimpl/wire"
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

// A client that calls: what became of a request has one of four answers. The
// server here does not know the type, which is a refusal.
func ExampleClient_Call() {
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

	c, err := client.New(srv.Addr().String(), client.Config{
		Pins:         []client.Pin{{Kind: 1, Fingerprint: srv.Fingerprint()}},
		ReplyTimeout: 5 * time.Second,
		Suites:       []wire.Suite{wire.SuiteChaCha20, wire.SuiteAES256GCM},
	})
	if err != nil {
		log.Fatal(err)
	}
	var buffer []byte // for every reply of this goroutine
	buffer, err = c.Call(ctx, client.Message{Type: 0x50, Body: []byte("hello")}, buffer[:0])
	var refused *client.Error
	switch {
	case err == nil:
		fmt.Printf("the reply is %q\n", buffer)
	case errors.Is(err, client.ErrUnknownResult):
		fmt.Println("it may have been executed:", err)
	case errors.Is(err, client.ErrNotSent):
		fmt.Println("it was not executed:", err)
	case errors.As(err, &refused):
		fmt.Println("the server refuses:", refused.Code)
	}
	fmt.Println("closed:", c.Close(ctx))

	stop()
	fmt.Println("served:", <-served)

	// Output:
	// the server refuses: UNSUPPORTED_TYPE
	// closed: <nil>
	// served: <nil>
}
