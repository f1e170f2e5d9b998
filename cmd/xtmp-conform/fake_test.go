package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/selftest"
	"github.com/bpci/xtmp/spec"
)

// The scripts run four programs: the command itself, the command with a small
// suite about a line protocol, and that protocol's servers, sound and broken.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"xtmp-conform": main,
		"line-conform": func() { os.Exit(lineApp().run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
		"line-server":  func() { os.Exit(lineServer(os.Args[1])) },
		"line-mutants": func() { os.Exit(lineMutants(os.Args[1:])) },
	})
}

// lineApp judges servers that answer GOOD with OK, refuse BAD with NO, and
// greet HELLO kindly.
func lineApp() app {
	reg := &spec.Registry{
		Chapters: []spec.Chapter{{File: "01-lines.md", Title: "1 Lines"}},
		Errors:   []spec.ErrorCode{{Code: 3, Name: "MALFORMED", Class: "Bad"}},
		Timers:   spec.Default().Timers,
		Requirements: []spec.Requirement{
			{ID: "XTMP-TST-001", Level: "MUST", Role: "server", Text: "A server MUST answer GOOD with OK."},
			{ID: "XTMP-TST-002", Level: "MUST NOT", Role: "server", Text: "A server MUST NOT answer BAD with OK."},
			{ID: "XTMP-TST-003", Level: "SHOULD", Role: "server", Text: "A server SHOULD greet."},
			{ID: "XTMP-TST-004", Level: "MUST", Role: "server", Testability: spec.Implicit, Reason: "else nothing works"},
		},
	}
	for i := range reg.Requirements {
		q := &reg.Requirements[i]
		q.Profile, q.Chapter, q.Section = "core", "01-lines", "1.1 Words"
		if q.Testability == "" {
			q.Testability = spec.Tested
		}
	}
	a := app{registry: reg, cases: lineCases(), probe: func(x *conformance.Exchange) error {
		if got := ask(x, "PING"); got != "PONG" {
			return fmt.Errorf("PING gave %q", got)
		}
		return nil
	}}
	switch os.Getenv("LINE_SUITE") {
	case "panics":
		a.cases[0].Run = func(*conformance.Exchange) { panic("oops") }
	case "unsound":
		a.cases[0].Proves = nil
	case "orphan":
		a.cases = a.cases[:1]
	case "draft":
		a.cases, reg.Profiles = a.cases[:1], []spec.Profile{{Name: "core", Draft: true}}
	case "toothless":
		a.cases[0].Run = func(x *conformance.Exchange) { x.Judge(conformance.Accepted()) }
	case "excused":
		a.excuses = []selftest.Excuse{{Peer: "echo", Case: "XC-0001", Why: "nobody needs this"}}
	}
	return a
}

func lineCases() []conformance.Case {
	explain := conformance.Explain{Why: "lines matter", Sends: "one line", UsualCauses: []string{"a missing branch"}}
	taken := conformance.Expect{Strict: conformance.Rows(conformance.Accepted())}
	refused := conformance.Expect{
		Strict:    []conformance.Reaction{conformance.Row(conformance.ErrorFrame(3, conformance.AnyScope), "XTMP-TST-002")},
		Forbidden: []conformance.Reaction{conformance.Row(conformance.Accepted(), "XTMP-TST-002")},
	}
	line := func(x *conformance.Exchange, line string) {
		switch got := ask(x, line); got {
		case "OK":
			x.Judge(conformance.Accepted())
		case "NO":
			x.Judge(conformance.ErrorFrame(3, conformance.ScopeMessage))
		default:
			x.Judge(conformance.Malformed(fmt.Sprintf("%q", got)))
		}
	}
	return []conformance.Case{
		{
			ID: "XC-0001", Title: "A good line is taken.", Proves: []string{"XTMP-TST-001"}, Expect: taken, Explain: explain,
			Labels: []string{"basic"}, Run: func(x *conformance.Exchange) { line(x, "GOOD") },
		},
		{
			ID: "XC-0002", Title: "A bad line is refused.", Proves: []string{"XTMP-TST-002"}, Touches: []string{"XTMP-TST-001"},
			Control: "XC-0001", Expect: refused, Explain: explain, Params: []conformance.Param{{Name: "how", Values: []string{"1", "2"}}},
			Run: func(x *conformance.Exchange) { line(x, "BAD"+x.Param("how")) },
		},
		{
			ID: "XC-0003", Title: "A server greets.", Proves: []string{"XTMP-TST-003"}, Level: conformance.Should, Explain: explain,
			Expect: taken, Run: func(x *conformance.Exchange) { line(x, "HELLO") },
		},
	}
}

// ask sends a line and returns the answer.
func ask(x *conformance.Exchange, line string) string {
	c := x.Dial()
	raw := []byte(line + "\n")
	_, _ = c.Write(raw)
	c.Sent("line", raw, conformance.Field{Name: "word", Size: len(line)})
	c.Within(conformance.BudgetReply)
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		x.Judge(x.Observe(err, conformance.BudgetReply))
	}
	return strings.TrimSpace(answer)
}

// lineServer serves lines in one of several moods.
func lineServer(mood string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch mood {
	case "dies":
		fmt.Println("cannot find my configuration")
		fmt.Fprintln(os.Stderr, "fatal: no configuration")
		return 1
	case "mute":
		<-ctx.Done()
		return 0
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	fmt.Printf("READY tcp=%s udp=- fingerprint=-\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return 0
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				answerLine(conn, mood, lines.Text())
			}
		}()
	}
}

func answerLine(conn net.Conn, mood, line string) {
	answers := map[string]string{"PING": "PONG", "GOOD": "OK", "HELLO": "OK", "BAD1": "NO", "BAD2": "NO"}
	switch {
	case mood == "lenient" && line == "BAD2":
		answers[line] = "OK"
	case mood == "unkind" && line == "HELLO", mood == "stubborn" && line == "GOOD":
		answers[line] = "NO"
	case mood == "babbling" && line == "BAD1":
		answers[line] = "WHAT"
	case mood == "silent" && line != "PING":
		_ = os.WriteFile(os.Getenv("LINE_MARK"), nil, 0o600)
		return
	case mood == "fragile" && line == "BAD1":
		fmt.Fprintln(os.Stderr, "panic: index out of range")
		os.Exit(2)
	}
	fmt.Fprintln(conn, answers[line])
}

// lineMutants lists and serves broken servers.
func lineMutants(args []string) int {
	switch args[0] {
	case "list":
		fmt.Println(`{"name":"lenient","requirement":"XTMP-TST-002","description":"takes BAD2"}`)
		fmt.Println(`{"name":"unkind","requirement":"XTMP-TST-003","description":"does not greet"}`)
		switch os.Getenv("LINE_MUTANTS") {
		case "immortal":
			fmt.Println(`{"name":"good","requirement":"XTMP-TST-001","description":"has no defect"}`)
		case "misjudged":
			fmt.Println(`{"name":"unkind2","requirement":"XTMP-TST-001","description":"does not greet either"}`)
		case "dead":
			fmt.Println(`{"name":"dies","requirement":"XTMP-TST-001","description":"does not come up"}`)
		case "unproven":
			fmt.Println(`{"name":"lenient2","requirement":"XTMP-TST-004","description":"no case"}`)
		case "hostile":
			fmt.Println(`{"name":"a; rm","requirement":"XTMP-TST-001","description":"a bad name"}`)
		}
		return 0
	case "zoo":
		switch os.Getenv("LINE_MUTANTS") {
		case "zoo":
			fmt.Println(`{"name":"good","permits":"1.1 Words","description":"is odd"}`)
		case "alarmed":
			fmt.Println(`{"name":"unkind","permits":"1.1 Words","description":"need not greet"}`)
		case "unpermitted":
			fmt.Println(`{"name":"good","description":"is odd"}`)
		}
		return 0
	case "serve":
		return lineServer(strings.TrimSuffix(args[1], "2"))
	}
	return 2
}
