package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bpci/xtmp/refimpl/clock"
	"github.com/bpci/xtmp/refimpl/session"
)

// aim tells the attacker whom.
func (a *attack) aim(address string) { _ = a.ask.Encode(address) }

// aimed waits until it is told.
func aimed() (address string) {
	fmt.Println("127.0.0.1:0") // ready
	_, _ = fmt.Fscanf(os.Stdin, "%q\n", &address)
	return address
}

// prefer puts this process, and those that it starts, before all others, and lower
// behind all others. On a real network an attacker does not share the processors of
// its victims; here it takes only what they leave, but for what the kernel does on
// its behalf. prefer needs privileges.
func prefer() error { return schedule(unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}) }
func lower() error  { return schedule(unix.SchedAttr{Policy: unix.SCHED_IDLE}) }

func schedule(attr unix.SchedAttr) error {
	attr.Size = unix.SizeofSchedAttr
	threads, err := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		err = errors.Join(err, unix.SchedSetAttr(id, &attr, 0))
	}
	return err
}

func processors() int { return runtime.NumCPU() }

// clientHelloFrame is a ClientHello like any other.
func clientHelloFrame() []byte {
	cfg, err := session.Config{Entropy: rand.Reader, Client: session.ClientConfig{TrustNew: true}}.Validate(session.Client)
	if err != nil {
		panic(err)
	}
	s := session.NewClient(&cfg)
	if err := s.Open(clock.Now()); err != nil {
		panic(err)
	}
	return s.AppendOutput(clock.Now(), 0, nil)
}
