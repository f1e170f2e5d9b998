// A Wire is one TCP connection: bytes in, frames out, the last write of 9.7.

import { LIMIT, TIMER } from './codes.mjs';
import { Deadlines, time } from './clock.mjs';

export class Wire {
  #socket;
  #deadlines = new Deadlines();
  #discard = null; // bytes that may still be read and discarded, after the last write
  #shut = false;
  #sent;
  #waited = false; // somebody waits for the kernel

  // on.data(chunk), on.end() and on.closed() are called as the connection has it;
  // on.writable() when the kernel has taken everything, after blocked was true.
  constructor(socket, on) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => (this.#discard === null ? on.data(chunk) : this.#drop(chunk.length)));
    socket.on('end', () => (this.#discard === null ? on.end() : this.#dropUntilEnd()));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.#shut = true;
      this.#deadlines.stop();
      on.closed();
    });
    this.#sent = () => {
      if (!this.#waited || socket.writableLength > 0) return;
      this.#waited = false;
      time.setImmediate(() => this.#shut || on.writable()); // what is ready to be read, or has closed, comes first
    };
  }

  // write hands a frame to the transport.
  write(frame) {
    if (!this.#shut && this.#discard === null) this.#socket.write(frame, this.#sent);
  }

  // blocked says that the kernel has not yet taken what was written before.
  get blocked() {
    const blocked = this.#socket.writableLength > 0;
    this.#waited ||= blocked;
    return blocked;
  }

  // lastWrite sends the last frame, ends the writing side, reads and discards
  // until end of stream or one of the limits, and closes. T_LINGER runs from the
  // moment at which the kernel has all of it; a peer that does not read has T_CLOSE
  // until then. [XTMP-DSC-012] [XTMP-DSC-013] [XTMP-DSC-014]
  lastWrite(frame, refusedLength = 0) {
    if (this.#shut || this.#discard !== null) return;
    this.#discard = Math.min(LIMIT.linger_bytes + refusedLength, LIMIT.linger_bytes_total);
    this.#deadlines.set('close', TIMER.T_CLOSE, () => this.close());
    this.#socket.end(frame, () => {
      if (!this.#shut) this.#deadlines.set('close', TIMER.T_LINGER, () => this.close());
    });
  }

  // close sends nothing more.
  close() {
    this.#shut = true;
    this.#deadlines.stop();
    this.#socket.destroy();
  }

  #drop(n) {
    this.#discard -= n;
    if (this.#discard < 0) this.close();
  }

  #dropUntilEnd() {
    if (this.#socket.writableFinished) this.close();
  }
}
