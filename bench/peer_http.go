package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"
)

// message is what HTTP carries: JSON, as its users do.
type message struct {
	Data []byte `json:"data"`
}

func serveHTTP() error {
	cfg, err := selfSigned()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{TLSConfig: cfg, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			var m message
			if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(m)
		})}
	go func() { _ = s.ServeTLS(ln, "", "") }()
	return answer(ln.Addr().String(), nil)
}

// httpCallers returns callers of HTTP/1.1, each with a connection of its own: one
// request at a time is what a connection carries.
func httpCallers(c *child, callers, size int) (all []caller, done func()) {
	transport := &http.Transport{TLSClientConfig: trusting(), MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers}
	hc := &http.Client{Transport: transport}
	body, _ := json.Marshal(message{make([]byte, size)}) // bytes always marshal
	for range callers {
		all = append(all, func() error {
			resp, err := hc.Post("https://"+c.address, "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return err
		})
	}
	return all, transport.CloseIdleConnections
}

// peerCalls is calls per second of a peer.
func peerCalls(kind string, conns, each, size int) (float64, error) {
	c, err := startChild(kind)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	var callers []caller
	var done func()
	if kind == "grpc" {
		callers, done, err = grpcCallers(c, conns, each, size)
	} else {
		callers, done = httpCallers(c, conns*each, size)
	}
	if err != nil {
		return 0, err
	}
	defer done()
	return median(func() (float64, error) { return closedLoop(callers) })
}
