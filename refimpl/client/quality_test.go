package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bpci/xtmp/refimpl/session"
	"github.com/bpci/xtmp/refimpl/wire"
)

func TestQuality(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := connect(t, nil)
		refused := Message{Type: wire.TypeProbe, Body: (&wire.Probe{Op: wire.ProbeFail, Arg: uint32(wire.Unavailable)}).Append(nil)}
		for range 3 {
			if _, err := s.Call(t.Context(), echo(make([]byte, 1000)), nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Call(t.Context(), refused, nil); err == nil {
			t.Fatal("the call does not fail")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		q := s.Quality()
		if q.Calls != 4 || q.Failed != 1 || q.ErrorRate() != 0.25 {
			t.Errorf("%d calls, %d failed", q.Calls, q.Failed)
		}
		now, ok := q.Current()
		if !ok || len(q.Paths) != 1 || !now.Live || now.Standby || now.Transport != TCP {
			t.Fatalf("paths are %+v", q.Paths)
		}
		if now.BytesSent < 3000 || now.BytesReceived < 3000 || now.Loss() != 0 {
			t.Errorf("%d B sent, %d B received, loss %v", now.BytesSent, now.BytesReceived, now.Loss())
		}
		if total := float64(now.BytesSent + now.BytesReceived); now.Throughput < total/4 || now.Throughput > total {
			t.Errorf("%v B/s, of %v B", now.Throughput, total)
		}
		closeInOrder(t, s, p)
		if q := s.Quality(); len(q.Paths) != 0 {
			t.Errorf("a session that is over has paths: %+v", q.Paths)
		}
		if _, ok := s.Quality().Current(); ok {
			t.Error("and a current one")
		}
	})
}

func TestRate(t *testing.T) {
	var r rate
	at := func(ms int) time.Duration { return time.Hour + time.Duration(ms)*time.Millisecond }
	for ms := 0; ms <= 3000; ms += 100 {
		r.add(session.Now{Elapsed: at(ms)}, 50)
	}
	for ms, want := range map[int]float64{3000: 500, 3500: 500, 4000: 50, 13000: 5} { // what came at 3000 is of the next second
		if got := r.at(at(ms)); got != want {
			t.Errorf("at %d ms: %v B/s, want %v", ms, got, want)
		}
	}
	if got := new(rate).at(at(0)); got != 0 {
		t.Errorf("nothing has come, at %v B/s", got)
	}
}
