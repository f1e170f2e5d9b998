package world

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/vtime"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

// Plan is a scenario and what its hosts run. Its text form is that of a scenario
// with three more kinds of lines:
//
//	within 60s
//	serve server heartbeat 5s idle 20s rotate 24h attach both
//	call client>server requests 100 every 10ms burst 1 size 64 suite aes256gcm heartbeat 5s over tcp
//
// Every line but serve, and every word pair may be left out; what is shown are the
// defaults. attach is both, tcp, udp or none; over is tcp, udp or hybrid, and the word
// standby after it makes the client keep a second path.
type Plan struct {
	Within   vtime.Time // how long a call may take once all is well
	Serves   []ServeLine
	Calls    []CallLine
	Scenario netsim.Scenario
}

// ServeLine is a host that runs a server.
type ServeLine struct {
	Host      string
	Heartbeat vtime.Time // heartbeat_interval
	Idle      vtime.Time // connection_timeout
	Rotate    vtime.Time // key_rotation_interval
	Attach    Attach     // further paths that it accepts
}

// Attach says over what a server accepts further paths of a session.
type Attach uint8

// What a server accepts.
const (
	AttachBoth Attach = iota
	AttachTCP
	AttachUDP
	AttachNone
)

var attachWords = []string{"both", "tcp", "udp", "none"}

// overWords are the connection types of a client.
var overWords = []string{session.TypeTCP: "tcp", session.TypeUDP: "udp", session.TypeHybrid: "hybrid"}

// oneOf finds a word in a list.
func oneOf(words []string, w string) (int, error) {
	i := slices.Index(words, w)
	if i < 0 {
		return 0, fmt.Errorf("%q is none of %s", w, strings.Join(words, ", "))
	}
	return i, nil
}

// CallLine is a host that runs a client, and what it calls for.
type CallLine struct {
	Host, To  string
	Requests  int        // in all
	Every     vtime.Time // between two bursts
	Burst     int        // requests at once
	Size      int        // bytes of the data of a Probe echo
	Suite     wire.Suite
	Heartbeat vtime.Time
	Over      session.ConnectionType
	Standby   bool // it keeps a second path
}

// DefaultWithin is time enough: an idle session is given up, a connection is dialled
// after a pause, and its packets wait for TCP.
const DefaultWithin = vtime.Minute

// Port is where servers listen.
const Port = 8090

// Bounds of the lines.
const (
	sizeLeast    = 12                       // bytes: the name of the call
	sizeMost     = 65536 - wire.ProbeHeader // bytes of a request
	requestsMost = 10_000_000               // memory is taken for each
	timeMost     = vtime.Time(1) << 46      // two years
)

// NewServe returns a line with its defaults.
func NewServe(host string) ServeLine {
	return ServeLine{Host: host, Heartbeat: 5 * vtime.Second, Idle: 20 * vtime.Second, Rotate: 24 * vtime.Hour}
}

// NewCall returns a line with its defaults.
func NewCall(host, to string) CallLine {
	return CallLine{
		Host: host, To: to, Requests: 100, Every: 10 * vtime.Millisecond, Burst: 1, Size: 64, Suite: wire.SuiteAES256GCM,
		Heartbeat: 5 * vtime.Second,
	}
}

// Parse reads a plan.
func Parse(text string) (*Plan, error) {
	p := &Plan{Within: DefaultWithin}
	var rest strings.Builder
	n := 0
	for l := range strings.Lines(text) {
		n++
		words := strings.Fields(l)
		var err error
		switch {
		case len(words) == 2 && words[0] == "within":
			p.Within, err = vtime.Parse(words[1])
		case len(words) > 0 && words[0] == "serve":
			err = p.serve(words[1:])
		case len(words) > 0 && words[0] == "call":
			err = p.call(words[1:])
		default:
			rest.WriteString(l)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("world: line %d: %w", n, err)
		}
		rest.WriteByte('\n') // lines keep their numbers
	}
	s, err := netsim.Parse(rest.String())
	if err != nil {
		return nil, err
	}
	p.Scenario = *s
	return p, p.Validate()
}

var errWords = errors.New("a line is a name and pairs of a word and a value")

func (p *Plan) serve(words []string) error {
	if len(words)%2 != 1 {
		return errWords
	}
	l := NewServe(words[0])
	for w := words[1:]; len(w) > 0; w = w[2:] {
		var err error
		switch w[0] {
		case "heartbeat":
			l.Heartbeat, err = vtime.Parse(w[1])
		case "idle":
			l.Idle, err = vtime.Parse(w[1])
		case "rotate":
			l.Rotate, err = vtime.Parse(w[1])
		case "attach":
			var i int
			i, err = oneOf(attachWords, w[1])
			l.Attach = Attach(i)
		default:
			err = fmt.Errorf("a server has no word %q", w[0])
		}
		if err != nil {
			return err
		}
	}
	p.Serves = append(p.Serves, l)
	return nil
}

func (p *Plan) call(words []string) error {
	words, standby := withoutWord(words, "standby")
	if len(words)%2 != 1 {
		return errWords
	}
	from, to, ok := strings.Cut(words[0], ">")
	if !ok {
		return fmt.Errorf("%q is not a client and its server: a>b", words[0])
	}
	l := NewCall(from, to)
	l.Standby = standby
	for w := words[1:]; len(w) > 0; w = w[2:] {
		var err error
		switch w[0] {
		case "requests":
			l.Requests, err = strconv.Atoi(w[1])
		case "every":
			l.Every, err = vtime.Parse(w[1])
		case "burst":
			l.Burst, err = strconv.Atoi(w[1])
		case "size":
			l.Size, err = strconv.Atoi(w[1])
		case "suite":
			l.Suite, err = suite(w[1])
		case "heartbeat":
			l.Heartbeat, err = vtime.Parse(w[1])
		case "over":
			var i int
			i, err = oneOf(overWords, w[1])
			l.Over = session.ConnectionType(i)
		default:
			err = fmt.Errorf("a client has no word %q", w[0])
		}
		if err != nil {
			return err
		}
	}
	p.Calls = append(p.Calls, l)
	return nil
}

// withoutWord takes a word away that stands alone at the end.
func withoutWord(words []string, w string) ([]string, bool) {
	if n := len(words); n > 1 && words[n-1] == w {
		return words[:n-1], true
	}
	return words, false
}

// suites are those that an identity of kind 1 serves.
var suites = []wire.Suite{wire.SuiteNone, wire.SuiteAES256GCM, wire.SuiteChaCha20}

func suite(name string) (wire.Suite, error) {
	for _, s := range suites {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("there is no suite %q here", name)
}

// Validate says what is wrong with the plan.
func (p *Plan) Validate() error {
	if err := p.Scenario.Validate(); err != nil {
		return err
	}
	if p.Within < vtime.Millisecond || p.Within > timeMost {
		return errors.New("world: within is at least 1ms")
	}
	runs := map[string]bool{} // by host, whether it is a server
	take := func(host string, server bool) error {
		if _, twice := runs[host]; twice || p.host(host) == nil {
			return fmt.Errorf("world: %q is no host, or runs two things", host)
		}
		runs[host] = server
		return nil
	}
	for _, l := range p.Serves {
		if err := take(l.Host, true); err != nil {
			return err
		}
		if err := l.validate(); err != nil {
			return err
		}
	}
	for _, l := range p.Calls {
		if err := take(l.Host, false); err != nil {
			return err
		}
		if err := l.validate(); err != nil {
			return err
		}
		if !runs[l.To] {
			return fmt.Errorf("world: %s calls %s, which is no server", l.Host, l.To)
		}
	}
	return nil
}

func (l *ServeLine) validate() error {
	for _, t := range []vtime.Time{l.Heartbeat, l.Idle, l.Rotate} {
		if t < vtime.Second || t > timeMost {
			return fmt.Errorf("world: serve %s: a time is at least 1s", l.Host)
		}
	}
	return nil
}

func (l *CallLine) validate() error {
	switch {
	case l.Requests < 0 || l.Requests > requestsMost || l.Burst < 1:
		return fmt.Errorf("world: call %s: at most %d requests, and at least one at once", l.Host, requestsMost)
	case l.Every < 1 || l.Every > timeMost || l.Heartbeat < vtime.Second || l.Heartbeat > timeMost:
		return fmt.Errorf("world: call %s: a time is too short or too long", l.Host)
	case l.Size < sizeLeast || l.Size > sizeMost:
		return fmt.Errorf("world: call %s: a size lies between %d and %d", l.Host, sizeLeast, sizeMost)
	}
	return nil
}

func (p *Plan) host(name string) *netsim.HostLine {
	for i := range p.Scenario.Hosts {
		if h := &p.Scenario.Hosts[i]; h.Name == name {
			return h
		}
	}
	return nil
}

// String writes the plan as Parse reads it.
func (p *Plan) String() string {
	var b strings.Builder
	if p.Within != DefaultWithin {
		b.WriteString("within " + p.Within.String() + "\n")
	}
	for i := range p.Serves {
		b.WriteString(p.Serves[i].words() + "\n")
	}
	for i := range p.Calls {
		b.WriteString(p.Calls[i].words() + "\n")
	}
	return b.String() + p.Scenario.String()
}

func (l *ServeLine) words() string {
	s, d := "serve "+l.Host, NewServe("")
	s += timeWord("heartbeat", l.Heartbeat, d.Heartbeat) + timeWord("idle", l.Idle, d.Idle) + timeWord("rotate", l.Rotate, d.Rotate)
	return s + listWord("attach", attachWords, int(l.Attach))
}

func (l *CallLine) words() string {
	s, d := "call "+l.Host+">"+l.To, NewCall("", "")
	s += fmt.Sprintf(" requests %d", l.Requests) + timeWord("every", l.Every, d.Every)
	if l.Burst != d.Burst {
		s += fmt.Sprintf(" burst %d", l.Burst)
	}
	if l.Size != d.Size {
		s += fmt.Sprintf(" size %d", l.Size)
	}
	if l.Suite != d.Suite {
		s += " suite " + l.Suite.String()
	}
	s += timeWord("heartbeat", l.Heartbeat, d.Heartbeat) + listWord("over", overWords, int(l.Over))
	if l.Standby {
		s += " standby"
	}
	return s
}

// listWord is a word and one of a list, of which the first is the default.
func listWord(word string, list []string, i int) string {
	if i == 0 {
		return ""
	}
	return " " + word + " " + list[i]
}

func timeWord(word string, t, def vtime.Time) string {
	if t == def {
		return ""
	}
	return " " + word + " " + t.String()
}

// Explain says in words who serves and who calls.
func (p *Plan) Explain() (lines []string) {
	lines = append(lines, fmt.Sprintf("Once all is well, every call has its result within %s.", p.Within))
	for _, l := range p.Serves {
		lines = append(lines, fmt.Sprintf(
			"%s runs a server. A session that is silent for %s is given up; keys are asked for every %s.", l.Host, l.Idle, l.Rotate))
	}
	for _, l := range p.Calls {
		lines = append(lines, fmt.Sprintf(
			"%s runs a client that calls %s %d times, %d at once every %s, with %d bytes each under %v, and keeps one session for that, over %s.",
			l.Host, l.To, l.Requests, l.Burst, l.Every, l.Size, l.Suite, overWords[l.Over]))
	}
	return lines
}
