package conformance

import "fmt"

// A UsageError is the caller's mistake: a flag, a selection, a file.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

// A NothingSelectedError says that a selection left no case to run. It carries
// the term that matched nothing, if one did not.
type NothingSelectedError struct{ Term string }

func (e *NothingSelectedError) Error() string {
	if e.Term != "" {
		return fmt.Sprintf("nothing matches %q: a term is a case (XC-0142), an instance (XC-0142[bit=3]), "+
			"a requirement (XTMP-HDR-017), a label, or one of these with *", e.Term)
	}
	return "no case is selected"
}

// A TargetError says that the target could not be driven: the peer's or the
// user's doing, never a verdict.
type TargetError struct {
	Stage  string // "starting", "becoming ready", "answering", "proving its identity"
	Cause  error
	Stdout string // what a process printed in place of READY
	Stderr string // tail
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("the target failed while %s: %v", e.Stage, e.Cause)
}

func (e *TargetError) Unwrap() error { return e.Cause }

// An IdentityError says that the target proved another identity than the one it
// was named by: whoever it is, no verdict would be about the right peer.
type IdentityError struct{ Expected, Met []byte } // fingerprints

func (e *IdentityError) Error() string {
	return fmt.Sprintf("expected the identity %x, met %x: give the fingerprint of this server with --pin, or in its READY line",
		e.Expected, e.Met)
}

// A SuiteError lists what is wrong with the cases themselves.
type SuiteError struct{ Problems []string }

func (e *SuiteError) Error() string {
	if len(e.Problems) == 1 {
		return "the suite is not sound: " + e.Problems[0]
	}
	return fmt.Sprintf("the suite is not sound: %d problems, first: %s", len(e.Problems), e.Problems[0])
}
