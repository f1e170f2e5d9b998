package netsim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bpci/xtmp/netsim/link"
	"github.com/bpci/xtmp/netsim/vtime"
)

// Parse reads a scenario. A link a<>b stands for both directions.
func Parse(text string) (*Scenario, error) {
	s := new(Scenario)
	n := 0
	for l := range strings.Lines(text) {
		n++
		words := strings.Fields(l)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := s.line(words); err != nil {
			return nil, fmt.Errorf("netsim: line %d: %w", n, err)
		}
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Scenario) line(words []string) (err error) {
	if len(words) < 2 {
		return errWords
	}
	switch words[0] {
	case "seed":
		s.Seed, err = strconv.ParseUint(words[1], 10, 64)
		return enough(err, len(words) == 2)
	case "for":
		s.For, err = vtime.Parse(words[1])
		return enough(err, len(words) == 2)
	case "host":
		return s.hostLine(words[1:])
	case "link":
		pairs, err := linkEnds(words[1])
		if err != nil {
			return err
		}
		i, err := link.ParseImpairment(words[2:])
		for _, p := range pairs {
			s.Links = append(s.Links, LinkLine{p[0], p[1], i})
		}
		return err
	case "packet":
		return s.editLine(words[1:])
	case "at":
		return s.faultLine(words[1:])
	default:
		return fmt.Errorf("there is no line %q", words[0])
	}
}

func enough(err error, ok bool) error {
	if err == nil && !ok {
		return errWords
	}
	return err
}

// linkEnds reads a>b, or both directions of a<>b.
func linkEnds(text string) ([][2]string, error) {
	if a, b, both := strings.Cut(text, "<>"); both {
		return [][2]string{{a, b}, {b, a}}, nil
	}
	a, b, ok := strings.Cut(text, ">")
	if !ok {
		return nil, fmt.Errorf("%q is not a link: a>b", text)
	}
	return [][2]string{{a, b}}, nil
}

func (s *Scenario) hostLine(words []string) (err error) {
	if len(words) < 2 || len(words)%2 != 0 {
		return errWords
	}
	h := HostLine{Name: words[0]}
	if h.Addr, err = netip.ParseAddr(words[1]); err != nil {
		return err
	}
	for w := words[2:]; len(w) > 0 && err == nil; w = w[2:] {
		switch w[0] {
		case "nat":
			h.NAT, err = netip.ParseAddr(w[1])
		case "idle":
			h.Idle, err = vtime.Parse(w[1])
		case "sync":
			h.Sync, err = vtime.Parse(w[1])
		case "step":
			h.Step, err = vtime.Parse(w[1])
		case "drift":
			h.Drift, err = strconv.ParseInt(w[1], 10, 64)
		default:
			err = fmt.Errorf("a host has no word %q", w[0])
		}
	}
	s.Hosts = append(s.Hosts, h)
	return err
}

// readPacket reads a number, or a name and a number, and returns what follows.
func readPacket(words []string) (p link.Packet, rest []string, err error) {
	if len(words) > 1 && strings.Trim(words[0], "0123456789") != "" {
		p.Name, words = words[0], words[1:]
	}
	if len(words) == 0 {
		return p, nil, errWords
	}
	p.Index, err = strconv.ParseUint(words[0], 10, 64)
	return p, words[1:], err
}

func (s *Scenario) editLine(words []string) error {
	pairs, err := linkEnds(words[0])
	if err != nil {
		return err
	}
	p, rest, err := readPacket(words[1:])
	if err != nil {
		return err
	}
	e, err := link.ParseEdit(rest)
	for _, ends := range pairs {
		s.Edits = append(s.Edits, EditLine{ends[0], ends[1], p, e})
	}
	return err
}

func (s *Scenario) faultLine(words []string) (err error) {
	var f Fault
	if len(words) < 2 {
		return errWords
	}
	if f.At, err = vtime.Parse(words[0]); err != nil {
		return err
	}
	do := slices.Index(opWords[:], words[1])
	if do < 0 {
		return fmt.Errorf("there is no fault %q", words[1])
	}
	f.Do = Op(do)
	words = words[2:]
	pairs := [][2]string{{}}
	switch {
	case f.Do == Heal:
	case len(words) == 0:
		return errWords
	case f.Do.onLink():
		pairs, err = linkEnds(words[0])
		words = words[1:]
	default:
		pairs[0][0], words = words[0], words[1:]
	}
	if err != nil {
		return err
	}
	if err = f.rest(words); err != nil {
		return err
	}
	for _, p := range pairs {
		f.Host, f.To = p[0], p[1]
		s.Faults = append(s.Faults, f)
	}
	return nil
}

// rest reads what follows the host or the link.
func (f *Fault) rest(words []string) (err error) {
	switch f.Do {
	case Impair:
		f.Impairment, err = link.ParseImpairment(words)
		return err
	case Replay:
		f.Packet, words, err = readPacket(words)
		return enough(err, len(words) == 0)
	case Stall, Step:
		if len(words) != 1 {
			return errWords
		}
		f.Span, err = vtime.Parse(words[0])
		return err
	case PowerOff, Drift:
		if len(words) == 0 && f.Do == PowerOff {
			return nil
		}
		if len(words) != 1 {
			return errWords
		}
		f.N, err = strconv.ParseInt(words[0], 10, 64)
		return err
	default:
		return enough(nil, len(words) == 0)
	}
}
