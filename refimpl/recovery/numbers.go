package recovery

import "slices"

// Numbers gives out the sequence numbers of a path, in both epochs of a rekey
// alike, and leaves some out, so that a peer that acknowledges in advance is
// caught. The zero Numbers begins at 0.
type Numbers struct {
	next    uint64
	left    uint32   // frames before the next number that is left out; 0: not drawn
	period  uint32   // 0: nothing was left out yet
	leftOut []uint64 // among the last windowSize, oldest first [XTMP-UDP-077]
}

// Next returns the sequence number of the next frame. It draws 64 bits of entropy
// for the first one and for each that follows a number it left out.
// [XTMP-UDP-072] [XTMP-UDP-076]
func (n *Numbers) Next(entropy func() uint64) uint64 {
	switch {
	case n.period == 0:
		n.period = skipPeriod
		n.draw(entropy)
	case n.left == 0:
		n.leave()
		n.draw(entropy)
	}
	n.left--
	n.next++
	return n.next - 1
}

// draw sets the distance to the next left-out number, evenly from 1 to 2 × period,
// a power of two. [XTMP-UDP-073] [XTMP-UDP-074] [XTMP-UDP-075]
func (n *Numbers) draw(entropy func() uint64) {
	n.left = 1 + uint32(entropy()&uint64(2*n.period-1))
}

func (n *Numbers) leave() {
	old := 0
	for old < len(n.leftOut) && n.next-n.leftOut[old] >= windowSize {
		old++
	}
	n.leftOut = append(slices.Delete(n.leftOut, 0, old), n.next)
	n.next++
	n.period = min(2*n.period, skipPeriodMax)
}

// hole reports whether a number of low … high was left out and is remembered.
func (n *Numbers) hole(low, high uint64) bool {
	for _, l := range n.leftOut {
		if low <= l && l <= high {
			return true
		}
	}
	return false
}

// frameBelow returns the number lossFrames frames below seq, left-out numbers not
// counted; false if there is none.
func (n *Numbers) frameBelow(seq uint64) (uint64, bool) {
	distance := uint64(lossFrames)
	for _, l := range slices.Backward(n.leftOut) {
		if l < seq && seq-l <= distance {
			distance++
		}
	}
	return seq - distance, seq >= distance
}
