package link

// Stage separates the draws that are made for one packet.
type Stage uint64

// The stages that draw.
const (
	stageLoss Stage = 1 + iota
	stageModel
	stageModelLoss
	stageDuplicate
	stageCorrupt
	stageBit
	stageReorder
	stageJitter
	stageCopyJitter
)

// Draw returns 64 bits that depend on all its arguments and on nothing else.
func Draw(seed, key uint64, stage Stage, n uint64) uint64 {
	return mix(mix(mix(seed^0x9e3779b97f4a7c15)^key) ^ mix(n*0xd1342543de82ef95+uint64(stage)))
}

// mix is the finaliser of SplitMix64: each bit of x changes half of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Key turns a name into the key of its draws: FNV-1a.
func Key(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return h
}

// Below reduces a draw to 0 … n−1.
func Below(draw, n uint64) uint64 {
	if n > 1<<32 {
		return draw % n
	}
	return draw >> 32 * n >> 32
}
