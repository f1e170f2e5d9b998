package degenerate

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// trickleEvery is the pause between two bytes of trickle.
const trickleEvery = 50 * time.Millisecond

func trickle(conn net.Conn, _ io.Reader) {
	buffer := make([]byte, 4096)
	if _, err := conn.Read(buffer); err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	for {
		if _, err := conn.Write([]byte{0}); err != nil {
			return
		}
		time.Sleep(trickleEvery)
	}
}

func halfOpen(conn net.Conn, random io.Reader) {
	buffer := make([]byte, 4096)
	if _, err := conn.Read(buffer); err != nil {
		return
	}
	_, _ = conn.Write(serverHello(random)[:frameHeader+100])
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, conn)
}

// Sizes of a frame and of what a ServerHello is made of, in bytes.
const (
	frameHeader = 96
	envelope    = 16
	hello       = 1178
	longest     = 1 << 16 // payload that is read
)

// answerFrames answers every frame of a peer, or what looks like one.
func answerFrames(conn net.Conn, answer func(frame []byte) []byte) {
	for {
		frame := make([]byte, frameHeader)
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		payload := make([]byte, min(binary.BigEndian.Uint32(frame[24:]), longest))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		if _, err := conn.Write(answer(append(frame, payload...))); err != nil {
			return
		}
	}
}

// clearFrame is a clear frame around a payload.
func clearFrame(messageType byte, session uint64, payload []byte) []byte {
	frame := make([]byte, frameHeader, frameHeader+len(payload))
	copy(frame, "XTMP\x01")
	frame[5] = messageType
	binary.BigEndian.PutUint64(frame[8:], session)
	binary.BigEndian.PutUint32(frame[24:], uint32(len(payload)))
	binary.BigEndian.PutUint64(frame[32:], uint64(time.Now().UnixMicro()))
	frame = append(frame, payload...)
	binary.BigEndian.PutUint32(frame[28:], crc32.ChecksumIEEE(frame))
	return frame
}

// serverHello has the form of one: version 1, suite 1, and shares that are noise.
// Its handshake_id is nobody's.
func serverHello(random io.Reader) []byte {
	payload := make([]byte, envelope+hello)
	copy(payload, "\x03\x00\x01\x00")
	binary.BigEndian.PutUint32(payload[4:], hello)
	_, _ = io.ReadFull(random, payload[envelope+24:envelope+hello-2])
	payload[envelope], payload[envelope+1] = 1, 1
	binary.BigEndian.PutUint64(payload[envelope+8:], 1)
	binary.BigEndian.PutUint64(payload[envelope+16:], uint64(time.Now().UnixMicro()))
	return clearFrame(0x02, 1, payload)
}

// malformed is the clear Error MALFORMED of scope 1 without a word.
func malformed() []byte {
	payload := make([]byte, 16)
	payload[1], payload[2] = 0x03, 1
	binary.BigEndian.PutUint64(payload[8:], 1<<64-1)
	return clearFrame(0xfe, 0, payload)
}
