package session

// Queued returns how many messages wait to be sealed, and the bytes of their
// bodies. Whoever queues more than the transport takes reads here when to stop.
func (s *Session) Queued() (messages, bytes int) {
	if s.resting() {
		return 0, 0
	}
	messages = s.waiting.len()
	for _, p := range s.paths {
		if p != nil {
			messages += p.lane.len()
		}
	}
	return messages, s.queued
}

// Withdraw takes back a request of which nothing is sealed, by its Owner. It
// reports false if there is none: then the request may be executed. A request
// that was withdrawn is not delivered. Its time is linear in what waits.
func (s *Session) Withdraw(owner any) bool {
	if s.resting() {
		return false
	}
	if s.withdrawFrom(&s.waiting, owner) {
		return true
	}
	for _, p := range s.paths {
		if p != nil && s.withdrawFrom(&p.lane, owner) {
			return true
		}
	}
	return false
}

func (s *Session) withdrawFrom(l *lane, owner any) bool {
	return s.withdraw(&l.priority, owner) || s.withdraw(&l.ordinary, owner)
}

func (s *Session) withdraw(q *queue, owner any) bool {
	var before *message
	for m := q.head; m != nil; before, m = m, m.next {
		if m.owner != owner || !m.unsent() {
			continue
		}
		if before == nil {
			q.pop()
		} else {
			if before.next = m.next; m.next == nil {
				q.tail = before
			}
			m.next = nil
			q.len--
		}
		s.queued -= m.size
		s.cfg.Buffers.release(m)
		return true
	}
	return false
}

// unsent reports whether a message is a client's request of which nothing is sealed.
func (m *message) unsent() bool { return m.owner != nil && m.mid == 0 && m.index == 0 }

// notSent tells the application of a request that the end of the session found
// in a queue.
func (s *Session) notSent(now Now, m *message) {
	if s.cfg.Application != nil && m.unsent() {
		s.cfg.Application.Deliver(now, s, Message{Type: m.typ, Owner: m.owner, Err: ErrNotSent})
	}
}
