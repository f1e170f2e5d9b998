package world

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/trace"
	"github.com/bpci/xtmp/refimpl/wire"
)

// end is one process that speaks XTMP: what it does goes to the Watch.
type end struct {
	watch *Watch
	host  string
	role  session.Role
	to    netip.Addr // of a server: where the frames go that it writes
}

func (w *Watch) newEnd(host string, role session.Role) *end {
	return &end{watch: w, host: host, role: role}
}

// record is what is known of one session.
type record struct {
	id          uint64
	suite       wire.Suite
	sealed      bool // a frame has shown the suite
	over        bool // at the server
	established bool // at the server
	proved      bool // at the client

	establishedAt vtime.Time       // at the server
	pathless      [2]vtime.Time    // by role: since when, or when it was so last
	secrets       []*slot          // in the order in which they became known
	paths         map[string]*path // by the server's number of the path, the one that has it now
	requests      []request        // of the client, written and not executed, in the order of their frames
	executed      uint64           // mids up to this one are
	later         map[uint64]bool  // and these
}

// path is a path of a session: what acknowledges frames of it.
type path struct {
	next [2]uint64 // sequence number after the greatest that was sealed, by role
}

// request is a message of type Probe that a client has written, or its last fragment.
type request struct {
	mid      uint64
	slot     *slot
	sequence uint64
	whole    bool // it is not a fragment
}

// slot is a key slot, known from the key log.
type slot struct {
	label   string // at the end that derived it first
	secret  security.Secret
	logged  [2]bool // by role
	session *record
	path    *path    // nil of a handshake, and while the server has not derived it
	number  string   // of the path at the server
	peer    *slot    // the other direction, of a path
	user    *end     // who seals under it
	used    bool     // a frame was sealed
	once    bool     // what is sent is never sent again: it is no slot of a handshake
	frames  []uint64 // by sequence less first: a digest of the frame, 0 for none
	first   uint64
	opener  security.Opener
	suite   wire.Suite
}

// Frame is a frame that an end writes.
type Frame struct {
	At     vtime.Time
	Host   string
	Header wire.Header
	Size   int
	Plain  []byte // opened; of a clear frame its payload; nil if it does not open. Valid during the call
}

// secret is the key log of an end: what both derive has to be the same. Ends know a
// path by numbers of their own, and use them again: a secret is known by its key_id.
func (e *end) secret(label string, sessionID uint64, secret []byte) {
	w := e.watch
	if w.keyLog != nil {
		w.keyLog(label, sessionID, secret)
	}
	r := w.sessions[sessionID]
	if r == nil {
		r = &record{id: sessionID, paths: map[string]*path{}, later: map[uint64]bool{}}
		w.sessions[sessionID] = r
	}
	value := security.Secret(secret)
	opener := security.NewOpener(wire.SuiteAES256GCM, &value)
	s := w.slots[opener.KeyID()]
	switch {
	case s == nil:
		s = &slot{
			label: label, secret: value, session: r, once: !strings.Contains(label, "HANDSHAKE"),
			opener: opener, suite: wire.SuiteAES256GCM,
		}
		r.secrets = append(r.secrets, s)
		w.slots[opener.KeyID()] = s
	case s.session != r || s.secret != value || s.role() != roleOf(label):
		w.fail(checkSequence, "%s of session %x has the key_id of another key", label, sessionID)
	case s.logged[e.role]:
		w.fail(checkAgree, "%s derives %s of session %x a second time", e.host, label, sessionID)
	}
	s.logged[e.role] = true
	if e.role == session.Server && s.once {
		s.belong(label)
	}
}

// belong finds the path of a slot by the label that the server gave it.
func (s *slot) belong(label string) {
	r := s.session
	s.number = strings.Split(label, "_")[3]
	if s.role() == session.Server { // it is logged after the client's
		for i := len(r.secrets) - 1; i >= 0 && s.peer == nil; i-- {
			if o := r.secrets[i]; o.once && o != s && o.peer == nil && o.number == s.number && o.role() == session.Client {
				s.peer, o.peer = o, s
			}
		}
		if s.peer != nil {
			s.path = s.peer.path
		}
	}
	if s.path == nil {
		if r.paths[s.number] == nil {
			r.paths[s.number] = new(path)
		}
		s.path = r.paths[s.number]
	}
}

// mutual says whether both ends have derived a secret that neither uses before the other
// has it: those of the first path are used at once.
func (s *slot) mutual() bool {
	return s.logged[session.Client] && s.logged[session.Server] || strings.HasSuffix(s.label, "_SECRET_0_0")
}

// follow notes the next number of a slot's path. A number that the path is beyond
// shows that its keys are of another path, which has the server's number now.
func (s *slot) follow(role session.Role, sequence uint64) {
	p := s.path
	if p == nil {
		return
	}
	if !s.used && (s.peer == nil || !s.peer.used) && sequence < p.next[role] {
		p = new(path)
		s.path, s.session.paths[s.number] = p, p
		if s.peer != nil {
			s.peer.path = p
		}
	}
	p.next[role] = max(p.next[role], sequence+1)
}

// role tells whose secret it is.
func (s *slot) role() session.Role { return roleOf(s.label) }

func roleOf(label string) session.Role {
	if strings.HasPrefix(label, "CLIENT_") {
		return session.Client
	}
	return session.Server
}

// ofHandshake is how many secrets a session begins with: of the handshake and of its
// first path, for each end.
const ofHandshake = 4

// agreed wants both ends to have derived the first secrets of a session.
func (w *Watch) agreed(host string, id uint64) {
	r := w.sessions[id]
	if r == nil || len(r.secrets) < ofHandshake {
		w.fail(checkAgree, "%s has a session %x of which nobody knows the secrets", host, id)
		return
	}
	for _, s := range r.secrets[:ofHandshake] {
		if !s.logged[session.Client] || !s.logged[session.Server] {
			w.fail(checkAgree, "%s of session %x is known to one end only", s.label, id)
		}
	}
}

// established says that a server has a session.
func (e *end) established(id uint64) {
	e.watch.agreed(e.host, id)
	if r := e.watch.sessions[id]; r != nil {
		r.established, r.establishedAt = true, e.watch.now()
	}
}

// proved says that a client has a session, with whom and with which suite.
func (e *end) proved(id uint64, who *session.Identity) {
	e.watch.agreed(e.host, id)
	r := e.watch.sessions[id]
	if r == nil {
		return
	}
	if r.proved = true; r.sealed && r.suite != who.Suite {
		e.watch.fail(checkAgree, "%s has suite %v in session %x, in which frames have suite %v", e.host, who.Suite, id, r.suite)
	}
}

// frames is told whole frames before they are written.
func (e *end) frames(b []byte) {
	for len(b) > 0 {
		var h wire.Header
		if err := wire.ParseHeader(b, &h); err != nil || wire.Overhead+int(h.PayloadLength) > len(b) {
			e.watch.fail(checkConduct, "%s writes something that is no frame", e.host)
			return
		}
		n := wire.Overhead + int(h.PayloadLength)
		e.frame(b[:n], &h)
		b = b[n:]
	}
}

// frame judges one frame by its header, and opens it if somebody wants to see what
// is in it.
func (e *end) frame(f []byte, h *wire.Header) {
	w := e.watch
	var s *slot
	if !h.Clear() {
		if s = w.slots[h.KeyID]; s == nil {
			if !attaches(h, len(f)) { // a key log has no keys of Attach
				w.fail(checkAgree, "%s seals under a key that is in no key log", e.host)
			}
			return
		}
		s.use(e, f, h)
	}
	done := s != nil && e.role == session.Server && h.Type == wire.TypeHandshakeAck && h.Sequence == 0 && s.once
	wanted := s != nil && (done || e.role == session.Client && h.Type == wire.TypeProbe || e.role == session.Server && h.Type == wire.TypeAck)
	if !wanted && w.show == nil {
		return
	}
	plain := f[wire.Overhead:]
	if s != nil {
		if plain = s.open(w, f, h); plain == nil {
			w.fail(checkAgree, "%s: a frame of session %x does not open with the key log", e.host, h.SessionID)
		}
	}
	switch {
	case done && plain != nil:
		e.token(h, plain)
	case wanted && plain != nil:
		s.content(e, h, plain)
	}
	if w.show != nil {
		w.show(&Frame{At: w.now(), Host: e.host, Header: *h, Size: len(f), Plain: plain})
	}
}

// token notes the address token of HandshakeDone.
func (e *end) token(h *wire.Header, plain []byte) {
	var pro wire.Prologue
	var env wire.Envelope
	var done wire.HandshakeDone
	body, err := pro.Parse(h.Flags, plain)
	if err != nil {
		return
	}
	if body, err = wire.ParseStreamEnvelope(body, &env); err == nil && env.HSType == wire.HSHandshakeDone && done.Parse(body) == nil {
		e.watch.traffic.issued[issued{e.host, e.to, done.AddressToken}] = true
	}
}

// attaches says whether a frame may be Attach or AttachAck.
func attaches(h *wire.Header, size int) bool {
	return (h.Type == wire.TypeHandshake || h.Type == wire.TypeHandshakeAck) && size == attachSize
}

const attachSize = 160

// use judges a frame against the others under its key.
func (s *slot) use(e *end, f []byte, h *wire.Header) {
	w, r := e.watch, s.session
	switch {
	case s.role() != e.role:
		w.fail(checkSequence, "%s seals under %s of session %x", e.host, s.label, r.id)
	case s.user != nil && s.user != e:
		w.fail(checkSequence, "%s seals under %s of session %x, and so did another process", e.host, s.label, r.id)
	case h.SessionID != r.id:
		w.fail(checkAgree, "%s seals a frame of session %x under a key of session %x", e.host, h.SessionID, r.id)
	case r.sealed && h.Encryption != r.suite:
		w.fail(checkAgree, "%s seals with suite %v in session %x of suite %v", e.host, h.Encryption, r.id, r.suite)
	case s.once && s.user == nil && !s.mutual() && (e.role == session.Server || w.quiet == 0): // a client may not know that a path is closed
		w.fail(checkAgree, "%s seals under %s of session %x, which differs between the ends", e.host, s.label, r.id)
	case h.Sequence > sequenceMost:
		w.fail(checkSequence, "%s seals with the sequence number %d", e.host, h.Sequence)
		return
	}
	s.user, r.suite, r.sealed = e, h.Encryption, true
	digest := binary.BigEndian.Uint64(wire.Tag(f)) ^ uint64(h.Checksum)<<32 | 1
	if s.follow(e.role, h.Sequence); !s.used {
		s.used, s.first = true, h.Sequence
	}
	if h.Sequence < s.first {
		w.fail(checkSequence, "%s seals with the sequence number %d after %d", e.host, h.Sequence, s.first)
		return
	}
	at := h.Sequence - s.first
	for uint64(len(s.frames)) <= at {
		s.frames = append(s.frames, 0)
	}
	switch before := s.frames[at]; {
	case before == 0:
		s.frames[at] = digest
	case before != digest || s.once:
		w.fail(checkSequence, "%s seals two frames with the sequence number %d under %s of session %x", e.host, h.Sequence, s.label, r.id)
	}
}

// sequenceMost bounds the memory of a slot; no run gets there.
const sequenceMost = 1 << 26

// open opens a copy of a frame, nil if it does not open.
func (s *slot) open(w *Watch, f []byte, h *wire.Header) []byte {
	if s.suite != h.Encryption {
		s.suite = h.Encryption
		s.opener.Wake(s.suite, &s.secret)
	}
	w.opened = append(slices.Grow(w.opened[:0], len(f)+wire.TagSize), f...) // Open borrows room for the tag
	if !wire.VerifyChecksum(w.opened, h.Checksum) {
		return nil
	}
	plain, err := s.opener.Open(w.opened, h.Sequence)
	if err != nil {
		return nil
	}
	return plain
}

// content looks into a request or an Ack.
func (s *slot) content(e *end, h *wire.Header, plain []byte) {
	r := s.session
	var pro wire.Prologue
	body, err := pro.Parse(h.Flags, plain)
	if err != nil {
		e.watch.fail(checkConduct, "%s: %v", e.host, err)
		return
	}
	piece := h.Flags.Has(wire.FlagFragment)
	switch {
	case e.role == session.Client && pro.Mid > r.executed && !r.later[pro.Mid] && (!piece || pro.Index+1 == pro.Count):
		r.requests = append(r.requests, request{mid: pro.Mid, slot: s, sequence: h.Sequence, whole: !piece})
	case e.role != session.Server:
	case len(body) == streamAckSize:
		largest, err := wire.ParseStreamAck(body)
		if err != nil {
			e.watch.fail(checkConduct, "%s: %v", e.host, err)
			return
		}
		r.acknowledged(e, s.path, 0, largest, true)
	default:
		var m wire.Ack
		if err := m.Parse(body); err != nil {
			e.watch.fail(checkConduct, "%s: %v", e.host, err)
			return
		}
		for _, n := range m.Ranges() {
			r.acknowledged(e, s.path, n.Low, n.High, false)
		}
	}
}

const streamAckSize = 8

// acknowledged judges an Ack of a server: a request in a frame that it names has been
// executed, unless the session is ending. On a connection the last fragment stands
// for all.
func (r *record) acknowledged(e *end, p *path, low, high uint64, all bool) {
	for i := range r.requests {
		q := &r.requests[i]
		if q.slot.path == p && q.sequence >= low && q.sequence <= high && (all || q.whole) && !r.did(q.mid) && !r.over {
			e.watch.fail(checkAcknowledged, "%s acknowledges mid %d of session %x and has not executed it", e.host, q.mid, r.id)
		}
	}
}

// executed says that a server executes a request.
func (e *end) executed(id uint64, m *session.Message) {
	w := e.watch
	if r := w.sessions[id]; r != nil {
		r.execute(m.Call.Mid)
	}
	name, ok := parseCall(m.Body)
	if !ok || int(name.caller) >= len(w.callers) || int(name.call) >= len(w.callers[name.caller].calls) {
		w.fail(checkResult, "%s executes a request that nobody made", e.host)
		return
	}
	c := w.callers[name.caller]
	k := &c.calls[name.call]
	switch {
	case k.attempt != name.attempt:
		w.fail(checkResult, "%s executes call %d of %s, which was said not to have been sent", e.host, k.number, c.line.Host)
	case k.executed > 0:
		w.fail(checkTwice, "%s executes call %d of %s twice", e.host, k.number, c.line.Host)
	default:
		k.executed++
	}
}

// did says whether a request was executed.
func (r *record) did(mid uint64) bool { return mid <= r.executed || r.later[mid] }

// execute marks a request, and forgets those in front that are done.
func (r *record) execute(mid uint64) {
	r.later[mid] = true
	for r.later[r.executed+1] {
		r.executed++
		delete(r.later, r.executed)
	}
	n := 0
	for n < len(r.requests) && r.did(r.requests[n].mid) {
		n++
	}
	r.requests = r.requests[:copy(r.requests, r.requests[n:])]
}

// closed says that a session is over at an end, and why.
func (e *end) closed(id uint64, why error) {
	if r := e.watch.sessions[id]; r != nil && e.role == session.Server {
		r.over = true
		e.watch.forgotten(e.host, r, why)
	}
	e.accused(why)
	if r := e.watch.sessions[id]; e.role == session.Server && (r == nil || !r.established) {
		return // its client turned away before there was one
	}
	if e.watch.now() > e.watch.quiet && !ordinary(why) {
		e.watch.fail(checkProgress, "%s: a session ends while all is well: %v", e.host, why)
	}
}

// stepKey is the check of the key_id.
const stepKey = 6

// pathless says that a session has no path any more.
func (e *end) pathless(id uint64, why error) {
	w := e.watch
	if r := w.sessions[id]; r != nil {
		r.pathless[e.role] = w.now()
	}
	if w.now() > w.quiet {
		w.fail(checkProgress, "%s: a session loses its last path while all is well: %v", e.host, why)
	}
}

// accused judges what an end says of the other.
func (e *end) accused(why error) {
	if blames(why) {
		e.watch.fail(checkConduct, "%s: %v", e.host, why)
	}
}

// traced sees the frames that an end refuses. On a network with trouble a connection may
// deliver what was sealed two epochs ago: it ends, and the session lives on.
func (e *end) traced(t trace.Event) {
	if t.Kind == trace.FrameRefused && (t.Step != stepKey || e.watch.quiet == 0) {
		e.watch.fail(checkConduct, "%s refuses a frame of type %02x at step %d: %s", e.host, t.Type, t.Step, t.Reason)
	}
}
