package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// Regenerating changes nothing: the committed files are what this program writes.
func TestCommittedVectorsAreGenerated(t *testing.T) {
	written := map[string]string{}
	for _, v := range all() {
		if _, twice := written[v.ID]; twice {
			t.Errorf("two vectors are called %s", v.ID)
		}
		written[v.ID] = v.Text()
	}
	for _, v := range vectors.All() {
		if strings.HasPrefix(v.ID, "hand/") {
			continue
		}
		committed, err := fs.ReadFile(vectors.Files(), v.ID+".txt")
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := written[v.ID]; !ok || text != string(committed) {
			t.Errorf("%s is not what is generated; run go generate ./vectors/...", v.ID)
		}
		delete(written, v.ID)
	}
	for id := range written {
		t.Errorf("%s is generated and not committed; run go generate ./vectors/...", id)
	}
}

func TestWriteRemovesWhatIsNotGenerated(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"heartbeat/old.txt", "hand/kept.txt", "heartbeat/README"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code := run([]string{dir}, os.Stderr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for name, want := range map[string]bool{
		"heartbeat/old.txt": false, "hand/kept.txt": true, "heartbeat/README": true, "heartbeat/ping-9.txt": true,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
	var stderr bytes.Buffer
	if code := run([]string{filepath.Join(dir, "heartbeat/README")}, &stderr); code != 1 || stderr.Len() == 0 {
		t.Errorf("writing below a file gives exit code %d and %q", code, stderr.String())
	}
}

// What the arithmetic vectors claim about their values is true.
func TestArithmeticFacts(t *testing.T) {
	private := testkit.Draw(testkit.Entropy("any private key"), 32)
	for _, point := range zeroPoints {
		if got := testkit.X25519Shared(private, unhex(point.key)); !bytes.Equal(got, make([]byte, 32)) {
			t.Errorf("X25519 key %s gives %x, not zero", point.name, got)
		}
	}
	key := testkit.MLKEMPublic(make([]byte, 64))
	for value, ok := range map[int]bool{3328: true, 3329: false} {
		m := testkit.Compose("client_hello").Set("mlkem768_ek", key)
		firstCoefficient(value)(m)
		if _, _, err := testkit.MLKEMEncapsulate(m.Bytes("mlkem768_ek"), make([]byte, 32)); (err == nil) != ok {
			t.Errorf("an ML-KEM key with first coefficient %d: %v", value, err)
		}
	}
	for _, v := range keyVectors() {
		signature := v.GivenValue("signature")
		if signature == nil {
			continue
		}
		// The library refuses everything but the small-order key, which is why the
		// text has a list.
		accepts := ed25519.Verify(v.GivenValue("key"), v.GivenValue("message"), signature)
		smallOrder := v.ID == "key/signature-order-1"
		if want := v.Expect.Result == vectors.Valid || smallOrder; accepts != want {
			t.Errorf("%s: the library accepts it: %t, want %t", v.ID, accepts, want)
		}
	}
}

// What the compression vectors claim about their streams is true.
func TestCompressionFacts(t *testing.T) {
	judged := map[string]int{}
	for _, v := range compressionVectors() {
		f, _, _ := testkit.DecodeFrame(v.Last().Frame)
		fragment := f.Flags()&testkit.FlagValue("FRAGMENT") != 0
		announced := bytes.Equal(v.GivenValue("inflates"), []byte{1})
		limit := uint64(65536)
		if v.Receiver == "client" {
			limit = 16777216
		}
		if fragment || !announced {
			continue
		}
		p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), v.Last().Plaintext)
		want := p.Prologue.Uint("original_len")
		sound := false
		if want <= limit {
			body, taken, ended := testkit.Inflate(p.Body, int(want))
			sound = ended && taken == len(p.Body) && uint64(len(body)) == want
		}
		refused := strings.HasSuffix(v.Effect, "DECOMPRESS_LIMIT") || strings.HasSuffix(v.ID, "lie") || strings.HasSuffix(v.ID, "lie-without-mid")
		if sound == refused {
			t.Errorf("%s: the stream is sound: %t", v.ID, sound)
		}
		judged[v.Effect]++
	}
	if judged["reply Probe"] < 5 || judged["reply DECOMPRESS_LIMIT"] < 10 {
		t.Errorf("judged only %v", judged)
	}
}

// What the vectors of kind-2 flights claim about their signatures is true, and nothing
// else of a flight that is refused for its signature is wrong.
func TestHybridFlightFacts(t *testing.T) {
	for _, v := range hybridFlights() {
		f, _, _ := testkit.DecodeFrame(v.Last().Frame)
		p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), v.Last().Plaintext)
		messages, _ := testkit.FlightMessages(p.Body)
		d := testkit.Derive("handshake", testkit.Values{
			"CH": transcriptOf(v.Steps[0]), "SH": transcriptOf(v.Steps[1]), "SI": messages[0].Encode(),
		})
		key := v.GivenValue("pinned_key")
		if key == nil {
			key = hybrid().KeyBytes()
		}
		verifies := testkit.Verify(key, d.Value("server_signature_input"), messages[1].Bytes("body"))
		if v.Expect.Result == vectors.Valid && !verifies {
			t.Errorf("%s: the signature does not verify", v.ID)
		}
		if slices.Contains(v.Req, "XTMP-KEY-018") && v.Expect.Result == vectors.Invalid && verifies {
			t.Errorf("%s: the signature verifies", v.ID)
		}
	}
}

func transcriptOf(step vectors.Step) []byte {
	f, _, _ := testkit.DecodeFrame(step.Frame)
	p, _ := testkit.DecodePlaintext(f.Type(), 0, f.Payload)
	return testkit.TranscriptMessage(uint8(p.Envelope.Uint("hs_type")), p.Body)
}

// The rekey flow is that of appendix A.6: slots, counters and sizes.
func TestRekeyFlowSizes(t *testing.T) {
	v, err := vectors.Load("flows/rekey")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for _, step := range v.Steps {
		f, _, _ := testkit.DecodeFrame(step.Frame)
		if testkit.HasEnvelope(f.Type()) && step.Plaintext != nil {
			p, _ := testkit.DecodePlaintext(f.Type(), f.Flags(), step.Plaintext)
			sizes[testkit.Meaning("envelope.hs_type", p.Envelope.Bytes("hs_type"))] = len(f.Payload)
		}
	}
	if sizes["RekeyInit"] != 1244 || sizes["RekeyResp"] != 1156 || sizes["ServerFlight"] != 218 {
		t.Errorf("payloads have %v bytes", sizes)
	}
}

// The core flow has the frames and sizes of appendix A.
func TestCoreFlowIsAppendixA(t *testing.T) {
	v, err := vectors.Load("flows/core")
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	total := map[string]int{}
	for _, step := range v.Steps {
		sizes = append(sizes, len(step.Frame))
		total[step.From] += len(step.Frame)
	}
	if want := []int{1414, 1290, 314, 160, 109, 176, 128, 112, 105, 105, 114}; !slices.Equal(sizes, want) {
		t.Errorf("frames have %v bytes, want %v", sizes, want)
	}
	if total["client"] != 2014 || total["server"] != 2013 {
		t.Errorf("the client writes %d and the server %d bytes, want 2014 and 2013", total["client"], total["server"])
	}
}

// The flow on UDP has the datagrams and sizes of appendix A.7.
func TestUDPFlowIsAppendixA(t *testing.T) {
	v, err := vectors.Load("flows/udp")
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	total := map[string]int{}
	for _, step := range v.Steps {
		sizes = append(sizes, len(step.Frame))
		total[step.From] += len(step.Frame)
	}
	if want := []int{1136, 160, 1184, 438, 1136, 266, 314, 160, 176, 176, 184, 112, 112}; !slices.Equal(sizes, want) {
		t.Errorf("datagrams have %v bytes, want %v", sizes, want)
	}
}

// Every datagram of the flows fits what every endpoint accepts, and no sequence number
// is used twice in a slot.
func TestPathFlowsAreSound(t *testing.T) {
	for _, name := range []string{"udp", "udp-token", "udp-kind-2", "udp-address", "attach", "rekey-paths"} {
		v, err := vectors.Load("flows/" + name)
		if err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for i, step := range v.Steps {
			f, _, _ := testkit.DecodeFrame(step.Frame)
			slot := fmt.Sprintf("%x %d", f.Header.Bytes("key_id"), f.Sequence())
			if len(step.Frame) > 1200 || !f.Clear() && used[slot] {
				t.Errorf("%s: step %d has %d bytes, its sequence number was used: %t", name, i+1, len(step.Frame), used[slot])
			}
			if !f.Clear() && step.Plaintext == nil {
				t.Errorf("%s: step %d does not open", name, i+1)
			}
			used[slot] = true
		}
	}
}
