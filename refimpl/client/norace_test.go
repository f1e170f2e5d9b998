//go:build !race

package client

// raceDetector says that sync.Pool keeps what it is given.
const raceDetector = false
