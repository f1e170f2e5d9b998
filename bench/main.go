// Command bench measures XTMP and its peers side by side, on this machine, in one
// run: client and server are processes of their own and share the processors.
//
//	bench core      one way, echo, calls, latency, handshakes, beside the peers
//	bench idle      memory and processor time of 10 000 idle sessions
//	bench hostile   an honest client beside connections that trickle and flood
//	bench soak      an honest client beside visitors of every kind, for -time; it fails
//	                if anything is left of them
//
// It prints the machine, the versions and a table; -o also writes Markdown. What
// each row does is in its file. Figures are medians of the rounds; no time passes or
// fails.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

var (
	rounds = flag.Int("rounds", 3, "rounds of each row; the median is printed")
	span   = flag.Duration("time", 2*time.Second, "length of one round")
	output = flag.String("o", "", "file to write the table to, in Markdown")
	only   = flag.String("run", "", "rows whose name contains this")
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	sets := map[string]func(*table) error{"core": core, "idle": idle, "hostile": hostile, "soak": soak}
	run, ok := sets[flag.Arg(0)]
	if !ok || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [flags] core | idle | hostile | soak")
		flag.PrintDefaults()
		os.Exit(2)
	}
	t := newTable(flag.Arg(0))
	err := run(t)
	t.finish()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// table prints rows as they come and keeps them for Markdown.
type table struct {
	title string
	rows  []row
}

// row is one figure beside its goal and its baseline.
type row struct{ what, figure, goal, baseline, note string }

func newTable(title string) *table {
	t := &table{title: title}
	fmt.Println(machine())
	fmt.Printf("%-52s %16s %14s  %-34s %s\n", "what", "measured", "goal", "baseline, same run", "note")
	return t
}

func (t *table) add(r row) {
	t.rows = append(t.rows, r)
	fmt.Printf("%-52s %16s %14s  %-34s %s\n", r.what, r.figure, r.goal, r.baseline, r.note)
}

func (t *table) finish() {
	if *output == "" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- written by `make bench-%s` -->\n\n%s\n\n", t.title, machine())
	b.WriteString("| what | measured | goal | baseline, same run | note |\n|---|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.figure, r.goal, r.baseline, r.note)
	}
	if err := os.WriteFile(*output, []byte(b.String()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// machine says what was measured on.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	commit := "unknown"
	if b, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(b))
	}
	var peers []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/nats-io/nats-server/v2", "google.golang.org/grpc":
				peers = append(peers, d.Path+" "+d.Version)
			}
		}
	}
	return fmt.Sprintf("%s, commit %s, %s, %d × %s, %s", time.Now().Format(time.DateOnly), commit, runtime.Version(),
		runtime.NumCPU(), model, strings.Join(peers, ", "))
}
