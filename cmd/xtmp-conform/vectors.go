package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/vectors"
)

func (a app) vectorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vectors",
		Short: "check, list, copy or export the golden vectors",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check [FOLDER]", Short: "look for what is wrong with the vectors, or with a copy of them", Args: cobra.MaximumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return a.checkVectors(args) },
		},
		&cobra.Command{
			Use: "list", Short: "list the vectors", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.listVectors() },
		},
		&cobra.Command{
			Use: "copy FOLDER", Short: "write the files of the vectors to a new folder", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return a.copyVectors(args[0]) },
		},
		&cobra.Command{
			Use: "export", Short: "print the vectors as one JSON document", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.exportVectors() },
		},
	)
	return cmd
}

// checkVectors checks the embedded vectors, or a folder. Broken vectors of ours
// are our failure; those of a folder are its owner's.
func (a app) checkVectors(args []string) error {
	problems, code := vectors.Check(), conformance.ExitHarness
	if len(args) == 1 {
		if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
			return &conformance.UsageError{Message: fmt.Sprintf("%s is no folder", args[0])}
		}
		problems, code = vectors.CheckFiles(os.DirFS(args[0])), conformance.ExitNonConformant
	}
	for _, problem := range problems {
		fmt.Fprintln(a.stdout, problem)
	}
	if len(problems) > 0 {
		fmt.Fprintf(a.stdout, "%d problems\n", len(problems))
		return conclude(code)
	}
	_, err := fmt.Fprintln(a.stdout, "nothing is wrong with the vectors")
	return err
}

func (a app) listVectors() error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VECTOR\tKIND\tEXPECT\tREQUIREMENTS")
	for _, v := range vectors.All() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.ID, v.Kind, v.Expect, strings.Join(v.Req, " "))
	}
	return w.Flush()
}

// copyVectors refuses a folder that exists, so that no file of it is lost.
func (a app) copyVectors(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return &conformance.UsageError{Message: err.Error()}
	}
	count := 0
	err := vectors.Copy(func(name string, content []byte) error {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		count++
		return writeFile(file, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
	})
	if err != nil {
		return harnessError{err}
	}
	_, err = fmt.Fprintf(a.stdout, "%d files\n", count)
	return err
}

func (a app) exportVectors() error {
	if err := vectors.ExportJSON(a.stdout); err != nil {
		return harnessError{err}
	}
	return nil
}
