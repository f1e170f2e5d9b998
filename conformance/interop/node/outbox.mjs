// What waits to be sealed on a path: messages, of which those with PRIORITY go first,
// cut into fragments where one frame does not hold them. 8.2, 8.10, 8.11
//
// A message is { type, body } and, as it has them, replyTo, subId and n, originalLen,
// priority, reliable; fragment, the size to cut it into; and first, to go ahead of all
// without PRIORITY. While it is under way it has mid, and cut if it goes in fragments:
// { fragId, size, count, acks }, acks being the indexes acknowledged, by path.

import { FLAG } from './codes.mjs';

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

  get items() {
    return this.#items.slice(this.#head);
  }

  // take empties it.
  take() {
    const { items } = this;
    [this.#items, this.#head] = [[], 0];
    return items;
  }

  // remove says whether the item was there.
  remove(item) {
    const { items } = this;
    const rest = items.filter((other) => other !== item);
    [this.#items, this.#head] = [rest, 0];
    return rest.length < items.length;
  }
}

// partOf is one fragment of a message that is cut, or the whole of one that is not.
export function partOf({ message, cut, index }) {
  if (cut === null) return { body: message.body, fields: {} };
  const { fragId, size, count } = cut;
  return { body: message.body.subarray(index * size, (index + 1) * size), fields: { fragId, index, count } }; // [XTMP-FRG-005] [XTMP-FRG-006]
}

// A Lane is one rank of the outbox: its messages go one after the other, so no more
// than one of them is cut at a time. [XTMP-FRG-009]
class Lane {
  waiting = new Queue();
  current = null; // { message, cut, index } of which some fragments are sent

  get length() {
    return this.waiting.length + (this.current ? 1 : 0);
  }

  // ready says whether there is a frame to send. A message that needs a number and
  // gets none yet holds back those behind it. [XTMP-MSG-015]
  ready(numbers) {
    return this.current !== null || (this.waiting.length > 0 && (numbers || !this.waiting.peek().reliable));
  }

  // next returns the next frame: { message, cut, index, first }. cutOf says how a
  // message is cut, null for not at all.
  next(cutOf) {
    if (this.current?.cut !== this.current?.message.cut) this.current = null; // it was cut anew
    if (this.current === null) {
      const message = this.waiting.shift();
      this.current = { message, cut: cutOf(message), index: 0 };
    }
    const { message, cut, index } = this.current;
    if (cut === null || index + 1 === cut.count) this.current = null;
    else this.current.index += 1;
    return { message, cut, index, first: index === 0 };
  }
}

export class Outbox {
  #urgent = new Lane();
  #plain = new Lane();

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

  next(numbers, cutOf) {
    return (this.#urgent.ready(numbers) ? this.#urgent : this.#plain).next(cutOf);
  }

  // peek is the message that next would take a frame of.
  peek(numbers) {
    const lane = this.#urgent.ready(numbers) ? this.#urgent : this.#plain;
    return lane.current?.message ?? lane.waiting.peek();
  }

  // abandon leaves out what is not sent yet of a message that was answered. [XTMP-FRG-010]
  abandon(message) {
    for (const lane of [this.#urgent, this.#plain]) if (lane.current?.message === message) lane.current = null;
  }

  // hasBegun says that the rest of a message is still to be sent, in the cut that it has.
  hasBegun(message) {
    return [this.#urgent, this.#plain].some(({ current }) => current?.message === message && current.cut === message.cut);
  }

  // take returns the messages that are not begun, which another path may send.
  take() {
    return [this.#urgent, this.#plain].flatMap((lane) => lane.waiting.take());
  }

  remove(message) {
    return [this.#urgent, this.#plain].some((lane) => lane.waiting.remove(message));
  }

  get waiting() {
    return [this.#urgent, this.#plain].flatMap((lane) => lane.waiting.items);
  }
}

// flagsOf are the flags of the frames of a message, ENCRYPTED apart.
export function flagsOf({ reliable, replyTo, subId, originalLen, priority }, fragment) {
  return (reliable ? FLAG.REQUIRES_ACK : 0) | (replyTo === undefined ? 0 : FLAG.REPLY) | (subId === undefined ? 0 : FLAG.STREAMING)
    | (originalLen === undefined ? 0 : FLAG.COMPRESSED) | (priority ? FLAG.PRIORITY : 0) | (fragment ? FLAG.FRAGMENT : 0);
}

// prologueLength is how long the prologue of each frame is; of a compressed message
// every fragment is counted as the first, for all have one size.
export function prologueLength({ reliable, replyTo, subId, originalLen }, fragment) {
  return (reliable ? 8 : 0) + (replyTo === undefined ? 0 : 8) + (subId === undefined ? 0 : 12)
    + (fragment ? 8 : 0) + (originalLen === undefined ? 0 : 4);
}
