package transport

// Metrics is a snapshot of a server. Its parts are read one after another, while
// the server works.
type Metrics struct {
	Parked int // sessions without a path that wait for one now

	Loops []LoopMetrics
	Pools []PoolMetrics
}

// LoopMetrics is what one event loop has done so far.
type LoopMetrics struct {
	Connections  int    // now, whatever their state
	WakeUps      uint64 // returns of epoll_wait
	Reads        uint64 // calls that read from connections and the socket, also those without a result
	Writes       uint64 // likewise of those that write
	BytesRead    uint64
	BytesWritten uint64

	DatagramsRead    uint64
	DatagramsWritten uint64
	DatagramsDropped uint64 // that other loops received for this one, which was behind
}

// PoolMetrics is what the pool of one message family does.
type PoolMetrics struct {
	Family   string // wallet, bundle, registry, stream or other
	Workers  int
	Busy     int    // workers that execute a request now
	Depth    int    // requests that wait for a worker now
	Capacity int    // how many may
	Handled  uint64 // requests that were executed, so far
	Rejected uint64 // requests that met a full queue, so far
	Panics   uint64 // of the handled ones, so far
}
