package spec

func plantedInCodes() []plant {
	return []plant{
		{
			name: "type code", check: "unique codes and names", file: "spec/registry/types.json",
			old: `{"code": "0x12", "name": "WalletBalance"`, new: `{"code": "0x11", "name": "WalletBalance"`,
			want: []string{"0x11 is given twice; change one"},
		},
		{
			name: "error code", check: "unique codes and names", file: "spec/registry/errors.json",
			old: `{"code": "0x08", "name": "RATE_LIMITED"`, new: `{"code": "0x07", "name": "RATE_LIMITED"`,
			want: []string{"0x0007 is given twice; change one"},
		},
		{
			name: "limit name", check: "unique codes and names", file: "spec/registry/counts.json",
			old: `"name": "mid_window"`, new: `"name": "error_text"`,
			want: []string{"error_text is given twice in sizes.json and counts.json; rename one"},
		},
		{
			name: "flight type is an hs_type", check: "unique codes and names", file: "spec/registry/flight_types.json",
			old: `"value": "0x41"`, new: `"value": 33`,
			want: []string{"ServerIdentity has the value of hs_type RekeyResp; both are type bytes of the transcript"},
		},
		{
			name: "two bits", check: "flags and bits", file: "spec/registry/flags.json",
			old: `"value": "0x0040"`, new: `"value": "0x0180"`,
			want: []string{"REPLY: 0x0180 is not a single bit"},
		},
		{
			name: "overlap", check: "flags and bits", file: "spec/registry/bits.json",
			old: `"value": "0x0004", "name": "attach_tcp"`, new: `"value": "0x0002", "name": "attach_tcp"`,
			want: []string{"attach_tcp overlaps attach_udp of the same field"},
		},
		{
			name: "bit outside its field", check: "flags and bits", file: "spec/registry/bits.json",
			old: `"value": "0x01", "name": "token"`, new: `"value": "0x0100", "name": "token"`,
			want: []string{"token: error.flags is no uint that holds bit 0x0100"},
		},
		{
			name: "gap", check: "type ranges", file: "spec/registry/types.json",
			old: `{"from": "0x50", "to": "0x6F"`, new: `{"from": "0x51", "to": "0x6F"`,
			want: []string{"range reserved begins at 0x51 and ends at 0x6F, but the next type to cover is 0x50"},
		},
		{
			name: "overlap", check: "type ranges", file: "spec/registry/types.json",
			old: `{"from": "0x40", "to": "0x4F"`, new: `{"from": "0x40", "to": "0x50"`,
			at:   `{"from": "0x50", "to": "0x6F"`,
			want: []string{"range reserved begins at 0x50 and ends at 0x6F, but the next type to cover is 0x51"},
		},
		{
			name: "type that is never sent", check: "type ranges", file: "spec/registry/types.json",
			old: `{"code": "0xFE", "name": "Error"`,
			new: `{"code": "0xFF", "name": "Farewell", "body": "binary", "initiator": "both", "profile": "core"},` + "\n" +
				`    {"code": "0xFE", "name": "Error"`,
			want: []string{"Farewell is in a range that is never sent"},
			at:   `{"code": "0xFF"`,
		},
		{
			name: "gap", check: "TLV ranges", file: "spec/registry/tlvs.json",
			old: `{"from": "0x8000", "to": "0xFFFF"`, new: `{"from": "0x8000", "to": "0xFFFE"`,
			at:   `[`,
			want: []string{"the types end before 0xFFFF; they must cover up to 0xFFFF"},
		},
		{
			name: "word", check: "flag matrix", file: "spec/registry/flag_matrix.json",
			old:  `"hs_types": [32], "slots": ["path"], "sender": "client", "requires_ack": "set"`,
			new:  `"hs_types": [32], "slots": ["path"], "sender": "client", "requires_ack": "yes"`,
			want: []string{`RekeyInit: "yes" is not one of set, clear, optional`},
		},
		{
			name: "type without row", check: "flag matrix", file: "spec/registry/flag_matrix.json",
			old: `"types": [{"from": "0x03", "to": "0x05"}]`, new: `"types": [{"from": "0x03", "to": "0x04"}]`,
			in: "spec/registry/types.json", at: `{"code": "0x05"`,
			want: []string{
				"Ack has no row in flag_matrix.json for the client; add one",
				"Ack has no row in flag_matrix.json for the server; add one",
			},
		},
		{
			name: "hs_type in another slot", check: "flag matrix", file: "spec/registry/flag_matrix.json",
			old: `"hs_types": [6], "slots": ["path"]`, new: `"hs_types": [4], "slots": ["path"]`,
			want: []string{"HandshakeDone: hs_type 4 does not travel in these types and slots"},
		},
		{
			name: "class", check: "closed words", file: "spec/registry/errors.json",
			old: `"name": "CLOCK_SKEW", "class": "ConnectionFailed"`, new: `"name": "CLOCK_SKEW", "class": "ClockFailed"`,
			want: []string{`class "ClockFailed" is not one of ["ConnectionFailed" "InvalidMessageFormat" "EncryptionFailed" ` +
				`"SessionExpired" "AuthenticationFailed" "ProtocolVersionMismatch"]`},
		},
		{
			name: "direction", check: "handshake types", file: "spec/registry/hs_types.json",
			old: `"name": "ServerFlight", "type": "0x02"`, new: `"name": "ServerFlight", "type": "0x01"`,
			want: []string{"ServerFlight: type 0x01 carries no handshake message of the server"},
		},
		{
			name: "scope", check: "error scopes", file: "spec/registry/errors.json",
			old: `"ConnectionFailed", "scope": {"message": false, "path": false, "session": true, "reply_only": false, "clear": false}`,
			new: `"ConnectionFailed", "scope": {"message": false, "path": false, "session": false, "reply_only": true, "clear": true}`,
			want: []string{
				"CLOCK_SKEW has no scope; it could never be sent",
				"CLOCK_SKEW is reply_only without scope message; a reply has scope 0",
				"CLOCK_SKEW is clear without scope path or session; a clear frame is about no message",
			},
		},
		{
			name: "order", check: "steps of checks", file: "spec/registry/checks.json",
			old: `{"step": 7, "check": "CRC"`, new: `{"step": 8, "check": "CRC"`,
			want: []string{"step 8 stands where step 7 belongs"},
		},
	}
}
