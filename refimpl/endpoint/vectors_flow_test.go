package endpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/vectors"
)

// TestFlowVectors plays the client of every recorded session on UDP and over several
// paths: what the server of the recording said, an endpoint with the same entropy says
// too, to the same addresses. When Acks go out is its own affair.
func TestFlowVectors(t *testing.T) {
	flows := 0
	for _, v := range vectors.All() {
		if v.Kind != vectors.KindPaths {
			continue
		}
		flows++
		t.Run(v.ID, func(t *testing.T) { newFlow(t, v).play() })
	}
	if flows != 6 {
		t.Errorf("%d flows, want 6", flows)
	}
}

// flow is an endpoint under a recorded session.
type flow struct {
	*host
	slots map[[wire.KeyIDSize]byte]string // names of key slots
	conn  map[string]ConnID               // of the paths on TCP, by the name of the path
	want  []string
	got   []string
}

func newFlow(t *testing.T, v vectors.Vector) *flow {
	f := &flow{host: newHost(t, v), slots: map[[wire.KeyIDSize]byte]string{}, conn: map[string]ConnID{}}
	for _, r := range v.Result {
		if slot, ok := strings.CutSuffix(r.Name, ".key_id"); ok {
			f.slots[[wire.KeyIDSize]byte(r.Bytes)] = slot
		}
	}
	return f
}

// play hands the endpoint what the client says, at the time of the server's next frame.
func (f *flow) play() {
	attached := 0
	var attachedAt netip.AddrPort // where AttachAck goes
	for i, step := range f.v.Steps {
		var h wire.Header
		h.Decode(step.Frame)
		to := f.client
		if step.At != "" {
			to = netip.MustParseAddrPort(step.At)
		}
		slot := f.slots[h.KeyID]
		path, _, _ := strings.Cut(slot, ".")
		_, onTCP := f.conn[path]
		if step.From == "server" {
			if onTCP {
				to = netip.AddrPort{}
			} else if slot == "at.s" {
				to = attachedAt
			}
			f.want = append(f.want, f.word(h.Type, to, slot, step.Frame, step.Plaintext))
			continue
		}
		f.until(f.v.Steps[i:])
		if slot == "at.c" {
			attached++
			attachedAt = to
			if path = fmt.Sprintf("p%d", attached); wire.PathKind(step.Plaintext[wire.EnvelopeSize]) == wire.PathStream {
				f.conn[path], onTCP = f.open(to.Addr()), true
				attachedAt = netip.AddrPort{}
			}
		}
		if onTCP {
			f.Receive(f.now, f.conn[path], bytes.Clone(step.Frame))
		} else {
			f.Datagram(f.now, to, bytes.Clone(step.Frame))
		}
		f.hear()
	}
	f.now.Elapsed += 25 * time.Millisecond // T_ACK
	f.Advance(f.now)
	f.hear()
	f.compare()
}

func (f *flow) open(source netip.Addr) ConnID {
	id, ok := f.Open(f.now, source)
	if !ok {
		f.t.Fatal("no room for a connection")
	}
	return id
}

// until lets time pass until the server speaks next.
func (f *flow) until(steps []vectors.Step) {
	i := slices.IndexFunc(steps, func(s vectors.Step) bool { return s.From == "server" })
	if i < 0 {
		return
	}
	var h wire.Header
	h.Decode(steps[i].Frame)
	at := h.Timestamp
	if p := steps[i].Plaintext; f.slots[h.KeyID] == "at.s" { // its server_time is the later of the two
		at = binary.BigEndian.Uint64(p[len(p)-8:])
	}
	if at <= f.now.Wall {
		return
	}
	step := time.Duration(at-f.now.Wall) * time.Microsecond
	f.now = session.Now{Elapsed: f.now.Elapsed + step, Wall: at}
	f.Advance(f.now)
}

// hear opens what the endpoint says.
func (f *flow) hear() {
	f.t.Helper()
	suite := wire.SuiteAES256GCM
	if b := f.v.GivenValue("suite"); b != nil {
		suite = wire.Suite(b[0])
	}
	for _, s := range f.collect() {
		slot := f.slots[s.KeyID]
		var plaintext []byte
		if !s.Clear() {
			ts := security.Secret(f.v.ResultValue(slot + ".ts"))
			opener := security.NewOpener(suite, &ts)
			b := bytes.Clone(s.frame)
			var err error
			if wire.VerifyChecksum(b, s.Checksum); slot == "" {
				f.t.Fatalf("%v under a key of nobody", s.Type)
			}
			if plaintext, err = opener.Open(b, s.Sequence); err != nil {
				f.t.Fatal(err)
			}
		}
		f.got = append(f.got, f.word(s.Type, s.to, slot, s.frame, plaintext))
	}
}

// word describes a frame by all that has to be the same in two implementations.
func (f *flow) word(t wire.MessageType, to netip.AddrPort, slot string, frame, plaintext []byte) string {
	if t == wire.TypeAck {
		plaintext = nil // it may have waited for more
	}
	if slot == "" {
		plaintext = frame
	}
	return fmt.Sprintf("%v %s %v %x", t, slot, to, plaintext)
}

// compare reports what was said by one side alone, Acks of the endpoint excepted.
func (f *flow) compare() {
	for _, w := range f.want {
		i := slices.Index(f.got, w)
		if i < 0 {
			f.t.Errorf("not said: %s", w)
			continue
		}
		f.got = slices.Delete(f.got, i, i+1)
	}
	for _, w := range f.got {
		if !strings.HasPrefix(w, wire.TypeAck.String()+" ") {
			f.t.Errorf("said beside: %s", w)
		}
	}
}
