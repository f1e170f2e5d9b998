package main

import (
	"github.com/bpci/xtmp/vectors"
	"github.com/bpci/xtmp/vectors/testkit"
)

func disconnectVectors() []vectors.Vector {
	leave := func(id string, reason uint64) *scenario {
		s := toServer("disconnect/"+id, typeDisconnect, 0, nil)
		s.draft.Body = testkit.Compose("disconnect").SetUint("reason", reason).SetUint("last_mid_complete", 1)
		return s
	}
	return []vectors.Vector{
		leave("ordinary", 0).valid("end", "DSC-007 DSC-008 DSC-009", "An ordinary end. Nothing is sent in answer."),
		leave("session-expired", 0x11).valid("end", "DSC-007", "A reason that is an error code."),
		leave("unknown-reason", 0xABCD).valid("end", "DSC-007", "A reason that the table does not have ends the session all the same."),
		leave("impossible-mids", 0).body(setUint("last_mid_sent", 1<<64-1)).body(setUint("last_mid_complete", 1<<64-1)).
			valid("end", "DSC-007", "The receiver does not check the two mids."),
		leave("17-bytes", 0).body(func(m *testkit.Message) { m.Set("last_mid_complete", make([]byte, 7)) }).
			invalid("PROTOCOL_VIOLATION", "check13", "DSC-010 ERR-021", "One byte is missing."),
		leave("19-bytes", 0).trailing([]byte{0}).
			invalid("PROTOCOL_VIOLATION", "check13", "DSC-010 ERR-021", "One byte too many."),
		toServer("disconnect/empty", typeDisconnect, 0, nil).
			invalid("PROTOCOL_VIOLATION", "check13", "DSC-010 ERR-021", "No body at all."),
	}
}
