package session

import (
	"testing"
	"time"
)

// TestAgeOfLongRotation announces the longest key_rotation_interval that the
// field holds: 136 years, of which seven do not fit a time.Duration.
func TestAgeOfLongRotation(t *testing.T) {
	p := newPair(t, func(p *pair) { p.serverCfg.KeyRotationInterval = (1<<32 - 1) * time.Second })
	p.connect()
	p.established()
	p.pass(time.Hour)
	p.established()
}
