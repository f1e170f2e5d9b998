package main

import (
	"errors"
	"io/fs"
	"net"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	listen := func(err error) error { return &net.OpError{Op: "listen", Net: "tcp", Err: err} }
	for _, test := range []struct {
		err  error
		want string
	}{
		{listen(syscall.EACCES), "host:80 may not be bound by this user: choose a port above 1023"},
		{listen(&net.DNSError{Err: "no such host"}), "host:80: the host has no address: check --bind or bpci_xtmp_server.bind_address"},
		{listen(syscall.EADDRINUSE), "host:80 is taken by another process: stop it, or choose another with --port"},
		{listen(syscall.EADDRNOTAVAIL), "host:80 is no address of this machine: see `ip addr`"},
		{fs.ErrInvalid, "invalid argument"},
	} {
		if got := explain("host:80", test.err).Error(); got != test.want {
			t.Errorf("%v becomes %q, want %q", test.err, got, test.want)
		}
	}
}

// Flags override the configured address part by part.
func TestAddress(t *testing.T) {
	for _, test := range []struct{ configured, bind, port, want string }{
		{"", "", "", "0.0.0.0:8090"},
		{"", "127.0.0.1", "", "127.0.0.1:8090"},
		{"", "", "0", "0.0.0.0:0"},
		{"", "::1", "", "[::1]:8090"},
		{"", "[::1]", "9", "[::1]:9"},
		{"", "[::1]:7", "", "[::1]:7"},
		{"192.0.2.1:5", "", "", "192.0.2.1:5"},
		{"192.0.2.1:5", "localhost", "", "localhost:5"},
		{"192.0.2.1:5", "localhost:6", "", "localhost:6"},
		{"192.0.2.1:5", "localhost:6", "7", "localhost:7"},
		{":5", ":6", "", ":6"},
	} {
		got, err := startFlags{bind: test.bind, port: test.port}.address(test.configured)
		if err != nil || got != test.want {
			t.Errorf("%+v gives %q, %v", test, got, err)
		}
	}
}

func TestRefusalKeepsItsCause(t *testing.T) {
	if !errors.Is(refusal{syscall.EADDRINUSE}, syscall.EADDRINUSE) {
		t.Error("the cause of a refusal is lost")
	}
}
