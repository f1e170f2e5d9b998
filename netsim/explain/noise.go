package explain

import "github.com/bpci/xtmp/netsim/link"

// noise gives a model its draws and keeps its state.
type noise struct {
	n     uint64
	bad   bool
	state int // of four, from 1
}

// draw returns 32 bits.
func (n *noise) draw() uint64 {
	n.n++
	return link.Draw(0x6e6f697365, 0, 0, n.n) >> 32
}

func (n *noise) chance(f fraction) bool { return n.draw() < uint64(f) }

// ppm returns how many of a million packets a model takes.
func ppm(takes func(*noise) bool) (count int) {
	n := &noise{state: 1}
	for range 1_000_000 {
		if takes(n) {
			count++
		}
	}
	return count
}

// scale turns permille into a fraction.
func scale(permille int) fraction { return fraction(permille) * one / 1000 }

// gilbert is the model of Gilbert and Elliott.
func (n *noise) gilbert(enter, leave, bad, good fraction) bool {
	if n.bad {
		n.bad = !n.chance(leave)
	} else {
		n.bad = n.chance(enter)
	}
	if n.bad {
		return n.chance(bad)
	}
	return n.chance(good)
}

// four is the four-state model of Salsano et al.: 1 received, 2 received within a
// burst, 3 lost within a burst, 4 lost alone. Where probabilities add up to more than
// one, the order is the kernel's, and so is what its 32 bits make of the sum.
func (n *noise) four(p13, p31, p32, p23, p14 fraction) bool {
	u := fraction(n.draw())
	switch n.state {
	case 1:
		n.state = pick(u, p14, 4, p13, 3, 1)
	case 2:
		n.state = pick(u, p23, 3, 0, 3, 2)
	case 3:
		n.state = pick(u, p32, 2, p31, 1, 3)
	default:
		n.state = 1
	}
	return n.state >= 3
}

// pick returns a with probability p, b with probability q, and else c.
func pick(u, p fraction, a int, q fraction, b, c int) int {
	sum := p + q
	if sum > one {
		sum -= one
	}
	switch {
	case u < p:
		return a
	case u < sum:
		return b
	default:
		return c
	}
}
