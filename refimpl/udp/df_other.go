//go:build !linux && !darwin && !windows

package udp

// setDF does nothing: what the system does is not known here.
func setDF(uintptr) {}
