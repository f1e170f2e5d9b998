package main

import (
	"bytes"
	"crypto/sha512"
	"strings"

	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

// The scene of vectors on an established session: the keys of appendix B.1, and
// numbers in the middle of everything.
const (
	clock       = 1790000000000000 // microseconds since the Unix epoch
	sessionID   = 0x0001020304050607
	handshakeID = 0x1011121314151617
	nextToServe = 7 // next sequence number of the client
	nextToHear  = 4 // next sequence number of the server
	microsecond = 1
	second      = 1_000_000 * microsecond

	typeHandshake    = 0x01
	typeHandshakeAck = 0x02
	typeHeartbeat    = 0x03
	typeDisconnect   = 0x04
	typeAck          = 0x05
	typeUnknown      = 0x50 // reserved: no peer of this version implements it
	typeExtension    = 0x90
	typeProbe        = 0x70
	typeError        = 0xFE

	none = 1<<64 - 1 // ref_seq of an Error without a frame to refer to
)

// The schedule of appendix B.1: transcript hashes in place of a transcript.
func appendixB() *testkit.Derivation {
	d := testkit.Derive("handshake", testkit.Values{
		"mlkem_ss": bytes.Repeat([]byte{1}, 32), "x25519_ss": bytes.Repeat([]byte{2}, 32),
	})
	d.Set("th1", sha384("th1"))
	d.Set("th3", sha384("th3"))
	return d
}

func appendixBPath() *testkit.Derivation {
	d := appendixB()
	return testkit.Derive("path", testkit.Values{"root": d.Value("root_0"), "binder": d.Value("binder_0")})
}

func sha384(text string) []byte {
	sum := sha512.Sum384([]byte(text))
	return sum[:]
}

// toServer starts a frame of the client on an established session.
func toServer(id string, messageType uint8, flags uint16, body []byte) *scenario {
	return established(id, "client", messageType, flags, body)
}

// toClient starts a frame of the server on an established session: HandshakeDone,
// mid 1, came before.
func toClient(id string, messageType uint8, flags uint16, body []byte) *scenario {
	return established(id, "server", messageType, flags, body).knows("base", 2)
}

func established(id, from string, messageType uint8, flags uint16, body []byte) *scenario {
	secret, sequence, lastSent, receiver := "ts_client", uint64(nextToServe), uint64(nextToHear-1), "server"
	if from == "server" {
		secret, sequence, lastSent, receiver = "ts_server", nextToHear, nextToServe-1, "client"
	}
	keys := testkit.DeriveKeys(appendixBPath().Value(secret))
	s := &scenario{from: from, draft: testkit.NewDraft(messageType, flags, clock)}
	s.Vector = vectors.Vector{ID: id, Kind: vectors.KindFrame, Receiver: receiver, State: "established"}
	s.draft.Frame.Header.DefaultUint("session_id", sessionID)
	s.draft.Plaintext.Body = body
	s.draft.Keys, s.draft.Sequence = &keys, sequence
	if flags&testkit.FlagValue("REQUIRES_ACK") != 0 {
		mid := uint64(1)
		if from == "server" {
			mid = 2
		}
		s.draft.Plaintext.Prologue.DefaultUint("mid", mid)
	}
	if s.draft.Plaintext.Envelope != nil {
		s.draft.Plaintext.Envelope.DefaultUint("handshake_id", handshakeID)
	}
	s.knows("session_id", sessionID).given("ts", keys.TrafficSecret).knows("sequence", sequence)
	return s.knows("clock", clock).knows("last_sent", lastSent)
}

// ping is the frame that most vectors about the header are made of.
func ping(id string) *scenario {
	return toServer(id, typeHeartbeat, 0, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8})
}

// pong is the same toward the client.
func pong(id string) *scenario {
	return toClient(id, typeHeartbeat, 0, []byte{1, 1, 2, 3, 4, 5, 6, 7, 8})
}

// requirements turns "HDR-001 ORD-005" into full identifiers.
func requirements(short string) []string {
	var ids []string
	for _, id := range strings.Fields(short) {
		ids = append(ids, "XTMP-"+id)
	}
	return ids
}
