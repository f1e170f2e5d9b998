package client

import (
	"slices"
	"testing"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// The addresses of a kind are taken in turn. [XTMP-PTH-057] [XTMP-PTH-058] [XTMP-PTH-059]
func TestFurtherAddress(t *testing.T) {
	s := &Session{remote: "192.0.2.1:8090"}
	s.noteEndpoints([]wire.AttachEndpoint{
		{Kind: wire.PathStream, Port: 1, Host: "a.example"},
		{Kind: 7, Port: 2, Host: "b.example"},
		{Kind: wire.PathStream, Port: 3, Host: "2001:db8::1"},
	})
	var got []string
	for range 3 {
		got = append(got, s.furtherAddress(session.TCP))
	}
	if want := []string{"a.example:1", "[2001:db8::1]:3", "a.example:1"}; !slices.Equal(got, want) {
		t.Errorf("connections go to %v, want %v", got, want)
	}
	if got := s.furtherAddress(session.UDP); got != s.remote {
		t.Errorf("datagrams go to %s", got)
	}
}
