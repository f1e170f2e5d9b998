package explain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Netem says what the words behind "tc qdisc add dev … root netem" do on a recent
// kernel, part by part, and what people expect of them that is not so.
func Netem(words []string) ([]string, error) {
	p := &netem{words: words}
	for len(p.words) > 0 && p.err == nil {
		p.part(p.word())
	}
	if p.err != nil {
		return nil, p.err
	}
	return append(p.lines, p.remarks()...), nil
}

type netem struct {
	words []string
	lines []string
	err   error

	jitter, delay, reorder, loss, rate, limit bool // was said
}

func (p *netem) say(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *netem) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("netem: "+format, args...)
	}
}

func (p *netem) word() string {
	if len(p.words) == 0 {
		p.fail("a word is missing at the end")
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

// next says whether the next word is a value, not the begin of another part.
func (p *netem) next() bool {
	return len(p.words) > 0 && strings.Trim(p.words[0][:1], ".0123456789") == ""
}

func (p *netem) part(word string) {
	switch word {
	case "netem", "random", "ecn":
	case "limit":
		p.limit = true
		p.say("At most %s packets wait; what comes then is lost.", p.word())
	case "delay", "latency":
		p.delayPart()
	case "distribution":
		p.say("The jitter has the shape of the table %s.", p.word())
	case "loss", "drop":
		p.lossPart()
	case "duplicate":
		p.chance("are sent twice")
	case "corrupt":
		p.chance("have one bit flipped; TCP and UDP find that by their checksum and drop them")
	case "reorder":
		p.reorderPart()
	case "rate":
		p.rate = true
		p.say("Packets leave at %s, one behind the other, from a queue of the packets of limit.", p.word())
	case "slot":
		p.say("Packets wait for slots, %s apart, and leave together.", p.word())
		if p.next() {
			p.say("A slot may come as late as %s.", p.word())
		}
	case "gap":
		p.say("Every %s-th packet is sent at once, the others are delayed.", p.word())
	case "seed":
		p.say("Chance repeats itself with the seed %s (kernels from 6.6 on).", p.word())
	default:
		p.fail("there is no word %q", word)
	}
}

func (p *netem) delayPart() {
	p.delay = true
	base := p.word()
	if !p.next() {
		p.say("Every packet is %s late.", base)
		return
	}
	p.jitter = true
	jitter := p.word()
	p.say("Packets are %s late, give or take %s.", base, jitter)
	if p.next() {
		p.say("The delay of one resembles that of the one before (%s).", p.word())
	}
}

func (p *netem) reorderPart() {
	p.reorder = true
	share := p.share()
	rho := p.correlation()
	p.say("Of 100 packets that could, %s are sent at once and overtake those that are delayed.", share.correlated(rho))
}

// chance reads a share with its correlation and says what happens to so many.
func (p *netem) chance(what string) {
	share := p.share()
	p.say("Of 100 packets, %s %s.", share.correlated(p.correlation()), what)
}

func (p *netem) lossPart() {
	p.loss = true
	if len(p.words) > 0 && p.words[0] == "random" {
		p.word()
	}
	model := ""
	if len(p.words) > 0 && (p.words[0] == "state" || p.words[0] == "gemodel") {
		model = p.word()
	}
	switch model {
	case "gemodel":
		enter := p.share()
		leave, bad, good := one-enter, one, fraction(0)
		for _, f := range []*fraction{&leave, &bad, &good} {
			if p.next() {
				*f = p.share()
			}
		}
		lost := ppm(func(n *noise) bool { return n.gilbert(enter, leave, bad, good) })
		p.say("Of 100 packets, %s are lost, in bursts: a bad time begins with %s of them, ends with %s, and loses %s (Gilbert and Elliott).",
			trim(lost), enter, leave, bad)
	case "state":
		p13 := p.share()
		p31, p32, p23, p14 := one-p13, fraction(0), one, fraction(0)
		for _, f := range []*fraction{&p31, &p32, &p23, &p14} {
			if p.next() {
				*f = p.share()
			}
		}
		lost := ppm(func(n *noise) bool { return n.four(p13, p31, p32, p23, p14) })
		p.say("Of 100 packets, %s are lost, in bursts and between them (four states).", trim(lost))
	default:
		share := p.share()
		rho := p.correlation()
		p.say("Of 100 packets, %s are lost.", share.correlated(rho))
	}
}

// remarks are about the whole line.
func (p *netem) remarks() (lines []string) {
	say := func(on bool, text string) {
		if on {
			lines = append(lines, text)
		}
	}
	say(p.jitter && !p.rate, "Jitter puts packets out of order, if they come closer together than it is wide.")
	say(p.jitter, "Without \"distribution\", tc gives the jitter the normal shape: the value is its standard deviation, and one in a hundred "+
		"is more than 2.3 times that late.")
	say(p.reorder && !p.delay, "reorder does nothing without delay: there is nobody to overtake.")
	say(p.loss, "On the interface of the sender itself, TCP is told of the loss at once and does not treat it as one: "+
		"put netem on a router, or on the receiving side.")
	say(!p.limit && p.delay, "limit is 1000 packets if nothing is said: with a long delay and a high rate, that loses packets.")
	return lines
}

// fraction is a share of 2^32.
type fraction uint64

const one fraction = 1 << 32

// share reads 5%, 0.1% or 5, which is percent, too.
func (p *netem) share() fraction {
	f, err := parseShare(p.word())
	if err != nil {
		p.fail("%w", err)
	}
	return f
}

// correlation reads a share, if there is one.
func (p *netem) correlation() fraction {
	if !p.next() {
		return 0
	}
	return p.share()
}

var errShare = errors.New("a share is a number of percent between 0 and 100")

func parseShare(text string) (fraction, error) {
	whole, part, _ := strings.Cut(strings.TrimSuffix(text, "%"), ".")
	if len(part) > 6 {
		part = part[:6]
	}
	part += strings.Repeat("0", 6-len(part))
	n, err := strconv.ParseUint("0"+whole+part, 10, 32)
	if err != nil || n > 100_000_000 {
		return 0, fmt.Errorf("%q: %w", text, errShare)
	}
	return fraction(n) * one / 100_000_000, nil
}

// String writes the share in percent.
func (f fraction) String() string { return percent(int((f*1_000_000 + one/2) >> 32)) }

// correlated says how many packets a share with a correlation takes.
func (f fraction) correlated(rho fraction) string {
	if rho == 0 {
		return strings.TrimSuffix(f.String(), " %")
	}
	var last uint64
	real := ppm(func(n *noise) bool {
		x := (n.draw()*uint64(one-rho) + last*uint64(rho)) >> 32
		last = x
		return x < uint64(f)
	})
	return fmt.Sprintf("not %s but about %s (the correlation of %s averages the draws, which shrinks the tails)",
		strings.TrimSuffix(f.String(), " %"), trim(real), rho)
}

// trim writes a count without its unit.
func trim(ppm int) string { return strings.TrimSuffix(percent(round(ppm)), " %") }

// round keeps two digits of what was counted on a million.
func round(ppm int) int { return (ppm + 50) / 100 * 100 }
