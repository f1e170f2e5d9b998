package fuzz_test

import "github.com/bpci/xtmp/refimpl/wire"

// The parsers of the core, with the names that the registry gives their fields.

func clientHello(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.ClientHello
	if err = m.Parse(b); err != nil {
		return nil, nil, err
	}
	fields = map[string]any{
		"min_version": uint64(m.MinVersion), "max_version": uint64(m.MaxVersion), "flags": uint64(m.Flags), "client_time": m.ClientTime,
		"random": m.Random[:], "x25519": m.X25519[:], "mlkem768_ek": m.MLKEM,
		"suites": []byte{byte(m.Suites[0]), byte(m.Suites[1]), byte(m.Suites[2]), byte(m.Suites[3])},
	}
	var hints []byte
	for _, h := range m.IdentityHint {
		hints = append(hints, h[:]...)
	}
	fields["identity_hint"] = hints
	return fields, unlessTLV(b, wire.ClientHelloSize, m.Append(nil)), nil
}

func serverHello(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.ServerHello
	if err = m.Parse(b); err != nil {
		return nil, nil, err
	}
	fields = map[string]any{
		"version": uint64(m.Version), "suite": uint64(m.Suite), "session_id": m.SessionID, "server_time": m.ServerTime,
		"random": m.Random[:], "x25519": m.X25519[:], "mlkem768_ct": m.MLKEM,
	}
	return fields, unlessTLV(b, wire.ServerHelloSize, m.Append(nil)), nil
}

// unlessTLV returns what was written back if the input has no TLV entry: the core
// ignores the entries that it may ignore.
func unlessTLV(b []byte, plain int, back []byte) []byte {
	if len(b) != plain {
		return nil
	}
	return back
}

func serverIdentity(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.ServerIdentity
	if err = m.Parse(b); err != nil {
		return nil, nil, err
	}
	fields = map[string]any{"kind": uint64(m.Kind), "fingerprint": m.Fingerprint[:], "identity_key": m.Key}
	if b[1]&^1 == 0 {
		back = unlessTLV(b, 4+wire.FingerprintSize+len(m.Key)+wire.ParamsSize+2, m.Append(nil))
	}
	return fields, back, nil
}

func handshakeDone(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.HandshakeDone
	err = m.Parse(b)
	return map[string]any{"address_token": m.AddressToken[:], "server_time": m.ServerTime}, m.Append(nil), err
}

func rekeyInit(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Rekey
	err = m.ParseInit(b)
	return map[string]any{"epoch": uint64(m.Epoch), "x25519": m.Share.X25519[:], "mlkem768_ek": m.Share.MLKEM}, m.Append(nil), err
}

func rekeyResp(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Rekey
	err = m.ParseResp(b)
	return map[string]any{"epoch": uint64(m.Epoch), "x25519": m.Share.X25519[:], "mlkem768_ct": m.Share.MLKEM}, m.Append(nil), err
}

func heartbeat(b []byte) (fields map[string]any, back []byte, err error) {
	kind, data, err := wire.ParseHeartbeat(b)
	return map[string]any{"kind": uint64(kind), "data": data}, append([]byte{byte(kind)}, data...), err
}

func disconnect(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Disconnect
	err = m.Parse(b)
	fields = map[string]any{"reason": uint64(m.Reason), "last_mid_sent": m.LastSent, "last_mid_complete": m.LastComplete}
	return fields, m.Append(nil), err
}

func ack(b []byte) (fields map[string]any, back []byte, err error) {
	largest, err := wire.ParseStreamAck(b)
	return map[string]any{"largest": largest}, nil, err
}

// pathAck is an Ack on UDP.
func pathAck(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Ack
	if err = m.Parse(b); err != nil {
		return nil, nil, err
	}
	first := m.Ranges()[0]
	fields = map[string]any{"largest": first.High, "first_range": first.High - first.Low, "ack_delay_us": uint64(m.DelayUS)}
	return fields, wire.AppendAck(nil, m.DelayUS, m.Ranges()), nil
}

func sealedError(b []byte) (fields map[string]any, back []byte, err error) { return errorBody(b, true) }

func clearError(b []byte) (fields map[string]any, back []byte, err error) { return errorBody(b, false) }

func errorBody(b []byte, sealed bool) (fields map[string]any, back []byte, err error) {
	var m wire.Error
	if err = m.Parse(b, sealed); err != nil {
		return nil, nil, err
	}
	fields = map[string]any{
		"code": uint64(m.Code), "scope": uint64(m.Scope), "retry_after_ms": uint64(m.RetryAfterMS), "ref_seq": m.RefSequence,
	}
	if m.HasToken {
		fields["token"] = m.Token[:]
	}
	text := b[16:]
	if m.HasToken {
		text = text[16:]
	}
	if kept := validUTF8(text); kept != nil { // other text is ignored
		fields["text"] = m.Text
		if b[3]&^1 == 0 {
			back = m.Append(nil)
		}
	}
	return fields, back, nil
}

func probe(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Probe
	err = m.Parse(b)
	return map[string]any{"op": uint64(m.Op), "arg": uint64(m.Arg), "data": m.Data}, m.Append(nil), err
}

func envelope(b []byte) (fields map[string]any, back []byte, err error) {
	var m wire.Envelope
	body, err := wire.ParseStreamEnvelope(b, &m)
	fields = map[string]any{"hs_type": uint64(m.HSType), "handshake_id": m.HandshakeID, "fragment": body}
	return fields, append(m.AppendStream(nil, len(body)), body...), err
}
