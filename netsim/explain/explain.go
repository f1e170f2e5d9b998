// Package explain says in plain words what a scenario does, and what a line of
// netem would do to packets.
//
//	link client>server delay 20ms loss 10     ─▶  Packets from client to server: each takes 20ms; 1 % are lost.
//	delay 50ms 10ms loss 5% 25%               ─▶  of every 100 packets, not 5 are lost but 0.2: the correlation …
//
// Every number is whole: a share is counted on a million packets that the model of
// the kernel is given. The package runs no tc and knows no host.
package explain

import (
	"fmt"
	"strings"

	"github.com/bpci/xtmp/netsim"
	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Scenario returns a sentence or two for each line of a scenario.
func Scenario(s *netsim.Scenario) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	say("Chance is drawn by the seed %d. The run ends after %s, if it does not end by itself.", s.Seed, s.For)
	for i := range s.Hosts {
		say("%s", host(&s.Hosts[i]))
	}
	for i := range s.Links {
		l := &s.Links[i]
		say("Packets from %s to %s: %s.", l.From, l.To, strings.Join(Impairment(&l.Impairment), "; "))
	}
	for _, e := range s.Edits {
		say("%s from %s to %s: %s.", upper(packet(e.Packet)), e.From, e.To, edit(&e.Edit))
	}
	for i := range s.Faults {
		say("At %s %s.", s.Faults[i].At, fault(&s.Faults[i]))
	}
	return lines
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func host(h *netsim.HostLine) string {
	s := fmt.Sprintf("Host %s has the address %s", h.Name, h.Addr)
	if h.NAT.IsValid() {
		s += fmt.Sprintf(", behind a NAT that shows %s", h.NAT)
		if h.Idle > 0 {
			s += fmt.Sprintf(" and forgets a port that is silent for %s", h.Idle)
		}
	}
	if h.Sync > 0 {
		s += fmt.Sprintf("; what it writes to its disk is safe after %s", h.Sync)
	}
	if h.Step != 0 {
		s += fmt.Sprintf("; its wall clock is wrong by %s", h.Step)
	}
	if h.Drift != 0 {
		s += fmt.Sprintf("; its clocks run wrong by %d millionths", h.Drift)
	}
	return s + "."
}

// packet names one packet.
func packet(p link.Packet) string {
	if p.Name == "" {
		return fmt.Sprintf("packet %d", p.Index)
	}
	return fmt.Sprintf("%s number %d", p.Name, p.Index)
}

func edit(e *link.Edit) string {
	if e.Drop != link.Passed {
		return "it is lost"
	}
	var parts []string
	switch {
	case e.Late > 0:
		parts = append(parts, fmt.Sprintf("it is %s late", e.Late))
	case e.Late < 0:
		parts = append(parts, fmt.Sprintf("it is %s early", -e.Late))
	}
	if e.Copy {
		parts = append(parts, fmt.Sprintf("it arrives twice, the copy %s late", e.CopyLate))
	}
	if e.Flip {
		parts = append(parts, fmt.Sprintf("its bit %d is flipped (TCP's checksum finds that, and it is lost)", e.Bit))
	}
	if parts == nil {
		return "nothing happens to it, whatever chance would do"
	}
	return strings.Join(parts, ", ")
}

// fault says what happens at an instant.
func fault(f *netsim.Fault) string {
	way := fmt.Sprintf("the way from %s to %s", f.Host, f.To)
	switch f.Do {
	case netsim.Impair:
		return way + " changes: " + strings.Join(Impairment(&f.Impairment), "; ")
	case netsim.SetCut:
		return way + " is cut: everything is lost"
	case netsim.Mend:
		return way + " is whole again"
	case netsim.Block:
		return way + " swallows every datagram of UDP"
	case netsim.Unblock:
		return way + " lets datagrams pass again"
	case netsim.Replay:
		return fmt.Sprintf("%s on %s arrives once more, as it was", packet(f.Packet), way)
	case netsim.Heal:
		return "all links are mended and do nothing but delay"
	case netsim.Start:
		return f.Host + " is switched on if it is off, and its program starts if it does not run"
	case netsim.Crash:
		return fmt.Sprintf("the program on %s is gone; the host closes its connections", f.Host)
	case netsim.PowerOff:
		return fmt.Sprintf("%s is without power: nothing is sent, and its disk keeps what was synced and %d records more", f.Host, f.N)
	case netsim.Stall:
		return fmt.Sprintf("%s does nothing for %s", f.Host, f.Span)
	case netsim.Step:
		return fmt.Sprintf("the wall clock of %s jumps by %s", f.Host, f.Span)
	case netsim.Drift:
		return fmt.Sprintf("the clocks of %s run wrong by %d millionths from now on", f.Host, f.N)
	case netsim.Rebind:
		return fmt.Sprintf("the NAT before %s forgets its ports: whatever is sent next comes from a new one", f.Host)
	case netsim.DiskFail:
		return fmt.Sprintf("the disk of %s cannot be written", f.Host)
	case netsim.DiskMend:
		return fmt.Sprintf("the disk of %s can be written again", f.Host)
	default:
		return f.String()
	}
}

// Impairment says what a link does, in parts of a sentence.
func Impairment(i *link.Impairment) (parts []string) {
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case i.Jitter > 0:
		say("each takes %s ± %s (%s)", i.Delay, i.Jitter, shape(i.Shape))
		if i.InOrder {
			say("none overtakes another")
		}
	case i.Delay > 0:
		say("each takes %s", i.Delay)
	}
	if i.Correlation > 0 {
		say("the delay of one resembles that of the one before (%s)", permille(i.Correlation))
	}
	if i.Loss > 0 {
		say("%s are lost, each for itself", permille(i.Loss))
	}
	if g := i.Gilbert; g != (link.Gilbert{}) {
		lost := ppm(func(n *noise) bool { return n.gilbert(scale(g.Enter), scale(g.Leave), scale(g.Bad), scale(g.Good)) })
		say("%s are lost in bursts: a bad time begins with %s of the packets and ends with %s, and loses %s",
			percent(round(lost)), permille(g.Enter), permille(g.Leave), permille(g.Bad))
	}
	if f := i.Four; f != (link.Four{}) {
		lost := ppm(func(n *noise) bool {
			return n.four(scale(f.P13), scale(f.P31), scale(f.P32), scale(f.P23), scale(f.P14))
		})
		say("%s are lost, in bursts and between them (four states)", percent(round(lost)))
	}
	chance := func(n int, what string) {
		if n > 0 {
			say("%s %s", permille(n), what)
		}
	}
	chance(i.Duplicate, "arrive twice")
	chance(i.Corrupt, "arrive with a flipped bit (which is a loss for TCP)")
	chance(i.Reorder, fmt.Sprintf("are sent at once and overtake the others, if at least %d did not", i.Gap))
	if i.MTU > 0 {
		say("those of more than %d bytes vanish, and nobody is told", i.MTU)
	}
	if i.Rate > 0 {
		say("%d bit pass in a second", i.Rate)
		if i.Queue > 0 {
			say("%d bytes may wait for that (%s), and what comes then is lost", i.Queue, wait(i))
		}
	}
	if i.CoDel.Target > 0 {
		say("CoDel drops some when they wait longer than %s for %s", i.CoDel.Target, i.CoDel.Interval)
	}
	if i.SlotEvery > 0 {
		say("they leave every %s only, at most %d at a time (0: all)", i.SlotEvery, i.SlotPackets)
	}
	if parts == nil {
		return []string{"each arrives at once"}
	}
	return parts
}

// wait is how long a full queue takes.
func wait(i *link.Impairment) vtime.Time {
	return vtime.Time(int64(i.Queue) * 8_000_000 / i.Rate)
}

func shape(d link.Distribution) string {
	switch d {
	case link.Normal:
		return "normally distributed: that is the standard deviation"
	case link.Pareto:
		return "Pareto: mostly early, sometimes much later"
	case link.Measured:
		return "as measured"
	default:
		return "evenly"
	}
}

// permille writes a share of a thousand in percent.
func permille(n int) string { return percent(n * 1000) }

// percent writes millionths in percent, with no more digits than it takes.
func percent(ppm int) string {
	s := fmt.Sprintf("%d.%04d", ppm/10_000, ppm%10_000)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " %"
}
