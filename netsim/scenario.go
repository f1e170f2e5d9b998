package netsim

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Scenario is a run without its nodes: who there is, what lies between, and what
// goes wrong. It has a text form, which Parse reads and String writes:
//
//	seed 42
//	for 30s
//	host server 10.0.0.2 sync 5ms
//	host client 192.168.0.9 nat 203.0.113.1 idle 30s drift 200 step -90s
//	link client>server delay 20ms jitter 5ms normal gilbert 10 300 700 1
//	link server>client delay 20ms mtu 1280
//	packet server>client HandshakeAck 2 drop
//	packet client>server 17 late 30ms copy 0s
//	at 12s cut server>client
//	at 14s poweroff server
//	at 15s start server
//	at 20s heal
//
// A line that begins with # says nothing. A packet is named by its number on the
// link, or by its name and its number among those.
type Scenario struct {
	Seed   uint64
	For    vtime.Time
	Hosts  []HostLine
	Links  []LinkLine
	Edits  []EditLine
	Faults []Fault
}

// HostLine is a host.
type HostLine struct {
	Name  string
	Addr  netip.Addr
	NAT   netip.Addr // the address before which a NAT stands; invalid for none
	Idle  vtime.Time // after which the NAT forgets a port; 0 for never
	Sync  vtime.Time // how long the disk takes
	Drift int64      // of the clocks, in millionths
	Step  vtime.Time // how wrong the wall clock is
}

// LinkLine is one direction between two hosts.
type LinkLine struct {
	From, To   string
	Impairment link.Impairment
}

// EditLine is the fate of one packet.
type EditLine struct {
	From, To string
	Packet   link.Packet
	Edit     link.Edit
}

// Validate says what is wrong with the scenario.
func (s *Scenario) Validate() error {
	v := validator{hosts: map[string]*HostLine{}, addrs: map[netip.Addr]bool{}}
	for i := range s.Hosts {
		v.host(&s.Hosts[i])
	}
	for i := range s.Links {
		l := &s.Links[i]
		v.link(l.From, l.To, &l.Impairment)
	}
	for _, e := range s.Edits {
		v.link(e.From, e.To, nil)
		v.packet(e.Packet)
	}
	for i := range s.Faults {
		v.fault(&s.Faults[i])
	}
	if s.For < 0 {
		v.fail("a run does not end before it begins")
	}
	return v.err
}

type validator struct {
	hosts map[string]*HostLine
	addrs map[netip.Addr]bool
	err   error
}

func (v *validator) fail(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("netsim: "+format, args...)
	}
}

// word says whether a name is one word of a scenario.
func word(name string) bool {
	return name != "" && !strings.ContainsAny(name, " \t\r\n>#\"") && strings.ToValidUTF8(name, "") == name
}

func (v *validator) host(h *HostLine) {
	switch {
	case !word(h.Name) || v.hosts[h.Name] != nil:
		v.fail("a host's name %q is a word of its own", h.Name)
	case !h.Addr.IsValid() || h.Addr.Zone() != "" || v.addrs[h.Addr] || v.addrs[h.NAT] || h.Addr == h.NAT:
		v.fail("host %s needs addresses of its own", h.Name)
	case h.Idle < 0 || h.Sync < 0 || h.Idle > 0 && !h.NAT.IsValid():
		v.fail("host %s: idle belongs to a NAT, and no time is negative", h.Name)
	case h.Drift < -maxDrift || h.Drift > maxDrift:
		v.fail("host %s drifts by more than a tenth", h.Name)
	}
	v.hosts[h.Name], v.addrs[h.Addr] = h, true
	if h.NAT.IsValid() {
		v.addrs[h.NAT] = true
	}
}

func (v *validator) link(from, to string, i *link.Impairment) {
	if v.hosts[from] == nil || v.hosts[to] == nil {
		v.fail("link %s>%s: there is no such host", from, to)
	}
	if i != nil {
		if err := i.Validate(); err != nil {
			v.fail("link %s>%s: %w", from, to, err)
		}
	}
}

func (v *validator) packet(p link.Packet) {
	if p.Index == 0 || p.Name != "" && (!word(p.Name) || strings.Trim(p.Name, "0123456789") == "") {
		v.fail("packets count from 1, and their name is a word that is no number: %q", p.Name)
	}
}

func (v *validator) fault(f *Fault) {
	switch {
	case f.At < 0 || f.Do >= ops:
		v.fail("a fault happens after the start")
	case f.Do == Heal:
	case f.Do.onLink():
		v.link(f.Host, f.To, &f.Impairment)
		if f.Do == Replay {
			v.packet(f.Packet)
		}
	case v.hosts[f.Host] == nil:
		v.fail("%s %s: there is no such host", f.Do, f.Host)
	case f.Do == Rebind && !v.hosts[f.Host].NAT.IsValid():
		v.fail("rebind %s: it has no NAT", f.Host)
	case f.Do == Drift && (f.N < -maxDrift || f.N > maxDrift):
		v.fail("drift %s: at most a tenth", f.Host)
	case f.Do == PowerOff && (f.N < 0 || f.N > 1<<20) || f.Do == Stall && f.Span < 0:
		v.fail("%s %s: not a negative number", f.Do, f.Host)
	}
}

// Certain returns the scenario with the recorded edits of a run in place of its
// chance, and of its own edits, which are among them if they mattered. The seed
// does not matter any more.
func (s *Scenario) Certain(edits []EditLine) *Scenario {
	c := *s
	c.Seed = 0
	c.Edits = slices.Clone(edits)
	c.Links = slices.Clone(s.Links)
	for i := range c.Links {
		c.Links[i].Impairment = c.Links[i].Impairment.Certain()
	}
	c.Faults = slices.Clone(s.Faults)
	for i := range c.Faults {
		c.Faults[i].Impairment = c.Faults[i].Impairment.Certain()
	}
	return &c
}

// String writes the scenario.
func (s *Scenario) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("seed %d", s.Seed)
	line("for %s", s.For)
	for i := range s.Hosts {
		line("%s", s.Hosts[i].words())
	}
	for _, l := range s.Links {
		line("link %s>%s %s", l.From, l.To, l.Impairment)
	}
	for _, e := range s.Edits {
		line("%s", e)
	}
	for _, f := range s.Faults {
		line("at %s %s", f.At, f)
	}
	return b.String()
}

// String writes the edit as a line of a scenario.
func (e EditLine) String() string {
	return fmt.Sprintf("packet %s>%s %s %s", e.From, e.To, packetWords(e.Packet), e.Edit)
}

func packetWords(p link.Packet) string {
	if p.Name == "" {
		return fmt.Sprint(p.Index)
	}
	return fmt.Sprintf("%s %d", p.Name, p.Index)
}

func (h *HostLine) words() string {
	s := "host " + h.Name + " " + h.Addr.String()
	if h.NAT.IsValid() {
		s += " nat " + h.NAT.String()
	}
	for _, t := range []struct {
		word string
		time vtime.Time
	}{{"idle", h.Idle}, {"sync", h.Sync}, {"step", h.Step}} {
		if t.time != 0 {
			s += " " + t.word + " " + t.time.String()
		}
	}
	if h.Drift != 0 {
		s += fmt.Sprintf(" drift %d", h.Drift)
	}
	return s
}

var errWords = errors.New("a line has too few words, or too many")
