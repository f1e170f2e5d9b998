package testkit

import "net/netip"

// Kinds of tokens.
const (
	TokenCookie  = 1 // of a Retry
	TokenAddress = 2 // of HandshakeDone
)

// SealToken fills in the mac of a token, unless the caller has set it, and returns
// its 48 bytes. The binding is that of the kind: [CookieBinding], or nothing.
func SealToken(key []byte, token *Message, client netip.Addr, binding []byte) []byte {
	head := token.Clone().Cut("mac").Encode()
	d := Derive("address", Values{"token_key": key, "token_head": head, "client_ip": ClientIP(client), "binding": binding})
	return token.Default("mac", d.Value("token_mac")).Encode()
}

// ClientIP returns an address as a token is bound to it: 16 bytes, IPv4 as
// ::ffff:a.b.c.d.
func ClientIP(addr netip.Addr) []byte {
	ip := addr.As16()
	return ip[:]
}

// CookieBinding returns what a cookie is bound to besides the address.
func CookieBinding(port uint16, handshakeID []byte) []byte {
	return append(PutUint(uint64(port), 2), handshakeID...)
}
