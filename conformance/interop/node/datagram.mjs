// What a UDP path adds to keys and numbers: sequence numbers with holes, the replay
// window, and the set of what is to be acknowledged. 12.7, 12.8

import { randomInt } from 'node:crypto';
import { LIMIT, TIMER } from './codes.mjs';
import { OpenSlot, SealSlot, protocolViolation } from './frame.mjs';

const WINDOW = BigInt(LIMIT.replay_window);
const RING = 8192; // places, of which the window uses all but 64

// holes.draw says where numbers are left out. Tests that have to repeat themselves put
// another source in its place. [XTMP-UDP-074]
export const holes = { draw: randomInt };

// A DatagramSealSlot leaves out a sequence number now and then. [XTMP-UDP-072] … [XTMP-UDP-077]
export class DatagramSealSlot extends SealSlot {
  leftOut = new Set(); // among the last 8128
  leavesOut = true;
  #period = LIMIT.skip_period;
  #left = this.#draw(); // frames until the next hole

  // [XTMP-UDP-075]
  #draw() {
    return holes.draw(1, 2 * this.#period + 1);
  }

  seal(fields, plaintext) {
    if (this.#left === 0 && this.leavesOut) this.#leaveOut();
    this.#left -= this.#left === 0 ? 0 : 1;
    return super.seal(fields, plaintext);
  }

  #leaveOut() {
    this.leftOut.add(this.next);
    this.next += 1n;
    for (const seq of this.leftOut) if (seq < this.next - WINDOW) this.leftOut.delete(seq);
    this.#period = Math.min(2 * this.#period, LIMIT.skip_period_max);
    this.#left = this.#draw();
  }
}

// A FragmentOpenSlot is that of a handshake on UDP: its numbers are those of fragments,
// which come again as they are.
export class FragmentOpenSlot extends OpenSlot {
  fresh(seq) {
    return seq < BigInt(LIMIT.handshake_fragments);
  }

  opened() {}
}

// A DatagramOpenSlot takes numbers in any order, each once, and keeps the keys of the
// epoch before for a while. [XTMP-UDP-078] … [XTMP-UDP-081]
export class DatagramOpenSlot extends OpenSlot {
  behind = TIMER.T_STAMP_BEHIND_UDP;
  highest = -1n;
  #seen = new Uint8Array(RING);
  #lowest = 0n; // of the numbers opened under the newest epoch

  fresh(seq) {
    if (seq > this.highest) return true;
    return this.highest - seq < WINDOW && this.#seen[Number(seq % BigInt(RING))] === 0;
  }

  // resume takes a highest number, and others, as received.
  resume(highest, others = []) {
    for (const seq of [...others, highest]) this.#mark(seq);
  }

  // opened: within a path epochs rise with the numbers. [XTMP-RKY-055]
  opened(seq, epoch) {
    if (epoch < this.epoch && seq > this.#lowest) {
      throw protocolViolation(`epoch ${epoch} after a frame of epoch ${this.epoch}`);
    }
    this.#mark(seq);
    if (epoch > this.epoch) {
      this.epoch = epoch;
      this.#lowest = seq;
      this.switched();
    } else if (epoch === this.epoch && seq < this.#lowest) this.#lowest = seq;
  }

  #mark(seq) {
    if (seq > this.highest) {
      const passed = seq - this.highest;
      if (passed >= BigInt(RING)) this.#seen.fill(0);
      else for (let at = this.highest + 1n; at < seq; at += 1n) this.#seen[Number(at % BigInt(RING))] = 0;
      this.highest = seq;
    }
    this.#seen[Number(seq % BigInt(RING))] = 1;
  }
}

const NEWEST = LIMIT.ack_ranges + 1;

// An AckSet holds the numbers to acknowledge, as ranges, the newest first.
export class AckSet {
  ranges = []; // { low, high }
  at = 0; // when the largest arrived, in milliseconds

  add(seq, now) {
    if (this.ranges.length === 0 || seq > this.ranges[0].high) this.at = now;
    const i = this.ranges.findIndex(({ low }) => low <= seq + 1n);
    const range = this.ranges[i];
    if (!range) this.ranges.push({ low: seq, high: seq });
    else if (seq > range.high + 1n) this.ranges.splice(i, 0, { low: seq, high: seq });
    else if (seq === range.high + 1n) range.high = seq;
    else if (seq < range.low) this.#extend(i, seq);
    if (this.ranges.length > NEWEST) this.ranges.length = NEWEST; // [XTMP-ACK-026]
  }

  #extend(i, seq) {
    this.ranges[i].low = seq;
    const below = this.ranges[i + 1];
    if (below?.high !== seq - 1n) return;
    this.ranges[i].low = below.low;
    this.ranges.splice(i + 1, 1);
  }
}
