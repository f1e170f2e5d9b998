package link

import (
	"github.com/bpci/xtmp/netsim/vtime"
)

// Distribution is the shape of jitter.
type Distribution uint8

// Uniform lies within ± Jitter; Normal and Pareto have the mean 0 and the
// standard deviation Jitter; Measured has the quantiles of the impairment.
const (
	Uniform Distribution = iota
	Normal
	Pareto
	Measured
)

// The tables hold equally spaced quantiles, in permille of the jitter. Their
// ends are chosen so that the deviation of the interpolated table is 1000.
var (
	uniformTable = []int32{-1000, 1000}
	normalTable  = []int32{
		-2852, -2154, -1863, -1676, -1534, -1418, -1318, -1230, -1150, -1078, -1010, -947, -887, -831, -776, -725,
		-674, -626, -579, -533, -489, -445, -402, -360, -319, -278, -237, -197, -157, -118, -78, -39,
		0, 39, 78, 118, 157, 197, 237, 278, 319, 360, 402, 445, 489, 533, 579, 626,
		674, 725, 776, 831, 887, 947, 1010, 1078, 1150, 1230, 1318, 1418, 1534, 1676, 1863, 2154,
		2852,
	}
	// Shape 3: the heaviest tail that has a variance to speak of.
	paretoTable = []int32{
		-517, -512, -507, -502, -496, -491, -486, -480, -474, -468, -461, -455, -449, -442, -435, -428,
		-421, -413, -406, -398, -390, -382, -372, -364, -355, -345, -335, -325, -314, -303, -292, -280,
		-267, -255, -242, -228, -213, -197, -181, -163, -146, -127, -107, -85, -62, -38, -12, 16,
		47, 81, 116, 156, 200, 250, 306, 369, 444, 531, 638, 770, 944, 1187, 1573, 2367,
		10731,
	}
)

// table returns the quantiles of the jitter.
func (i *Impairment) table() []int32 {
	switch i.Shape {
	case Normal:
		return normalTable
	case Pareto:
		return paretoTable
	case Measured:
		return i.Quantiles
	default:
		return uniformTable
	}
}

// quantile reads a table at draw/2^64, between two entries in a straight line.
// The result is in millionths of the jitter.
func quantile(table []int32, draw uint64) int64 {
	at := draw >> 32 * uint64(len(table)-1) // 32 bits of fraction
	i, frac := int(at>>32), int64(at&0xffffffff)
	low, high := int64(table[i])*1000, int64(table[i+1])*1000
	return low + (high-low)*frac>>32
}

// jitter returns how much later than the constant delay a packet is. Successive
// values are correlated by an autoregression that keeps the deviation: the
// value before weighs ρ, the new one √(1−ρ²).
func (l *Link) jitter(draw uint64) vtime.Time {
	i := &l.imp
	z := quantile(i.table(), draw)
	if rho := int64(i.Correlation); rho > 0 {
		z = (rho*l.before + int64(isqrt(uint64(1_000_000-rho*rho)))*z) / 1000
		l.before = z
	}
	// Whole seconds and the rest apart, so that hours do not overflow.
	s, us := i.Jitter/vtime.Second, i.Jitter%vtime.Second
	return max(s*vtime.Time(z)+us*vtime.Time(z)/1_000_000, -i.Delay)
}

// isqrt returns ⌊√x⌋.
func isqrt(x uint64) uint64 {
	if x < 2 {
		return x
	}
	r := x / 2
	for next := (r + x/r) / 2; next < r; next = (r + x/r) / 2 {
		r = next
	}
	return r
}
