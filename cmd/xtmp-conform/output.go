package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/report"
)

// outputFlags say what is written where.
type outputFlags struct {
	format            string
	json, junit, html string
	out               string
	noColor, verbose  bool
}

// The names of the reports in the folder of --out.
const (
	outJSON  = "report.json"
	outJUnit = "report.xml"
	outHTML  = "report.html"

	outCaptures = "captures" // a folder in that folder
)

func (f *outputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.format, "format", "text", "what goes to standard output: text, json, junit, html")
	flags.StringVar(&f.json, "json", "", "write the report as canonical JSON to this file")
	flags.StringVar(&f.junit, "junit", "", "write the report as JUnit XML to this file")
	flags.StringVar(&f.html, "html", "", "write the report as one HTML page to this file")
	flags.StringVar(&f.out, "out", "",
		"write "+outJSON+", "+outJUnit+", "+outHTML+" and a capture of each exchange that did not pass to this folder")
	flags.BoolVar(&f.noColor, "no-color", false, "no colours and no live view")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show passes too, and keep their evidence")
}

// files reports whether a report is to be written to a file.
func (f *outputFlags) files() bool { return f.json+f.junit+f.html+f.out != "" }

func (f *outputFlags) check() error {
	switch f.format {
	case "text", "json", "junit", "html":
		return nil
	}
	return &conformance.UsageError{Message: fmt.Sprintf("--format %q is not text, json, junit or html", f.format)}
}

// write writes every form that was asked for, files first: what is on the
// screen has then been kept.
func (f *outputFlags) write(d *report.Document, stdout io.Writer) error {
	files := []struct {
		name string
		form func(io.Writer) error
	}{{f.json, d.WriteJSON}, {f.junit, d.WriteJUnit}, {f.html, d.WriteHTML}}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return err
		}
		for i, name := range []string{outJSON, outJUnit, outHTML} {
			file := files[i]
			file.name = filepath.Join(f.out, name)
			files = append(files, file)
		}
	}
	for _, file := range files {
		if file.name == "" {
			continue
		}
		if err := writeFile(file.name, file.form); err != nil {
			return err
		}
	}
	switch f.format {
	case "json":
		return d.WriteJSON(stdout)
	case "junit":
		return d.WriteJUnit(stdout)
	case "html":
		return d.WriteHTML(stdout)
	}
	return d.WriteText(stdout, f.style(stdout))
}

// style looks at where the text goes. NO_COLOR is honoured whatever its value
// (no-color.org).
func (f *outputFlags) style(w io.Writer) report.Style {
	style := report.Style{Verbose: f.verbose}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		style.Color = !f.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			style.Width = width
		}
	}
	return style
}

// live returns the live view, or nil where there is no terminal for it.
func (f *outputFlags) live(w io.Writer) *report.Live {
	style := f.style(w)
	if !style.Color {
		return nil
	}
	return report.NewLive(w, style)
}

// writeFile writes a file whole or not at all, for everybody to read.
func writeFile(name string, form func(io.Writer) error) error { return writeMode(name, 0o644, form) }

func writeMode(name string, mode os.FileMode, form func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails once it has its name
	if err := form(file); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Chmod(mode); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
