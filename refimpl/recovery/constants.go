package recovery

import "time"

// Constants of the protocol, by the names of the registry.
const (
	windowSize     = 8128    // replay_window
	skipPeriod     = 256     // skip_period
	skipPeriodMax  = 131072  // skip_period_max
	sequenceEnd    = 1 << 62 // sequence_end
	ackEvery       = 2       // ack_every_udp
	lossFrames     = 3       // loss_frames
	windowInitial  = 10      // window_initial, in datagrams
	windowMin      = 2       // window_min, in datagrams
	persistentPTOs = 3       // persistent_ptos

	ackDelay       = 25 * time.Millisecond // T_ACK
	suspectTimeout = 2 * time.Second       // T_SUSPECT
	granularity    = time.Millisecond
	trickle        = 3 * time.Second // between datagrams without an RTT sample [XTMP-REC-010]
)

// Constants of this implementation.
const (
	// initialRTT stands for a sample where PTO is needed without one: RFC 9002, 6.2.2.
	initialRTT = 333 * time.Millisecond

	windowMax = 16 << 20 // bytes
	sentMax   = 4096     // frames in the flight: half of the peer's replay window
	lostMax   = 4096     // lost frames that may still be acknowledged
	paceMax   = time.Minute
	backoff   = 16          // doublings of PTO …
	ptoMax    = time.Minute // … up to this; RFC 6298, 2.5

	flightKept = 256 // frames for which a Flight at rest keeps memory
	expiredMax = 255

	never = time.Duration(1<<63 - 1)
)
