package spec

import "time"

// Limit is a size or a count.
type Limit struct {
	Name         string `json:"name"`
	Value        uint64 `json:"value"`
	Unit         string `json:"unit"` // "B" for bytes
	Configurable bool   `json:"configurable"`
	Who          string `json:"who"` // client, server, both
	Profile      string `json:"profile"`
	Meaning      string `json:"meaning"`
}

// Timer is a duration; Value is the default where it is configurable.
type Timer struct {
	Name         string
	Value        time.Duration
	Configurable bool
	Who          string // client, server, both
	Profile      string
	Meaning      string
}

// timersOf turns the rows of timers.json, in milliseconds, into timers.
func timersOf(rows []Limit) []Timer {
	timers := make([]Timer, 0, len(rows))
	for _, row := range rows {
		timers = append(timers, Timer{
			Name:         row.Name,
			Value:        time.Duration(row.Value) * time.Millisecond,
			Configurable: row.Configurable,
			Who:          row.Who,
			Profile:      row.Profile,
			Meaning:      row.Meaning,
		})
	}
	return timers
}
