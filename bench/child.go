package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/mlkem"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bpci/xtmp/refimpl/security"
	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/transport"
	"github.com/bpci/xtmp/refimpl/wire"
)

// child is a server in a process of its own, which answers questions about
// itself on its standard input.
type child struct {
	target
	cmd   *exec.Cmd
	ask   *json.Encoder
	lines *bufio.Scanner
}

// usage is what a process has used.
type usage struct {
	CPU     time.Duration // user and system time
	RSS     int64         // resident memory, bytes
	Heap    uint64        // live heap objects, bytes
	Gaps    uint64        // in heap pages between and behind live objects, bytes
	Spare   uint64        // heap pages that are free and not given back, bytes
	Stack   uint64        // goroutine stacks, bytes
	Runtime uint64        // what the Go runtime holds to keep these, bytes
	Open    int           // connections
	Parked  int           // sessions without a path
	Files   int           // open descriptors
	Writes  uint64
	Wakeups uint64
	Reads   uint64
}

// startChild starts this program as a server.
func startChild(kind string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, "serve", kind)}
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.ask, c.lines = json.NewEncoder(in), bufio.NewScanner(out)
	if !c.lines.Scan() {
		return nil, fmt.Errorf("the %s server did not start", kind)
	}
	fields := strings.Fields(c.lines.Text())
	c.address = fields[0]
	for _, pin := range fields[1:] {
		p, err := parsePin(pin)
		if err != nil {
			return nil, err
		}
		c.pins = append(c.pins, p)
	}
	return c, nil
}

// parsePin reads kind:fingerprint.
func parsePin(s string) (p security.Pin, err error) {
	kind, fingerprint, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(kind)
	if err != nil {
		return p, err
	}
	p.Kind = uint8(n)
	b, err := hex.DecodeString(fingerprint)
	if err == nil && copy(p.Fingerprint[:], b) != len(p.Fingerprint) {
		err = errors.New("a fingerprint has 32 bytes")
	}
	return p, err
}

// usage asks the child what it has used; collect has it collect garbage before.
func (c *child) usage(collect bool) (u usage, err error) {
	if err := c.ask.Encode(collect); err != nil {
		return u, err
	}
	if !c.lines.Scan() {
		return u, fmt.Errorf("the server has ended: %w", c.lines.Err())
	}
	err = json.Unmarshal(c.lines.Bytes(), &u)
	return u, err
}

func (c *child) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// serve is the child's side.
func serve(kind string) error {
	switch kind {
	case "xtmp":
		return serveXTMP()
	default:
		return servePeer(kind)
	}
}

func serveXTMP() error {
	one, err := security.NewIdentity(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		return err
	}
	two, err := security.NewHybridIdentity(bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32))
	if err != nil {
		return err
	}
	core := session.Config{
		Entropy:     rand.Reader,
		Suites:      []wire.Suite{wire.SuiteAES256GCM, wire.SuiteChaCha20, wire.SuitePostQuantum},
		Compression: true,
		Server: session.ServerConfig{
			Identities:  []*security.Identity{one, two},
			Encapsulate: func(k *mlkem.EncapsulationKey768) ([]byte, []byte) { return k.Encapsulate() },
			AttachTCP:   true, AttachUDP: true, // as the server has it by default
		},
	}
	if _, err := rand.Read(core.Server.ResetKey[:]); err != nil {
		return err
	}
	s, err := transport.Listen(context.Background(), "127.0.0.1:0", transport.Config{
		Session: core, Loops: runtime.GOMAXPROCS(0), Probe: true, MaxConnections: 20_000, Log: quiet,
	})
	if err != nil {
		return err
	}
	go func() { _ = s.Serve(context.Background()) }()
	pins := fmt.Sprintf("%d:%v %d:%v", one.Kind(), one.Fingerprint(), two.Kind(), two.Fingerprint())
	return answer(s.Addr().String()+" "+pins, func(u *usage) {
		u.Open = s.Connections()
		m := s.Metrics()
		u.Parked = m.Parked
		for _, l := range m.Loops {
			u.Writes, u.Wakeups, u.Reads = u.Writes+l.Writes, u.Wakeups+l.WakeUps, u.Reads+l.Reads
		}
	})
}

// answer says where the server listens and answers questions about the process.
func answer(ready string, more func(*usage)) error {
	fmt.Println(ready)
	asked := json.NewDecoder(os.Stdin)
	for {
		var collect bool
		if err := asked.Decode(&collect); err != nil {
			return nil // the parent is gone
		}
		if collect {
			runtime.GC()
			debug.FreeOSMemory()
		}
		u := self()
		if more != nil {
			more(&u)
		}
		if err := json.NewEncoder(os.Stdout).Encode(u); err != nil {
			return err
		}
	}
}

// self measures this process.
func self() (u usage) {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		f := strings.Fields(string(b))
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		shared, _ := strconv.ParseInt(f[2], 10, 64)
		u.RSS = (pages - shared) * int64(os.Getpagesize())
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.Files = len(files)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Heap, u.Gaps, u.Spare, u.Stack = m.HeapAlloc, m.HeapInuse-m.HeapAlloc, m.HeapIdle-m.HeapReleased, m.StackInuse
	u.Runtime = m.MSpanInuse + m.MCacheInuse + m.GCSys + m.OtherSys + m.BuckHashSys
	return u
}

var quiet = slog.New(slog.DiscardHandler)
