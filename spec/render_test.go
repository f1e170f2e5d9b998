package spec

import (
	"strings"
	"testing"
)

func TestTableNamesAreTables(t *testing.T) {
	for _, name := range Default().TableNames() {
		table, ok := Default().Table(name)
		if !ok || !strings.HasPrefix(table, "|") && name != "flag-matrix" || !strings.HasSuffix(table, "|\n") {
			t.Errorf("table %s (known %t) is no table:\n%s", name, ok, table)
		}
	}
	for _, name := range []string{"", "layout", "layout:", "layout:nothing", "frame", "states:", "client", "states:frame"} {
		if _, ok := Default().Table(name); ok {
			t.Errorf("there is a table %q", name)
		}
	}
}

func TestTable(t *testing.T) {
	for name, want := range map[string]string{
		"layout:prologue":     "| REQUIRES_ACK | 8 | `mid` | session | number of a reliable message per session and direction; never 0 |",
		"layout:frame":        "| 96 | `payload_length` | `payload` | opaque | ciphertext, as long as the plaintext;",
		"layout:error":        "| 16 | 16 or 0 | `token` |",
		"layout:ack":          "| 16 | 4 × `range_count` | `ranges` |",
		"layout:heartbeat":    "| 1 | 0 … 63 | `data` |",
		"layout:tlv_entry":    "| 4 | `len` | `value` |",
		"error-codes":         "| 0x07 | SERVER_BUSY | ConnectionFailed | 0 (reply only), 1, clear | core |",
		"type-ranges":         "| 0x80–0xEF | extensions |",
		"flag-matrix":         "| HandshakeDone | 0x02 | path | server | ✓ | – | – | o | – | – |  |",
		"tlvs":                "| 0x8000–0xFFFF | any | unknown |  | ignored |",
		"sizes":               "| `payload_max` | 16 777 216 B | fixed | both |",
		"timers":              "| T_ACK | 25 ms | fixed | both |",
		"counts":              "| `sequence_end` | 4 611 686 018 427 387 904 frames |",
		"states:path":         "| T_LINGER | n/a | n/a | n/a | → Shut | n/a |",
		"schedule":            "| `server_signature_input` | `signature_pad ‖ server_auth_label ‖ 00*1 ‖ th2` | 131 |",
		"heartbeat-kinds":     "| 0 | PING | answered by PONG | core |",
		"bits":                "| ServerIdentity policy | 0x0004 | `attach_tcp` |",
		"layout:server_hello": "| 1176 | 2 + n | `extensions` |",
	} {
		if table, _ := Default().Table(name); !strings.Contains(table, want) {
			t.Errorf("table %s does not hold\n%s\nbut is\n%s", name, want, table)
		}
	}
}

func TestFormula(t *testing.T) {
	schedule := Default().Schedule
	handshake, _ := schedule.Function("handshake")
	for name, want := range map[string]string{
		"HS":            "HKDF-Extract(salt = schedule_salt, ikm = ss)",
		"c_hs":          `ExpandLabel(HS, "c hs", th1, 48)`,
		"MS_salt":       `ExpandLabel(HS, "derived", "", 48)`,
		"sf_mac":        "HMAC-SHA-384(sf_key, sf_hash)",
		"SF":            "43000030 ‖ sf_mac",
		"schedule_salt": "SHA-384(schedule_salt_text)",
	} {
		step, _ := handshake.Step(name)
		if got := schedule.formula(step); got != want {
			t.Errorf("%s is written %s, want %s", name, got, want)
		}
	}
}

// TestFillTables: filling is idempotent, replaces the block only, and leaves alone
// what it does not understand.
func TestFillTables(t *testing.T) {
	table, _ := Default().Table("areas")
	text := "before\n<!-- table: areas -->\nold\n\nold\n<!-- end -->\nafter\n" +
		"<!-- table: nothing -->\nkept\n<!-- end -->\n<!-- table: areas -->\nno end\n"
	want := strings.Replace(text, "old\n\nold\n", table, 1)
	got := Default().FillTables(text)
	if got != want {
		t.Errorf("filled\n got: %q\nwant: %q", got, want)
	}
	if again := Default().FillTables(got); again != got {
		t.Errorf("filling twice changes the text: %q", again)
	}
}

func TestGrouped(t *testing.T) {
	for value, want := range map[uint64]string{
		0: "0", 999: "999", 8208: "8208", 65536: "65 536", 262208: "262 208", 16777216: "16 777 216",
	} {
		if got := grouped(value); got != want {
			t.Errorf("%d is written %q, want %q", value, got, want)
		}
	}
}
