package main

import (
	"errors"
	"fmt"
	"io"
	"os"
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
		RunE: func(*cobra.Command, []string) error {
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
		return nil, errors.New("validate needs --message-file FILE")
	case "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(file)
	}
}

// validate prints a verdict for each frame in b and fails at the first that is
// not valid.
func validate(b []byte, headers bool, stdout io.Writer) error {
	if len(b) == 0 {
		return errors.New("the file is empty")
	}
	for n, offset := 1, 0; offset < len(b); n++ {
		size, err := validateFrame(b[offset:], n, headers, stdout)
		if err != nil {
			return fmt.Errorf("frame %d at byte %d: InvalidMessageFormat: %w", n, offset, err)
		}
		offset += size
	}
	return nil
}

func validateFrame(b []byte, n int, headers bool, stdout io.Writer) (size int, err error) {
	var h wire.Header
	err = wire.ParseHeader(b, &h)
	if errors.Is(err, wire.ErrVersion) {
		return 0, fmt.Errorf("ProtocolVersionMismatch: expected %d, got %d", wire.Version, h.Version)
	}
	if err != nil {
		return 0, err
	}
	if headers {
		printHeader(stdout, &h, b)
	}
	if err := checkShape(&h); err != nil {
		return 0, err
	}
	size = wire.Overhead + int(h.PayloadLength)
	if len(b) < size {
		return 0, fmt.Errorf("payload_length is %d, and %d bytes follow", h.PayloadLength, len(b)-wire.Overhead)
	}
	frame := append([]byte(nil), b[:size]...)
	if !wire.VerifyChecksum(frame, h.Checksum) {
		return 0, fmt.Errorf("checksum is %08x: CRC mismatch", h.Checksum)
	}
	kind := "sealed, not opened"
	if h.Clear() {
		kind = "clear"
	}
	_, err = fmt.Fprintf(stdout, "frame %d: %v, %d bytes, %s: valid\n", n, h.Type, size, kind)
	return size, err
}

// checkShape is step 3 of the order of checks, without a state.
func checkShape(h *wire.Header) error {
	switch {
	case h.Type.Reserved():
		return wire.ErrType
	case h.Encryption > wire.SuitePostQuantum, h.Flags.Has(wire.FlagEncrypted) != (h.Encryption != wire.SuiteNone):
		return wire.ErrEncryption
	case h.Clear() && h.Flags != 0, !h.Clear() && !wire.LegalFlags(h.Type, h.Flags):
		return wire.ErrFlags
	case h.PayloadLength > wire.MaxPayload:
		return wire.ErrTooLong
	default:
		return nil
	}
}

func printHeader(w io.Writer, h *wire.Header, frame []byte) {
	stamp := time.UnixMicro(int64(h.Timestamp)).UTC().Format("2006-01-02T15:04:05.000000Z")
	for _, f := range []struct {
		name  string
		value any
	}{
		{"header_bytes", wire.HeaderSize},
		{"  magic", fmt.Sprintf("%x %q", frame[:4], frame[:4])},
		{"  version", h.Version},
		{"  message_type", fmt.Sprintf("0x%02x %v", uint8(h.Type), h.Type)},
		{"  flags", fmt.Sprintf("0x%04x %v", uint16(h.Flags), h.Flags)},
		{"  session_id", h.SessionID},
		{"  sequence_number", h.Sequence},
		{"  payload_length", h.PayloadLength},
		{"  checksum", fmt.Sprintf("%08x", h.Checksum)},
		{"security_bytes", wire.SecuritySize},
		{"  encryption_type", fmt.Sprintf("%d %v", uint8(h.Encryption), h.Encryption)},
		{"  timestamp", fmt.Sprintf("%d %s", h.Timestamp, stamp)},
		{"  key_id", fmt.Sprintf("%x", h.KeyID)},
		{"  nonce", fmt.Sprintf("%x", wire.Nonce(frame))},
		{"  auth_tag", fmt.Sprintf("%x", wire.Tag(frame))},
	} {
		fmt.Fprintf(w, "%-18s: %v\n", f.name, f.value) //nolint:errcheck // the verdict's write reports it
	}
}
