package cases

import (
	"slices"

	"github.com/bpci/xtmp/conformance"
)

// The control twins of cases about several paths: the same exchange without the
// defect.
const (
	controlAttach  = "XC-1300" // Attach over TCP makes a path
	controlStandby = "XC-1301" // so it does with the standby bit
)

// paths returns the cases of chapter 13. Those of Attach over TCP need no UDP: a
// server whose sessions have TCP paths alone is judged by them.
func paths() []conformance.Case {
	list := slices.Concat(
		attaching(),
		attachRefused(),
		attachUnknown(),
		pathsMove(),
		pathsEnd(),
		parking(),
		pathsProbe(),
		attachUDP(),
		rekeyPaths(),
	)
	for i := range list {
		list[i].Profile = profileFailover
	}
	return list
}
