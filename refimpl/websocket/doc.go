// Package websocket carries XTMP frames over a WebSocket, chapter 14 of the
// specification: one frame is one binary message of RFC 6455.
//
//	GET /xtmp ──▶ Accept ──▶ 101, or why not
//
//	connection ─ bytes ─▶ Feed ─▶ Next ─▶ whole frames, unmasked where they lie
//	                        └──▶ a Ping, the peer's Close, a message that is refused
//	frames ─▶ AppendMessages ─▶ bytes ─▶ connection
//	            AppendPong, AppendClose ─▶┘
//
//	open ─ Close, or a message that is refused ─▶ closing ─ the peer's Close ─▶ over
//	  └──────────────────── the peer's Close ─────────────────────────────────▶ over
//
// A message that arrives in one piece is a slice of the bytes that were fed:
// nothing is copied or allocated. Only an incomplete one is kept, in memory that
// grows with what has arrived.
//
// What a frame of RFC 6455 looks like is left to github.com/gobwas/ws. The package
// opens no connection and knows no time: its owner reads and writes, counts
// T_FRAME by Held and waits T_LINGER for the peer's Close.
package websocket
