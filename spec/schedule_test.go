package spec

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestScheduleGivesKnownAnswers runs schedule.json with the inputs of appendix B:
// every value there follows from the registry, and nothing else stands there.
func TestScheduleGivesKnownAnswers(t *testing.T) {
	computed := knownAnswers(t)
	section := appendixSection(t, "## B.1", "## B.3") + appendixSection(t, "fingerprint ", "identity_hint")
	stated := regexp.MustCompile(`[0-9a-f]{24,}`).FindAllString(section, -1)
	for _, name := range sortedKeys(computed) {
		if !slices.Contains(stated, computed[name]) && !strings.HasSuffix(name, " unstated") {
			t.Errorf("appendix B does not state %s, which is %s", name, computed[name])
		}
	}
	values := make(map[string]bool)
	for _, value := range computed {
		values[value] = true
	}
	for _, value := range stated {
		if !values[value] {
			t.Errorf("appendix B states %s, which schedule.json does not give", value)
		}
	}
}

// knownAnswers computes the values of appendix B, in hexadecimal, by name.
func knownAnswers(t *testing.T) map[string]string {
	t.Helper()
	handshake := newRun(t, "handshake", map[string][]byte{
		"mlkem_ss": bytesOf(1, 32), "x25519_ss": bytesOf(2, 32), "th1": sha384("th1"), "th3": sha384("th3"),
	})
	computed := make(map[string]string)
	for _, name := range []string{"HS", "c_hs", "s_hs", "MS_salt", "MS", "sf_key", "cf_key", "cf_mac", "root_0", "exporter"} {
		computed[name] = hex.EncodeToString(handshake.value(name))
	}
	export := newRun(t, "export", map[string][]byte{
		"exporter": handshake.value("exporter"), "label": []byte("test"), "context": []byte("ctx"),
	})
	export.numbers = map[string]int{"n": 48}
	computed["exported"] = hex.EncodeToString(export.value("exported"))
	rekey := newRun(t, "rekey", map[string][]byte{
		"root": handshake.value("root_0"), "rekey_hash": sha384("rekey"), "mlkem_ss": bytesOf(3, 32), "x25519_ss": bytesOf(4, 32),
	})
	computed["root_1"] = hex.EncodeToString(rekey.value("root_next"))
	next := newRun(t, "path", map[string][]byte{"root": rekey.value("root_next"), "binder": handshake.value("binder_0")})
	for _, secret := range []string{"ts_client", "ts_server"} {
		slot := newRun(t, "slot", map[string][]byte{"ts": next.value(secret)})
		computed["epoch 1 "+secret] = hex.EncodeToString(next.value(secret))
		for _, name := range []string{"key", "iv", "key_id"} {
			computed["epoch 1 "+secret+" "+name] = hex.EncodeToString(slot.value(name))
		}
	}
	key, err := hex.DecodeString("01d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if err != nil {
		t.Fatal(err)
	}
	computed["fingerprint"] = hex.EncodeToString(newRun(t, "identity", map[string][]byte{"identity_key": key}).value("fingerprint"))
	for _, slot := range Default().Schedule.Slots {
		run := newRun(t, slot.Function, map[string][]byte{"root": handshake.value("root_0"), "binder": handshake.value("binder_0")})
		if slot.Function == "handshake" {
			run = handshake
		}
		keys := newRun(t, "slot", map[string][]byte{"ts": run.value(slot.Secret)})
		unstated := ""
		if slot.Slot == "attach" {
			unstated = " unstated" // of these the appendix gives the key_id only
		}
		name := slot.Slot + " " + slot.Direction
		computed[name+" ts"+unstated] = hex.EncodeToString(run.value(slot.Secret))
		computed[name+" key"+unstated] = hex.EncodeToString(keys.value("key"))
		computed[name+" iv"+unstated] = hex.EncodeToString(keys.value("iv"))
		computed[name+" key_id"] = hex.EncodeToString(keys.value("key_id"))
	}
	return computed
}

// TestAttachedPathKnownAnswers computes appendix B.6: every value there follows
// from the registry.
func TestAttachedPathKnownAnswers(t *testing.T) {
	root := newRun(t, "handshake", map[string][]byte{
		"mlkem_ss": bytesOf(1, 32), "x25519_ss": bytesOf(2, 32), "th1": sha384("th1"), "th3": sha384("th3"),
	}).value("root_0")
	now := binary.BigEndian.AppendUint64(nil, 1790000000000000)
	binder := newRun(t, "path_binder", map[string][]byte{
		"attach":     slices.Concat([]byte{0x10, 0, 0, 48, 1, 0, 0, 0, 0, 0, 0, 0}, bytesOf(5, 32), now),
		"attach_ack": slices.Concat([]byte{0x11, 0, 0, 48, 0, 1, 0, 0, 0, 0, 0, 0}, bytesOf(6, 32), now),
	}).value("binder")
	computed := []string{hex.EncodeToString(binder)}
	for _, function := range []string{"path", "attach"} {
		run := newRun(t, function, map[string][]byte{"root": root, "binder": binder})
		for _, secret := range []string{"ts_client", "ts_server"} {
			keys := newRun(t, "slot", map[string][]byte{"ts": run.value(secret)})
			computed = append(computed, hex.EncodeToString(run.value(secret)), hex.EncodeToString(keys.value("key")),
				hex.EncodeToString(keys.value("iv")), hex.EncodeToString(keys.value("key_id")))
		}
	}
	reset := newRun(t, "reset", map[string][]byte{"reset_key": bytesOf(7, 32), "session_id": {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}})
	computed = append(computed, hex.EncodeToString(reset.value("reset_token")))
	for kind, binding := range map[byte][]byte{1: {0x12, 0x67, 1, 2, 3, 4, 5, 6, 7, 8}, 2: {}} {
		expiry := binary.BigEndian.AppendUint32(nil, map[byte]uint32{1: 1790000010, 2: 1790086400}[kind])
		token := hex.EncodeToString(newRun(t, "address", map[string][]byte{
			"token_key": bytesOf(8, 32), "token_head": slices.Concat([]byte{1, kind, 0, 0}, expiry, bytesOf(9, 8)),
			"client_ip": slices.Concat(bytesOf(0, 10), []byte{0xFF, 0xFF, 192, 0, 2, 1}), "binding": binding,
		}).value("token"))
		computed = append(computed, token[:48], token[48:])
	}
	stated := regexp.MustCompile(`[0-9a-f]{24,}`).FindAllString(appendixSection(t, "## B.6", lastSection), -1)
	slices.Sort(computed)
	slices.Sort(stated)
	if !slices.Equal(stated, computed) {
		t.Errorf("appendix B.6 states %q, the registry gives %q", stated, computed)
	}
}

// TestScheduleTranscript runs the steps that known answers set beforehand, against
// the formulas written out.
func TestScheduleTranscript(t *testing.T) {
	messages := map[string][]byte{"CH": []byte("ch"), "SH": []byte("sh"), "SI": []byte("si"), "SS": []byte("ss"), "s_hs": bytesOf(7, 48)}
	run := newRun(t, "handshake", messages)
	mac := hmac.New(sha512.New384, expandLabel(t, bytesOf(7, 48), "xtmp1 finished", nil, 48))
	mac.Write(sha384("chshsiss"))
	finished := "\x43\x00\x00\x30" + string(mac.Sum(nil))
	for name, want := range map[string][]byte{
		"th1":                    sha384("chsh"),
		"th2":                    sha384("chshsi"),
		"server_signature_input": []byte(strings.Repeat(" ", 64) + "XTMP/1 server auth\x00" + string(sha384("chshsi"))),
		"SF":                     []byte(finished),
		"th3":                    sha384("chshsiss" + finished),
		"binder_0":               sha384("chshsiss" + finished),
	} {
		if got := run.value(name); string(got) != string(want) {
			t.Errorf("%s is %x, want %x", name, got, want)
		}
	}
}

// run is one evaluation of a function of the schedule, on demand. It is written
// from the package comment and shows that nothing more is needed.
type run struct {
	t        *testing.T
	schedule Schedule
	function Function
	values   map[string][]byte // inputs, and values set beforehand
	numbers  map[string]int
}

func newRun(t *testing.T, function string, values map[string][]byte) *run {
	t.Helper()
	schedule := Default().Schedule
	f, ok := schedule.Function(function)
	if !ok {
		t.Fatalf("no function %s in the schedule", function)
	}
	return &run{t: t, schedule: schedule, function: f, values: values}
}

// value returns the bytes of an input, step or constant.
func (r *run) value(name string) []byte {
	r.t.Helper()
	if value, ok := r.values[name]; ok {
		return value
	}
	if constant, ok := r.schedule.Constant(name); ok {
		return r.join(constant.Value)
	}
	step, ok := r.function.Step(name)
	if !ok {
		r.t.Fatalf("%s has no value and is no step of %s", name, r.function.Name)
	}
	size := step.Size
	if step.SizeFrom != "" {
		size = r.numbers[step.SizeFrom]
	}
	result := r.run(step, size)
	if len(result) != size {
		r.t.Fatalf("%s.%s has %d bytes, its size is %d", r.function.Name, name, len(result), size)
	}
	return result
}

func (r *run) run(step Step, size int) []byte {
	newHash := func() hash.Hash { return sha512.New384() }
	if step.Hash == "SHA-256" {
		newHash = sha256.New
	}
	switch step.Op {
	case OpConcat:
		return r.join(step.Parts)
	case OpHash:
		h := newHash()
		h.Write(r.join(step.Parts))
		return h.Sum(nil)
	case OpHMAC:
		h := hmac.New(newHash, r.join(step.Key))
		h.Write(r.join(step.Parts))
		return h.Sum(nil)
	case OpExtract:
		key, err := hkdf.Extract(newHash, r.join(step.IKM), r.join(step.Salt))
		if err != nil {
			r.t.Fatal(err)
		}
		return key
	case OpExpand:
		label := string(r.join(r.schedule.LabelPrefix)) + string(r.join(step.Label))
		return expandLabel(r.t, r.join(step.SecretIn), label, r.join(step.Context), size)
	case OpXOR:
		left, right := r.join(step.Left), r.join(step.Right)
		mixed := make([]byte, len(left))
		for i := range left {
			mixed[i] = left[i] ^ right[i]
		}
		return mixed
	case OpTake:
		return r.join(step.Parts)[:size]
	}
	r.t.Fatalf("unknown operation %s", step.Op)
	return nil
}

func (r *run) join(operand Operand) []byte {
	var joined []byte
	for _, term := range operand {
		if term.Name == "" {
			joined = append(joined, term.Bytes...)
		} else {
			joined = append(joined, r.value(term.Name)...)
		}
	}
	return joined
}

// expandLabel is HKDF-Expand with the info of the text; label has its prefix.
func expandLabel(t *testing.T, secret []byte, label string, context []byte, size int) []byte {
	t.Helper()
	info := fmt.Sprintf("%s%c%s%c%s", binary.BigEndian.AppendUint16(nil, uint16(size)), len(label), label, len(context), context)
	expanded, err := hkdf.Expand(sha512.New384, secret, info, size)
	if err != nil {
		t.Fatal(err)
	}
	return expanded
}

func sha384(text string) []byte {
	sum := sha512.Sum384([]byte(text))
	return sum[:]
}

func bytesOf(value byte, count int) []byte { return slices.Repeat([]byte{value}, count) }

// lastSection ends the last section of appendix B.
const lastSection = "\n## end"

// appendixSection returns appendix B from one text up to another.
func appendixSection(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile("appendix-b-known-answers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data)+lastSection, from)
	section, _, ended := strings.Cut(rest, to)
	if !ok || !ended {
		t.Fatalf("appendix B has no part from %q to %q", from, to)
	}
	return section
}
