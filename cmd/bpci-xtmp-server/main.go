// Command bpci-xtmp-server is the reference server of XTMP/1.
//
//	bpci-xtmp-server keygen --out identity.pem     make an identity key, print its fingerprint
//	bpci-xtmp-server fingerprint identity.pem      print kind and fingerprint again
//	bpci-xtmp-server start --config server.yaml    serve until SIGTERM or SIGINT
//
// On standard output stands what programs read: the fingerprint of keygen, and
// one line of start once it serves:
//
//	READY tcp=host:port udp=host:port fingerprint=HEX pins=1:HEX
//
// The log goes to standard error. SIGHUP reads the identity keys again, SIGUSR1
// asks every client for fresh session keys. On SIGTERM or SIGINT every session is told,
// which takes up to twelve seconds; a second signal ends the process at once.
// Exit codes: 0 after an orderly end, 1 when serving failed, 2 when the start
// was refused: usage, configuration, key or address.
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
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
