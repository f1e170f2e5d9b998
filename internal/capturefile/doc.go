// Package capturefile reads and writes captures: pcapng and pcap files, with the
// secrets that open what is in them.
//
//	[]Conversation ──Packets──▶ []Packet ──▶ Writer ──▶ pcapng
//	                               ▲          │ secrets block, then packets
//	                               │          ▼
//	   Packet◀─ Segment ◀──Segment─┴─────── Reader ◀── pcapng, pcap, either of them in gzip
//	                                          └──▶ Secrets
//
// The secrets stand in a Decryption Secrets Block of type 0x0A with secrets type
// 0x58544D4B ("XTMK"), before the first packet, since readers go from front to
// back. Its bytes are a key log (package keylog), whole.
//
// A reader never panics, whatever the bytes, and holds at most one block of them.
// gopacket reads and writes the containers and the packets; what it does not
// check (lengths, resolutions, interface numbers) is checked before it sees it.
//
// The package reassembles no streams, opens no frame and knows no protocol beyond
// TCP and UDP.
package capturefile
