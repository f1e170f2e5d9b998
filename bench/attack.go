package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"syscall"

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

// lower gives this process the lowest priority.
func lower() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19) }

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
