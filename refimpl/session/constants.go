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
	retireDelay       = 100 * time.Millisecond // T_RETIRE, at least
	retireMax         = 30 * time.Second       // T_RETIRE_MAX

	suspectSilence   = 2 * time.Second        // T_SUSPECT
	pathlessProbe    = 2 * time.Second        // T_PATHLESS_PROBE
	parkTimeout      = 60 * time.Second       // T_PARK_ANON
	attachTimeout    = 5 * time.Second        // T_ATTACH_TCP
	attachRetransmit = 400 * time.Millisecond // T_ATTACH_RETX
	attachGap        = time.Second            // T_ATTACH_GAP
	attachGiveUp     = 3 * time.Second        // without AttachAck and without a path, for attachAttempts
	flightTimeout    = 10 * time.Second       // T_FLIGHT
	reassemblyHello  = 2 * time.Second        // T_REASSEMBLY_HELLO

	handshakeRetransmit    = 400 * time.Millisecond // T_HS_RETX without an RTT guess
	handshakeRetransmitMin = 25 * time.Millisecond  // … and the least with one

	udpBack         = 30 * time.Second       // T_UDP_BACK
	udpBackMax      = 600 * time.Second      // T_UDP_BACK_MAX
	bigTimeout      = 30 * time.Second       // T_BIG
	reassemblyOnUDP = time.Second            // T_REASSEMBLY_UDP
	oldKeys         = 100 * time.Millisecond // T_OLD_KEYS, at least
	oldKeysMax      = 10 * time.Second       // T_OLD_KEYS_MAX
	disconnectGap   = 100 * time.Millisecond // T_DISC_GAP
	probeSilenceUDP = 300 * time.Millisecond // T_PROBE_UDP, at least
)

// Constants of the specification: clocks.
const (
	skewMax    = 300 * 1000 * 1000 // µs between the wall clocks of a handshake, inclusive
	stampEarly = 300 * 1000 * 1000 // µs a stamp may lie behind on a connection
	stampLate  = 30 * 1000 * 1000  // µs a stamp may lie ahead

	stampEarlyUDP = 30 * 1000 * 1000 // µs a stamp may lie behind on UDP
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
	MaxPaths             = 4            // paths per session
	endpointsMax         = 1024         // B of the addresses for further paths that a server announces
	pathSlots            = MaxPaths + 2 // room for paths whose end the transport has not confirmed
	defaultInflight      = 1024
	inflightBytes        = 32 << 20
	unackedReplyBytes    = 32 << 20 // of replies kept, at which requests wait
	messageToServer      = 65536    // B, before a wallet is authenticated
	messageToClient      = 16777216 // B
	fragmentBody         = 262144   // B of a body in one frame
	fragmentLeast        = 512      // B of every fragment but the last
	partialsMax          = 4        // incomplete messages of one direction
	messageOnUDP         = 65536    // B
	datagramDefault      = 1200     // B of the greatest datagram that is sent, announced and accepted
	disconnectCopies     = 3        // of Disconnect on UDP
	amplification        = 3        // bytes to an address that is being validated per byte from it
	suspectPTOs          = 3        // consecutive expiries of PTO after which a path is suspect
	forgedMax            = 1 << 32  // frames that do not open, in a session
	pingsWithoutEnd      = 1 << 20  // PINGs that switch a path: T_RETIRE_MAX ends them
	attachTries          = 5        // sendings of one Attach on UDP
	handshakeTries       = 5        // sendings of the frames of one phase of a handshake on UDP
	flightResends        = 5        // repetitions of the flight of one
	retriesFollowed      = 3        // N_RETRY_COOKIE
	helloCandidates      = 4        // session_ids that a client keeps apart
	earlyFrames          = 8        // sealed frames that a client keeps of a session whose ServerHello is not whole
	resetFrame           = 128      // B of a reset
	attachAttempts       = 3        // without AttachAck, after which a session without a path is given up
	parkedMessages       = 256      // unacknowledged messages of a parked session
	parkedBytes          = 1 << 20  // B of them
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
