package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance/report"
)

func (a app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "show the versions and digests of suite and spec",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			suite, err := a.suite()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(
				a.stdout, "xtmp-conform %s, %s, %s/%s\nspec   %s  %s  %d requirements\nsuite  %s  %d cases\n",
				version(), runtime.Version(), runtime.GOOS, runtime.GOARCH,
				report.SpecVersion, report.SpecDigest(a.registry), len(a.registry.Requirements),
				report.SuiteDigest(suite), len(suite.Cases()),
			)
			return err
		},
	}
}

// version is the module's version, with the commit where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
