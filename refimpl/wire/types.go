package wire

import "fmt"

// MessageType is byte 5 of a frame.
type MessageType uint8

// Message types. Those of later chapters are listed so that a code is never
// used twice.
const (
	TypeHandshake         MessageType = 0x01
	TypeHandshakeAck      MessageType = 0x02
	TypeHeartbeat         MessageType = 0x03
	TypeDisconnect        MessageType = 0x04
	TypeAck               MessageType = 0x05
	TypeWalletRegister    MessageType = 0x10
	TypeWalletAuth        MessageType = 0x11
	TypeWalletBalance     MessageType = 0x12
	TypeWalletTransaction MessageType = 0x13
	TypeBundleSubmit      MessageType = 0x20
	TypeBundleStatus      MessageType = 0x21
	TypeBundleConfirm     MessageType = 0x22
	TypeBundleSync        MessageType = 0x23
	TypeRegistryQuery     MessageType = 0x30
	TypeRegistryUpdate    MessageType = 0x31
	TypeRegistryStamp     MessageType = 0x32
	TypeLiveUpdates       MessageType = 0x40
	TypeEventStream       MessageType = 0x41
	TypeMetricsStream     MessageType = 0x42
	TypeProbe             MessageType = 0x70
	TypeError             MessageType = 0xfe
)

// Extension reports whether t lies in the range whose unknown members are
// ignored rather than refused.
func (t MessageType) Extension() bool { return t >= 0x80 && t <= 0xef }

// Reserved reports whether t is never sent.
func (t MessageType) Reserved() bool { return t == 0 || t == 0xff || t >= 0xf0 && t <= 0xfd }

// String returns the name of the specification, or the code in hex.
func (t MessageType) String() string {
	switch t {
	case TypeHandshake:
		return "Handshake"
	case TypeHandshakeAck:
		return "HandshakeAck"
	case TypeHeartbeat:
		return "Heartbeat"
	case TypeDisconnect:
		return "Disconnect"
	case TypeAck:
		return "Ack"
	case TypeWalletRegister:
		return "WalletRegister"
	case TypeWalletAuth:
		return "WalletAuth"
	case TypeWalletBalance:
		return "WalletBalance"
	case TypeWalletTransaction:
		return "WalletTransaction"
	case TypeBundleSubmit:
		return "BundleSubmit"
	case TypeBundleStatus:
		return "BundleStatus"
	case TypeBundleConfirm:
		return "BundleConfirm"
	case TypeBundleSync:
		return "BundleSync"
	case TypeRegistryQuery:
		return "RegistryQuery"
	case TypeRegistryUpdate:
		return "RegistryUpdate"
	case TypeRegistryStamp:
		return "RegistryStamp"
	case TypeLiveUpdates:
		return "LiveUpdates"
	case TypeEventStream:
		return "EventStream"
	case TypeMetricsStream:
		return "MetricsStream"
	case TypeProbe:
		return "Probe"
	case TypeError:
		return "Error"
	default:
		return fmt.Sprintf("type 0x%02x", uint8(t))
	}
}

// Suite is an encryption_type: byte 32 of a frame, and a slot of the suite
// list of ClientHello.
type Suite uint8

// Suites.
const (
	SuiteNone        Suite = 0 // clear frames; integrity-only sessions
	SuiteAES256GCM   Suite = 1
	SuiteChaCha20    Suite = 2
	SuitePostQuantum Suite = 3
	SuiteUnused      Suite = 0xff // unused slot of a suite list
)

// String returns the name used in configuration.
func (s Suite) String() string {
	switch s {
	case SuiteNone:
		return "none"
	case SuiteAES256GCM:
		return "aes256gcm"
	case SuiteChaCha20:
		return "chacha20poly1305"
	case SuitePostQuantum:
		return "postquantum"
	case SuiteUnused:
		return "unused"
	default:
		return fmt.Sprintf("suite 0x%02x", uint8(s))
	}
}

// HSType names a handshake message inside its envelope.
type HSType uint8

// Handshake messages that this version of the text defines.
const (
	HSClientHello   HSType = 1
	HSRetry         HSType = 2
	HSServerHello   HSType = 3
	HSServerFlight  HSType = 4
	HSClientFinish  HSType = 5
	HSHandshakeDone HSType = 6
	HSAttach        HSType = 16
	HSAttachAck     HSType = 17
	HSRekeyInit     HSType = 32
	HSRekeyResp     HSType = 33
)

// HeartbeatKind is the first byte of a Heartbeat.
type HeartbeatKind uint8

// Heartbeat kinds.
const (
	Ping          HeartbeatKind = 0
	Pong          HeartbeatKind = 1
	PathChallenge HeartbeatKind = 2
	PathResponse  HeartbeatKind = 3
	RekeyRequest  HeartbeatKind = 4
)
