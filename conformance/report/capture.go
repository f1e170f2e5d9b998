package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/internal/capturefile"
)

// CaptureName is the name of the capture file of an instance, without folder. Two
// instances may share it where they differ in signs only.
func CaptureName(id string) string {
	name := anchor(id)
	return name[:min(len(name), maxCaptureName)] + ".pcapng"
}

// maxCaptureName leaves room for an ending within what file systems take.
const maxCaptureName = 120

// WriteCapture writes the traffic of a result as pcapng, with the secrets that the
// judge derived in front of the packets.
func WriteCapture(w io.Writer, r conformance.Result, application, replay string) error {
	comment := fmt.Sprintf("%s: %s\nreplay: %s\n", r.ID, r.Case.Title, replay)
	if r.Traffic.Cut {
		comment += "Only the beginning was kept.\n"
	}
	comment += fmt.Sprintf("%s: %s", r.Verdict, r.Reason)
	var secrets []capturefile.Secrets
	if len(r.Traffic.Keys) > 0 {
		secrets = append(secrets, capturefile.Secrets{
			Type: capturefile.SecretsXTMP, Data: []byte(strings.Join(r.Traffic.Keys, "\n") + "\n"),
		})
	}
	var talks []capturefile.Conversation
	for _, talk := range r.Traffic.Talks {
		talks = append(talks, conversationOf(talk))
	}
	packets, err := capturefile.Packets(talks...)
	if err != nil {
		return err
	}
	section := capturefile.Section{Application: application, Comment: strings.ToValidUTF8(comment[:min(len(comment), maxComment)], "")}
	capture, err := capturefile.NewWriter(w, section, secrets...)
	if err != nil {
		return err
	}
	for _, p := range packets {
		if err := capture.Write(p); err != nil {
			return err
		}
	}
	return capture.Flush()
}

// maxComment is how much of the peer's words a capture repeats, in bytes.
const maxComment = 4 << 10

// conversationOf is a talk as packets are made of it: the judge is the client.
func conversationOf(talk conformance.Talk) capturefile.Conversation {
	c := capturefile.Conversation{Client: talk.Local, Server: talk.Remote, UDP: talk.UDP}
	for _, m := range talk.Moves {
		step := capturefile.Step{At: m.At, FromClient: m.Way != conformance.WayReceived && !m.ByPeer, Data: m.Bytes}
		switch {
		case m.Way == conformance.WayOpen:
			step.Kind = capturefile.Opened
		case m.Way != conformance.WayEnd:
			step.Kind = capturefile.Sent
		case m.Reset:
			step.Kind = capturefile.Reset
		default:
			step.Kind = capturefile.Closed
		}
		c.Steps = append(c.Steps, step)
	}
	return c
}
