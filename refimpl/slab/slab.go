// Package slab keeps values of one type that live long in blocks of their own.
//
//	Take ─▶ block │ block │ …   64 KiB each ─▶ *T ─▶ Give ─▶ free list ─▶ Take
//
// Sessions and connections live much longer than the garbage of handshakes:
// scattered among it they would keep its pages.
package slab

import "reflect"

// blockSize is the size of a block, in bytes: a whole number of pages, for which
// the runtime adds no header.
const blockSize = 64 << 10

// Slab hands out values and takes them back. The zero Slab is empty. It has one
// owner.
type Slab[T any] struct {
	free []*T
}

// Take returns a zero value.
func (s *Slab[T]) Take() *T {
	if len(s.free) == 0 {
		block := make([]T, max(1, blockSize/reflect.TypeFor[T]().Size()))
		s.free = make([]*T, 0, len(block))
		for i := range block {
			s.free = append(s.free, &block[i])
		}
	}
	last := len(s.free) - 1
	t := s.free[last]
	s.free = s.free[:last]
	return t
}

// Give takes back a value that Take returned and that nobody holds any more, and
// zeroes it.
func (s *Slab[T]) Give(t *T) {
	var zero T
	*t = zero
	s.free = append(s.free, t)
}
