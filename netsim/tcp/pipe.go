package tcp

// pipe is bytes that grow behind and are dropped in front. Their memory is used again whenever
// nothing is held.
type pipe struct {
	held []byte
	room []byte // the memory that held lies in, from its begin, with length 0
}

func (p *pipe) len() int { return len(p.held) }

func (p *pipe) append(more []byte) {
	moves := len(p.held)+len(more) > cap(p.held)
	if p.held = append(p.held, more...); moves {
		p.room = p.held[:0]
	}
}

func (p *pipe) drop(n int) {
	if p.held = p.held[n:]; len(p.held) == 0 {
		p.held = p.room
	}
}
