//go:build race

package client

// raceDetector says that sync.Pool drops what it is given, now and then.
const raceDetector = true
