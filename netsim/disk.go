package netsim

import (
	"errors"
	"slices"
)

// ErrDisk is what a failing disk answers.
var ErrDisk = errors.New("netsim: the disk fails")

// Disk is what a host keeps: a list of records. A crash of the node leaves it
// alone; a loss of power takes the records that were not synced.
type Disk struct {
	records [][]byte
	durable int // records that survive
	failing bool
}

// Append adds a record. It is there at once, and durable after a Sync.
func (d *Disk) Append(record []byte) error {
	if d.failing {
		return ErrDisk
	}
	d.records = append(d.records, slices.Clone(record))
	return nil
}

// Records returns what the disk holds. The caller changes nothing of it.
func (d *Disk) Records() [][]byte { return d.records }

// Durable returns how many records a loss of power would leave.
func (d *Disk) Durable() int { return d.durable }

// losePower forgets what was not synced but for the first few records, which
// happened to be written.
func (d *Disk) losePower(keep int) {
	n := min(d.durable+keep, len(d.records))
	clear(d.records[n:])
	d.records, d.durable = d.records[:n], n
}
