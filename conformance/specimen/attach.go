package specimen

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/bpci/xtmp/vectors/testkit"
)

// An answered is an Attach that was answered, while it may come again.
type answered struct {
	counter int64
	ack     []byte
	from    netip.AddrPort // UDP
	path    *path
}

// attachUDP answers an Attach in a datagram.
func (s *session) attachUDP(f *testkit.Frame, raw []byte, keys testkit.Keys, epoch int, from netip.AddrPort) {
	if last := s.answered; last != nil && int64(f.Sequence()) == last.counter && from == last.from && !last.path.opened {
		s.server.write(last.ack, from)
		return
	}
	ack, p := s.attach(f, raw, keys, epoch, nil, from)
	if ack != nil {
		s.server.write(ack, from)
		s.answered = &answered{counter: int64(f.Sequence()), ack: ack, from: from, path: p}
	}
}

// attach judges an Attach and returns the AttachAck, nothing for one that is dropped.
func (s *session) attach(
	f *testkit.Frame, raw []byte, keys testkit.Keys, epoch int, conn net.Conn, from netip.AddrPort,
) (ack []byte, made *path) {
	opened, err := f.Open(keys)
	plain, short := testkit.DecodePlaintext(typeHandshake, 0, opened)
	if !s.established || !sum(f, raw) || int64(f.Sequence()) < s.attempts[epoch] && !s.server.flaw("attach counter") || err != nil || short ||
		f.Type() != typeHandshake || f.Flags()&^(testkit.FlagValue("ENCRYPTED")|testkit.FlagValue("PRIORITY")) != 0 ||
		plain.Envelope.Uint("hs_type") != hsAttach || badEnvelope(plain) {
		return nil, nil
	}
	s.attempts[epoch] = int64(f.Sequence()) + 1
	body, rest := testkit.Decode("attach", 0, plain.Body)
	kind := uint64(1)
	if conn == nil {
		kind = 2
	}
	status := uint64(0)
	if body.Short() || len(rest) > 0 || body.Uint("zero") != 0 || body.Uint("counter") != f.Sequence() || body.Uint("kind") != kind ||
		body.Uint("flags") > 1 {
		status = 3
	}
	d := testkit.NewDraft(typeHandshakeAck, 0, now())
	d.Frame.Header.SetUint("session_id", s.id)
	d.Plaintext.Envelope.SetUint("hs_type", hsAttachAck).Set("handshake_id", plain.Envelope.Bytes("handshake_id"))
	d.Plaintext.Body = testkit.Compose("attach_ack").SetUint("status", status).SetUint("path_id", uint64(len(s.paths))).
		Set("random", draw(32)).SetUint("server_time", now()).Encode()
	ours := s.attachKeys(epoch, "ts_server")
	d.Keys, d.Sequence = &ours, f.Sequence()
	if status == 0 {
		made = s.newPath(conn, from)
		made.standby = body.Uint("flags") == 1
		made.binder = testkit.Derive("path_binder", testkit.Values{
			"attach":     testkit.TranscriptMessage(hsAttach, plain.Body),
			"attach_ack": testkit.TranscriptMessage(hsAttachAck, d.Plaintext.Body),
		}).Value("binder")
		made.derive()
		made.epoch = epoch
	}
	return d.Encode(), made
}

// rekey answers RekeyInit.
func (s *session) rekey(p *path, reply *message, body []byte) {
	plain, _ := testkit.DecodePlaintext(typeHandshake, 0, body)
	init, rest := testkit.Decode("rekey_init", 0, plain.Body)
	if plain.Envelope.Uint("hs_type") != hsRekeyInit || init.Short() || len(rest) > 0 || init.Uint("epoch") != uint64(len(s.roots)) {
		s.violation(p, 0x15, uint64(p.highest))
		return
	}
	private := draw(32)
	shared, ciphertext, err := testkit.MLKEMEncapsulate(init.Bytes("mlkem768_ek"), draw(32))
	if err != nil {
		s.violation(p, 0x14, uint64(p.highest))
		return
	}
	resp := testkit.Compose("rekey_resp").SetUint("epoch", init.Uint("epoch")).Set("x25519", testkit.X25519Public(private)).
		Set("mlkem768_ct", ciphertext).Encode()
	reply.messageType, reply.envelope, reply.hs, reply.body = typeHandshakeAck, hsRekeyResp, plain.Envelope.Uint("handshake_id"), resp
	s.roots = append(s.roots, testkit.Derive("rekey", testkit.Values{
		"root": s.roots[len(s.roots)-1], "mlkem_ss": shared, "x25519_ss": testkit.X25519Shared(private, init.Bytes("x25519")),
		"rekey_init": testkit.TranscriptMessage(hsRekeyInit, plain.Body), "rekey_resp": testkit.TranscriptMessage(hsRekeyResp, resp),
	}).Value("root_next"))
	for _, other := range s.paths {
		other.derive()
	}
	s.replies[reply.replyTo] = reply
	p.queue(reply)
}

// serveTCP accepts connections.
func (s *Server) serveTCP() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() {
			defer conn.Close()
			s.stream(conn)
		})
		go func() {
			<-s.stopped
			_ = conn.Close()
		}()
	}
}

// stream reads frames of a connection until it ends.
func (s *Server) stream(conn net.Conn) {
	var unread []byte
	var p *path
	buffer := make([]byte, 1<<16)
	for {
		f, rest, whole := testkit.DecodeFrame(unread)
		if !whole {
			n, err := conn.Read(buffer)
			if err != nil {
				break
			}
			unread = append(unread, buffer[:n]...)
			continue
		}
		raw := unread[:len(unread)-len(rest)]
		unread = bytes.Clone(rest)
		s.mu.Lock()
		if p == nil {
			p = s.firstFrame(f, raw, conn)
		} else if !p.fromStream(f, raw) {
			p = nil
		}
		s.mu.Unlock()
		if p == nil {
			break
		}
	}
}

// firstFrame judges the first frame of a connection.
func (s *Server) firstFrame(f *testkit.Frame, raw []byte, conn net.Conn) *path {
	if !plausible(f) || f.Type() != typeHandshake {
		return nil
	}
	if !f.Clear() {
		own := s.sessions[f.Header.Uint("session_id")]
		if own == nil || !own.established {
			_, _ = conn.Write(s.unknown(f.Header.Uint("session_id")))
			return nil
		}
		for epoch := range own.roots {
			keys := own.attachKeys(epoch, "ts_client")
			if !bytes.Equal(keys.KeyID, f.Header.Bytes("key_id")) {
				continue
			}
			ack, p := own.attach(f, raw, keys, epoch, conn, netip.AddrPort{})
			_, _ = conn.Write(ack)
			return p
		}
		return nil
	}
	plain, short := testkit.DecodePlaintext(typeHandshake, 0, f.Payload)
	if short || plain.Envelope.Uint("hs_type") != hsClientHello || !sum(f, raw) {
		return nil
	}
	own := s.hello(plain.Body, plain.Envelope.Uint("handshake_id"))
	if own == nil || own.refusal != 0 {
		return nil
	}
	own.p0 = own.newPath(conn, netip.AddrPort{})
	_, _ = conn.Write(append(own.helloDraft().Encode(), own.flightDraft().Encode()...))
	return own.p0
}

// fromStream judges a further frame of a connection, and reports whether it goes on.
func (p *path) fromStream(f *testkit.Frame, raw []byte) bool {
	s := p.session
	if s.ended || !sum(f, raw) {
		return false
	}
	if !s.established {
		opened, err := f.Open(testkit.DeriveKeys(s.schedule.Value("c_hs")))
		plain, _ := testkit.DecodePlaintext(typeHandshake, 0, opened)
		if err != nil || !bytes.Equal(plain.Body, s.schedule.Value("cf_mac")) {
			return false
		}
		s.establish()
		return true
	}
	for epoch, keys := range p.in {
		if !bytes.Equal(keys.KeyID, f.Header.Bytes("key_id")) || int64(f.Sequence()) != p.highest+1 {
			continue
		}
		opened, err := f.Open(keys)
		if err != nil {
			return false
		}
		p.switched(epoch)
		p.highest++
		plain, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), opened)
		p.meaning(f, plain, f.Sequence(), netip.AddrPort{})
		if f.Type() >= 0x80 && f.Flags()&reliable() != 0 && f.Type() != typeError {
			body := testkit.Compose("ack").SetUint("largest", f.Sequence()).Encode()
			p.send(testkit.NewPlaintext(typeAck, 0, body), typeAck)
		}
		return !s.ended
	}
	return false
}
