package spec

func plantedInLimits() []plant {
	return []plant{
		{
			name: "unit", check: "limits", file: "spec/registry/sizes.json",
			old: `"name": "error_text", "value": 256, "unit": "B"`, new: `"name": "error_text", "value": 256, "unit": "runes"`,
			want: []string{"error_text: a size is in B; move it to counts.json"},
		},
		{
			name: "timer without value", check: "limits", file: "spec/registry/timers.json",
			old: `"name": "T_ACK", "value": 25`, new: `"name": "T_ACK", "value": 0`,
			want: []string{"T_ACK: value and meaning must be given"},
		},
		{
			name: "size of a layout", check: "limits agree with layouts", file: "spec/registry/sizes.json",
			old: `"name": "heartbeat_payload_max", "value": 64`, new: `"name": "heartbeat_payload_max", "value": 65`,
			want: []string{"heartbeat_payload_max is 65, but layout heartbeat gives 64; correct one of them"},
		},
		{
			name: "age", check: "limits agree with layouts", file: "spec/registry/timers.json",
			old: `"name": "T_AGE", "value": 604800000`, new: `"name": "T_AGE", "value": 604801000`,
			want: []string{"T_AGE is 168h0m1s, but 7 × T_ROTATE is 168h0m0s"},
		},
	}
}

func plantedInSchedule() []plant {
	const file = "spec/registry/schedule.json"
	return []plant{
		{
			name: "dangling", check: "schedule names", file: file,
			old: `"op": "hash", "parts": "CH ‖ SH ‖ SI",`, new: `"op": "hash", "parts": "CH ‖ SH ‖ EE",`,
			want: []string{"handshake.th2 names EE, which is no input, step or constant"},
		},
		{
			name: "twice", check: "schedule names", file: file,
			old: `{"name": "exported", "op": "expand"`, new: `{"name": "export_hash", "op": "expand"`,
			want: []string{"export: export_hash is defined twice, as input, step or constant; rename one"},
		},
		{
			name: "operand missing", check: "schedule operations", file: file,
			old: `"op": "hmac", "key": "sf_key", "parts": "sf_hash"`, new: `"op": "hmac", "parts": "sf_hash"`,
			want: []string{"handshake.sf_mac: operation hmac needs key"},
		},
		{
			name: "size", check: "schedule operations", file: file,
			old: `"name": "fingerprint", "op": "hash", "hash": "SHA-256",`, new: `"name": "fingerprint", "op": "hash",`,
			want: []string{"identity.fingerprint: size is 32, but the operation gives 48"},
		},
		{
			name: "sum", check: "schedule operations", file: file,
			old: `"value": "20*64"`, new: `"value": "20*63"`,
			at:   `{"name": "server_signature_input"`,
			want: []string{"handshake.server_signature_input: size is 131, but the operation gives 130"},
		},
		{
			name: "nothing left out", check: "schedule operations", file: file,
			old: `"op": "take", "parts": "integrity_mac", "size": 16`, new: `"op": "take", "parts": "integrity_mac", "size": 32`,
			want: []string{"integrity_tag.tag: takes 32 bytes of 32; take fewer, or use concat"},
		},
		{
			name: "uneven xor", check: "schedule operations", file: file,
			old:  `{"name": "iv", "size": 12, "secret": true, "meaning": "iv of the slot"}`,
			new:  `{"name": "iv", "size": 13, "secret": true, "meaning": "iv of the slot"}`,
			at:   `{"name": "nonce", "op": "xor"`,
			want: []string{"nonce.nonce: left has 13 bytes, not 12; both sides of xor are equally long"},
		},
		{
			name: "circle", check: "schedule order", file: file,
			old: `"op": "hash", "parts": "schedule_salt_text"`, new: `"op": "hash", "parts": "schedule_salt"`,
			want: []string{"handshake.schedule_salt needs itself; break the circle"},
		},
		{
			name: "same label", check: "schedule separation", file: file,
			old:  `{"name": "ts_server", "op": "expand", "secret_in": "root", "label": "'s path'"`,
			new:  `{"name": "ts_server", "op": "expand", "secret_in": "root", "label": "'c path'"`,
			want: []string{"path.ts_server expands (root, 'c path', binder) as path.ts_client does; give it a label of its own"},
		},
		{
			name: "same label in another function", check: "schedule separation", file: file,
			old:  `{"name": "ts_server", "op": "expand", "secret_in": "root", "label": "'s attach'"`,
			new:  `{"name": "ts_server", "op": "expand", "secret_in": "root", "label": "'c attach'"`,
			want: []string{"attach.ts_server expands (root, 'c attach', ) as attach.ts_client does; give it a label of its own"},
		},
		{
			name: "slot", check: "schedule slots", file: file,
			old: `"function": "handshake", "secret": "s_hs"`, new: `"function": "handshake", "secret": "th1"`,
			want: []string{"slot handshake, server: handshake.th1 is no secret step of 48 bytes"},
		},
		{
			name: "zeroed field", check: "schedule slots", file: file,
			old: `"to": 80, "zeroed": ["checksum"]`, new: `"to": 80, "zeroed": ["crc"]`,
			at:   `"seal"`,
			want: []string{"zeroed field crc is not in layout frame"},
		},
	}
}

func plantedInStates() []plant {
	const file = "spec/registry/states.json"
	return []plant{
		{
			name: "no answer", check: "state tables", file: file,
			old:  `"T_CONNECT": {"Idle": "n/a", "Hello": "silent → Closed", "Est": "n/a",`,
			new:  `"T_CONNECT": {"Idle": "n/a", "Hello": "silent → Closed",`,
			want: []string{`client: event "T_CONNECT" has no answer in state Est; write one, or n/a if it cannot occur`},
		},
		{
			name: "unknown state", check: "state tables", file: file,
			old:  `"T_LINGER": {"Open": "n/a", "Live": "n/a", "Susp": "n/a", "Drain": "→ Shut"`,
			new:  `"T_LINGER": {"Open": "n/a", "Live": "n/a", "Susp": "n/a", "Drain": "→ Gone"`,
			want: []string{`path: event "T_LINGER" in state Drain: goes to Gone, which is not in states`},
		},
		{
			name: "unknown event", check: "state tables", file: file,
			old: `"request": {"None": "as path frame"`, new: `"request": {"None": "as any frame"`,
			want: []string{`server: event "request" in state None: "any frame" is neither a state nor an event`},
		},
		{
			name: "unknown timer", check: "state tables", file: file,
			old: `"Susp": "T_PATHLESS_PROBE"`, new: `"Susp": "T_PATHLESS"`,
			want: []string{`path: event "silent for 3 intervals" in state Susp: names T_PATHLESS, which is not in timers.json`},
		},
	}
}
