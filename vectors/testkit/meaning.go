package testkit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bpci/xtmp/spec"
)

// Meaning returns the value of a field in words, or "" where the bytes say
// everything.
func Meaning(label string, data []byte) string {
	registry := spec.Default()
	value := Uint(data)
	switch label {
	case "frame.message_type":
		return typeName(uint8(value))
	case "frame.flags":
		return flagNames(uint16(value))
	case "frame.encryption_type", "server_hello.suite":
		if label == "frame.encryption_type" && value == 0 {
			return "none" // a clear frame, or one of an integrity-only session
		}
		suite, _ := registry.Suite(uint8(value))
		return suite.Name
	case "frame.timestamp", "client_hello.client_time", "server_hello.server_time", "handshake_done.server_time",
		"attach.client_time", "attach_ack.server_time":
		return moment(value)
	case "token.expiry":
		return moment(value * 1_000_000)
	case "token.kind":
		return nameOf(value, "", "cookie", "address token")
	case "attach.kind", "attach_endpoint.kind":
		return nameOf(value, "", "TCP or WebSocket", "UDP")
	case "attach_endpoint.host":
		return printable(data)
	case "envelope.hs_type":
		hs, _ := registry.HSType(uint8(value))
		return hs.Name
	case "flight_message.type":
		for _, t := range registry.FlightTypes {
			if uint64(t.Value) == value {
				return t.Name
			}
		}
	case "heartbeat.kind":
		for _, k := range registry.HeartbeatKinds {
			if uint64(k.Value) == value {
				return k.Name
			}
		}
	case "error.code", "disconnect.reason", "attach_ack.status":
		code, _ := registry.Error(uint16(value))
		return code.Name
	case "error.scope":
		return nameOf(value, "message", "path", "session")
	case "probe.op":
		return nameOf(value, "echo", "sink", "source", "fail", "delay", "stream")
	}
	return bitNames(label, value)
}

func typeName(code uint8) string {
	if t, ok := spec.Default().Type(code); ok {
		return t.Name
	}
	r, _ := spec.Default().TypeRange(code)
	return r.Name
}

func flagNames(flags uint16) string {
	var names []string
	for _, f := range spec.Default().Flags {
		if flags&f.Value != 0 {
			names = append(names, f.Name)
			flags &^= f.Value
		}
	}
	if flags != 0 {
		names = append(names, fmt.Sprintf("0x%04X undefined", flags))
	}
	return strings.Join(names, " ")
}

// bitNames names the bits of bit fields other than the flags of the header.
func bitNames(label string, value uint64) string {
	var names []string
	for _, b := range spec.Default().Bits {
		if b.Layout+"."+b.Field == label && value&uint64(b.Value) != 0 {
			names = append(names, b.Name)
		}
	}
	return strings.Join(names, " ")
}

// nameOf returns the name of a small number, "" if it has none.
func nameOf(value uint64, names ...string) string {
	if value < uint64(len(names)) {
		return names[value]
	}
	return ""
}

// printable returns bytes as text if they are ASCII that can be printed.
func printable(data []byte) string {
	if slices.ContainsFunc(data, func(b byte) bool { return b < 0x20 || b > 0x7E }) {
		return ""
	}
	return string(data)
}

// moment returns microseconds since the Unix epoch as a date.
func moment(microseconds uint64) string {
	if microseconds == 0 || microseconds > math.MaxInt64 {
		return ""
	}
	return time.UnixMicro(int64(microseconds)).UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}
