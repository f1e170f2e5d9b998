package vectors

import (
	"slices"
	"strings"

	"github.com/bpci/xtmp/spec"
)

// known are the values that a receiver knows or has chosen, with their size in
// bytes. The other names are those of the key schedule.
var known = map[string]int{
	"session_id":              8,  // of the session
	"suite":                   1,  // of the session; 1 if it is not given
	"handshake_id":            8,  // of the receiver's or the first ClientHello
	"ts":                      48, // traffic secret of the slot that the last frame names, or would
	"sequence":                8,  // next sequence number expected in that slot
	"clock":                   8,  // the receiver's idea of its peer's time now, in microseconds; its own wall time before a session
	"next_ts":                 48, // traffic secret of the same slot in the next epoch, if the receiver has its keys
	"old_ts":                  48, // traffic secret of the same slot in the epoch before, whose receive keys are gone
	"root":                    48, // of the current epoch
	"epoch":                   4,  // the current epoch; 0 if it is not given
	"rekey_epoch":             4,  // epoch of the RekeyInit that the receiver has sent, or received and not seen confirmed
	"rekey_age":               8,  // microseconds since the last RekeyInit was received
	"inflates":                1,  // 1 if the receiver announced that it inflates; 0 if it is not given
	"incomplete":              8,  // messages that are incomplete at the receiver, besides those of the steps
	"base":                    8,  // lowest mid of the peer that is not complete; 1 if it is not given
	"last_sent":               8,  // last sequence number that the receiver sent on the path
	"sent_mid":                8,  // mid of the only request that the receiver has sent
	"sent_type":               1,  // its type
	"message":                 0,  // what a signature is over
	"signature":               64, // Ed25519
	"key":                     32, // Ed25519 public key
	"identity_seed":           32, // Ed25519 seed of the server's identity
	"mldsa_seed":              32, // ML-DSA-65 seed of the server's identity, of kind 2
	"second_identity_seed":    32, // of a second identity of the server, behind the first
	"second_mldsa_seed":       32,
	"pin":                     32, // fingerprint that the client trusts
	"pin_kind":                1,  // kind of that pin; 1 if it is not given
	"pinned_key":              0,  // identity key bytes that the client holds for it
	"reset_key":               32,
	"client_x25519":           32, // private key
	"client_mlkem_seed":       64, // d ‖ z
	"client_random":           32,
	"client_time":             8,
	"server_x25519":           32, // private key
	"server_mlkem_m":          32, // randomness of the encapsulation
	"server_random":           32,
	"server_time":             8,
	"rekey_client_x25519":     32, // private key of a rekey
	"rekey_client_mlkem_seed": 64, // d ‖ z
	"rekey_mlkem_ss":          32, // shared secrets of a rekey
	"rekey_x25519_ss":         32,
	"rekey_handshake_id":      8,
	"rekey_server_x25519":     32, // private key
	"rekey_server_mlkem_m":    32, // randomness of the encapsulation
	"cf_mac":                  48, // MAC that ClientFinish has to carry
	"reset_token":             16,

	// On UDP, and with several paths.
	"client_address":    18, // address, IPv4 as ::ffff:a.b.c.d, and port from which the client sends
	"token_gen":         1,  // newest generation of the server's token keys, which are token_key
	"cookie_key":        32, // key of cookies of a flow
	"address_token_key": 32, // key of its address tokens
	"cookie":            48,
	"address_token":     48,
	"binder_1":          48, // binders of the paths that a flow attaches
	"binder_2":          48,
	"highest":           8, // highest sequence number received on the path; sequence is the one above it
	"seen":              0, // the others received, 8 bytes each
	"left_out":          0, // sequence numbers that the receiver has left out, 8 bytes each
	"attach_counter":    8, // least attach counter that was not used
}

// slotNames are the key slots whose keys a flow lists, as "hs.c.key", those of epoch 1
// first, since their names are longer.
func slotNames() []string {
	names := []string{"hs.c", "hs.s"}
	for _, epoch := range []string{".e1", ""} {
		for _, path := range []string{"at", "p0", "p1", "p2"} {
			names = append(names, path+".c"+epoch, path+".s"+epoch)
		}
	}
	return names
}

// sizeOf returns the size that a value of that name has, 0 for any, and whether
// the name is known.
func sizeOf(name string) (int, bool) {
	if size, ok := known[name]; ok {
		return size, true
	}
	for _, slot := range slotNames() {
		if inner, ok := strings.CutPrefix(name, slot+"."); ok {
			return scheduleSize("slot", inner)
		}
	}
	for _, f := range spec.Default().Schedule.Functions {
		if size, ok := scheduleSize(f.Name, name); ok {
			return size, true
		}
	}
	return 0, false
}

func scheduleSize(function, name string) (int, bool) {
	f, _ := spec.Default().Schedule.Function(function)
	if step, ok := f.Step(name); ok {
		return step.Size, true
	}
	i := slices.IndexFunc(f.Inputs, func(in spec.Input) bool { return in.Name == name && !in.Number })
	if i < 0 {
		return 0, false
	}
	return f.Inputs[i].Size, true
}

// The vocabulary of the header. Classes are what a receiver does, besides the
// names of error codes, which stand for an Error of that code.
var (
	kinds   = []string{KindFrame, KindHeader, KindStream, KindValues, KindKey, KindFlow, KindDatagram, KindPaths}
	classes = []string{
		ClassSilent,  // closes, sends nothing
		ClassDiscard, // ignores the message, keeps the session
		ClassDrop,    // forgets the datagram
		ClassRefuse,  // refuses the key or signature; what follows depends on where it was met
	}
	stages = []string{
		"check1", "check2", "check3", "check4", "check5", "check6", "check7", "check8", "check9", "check10", "check11", "check12",
		"token",                                  // of a ClientHello on UDP, after check 7
		"check13",                                // prologue, role, mid, type and body, in a session
		"form", "version", "suite", "arithmetic", // check 13 of a ClientHello, in this order
		"hello",  // ServerHello at the client
		"flight", // ServerFlight at the client
		"finish", // ClientFinish at the server
	}
	effects = []string{
		"nothing", "Ack", "PONG", "PATH_RESPONSE", "ServerHello", "ClientFinish", "HandshakeDone",
		"reply UNSUPPORTED_TYPE", "Error UNSUPPORTED_TYPE",
		"reply Probe", "reply MALFORMED", "reply PAYLOAD_TOO_LARGE", "reply COMPRESSION_REFUSED", "reply DECOMPRESS_LIMIT",
		"reply INVALID_PAYLOAD", "reply FAIL",
		"Error MALFORMED", "Error PAYLOAD_TOO_LARGE", "Error COMPRESSION_REFUSED", "Error DECOMPRESS_LIMIT",
		"RekeyInit", "RekeyResp", "PING",
		"refusal NO_COMMON_SUITE",
		"Retry", "AttachAck", "AttachAck MALFORMED",
		"path", // the path is open: what is due next is a frame under its key
		"end",  // the session ends, nothing is sent
	}
	states = map[string][]string{
		"server": {"first", "half-open", "established"},
		"client": {"hello", "flight", "finished", "established"},
	}
)

// Classes that are no error codes.
const (
	ClassSilent  = "silent"
	ClassDiscard = "discard"
	ClassDrop    = "drop"
	ClassRefuse  = "refuse"
)

// isClass reports whether a class is in the vocabulary.
func isClass(class string) bool {
	return slices.Contains(classes, class) ||
		slices.ContainsFunc(spec.Default().Errors, func(e spec.ErrorCode) bool { return e.Name == class })
}
