package session

import (
	"bytes"
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/bpci/xtmp/refimpl/wire"
)

// recorder is an application for tests: it keeps what it is given and, at a
// server, answers as react says.
type recorder struct {
	got    []Message
	react  func(now Now, s *Session, m Message) bool // nil: nothing, and nothing is one-way
	ended  int
	resume func(now Now, s *Session)
}

func (r *recorder) Implements(t wire.MessageType) bool { return t == wire.TypeProbe }

func (r *recorder) Deliver(now Now, s *Session, m Message) bool {
	kept := m
	kept.Body = bytes.Clone(m.Body)
	r.got = append(r.got, kept)
	return r.react != nil && r.react(now, s, m)
}

func (r *recorder) Writable(now Now, s *Session) {
	if r.resume != nil {
		r.resume(now, s)
	}
}

func (r *recorder) Ended(*Session) { r.ended++ }

// bodies returns the bodies that were delivered.
func (r *recorder) bodies() (all [][]byte) {
	for _, m := range r.got {
		all = append(all, m.Body)
	}
	return all
}

// echo answers every request with its body.
func echo(now Now, s *Session, m Message) bool {
	if m.Call.Mid != 0 {
		s.Reply(now, m.Call, nil, m.Body, nil)
	}
	return true
}

// talk is a pair whose two ends have an application.
type talk struct {
	*pair
	atServer, atClient *recorder
}

// newTalk returns two sessions that are established; the server echoes.
func newTalk(t rapid.TB, change func(p *pair)) *talk {
	t.Helper()
	k := &talk{atServer: &recorder{react: echo}, atClient: &recorder{}}
	k.pair = newPair(t, func(p *pair) {
		p.serverCfg.Application, p.clientCfg.Application = k.atServer, k.atClient
		p.serverCfg.Compression, p.clientCfg.Compression = true, true
		if change != nil {
			change(p)
		}
	})
	k.connect()
	k.established()
	k.pass(ackDelay)
	return k
}

// send sends a request of the client without moving it.
func (k *talk) send(r Request) {
	k.t.Helper()
	if r.Type == 0 {
		r.Type = wire.TypeProbe
	}
	if err := k.client.Send(k.now, &r); err != nil {
		k.t.Fatal(err)
	}
}

// takeFrames returns the headers of what s has to send, and moves it.
func (k *talk) takeFrames(s *Session, to *[]byte) []wire.Header {
	k.t.Helper()
	out := s.AppendOutput(k.now, 0, nil)
	*to = append(*to, out...)
	var all []wire.Header
	for len(out) > 0 {
		var h wire.Header
		if err := wire.ParseHeader(out, &h); err != nil {
			k.t.Fatal(err)
		}
		all = append(all, h)
		out = out[wire.Overhead+int(h.PayloadLength):]
	}
	return all
}

// errorsOf returns the codes of the errors that calls ended with.
func (r *recorder) codes() (all []wire.Code) {
	for _, m := range r.got {
		if e := (*Error)(nil); errors.As(m.Err, &e) {
			all = append(all, e.Code)
		}
	}
	return all
}

func types(frames []wire.Header) (all []wire.MessageType) {
	for _, h := range frames {
		all = append(all, h.Type)
	}
	return all
}

func has(frames []wire.Header, f wire.Flags) bool {
	return slices.ContainsFunc(frames, func(h wire.Header) bool { return h.Flags.Has(f) })
}
