// What waits to be sealed: messages, of which those with PRIORITY go first, cut into
// fragments where one frame does not hold them. 8.2, 8.10, 8.11
//
// A message is { type, body } and, as it has them, replyTo, subId and n, originalLen,
// priority, reliable; fragment, the size to cut it into; and first, to go ahead of all
// without PRIORITY.

import { FLAG, LIMIT } from './codes.mjs';

// A Queue is first in, first out.
export class Queue {
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  peek() {
    return this.#items[this.#head];
  }

  push(item) {
    this.#items.push(item);
  }

  shift() {
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

// A Lane is one rank of the outbox: its messages go one after the other, so no more
// than one of them is cut at a time. [XTMP-FRG-009]
class Lane {
  waiting = new Queue();
  current = null; // the message of which some fragments are sent
  #sent = 0;

  get length() {
    return this.waiting.length + (this.current ? 1 : 0);
  }

  // ready says whether there is a frame to send. A message that needs a number and
  // gets none yet holds back those behind it. [XTMP-MSG-015]
  ready(numbers) {
    return this.current !== null || (this.waiting.length > 0 && (numbers || !this.waiting.peek().reliable));
  }

  // next returns the next frame: { message, body, fields, first, last }.
  next(fragId) {
    const message = this.current ?? this.waiting.shift();
    const first = this.current === null;
    const size = message.fragment ?? LIMIT.fragment_body_tcp; // [XTMP-FRG-007]
    if (message.body.length <= size) return { message, body: message.body, fields: {}, first, last: true };
    if (first) {
      Object.assign(message, { fragId: fragId(), count: Math.ceil(message.body.length / size) }); // [XTMP-FRG-002] [XTMP-FRG-003]
      this.#sent = 0;
    }
    const { fragId: id, count } = message;
    const index = this.#sent++;
    const last = this.#sent === count;
    this.current = last ? null : message;
    const body = message.body.subarray(index * size, (index + 1) * size); // [XTMP-FRG-005] [XTMP-FRG-006]
    return { message, body, fields: { fragId: id, index, count }, first, last };
  }
}

export class Outbox {
  #urgent = new Lane();
  #plain = new Lane();
  #nextFragId = 0;

  get length() {
    return this.#urgent.length + this.#plain.length;
  }

  push(message) {
    (message.priority || message.first ? this.#urgent : this.#plain).waiting.push(message);
  }

  // urgent says whether a message with PRIORITY is to be begun: it goes ahead even
  // of what has no number. [XTMP-MSG-058]
  urgent(numbers) {
    return this.#urgent.current === null && this.#urgent.ready(numbers);
  }

  ready(numbers) {
    return this.#urgent.ready(numbers) || this.#plain.ready(numbers);
  }

  next(numbers) {
    return (this.#urgent.ready(numbers) ? this.#urgent : this.#plain).next(() => this.#nextFragId++);
  }

  // abandon leaves out what is not sent yet of a message that was answered. [XTMP-FRG-010]
  abandon(message) {
    for (const lane of [this.#urgent, this.#plain]) if (lane.current === message) lane.current = null;
  }
}

// flagsOf are the flags of the frames of a message, ENCRYPTED apart.
export function flagsOf({ reliable, replyTo, subId, originalLen, priority }, fragment) {
  return (reliable ? FLAG.REQUIRES_ACK : 0) | (replyTo === undefined ? 0 : FLAG.REPLY) | (subId === undefined ? 0 : FLAG.STREAMING)
    | (originalLen === undefined ? 0 : FLAG.COMPRESSED) | (priority ? FLAG.PRIORITY : 0) | (fragment ? FLAG.FRAGMENT : 0);
}
