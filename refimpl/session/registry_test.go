package session

import (
	"testing"
	"time"

	"github.com/bpci/xtmp/refimpl/wire"
	"github.com/bpci/xtmp/spec"
)

// TestTimersEqualRegistry compares every timer of this package.
func TestTimersEqualRegistry(t *testing.T) {
	timers := map[string]time.Duration{}
	for _, timer := range spec.Default().Timers {
		timers[timer.Name] = timer.Value
	}
	for name, got := range map[string]time.Duration{
		"T_HANDSHAKE_TCP": handshakeTimeout, "T_FRAME": frameTimeout, "T_ACK": ackDelay, "T_CLOSE": closeTimeout,
		"T_LINGER": lingerTimeout, "T_PROBE": probeSilence, "T_PROBE_MAX": probeSilenceMax, "T_PROBE_ANSWER": probeAnswer,
		"T_REASSEMBLY": reassemblyTimeout, "T_REKEY": rekeyTimeout, "T_REKEY_GAP": rekeyGap, "T_REKEY_GAP_MIN": rekeyGapAtServer,
		"T_REKEY_ASK": rekeyAsk, "T_KEY_LIMIT": rekeyAnswer, "T_RETIRE": retireDelay,
		"T_AGE": ageFactor * DefaultKeyRotationInterval, "T_HEARTBEAT": DefaultHeartbeatInterval, "T_IDLE": DefaultConnectionTimeout,
		"T_RETIRE_MAX": retireMax, "T_SUSPECT": suspectSilence, "T_PATHLESS_PROBE": pathlessProbe, "T_PARK_ANON": parkTimeout,
		"T_ATTACH_TCP": attachTimeout, "T_ATTACH_RETX": attachRetransmit, "T_ATTACH_GAP": attachGap, "T_UDP_BACK": udpBack,
		"T_UDP_BACK_MAX": udpBackMax, "T_BIG": bigTimeout, "T_REASSEMBLY_UDP": reassemblyOnUDP, "T_OLD_KEYS": oldKeys,
		"T_OLD_KEYS_MAX": oldKeysMax, "T_DISC_GAP": disconnectGap, "T_PROBE_UDP": probeSilenceUDP,
		"T_FLIGHT": flightTimeout, "T_REASSEMBLY_HELLO": reassemblyHello, "T_HS_RETX": handshakeRetransmit,
		"T_ROTATE": DefaultKeyRotationInterval, "T_CONNECT": DefaultConnectTimeout,
		"T_SKEW": skewMax * time.Microsecond, "T_STAMP_BEHIND": stampEarly * time.Microsecond, "T_STAMP_AHEAD": stampLate * time.Microsecond,
		"T_STAMP_BEHIND_UDP": stampEarlyUDP * time.Microsecond,
	} {
		if want, ok := timers[name]; !ok || got != want {
			t.Errorf("%s is %v here, %v in the registry", name, got, want)
		}
	}
}

// TestLimitsEqualRegistry compares every size and count of this package.
func TestLimitsEqualRegistry(t *testing.T) {
	for name, got := range map[string]uint64{
		"payload_before_session": payloadBeforeSession, "rekey_message": payloadBeforeSession,
		"frame_payload_before_wallet": frameToServer, "frame_payload": frameToClient,
		"message_to_server_before_wallet": messageToServer, "message_to_client": messageToClient,
		"fragment_body_tcp": fragmentBody, "fragment_body_min": fragmentLeast, "incomplete_messages": partialsMax,
		"linger_bytes": lingerBytes, "linger_bytes_total": lingerBytesMax, "mid_window": midWindow, "ack_after_frames": ackBatch,
		"heartbeats_missed": missedIntervals, "max_inflight": defaultInflight, "inflight_bytes": inflightBytes,
		"paths_per_session": MaxPaths, "message_udp": messageOnUDP, "disconnect_copies": disconnectCopies, "amplification": amplification,
		"suspect_ptos": suspectPTOs, "failed_opens_udp": forgedMax, "attach_tries": attachTries, "attach_attempts": attachAttempts,
		"parked_messages": parkedMessages, "parked_bytes": parkedBytes, "challenge": challengeSize,
		"handshake_tries": handshakeTries, "flight_resends": flightResends, "N_RETRY_COOKIE": retriesFollowed,
		"hello_candidates": helloCandidates, "early_frames": earlyFrames, "reset_frame": resetFrame,
		"unacked_reply_bytes":     unackedReplyBytes,
		"unsolicited_unsupported": uint64(time.Second / unsolicitedEvery), "unsolicited_malformed": uint64(time.Second / unsolicitedEvery),
		"max_payload_min": 65536, "reassembly_bytes_min": uint64(params(t).ReassemblyBytes), "datagram_min": uint64(params(t).MaxDatagram),
	} {
		if l, ok := spec.Default().Limit(name); !ok || got != l.Value {
			t.Errorf("%s is %d here, %d in the registry", name, got, l.Value)
		}
	}
}

// params are what a server announces by default.
func params(t *testing.T) wire.Params { return newPair(t, nil).server.params() }
