package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/wire"
)

func validateCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var file string
	var headers bool
	c := &cobra.Command{
		Use:     "validate --message-file FILE",
		Short:   "Judge the frames in a file without keys",
		Example: "bpi-xtmp validate --message-file message.bin --show-headers",
		Long: "Reads frames, one after the other, and checks what needs no key: magic, version, type,\n" +
			"flags, encryption_type, payload_length and checksum. `-` reads standard input.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{fmt.Errorf("unexpected argument %q: bpi-xtmp validate --message-file FILE", args[0])}
			}
			b, err := readMessage(file, stdin)
			if err != nil {
				return usage{err}
			}
			return validate(b, headers, stdout)
		},
	}
	c.Flags().StringVar(&file, "message-file", "", "file with one or more frames, or - for standard input")
	c.Flags().BoolVar(&headers, "show-headers", false, "print every field of header and security layer")
	return c
}

func readMessage(file string, stdin io.Reader) ([]byte, error) {
	switch file {
	case "":
		return nil, errors.New("validate needs a file: bpi-xtmp validate --message-file FILE")
	case "-":
		return io.ReadAll(stdin)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the message file cannot be read: %w", err)
	}
	return b, nil
}

// validate prints a verdict for each frame in b and fails at the first that is
// not valid.
func validate(b []byte, headers bool, stdout io.Writer) error {
	if len(b) == 0 {
		return errors.New("InvalidMessageFormat: the file is empty: a frame has at least 96 bytes")
	}
	for n, offset := 1, 0; offset < len(b); n++ {
		size, err := validateFrame(b[offset:], n, headers, stdout)
		if err != nil {
			return fmt.Errorf("frame %d at byte %d: %w", n, offset, err)
		}
		offset += size
	}
	return nil
}

// invalid is what is wrong with a frame, by its public name.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%v: "+format, append([]any{wire.InvalidMessageFormat}, args...)...)
}

func validateFrame(b []byte, n int, headers bool, stdout io.Writer) (size int, err error) {
	var h wire.Header
	switch err := wire.ParseHeader(b, &h); {
	case errors.Is(err, wire.ErrShortHeader):
		return 0, invalid("%d bytes are left: a frame has at least %d", len(b), wire.Overhead)
	case errors.Is(err, wire.ErrMagic):
		return 0, invalid("magic is %x, not 58544d50", b[:4])
	case errors.Is(err, wire.ErrVersion):
		return 0, fmt.Errorf("%v: expected %d, got %d", wire.ProtocolVersionMismatch, wire.Version, h.Version)
	case err != nil:
		return 0, invalid("%w", err)
	}
	if headers {
		printHeader(stdout, &h, b)
	}
	if err := checkShape(&h, b); err != nil {
		return 0, invalid("%w", err)
	}
	size = wire.Overhead + int(h.PayloadLength)
	if len(b) < size {
		return 0, invalid("payload_length is %d, and %d bytes follow", h.PayloadLength, len(b)-wire.Overhead)
	}
	frame := append([]byte(nil), b[:size]...)
	if !wire.VerifyChecksum(frame, h.Checksum) { // which leaves the field zero
		return 0, invalid("CRC mismatch: checksum is %08x, the frame gives %08x", h.Checksum, crc32.ChecksumIEEE(frame))
	}
	kind := "sealed, not opened"
	if h.Clear() {
		kind = "clear"
	}
	_, err = fmt.Fprintf(stdout, "frame %d: %v, %d bytes, %s: valid\n", n, h.Type, size, kind)
	return size, err
}

// checkShape is what steps 3 and 4 of the order of checks, and 10 for the part
// of the nonce that no key decides, say without a state.
func checkShape(h *wire.Header, frame []byte) error {
	zero := func(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }
	encrypted := h.Flags.Has(wire.FlagEncrypted)
	switch {
	case h.Type.Reserved():
		return fmt.Errorf("message_type 0x%02x is reserved", uint8(h.Type))
	case h.Encryption > wire.SuitePostQuantum:
		return fmt.Errorf("encryption_type %d is no suite", uint8(h.Encryption))
	case encrypted != (h.Encryption != wire.SuiteNone):
		return fmt.Errorf("encryption_type %d disagrees with flags 0x%04x: ENCRYPTED goes with a suite", uint8(h.Encryption), uint16(h.Flags))
	case h.Clear() && h.Type != wire.TypeHandshake && h.Type != wire.TypeHandshakeAck && h.Type != wire.TypeError:
		return fmt.Errorf("%v is never a clear frame, and key_id is zero", h.Type)
	case h.Clear() && h.Flags != 0, !h.Clear() && !wire.LegalFlags(h.Type, h.Flags):
		return fmt.Errorf("flags 0x%04x (%v) are not allowed for %v", uint16(h.Flags), h.Flags, h.Type)
	case h.Clear() && (h.Sequence != 0 || !zero(wire.Nonce(frame)) || !zero(wire.Tag(frame))):
		return errors.New("a clear frame carries a nonce, a tag or a sequence number")
	case !zero(wire.Nonce(frame)[wire.NonceSize:]):
		return errors.New("the last twelve bytes of the nonce are not zero")
	case h.PayloadLength > wire.MaxPayload:
		return fmt.Errorf("payload_length %d is above %d", h.PayloadLength, wire.MaxPayload)
	default:
		return nil
	}
}

func printHeader(w io.Writer, h *wire.Header, frame []byte) {
	stamp := time.UnixMicro(int64(h.Timestamp)).UTC().Format("2006-01-02T15:04:05.000000Z")
	say := func(format string, args ...any) {
		fmt.Fprintf(w, format+"\n", args...) // the verdict's write reports it
	}
	say("header_bytes: %d", wire.HeaderSize)
	say("  magic:           %x %q", frame[:4], frame[:4])
	say("  version:         %d", h.Version)
	say("  message_type:    0x%02x %v", uint8(h.Type), h.Type)
	say("  flags:           0x%04x %v", uint16(h.Flags), h.Flags)
	say("  session_id:      %d", h.SessionID)
	say("  sequence_number: %d", h.Sequence)
	say("  payload_length:  %d", h.PayloadLength)
	say("  checksum:        %08x", h.Checksum)
	say("security_bytes: %d", wire.SecuritySize)
	say("  encryption_type: %d %v", uint8(h.Encryption), h.Encryption)
	say("  timestamp:       %d %s", h.Timestamp, stamp)
	say("  key_id:          %x", h.KeyID)
	say("  nonce:           %x", wire.Nonce(frame))
	say("  auth_tag:        %x", wire.Tag(frame))
}
