// A Connection runs one TCP connection, at either end. What frames mean is the
// business of its stage: first frame, handshake, session. A stage has
//
//	judge(h)       checks 2 … 4, on 96 bytes
//	take(h, frame) everything else, on a whole frame
//	endOfBatch(progress) optional: the frames that one read completed are done
//	lost(why)      optional: the connection is gone, or is about to be
//
// and throws CheckFailed or Malformed where the text says: close silently.

import { CheckFailed, FrameReader, Malformed } from './frame.mjs';
import { Deadlines } from './clock.mjs';
import { Wire } from './transport.mjs';

export class Connection {
  deadlines = new Deadlines();
  stage = null;
  over = false; // nothing more is processed
  #reader = new FrameReader((h) => this.stage.judge(h));

  constructor(socket) {
    this.connected = (act) => socket.once('connect', act);
    this.wire = new Wire(socket, {
      data: (chunk) => this.received(chunk),
      end: () => this.fail('end of stream'), // [XTMP-DSC-011]
      closed: () => this.#closed(),
      writable: () => this.stage?.writable?.(),
    });
  }

  // received is one read batch.
  received(chunk) {
    const before = this.#reader.held;
    let completed = 0;
    try {
      for (const { h, frame } of this.#reader.push(chunk)) {
        completed += 1;
        this.stage.take(h, frame);
        if (this.over) return; // [XTMP-ORD-003] [XTMP-ERR-029]
      }
    } catch (error) {
      if (error instanceof CheckFailed || error instanceof Malformed) return this.fail(error.message);
      throw error;
    }
    const { held } = this.#reader;
    this.memory?.(held - before);
    this.stage.endOfBatch?.({ held, begun: held > 0 && (completed > 0 || before === 0) });
  }

  get held() {
    return this.#reader.held;
  }

  // fail closes silently. [XTMP-KEY-015]
  fail(why) {
    if (this.over) return;
    this.#end(why);
    this.wire.close();
  }

  // lastWrite sends the last frame and closes as 9.7 says.
  lastWrite(frame, refusedLength, why) {
    if (this.over) return;
    this.#end(why);
    this.wire.lastWrite(frame, refusedLength);
  }

  #end(why) {
    this.over = true;
    this.deadlines.stop();
    this.why = why;
    this.stage?.lost?.(why);
    this.ended?.();
  }

  #closed() {
    if (!this.over) this.#end('the connection was lost');
    this.closed?.();
  }
}
