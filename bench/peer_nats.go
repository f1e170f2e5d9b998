package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func serveNATS() error {
	cfg, err := selfSigned()
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, TLS: true, TLSConfig: cfg, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(5 * time.Second) {
		return fmt.Errorf("the NATS server does not come up")
	}
	return answer(s.Addr().String(), nil)
}

func dialNATS(c *child) (*nats.Conn, error) {
	return nats.Connect("tls://"+c.address, nats.Secure(trusting()))
}

// natsPublish is messages per second of publishers without subscribers, and a
// flush behind the last.
func natsPublish(conns, size int) (float64, error) {
	c, err := startChild("nats")
	if err != nil {
		return 0, err
	}
	defer c.stop()
	body := make([]byte, size)
	return median(func() (float64, error) {
		return together(conns, func(_ int, deadline time.Time) (n int, err error) {
			nc, err := dialNATS(c)
			if err != nil {
				return 0, err
			}
			defer nc.Close()
			for ; n%4096 != 0 || time.Now().Before(deadline); n++ {
				if err := nc.Publish("s", body); err != nil {
					return n, err
				}
			}
			return n, nc.Flush()
		})
	})
}

// natsPubSub is messages per second that arrive at subscribers, one for each
// publisher, with a bounded number under way.
func natsPubSub(pairs, size int) (float64, error) {
	c, err := startChild("nats")
	if err != nil {
		return 0, err
	}
	defer c.stop()
	body := make([]byte, size)
	return median(func() (float64, error) {
		return together(pairs, func(i int, deadline time.Time) (int, error) {
			return natsPair(c, fmt.Sprintf("s%d", i), body, deadline)
		})
	})
}

func natsPair(c *child, subject string, body []byte, deadline time.Time) (int, error) {
	const underWay = 4096
	pub, err := dialNATS(c)
	if err != nil {
		return 0, err
	}
	defer pub.Close()
	sub, err := dialNATS(c)
	if err != nil {
		return 0, err
	}
	defer sub.Close()
	var got atomic.Int64
	if _, err := sub.Subscribe(subject, func(*nats.Msg) { got.Add(1) }); err != nil {
		return 0, err
	}
	if err := sub.Flush(); err != nil {
		return 0, err
	}
	for n := int64(0); time.Now().Before(deadline); {
		for ; n < got.Load()+underWay; n++ {
			if err := pub.Publish(subject, body); err != nil {
				return 0, err
			}
		}
		if err := pub.FlushTimeout(time.Second); err != nil {
			return 0, err
		}
	}
	return int(got.Load()), nil
}
