package spec

const layoutsFile = "spec/registry/layouts.json"

func plantedInLayouts() []plant {
	return []plant{
		{
			name: "overlap", check: "layout offsets and sizes", file: layoutsFile,
			old: `{"name": "checksum", "offset": 28, "size": 4`, new: `{"name": "checksum", "offset": 27, "size": 5`,
			want: []string{"frame.checksum: offset is 27, but the fields before it end at 28; correct one of them"},
		},
		{
			name: "size", check: "layout offsets and sizes", file: layoutsFile,
			old:  `"title": "Disconnect", "section": "09-heartbeat-disconnect-error", "size": 18`,
			new:  `"title": "Disconnect", "section": "09-heartbeat-disconnect-error", "size": 17`,
			want: []string{"disconnect: size is 17, but the fields add up to 18; correct one of them"},
		},
		{
			name: "offset behind a variable field", check: "layout offsets and sizes", file: layoutsFile,
			old: `{"name": "fragment", "offset": null`, new: `{"name": "fragment", "offset": 64`,
			want: []string{"envelope.fragment: offset is 64, but the fields before it end at null; correct one of them"},
		},
		{
			name: "payload", check: "layout offsets and sizes", file: layoutsFile,
			old: `{"name": "payload", "offset": 96`, new: `{"name": "payload", "offset": 95`,
			want: []string{"frame.payload: offset is 95, but the layout before it ends at 96"},
		},
		{
			name: "kind", check: "layout kinds and attributes", file: layoutsFile,
			old: `"name": "magic", "offset": 0, "size": 4, "kind": "bytes"`,
			new: `"name": "magic", "offset": 0, "size": 4, "kind": "text"`,
			want: []string{
				`frame.magic: kind "text" is not one of uint, bytes, zero, var, rest, tlv`,
				`frame.magic: kind text has no size of its own; write null`,
			},
		},
		{
			name: "attribute", check: "layout kinds and attributes", file: layoutsFile,
			old:  `"kind": "bytes", "value": "58544d50", "attribute": "fixed"`,
			new:  `"kind": "bytes", "value": "58544d50", "attribute": "constant"`,
			want: []string{`frame.magic: attribute "constant" is not one of fixed, session, derived, volatile, opaque`},
		},
		{
			name: "value", check: "layout kinds and attributes", file: layoutsFile,
			old: `"value": "58544d50"`, new: `"value": "58544d"`,
			want: []string{"frame.magic: value 58544d is not 4 bytes in hexadecimal"},
		},
		{
			name: "wide uint", check: "layout kinds and attributes", file: layoutsFile,
			old:  `"name": "key_id", "offset": 40, "size": 16, "kind": "bytes"`,
			new:  `"name": "key_id", "offset": 40, "size": 16, "kind": "uint"`,
			want: []string{"frame.key_id: a uint of 16 bytes does not fit 64 bits; make it bytes"},
		},
		{
			name: "counter missing", check: "layout references", file: layoutsFile,
			old: `"len_field": "token_len"`, new: `"len_field": "token_length"`,
			want: []string{`envelope.token: len_field "token_length" is no uint before it`},
		},
		{
			name: "mask too wide", check: "layout references", file: layoutsFile,
			old: `"if": {"field": "flags", "mask": "0x01"}`, new: `"if": {"field": "flags", "mask": "0x0100"}`,
			want: []string{"error.token: mask 0x100 is empty or wider than flags, 1 bytes"},
		},
		{
			name: "flag unknown", check: "layout references", file: layoutsFile,
			old: `"flag": "REPLY"`, new: `"flag": "ANSWER"`,
			want: []string{`prologue.reply_to: flag "ANSWER" is not in flags.json`},
		},
		{
			name: "inner layout of another size", check: "layout references", file: layoutsFile,
			old:  `"size": 40, "kind": "bytes", "layout": "server_params"`,
			new:  `"size": 40, "kind": "bytes", "layout": "handshake_done"`,
			want: []string{"server_identity.params: has 40 bytes, but layout handshake_done has 56"},
		},
		{
			name: "requirement unknown", check: "layout references", file: layoutsFile,
			old: `"rule": "the four ASCII letters`, new: `"req": "XTMP-HDR-` + `099", "rule": "the four ASCII letters`,
			want: []string{"frame.magic: requirement XTMP-HDR-" + "099 does not exist"},
		},
		{
			name: "chapter unknown", check: "layout references", file: layoutsFile,
			old:  `"title": "Heartbeat", "section": "09-heartbeat-disconnect-error"`,
			new:  `"title": "Heartbeat", "section": "09-heartbeat"`,
			want: []string{`heartbeat: section "09-heartbeat" is no chapter`},
		},
	}
}
