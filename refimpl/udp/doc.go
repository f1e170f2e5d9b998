// Package udp sends and receives datagrams in batches: many of them per system
// call, and no allocation for any.
//
//	Room, Add ─▶ Batch │1200│1200│300│1200│…   ─▶ one sendmmsg: message 0: A, UDP_SEGMENT 1200: 3 datagrams
//	                     A    A    A   B                        message 1: B, 1 datagram
//
//	one recvmmsg: message 0: A, UDP_GRO 1200, 2700 B ─▶ []Datagram │A 1200│A 1200│A 300│B 87│…
//	              message 1: B, 87 B
//
// A Socket belongs to one event loop and never blocks; several of them share a
// port (Listen), and the kernel spreads datagrams over them by a word of the
// payload (Steer). A Conn is for two goroutines, one that reads and one that
// writes. Sockets need Linux. A Conn works everywhere, elsewhere without batches.
//
// Addresses are those of the wire: an IPv4 address is never mapped into IPv6,
// whatever the socket is. DF is set where the system lets us. ICMP changes
// nothing: a datagram that the local stack refuses counts as sent and lost, and no
// error of a network comes out of this package. ECN is left alone.
package udp
