package wire

import "fmt"

// Code is an error code: of an Error, a Disconnect or an AttachAck.
type Code uint16

// Error codes.
const (
	NoError             Code = 0x00 // ordinary end, in Disconnect only
	VersionUnsupported  Code = 0x01
	NoCommonSuite       Code = 0x02
	Malformed           Code = 0x03
	UnexpectedMessage   Code = 0x04
	HandshakeFailed     Code = 0x05
	ClockSkew           Code = 0x06
	ServerBusy          Code = 0x07
	RateLimited         Code = 0x08
	UnsupportedType     Code = 0x09
	SessionUnknown      Code = 0x10
	SessionExpired      Code = 0x11
	PathLimit           Code = 0x12
	KeyLimit            Code = 0x13
	RekeyFailed         Code = 0x14
	ProtocolViolation   Code = 0x15
	AuthFailed          Code = 0x20
	AuthRequired        Code = 0x21
	TooManyFailures     Code = 0x22
	PayloadTooLarge     Code = 0x30
	CompressionRefused  Code = 0x31
	DecompressLimit     Code = 0x32
	IdempotencyMismatch Code = 0x33
	OperationExpired    Code = 0x34
	InvalidPayload      Code = 0x40
	NotFound            Code = 0x41
	Conflict            Code = 0x42
	PermissionDenied    Code = 0x43
	InsufficientFunds   Code = 0x44
	Unavailable         Code = 0x45
	Internal            Code = 0xff
)

// Class is one of the six public error names; every code belongs to one.
type Class uint8

// Classes, with the zero value for what no peer has named.
const (
	ConnectionFailed Class = iota
	InvalidMessageFormat
	EncryptionFailed
	ClassSessionExpired
	AuthenticationFailed
	ProtocolVersionMismatch
)

// String returns the public name.
func (c Class) String() string {
	return [...]string{
		"ConnectionFailed", "InvalidMessageFormat", "EncryptionFailed",
		"SessionExpired", "AuthenticationFailed", "ProtocolVersionMismatch",
	}[c]
}

// Scope says what an Error ends.
type Scope uint8

// Scopes.
const (
	ScopeMessage Scope = 0
	ScopePath    Scope = 1
	ScopeSession Scope = 2
)

type codeInfo struct {
	name  string
	class Class
}

// info is the table of codes; ok is false for a code that this text does not list.
func (c Code) info() (codeInfo, bool) {
	switch c {
	case NoError:
		return codeInfo{"NO_ERROR", ConnectionFailed}, true
	case VersionUnsupported:
		return codeInfo{"VERSION_UNSUPPORTED", ProtocolVersionMismatch}, true
	case NoCommonSuite:
		return codeInfo{"NO_COMMON_SUITE", EncryptionFailed}, true
	case Malformed:
		return codeInfo{"MALFORMED", InvalidMessageFormat}, true
	case UnexpectedMessage:
		return codeInfo{"UNEXPECTED_MESSAGE", InvalidMessageFormat}, true
	case HandshakeFailed:
		return codeInfo{"HANDSHAKE_FAILED", EncryptionFailed}, true
	case ClockSkew:
		return codeInfo{"CLOCK_SKEW", ConnectionFailed}, true
	case ServerBusy:
		return codeInfo{"SERVER_BUSY", ConnectionFailed}, true
	case RateLimited:
		return codeInfo{"RATE_LIMITED", ConnectionFailed}, true
	case UnsupportedType:
		return codeInfo{"UNSUPPORTED_TYPE", InvalidMessageFormat}, true
	case SessionUnknown:
		return codeInfo{"SESSION_UNKNOWN", ClassSessionExpired}, true
	case SessionExpired:
		return codeInfo{"SESSION_EXPIRED", ClassSessionExpired}, true
	case PathLimit:
		return codeInfo{"PATH_LIMIT", ConnectionFailed}, true
	case KeyLimit:
		return codeInfo{"KEY_LIMIT", EncryptionFailed}, true
	case RekeyFailed:
		return codeInfo{"REKEY_FAILED", EncryptionFailed}, true
	case ProtocolViolation:
		return codeInfo{"PROTOCOL_VIOLATION", InvalidMessageFormat}, true
	default:
		return c.applicationInfo()
	}
}

// applicationInfo is the part of the table from 0x20 on.
func (c Code) applicationInfo() (codeInfo, bool) {
	switch c {
	case AuthFailed:
		return codeInfo{"AUTH_FAILED", AuthenticationFailed}, true
	case AuthRequired:
		return codeInfo{"AUTH_REQUIRED", AuthenticationFailed}, true
	case TooManyFailures:
		return codeInfo{"TOO_MANY_FAILURES", AuthenticationFailed}, true
	case PayloadTooLarge:
		return codeInfo{"PAYLOAD_TOO_LARGE", InvalidMessageFormat}, true
	case CompressionRefused:
		return codeInfo{"COMPRESSION_REFUSED", InvalidMessageFormat}, true
	case DecompressLimit:
		return codeInfo{"DECOMPRESS_LIMIT", InvalidMessageFormat}, true
	case IdempotencyMismatch:
		return codeInfo{"IDEMPOTENCY_MISMATCH", InvalidMessageFormat}, true
	case OperationExpired:
		return codeInfo{"OPERATION_EXPIRED", InvalidMessageFormat}, true
	case InvalidPayload:
		return codeInfo{"INVALID_PAYLOAD", InvalidMessageFormat}, true
	case NotFound:
		return codeInfo{"NOT_FOUND", InvalidMessageFormat}, true
	case Conflict:
		return codeInfo{"CONFLICT", InvalidMessageFormat}, true
	case PermissionDenied:
		return codeInfo{"PERMISSION_DENIED", AuthenticationFailed}, true
	case InsufficientFunds:
		return codeInfo{"INSUFFICIENT_FUNDS", InvalidMessageFormat}, true
	case Unavailable:
		return codeInfo{"UNAVAILABLE", ConnectionFailed}, true
	case Internal:
		return codeInfo{"INTERNAL", ConnectionFailed}, true
	default:
		return codeInfo{}, false
	}
}

// Class returns the public class; an unlisted code counts as INTERNAL.
func (c Code) Class() Class {
	i, _ := c.info()
	return i.class
}

// String returns the name of the code.
func (c Code) String() string {
	if i, ok := c.info(); ok {
		return i.name
	}
	return fmt.Sprintf("INTERNAL (unlisted code 0x%04x)", uint16(c))
}
