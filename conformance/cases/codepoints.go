package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
)

// codePoints returns the cases of chapter 3.
func codePoints() []conformance.Case {
	return slices.Concat(types(), flags(), tlvBlocks(), []conformance.Case{
		unknownSuites(), handshakeTypeInFinish(), undefinedHelloFlags(), undefinedErrorFlags(), bitsSent(),
	})
}
