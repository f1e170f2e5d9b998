// Command bpi-xtmp is a client of XTMP/1 for people and scripts.
//
//	bpi-xtmp ping host:port                          handshake, PING, round-trip times
//	bpi-xtmp probe host:port --op echo               requests per second, and how long they take
//	bpi-xtmp validate --message-file F --show-headers   judge the frames in a file
//
// A server is trusted if the pin file knows it, by default
// $XDG_CONFIG_HOME/bpi/known_servers, or if --pin names its fingerprint.
//
// Exit codes: 0 success, 1 the server or the file was refused, 2 usage or
// configuration.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the next signal is not ours
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
