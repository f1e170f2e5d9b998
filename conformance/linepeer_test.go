package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bpci/xtmp/spec"
)

// The line peer stands for an implementation: it reads lines and answers them.
//
//	PING      PONG
//	GOOD      TAKEN
//	BAD       ERROR 21 session, then the connection ends
//	IGNORE    nothing
//	CLOSE     the connection ends
//	RESET     the connection is reset
//	GARBAGE   bytes that are no line
//	FLOOD     bytes without end
//	DIE       the process ends, if it is one
const linePeerVariable = "CONFORMANCE_LINE_PEER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(linePeerVariable); mode != "" {
		os.Exit(linePeerProcess(mode))
	}
	os.Exit(m.Run())
}

// linePeerProcess is a line peer that the judge starts.
func linePeerProcess(mode string) int {
	fmt.Fprintln(os.Stderr, "line peer:", mode)
	switch mode {
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "dies":
		fmt.Println("not READY, says a banner")
		return 7
	case "mute":
		time.Sleep(time.Minute)
		return 0
	case "nonsense":
		fmt.Println("READY tcp=nowhere")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	fmt.Println("a banner line")
	fmt.Printf("READY tcp=%s udp=- fingerprint=%064x later=field\n", listener.Addr(), 0x0a0b)
	fmt.Println("noise after it")
	serveLines(listener, os.Exit)
	return 0
}

// startLines serves lines in this process and returns the address.
func startLines(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go serveLines(listener, func(int) { _ = listener.Close() })
	return listener.Addr().String()
}

func serveLines(listener net.Listener, die func(int)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go serveLineConn(conn.(*net.TCPConn), die)
	}
}

func serveLineConn(conn *net.TCPConn, die func(int)) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch lines.Text() {
		case "PING":
			fmt.Fprintln(conn, "PONG")
		case "GOOD":
			fmt.Fprintln(conn, "TAKEN")
		case "BAD":
			fmt.Fprintln(conn, "ERROR 21 session")
			return
		case "IGNORE":
		case "CLOSE":
			return
		case "RESET":
			_ = conn.SetLinger(0)
			return
		case "GARBAGE":
			_, _ = conn.Write([]byte("\x00\x01\n"))
		case "FLOOD":
			_, _ = io.Copy(conn, forever{})
		case "DIE":
			fmt.Fprintln(os.Stderr, "panic: as asked")
			die(3)
		}
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

// A talk is the scripted side of a line conversation.
type talk struct {
	*Conn
	x     *Exchange
	lines *bufio.Reader
}

func converse(x *Exchange) *talk {
	c := x.Dial()
	return &talk{Conn: c, x: x, lines: bufio.NewReader(c)}
}

// ask sends a line and says what came back.
func (t *talk) ask(line, wait string) Observation {
	t.say(line)
	return t.hear(wait)
}

func (t *talk) say(line string) {
	raw := []byte(line + "\n")
	if _, err := t.Write(raw); err == nil {
		t.Sent(line, raw, Field{Name: "word", Size: len(line)}, Field{Name: "end", Offset: len(line), Size: 1})
	}
}

func (t *talk) hear(wait string) Observation {
	t.Within(wait)
	line, err := t.lines.ReadString('\n')
	if err != nil {
		return t.x.Observe(err, wait)
	}
	t.Received("answer", []byte(line))
	switch word := strings.Fields(line); word[0] {
	case "TAKEN", "PONG":
		return Accepted()
	case "ERROR":
		return ErrorFrame(21, Scope(word[2]))
	}
	return Malformed(fmt.Sprintf("%q", line))
}

// Fence implements Fencer.
func (t *talk) Fence(wait string) error {
	t.say("PING")
	t.Within(wait)
	_, err := t.lines.ReadString('\n')
	return err
}

// pingProbe is the liveness probe for line peers.
func pingProbe(x *Exchange) error {
	if o := converse(x).ask("PING", BudgetReply); o.Kind != KindAccepted {
		return fmt.Errorf("PING gave %s", o)
	}
	return nil
}

// testRegistry is a small spec.
func testRegistry() *spec.Registry {
	r := &spec.Registry{
		Timers: []spec.Timer{{Name: "T_TEST", Value: time.Second}, {Name: "T_SHORT", Value: 60 * time.Millisecond}},
	}
	for _, q := range []spec.Requirement{
		{ID: "XTMP-TST-001", Level: "MUST", Role: "server", Testability: spec.Tested, Text: "A server MUST answer PING."},
		{ID: "XTMP-TST-002", Level: "MUST NOT", Role: "both", Testability: spec.Tested, Text: "A peer MUST NOT accept BAD."},
		{ID: "XTMP-TST-003", Level: "SHOULD", Role: "server", Testability: spec.Tested, Text: "A server SHOULD be kind."},
		{ID: "XTMP-TST-004", Level: "MUST", Role: "client", Testability: spec.Tested, Text: "A client MUST wait."},
		{ID: "XTMP-TST-005", Level: "MUST", Role: "server", Testability: spec.Implicit, Reason: "nothing works otherwise"},
	} {
		q.Profile = DefaultProfile
		r.Requirements = append(r.Requirements, q)
	}
	return r
}

// control is the case on which the negative ones of these tests lean.
func control() Case {
	return Case{
		ID: "XC-0001", Title: "A good line is taken.", Proves: []string{"XTMP-TST-001"},
		Expect: Expect{Strict: Rows(Accepted())}, Explain: explained(),
		Run: func(x *Exchange) { x.Judge(converse(x).ask("GOOD", BudgetReply)) },
	}
}

// negative is a case that sends a line and expects the given reactions.
func negative(id, line string, expect Expect) Case {
	return Case{
		ID: id, Title: "A line is refused: " + id + ".", Proves: []string{"XTMP-TST-002"}, Control: "XC-0001",
		Expect: expect, Explain: explained(),
		Run: func(x *Exchange) { x.Judge(converse(x).ask(line, BudgetReply)) },
	}
}

func explained() Explain {
	return Explain{Why: "it matters", Sends: "a line", UsualCauses: []string{"haste"}}
}

// judge runs cases against a target with quick budgets.
func judge(t *testing.T, target Target, change func(*Config), cases ...Case) *Outcome {
	t.Helper()
	plan := planOf(t, cases...)
	cfg := Config{Target: target, Waits: quickWaits(t), Seed: 1, Probe: pingProbe}
	if change != nil {
		change(&cfg)
	}
	outcome, err := plan.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func planOf(t *testing.T, cases ...Case) *Plan {
	t.Helper()
	suite, err := NewSuite(testRegistry(), cases)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suite.Select(Selection{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func quickWaits(t *testing.T) *Waits {
	t.Helper()
	waits, err := NewWaits(testRegistry(), 0.1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return waits
}

func lineTarget(t *testing.T) Target {
	t.Helper()
	target, err := NewAddress(startLines(t), "")
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// resultOf finds the result of an instance.
func resultOf(t *testing.T, o *Outcome, id string) Result {
	t.Helper()
	for _, r := range o.Results {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("no result for %s in %v", id, o.Results)
	return Result{}
}
