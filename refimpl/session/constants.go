package session

import "time"

// Constants of the specification: timers that no configuration changes.
const (
	handshakeTimeout = 5 * time.Second       // T_HANDSHAKE_TCP
	frameTimeout     = 15 * time.Second      // T_FRAME
	ackDelay         = 25 * time.Millisecond // T_ACK
	closeTimeout     = 5 * time.Second       // T_CLOSE
	lingerTimeout    = time.Second           // T_LINGER
	probeSilence     = 2 * time.Second       // T_PROBE on a connection: silence before a probe
	probeSilenceMax  = 5 * time.Second       // … doubling up to
	probeAnswer      = time.Second           // … and the time for its answer
	ageFactor        = 7                     // T_AGE in units of key_rotation_interval

	reassemblyTimeout = 15 * time.Second       // T_REASSEMBLY
	rekeyTimeout      = 30 * time.Second       // T_REKEY
	rekeyGap          = time.Second            // T_REKEY_GAP
	rekeyGapAtServer  = 500 * time.Millisecond // least time between two RekeyInits that arrive
	rekeyAsk          = 5 * time.Second        // T_REKEY_ASK
	rekeyAnswer       = 30 * time.Second       // from the first REKEY_REQUEST to KEY_LIMIT
	exerciseEvery     = 60 * time.Second       // T_EXERCISE
	retireDelay       = 100 * time.Millisecond // T_RETIRE on a connection
)

// Constants of the specification: clocks.
const (
	skewMax    = 300 * 1000 * 1000 // µs between the wall clocks of a handshake, inclusive
	stampEarly = 300 * 1000 * 1000 // µs a stamp may lie behind on a connection
	stampLate  = 30 * 1000 * 1000  // µs a stamp may lie ahead
)

// Constants of the specification: sizes and counts.
const (
	payloadBeforeSession = 8208   // B, until a session is established
	frameToServer        = 65600  // B, before a wallet is authenticated
	frameToClient        = 262208 // B
	midWindow            = 4096   // mids that may be unacked, or complete above the base
	ackBatch             = 32     // REQUIRES_ACK frames that are acked at the end of a read batch
	missedIntervals      = 3      // heartbeat intervals of silence before a path is suspect
	lingerBytes          = 64 << 10
	lingerBytesMax       = 1 << 20
	MaxPaths             = 4 // paths per session
	defaultInflight      = 1024
	inflightBytes        = 32 << 20
	unackedReplyBytes    = 32 << 20 // of replies kept, at which requests wait
	messageToServer      = 65536    // B, before a wallet is authenticated
	messageToClient      = 16777216 // B
	fragmentBody         = 262144   // B of a body in one frame
	fragmentLeast        = 512      // B of every fragment but the last
	partialsMax          = 4        // incomplete messages of one direction
)

// Defaults of configurable values.
const (
	DefaultHeartbeatInterval   = 30 * time.Second
	DefaultConnectionTimeout   = 300 * time.Second
	DefaultKeyRotationInterval = 86400 * time.Second
	DefaultMaxPayload          = 16777216
	DefaultConnectTimeout      = 10 * time.Second // T_CONNECT
)

// Implementation constants.
const (
	outputBudget       = 256 << 10 // B sealed per AppendOutput
	unsolicitedEvery   = time.Second
	unsolicitedWaiting = 4 << 10 // B of unsolicited Errors that wait for the transport
	pushBytes          = 1 << 20 // B of messages that wait, above which pushes stop
)
