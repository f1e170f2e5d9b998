// Receiving messages that come in fragments, and judging what one frame of a
// message shows. 8.11, 8.14

import { ERROR, FLAG, LIMIT, TIMER } from './codes.mjs';

// A Refusal is a message that is refused with the code of 8.14.
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const malformed = (what) => new Refusal(ERROR.MALFORMED, what);

// An Incomplete holds the fragments of one message.
class Incomplete {
  parts = new Map(); // index → body
  seqs = []; // of its frames
  bytes = 0;
  size = null; // body bytes of a fragment that is not the last
  last = null; // body bytes of the last

  constructor(first) {
    this.first = first;
  }

  // check throws when the fragment does not go with the others.
  check(m) {
    const { first } = this;
    if (m.count < LIMIT.fragments_min || m.index >= m.count) throw malformed('index and count');
    for (const field of ['type', 'flags', 'replyTo', 'subId', 'n', 'count']) {
      if (m[field] !== first[field]) throw malformed(`fragments differ in ${field}`);
    }
    const n = m.body.length;
    if (m.index < m.count - 1) {
      if (n < LIMIT.fragment_body_min || (this.size ?? n) !== n) throw malformed('size of a fragment');
      if (this.last > n) throw malformed('the last fragment is longer than the others');
    } else if (n === 0 || n > (this.size ?? n)) throw malformed('size of the last fragment');
  }

  // leastTotal is what the message has at least once m is in.
  leastTotal(m) {
    const isLast = m.index === m.count - 1;
    const size = isLast ? this.size : m.body.length;
    const last = isLast ? m.body.length : this.last ?? 1;
    return (m.count - 1) * (size ?? Math.max(LIMIT.fragment_body_min, last)) + last;
  }

  add(m) {
    this.parts.set(m.index, m.body);
    this.bytes += m.body.length;
    if (m.index === m.count - 1) this.last = m.body.length;
    else this.size = m.body.length;
    if (m.originalLen !== undefined) this.originalLen = m.originalLen;
  }

  // joined is the message as if it had come in one frame, the one that completed it.
  joined(m) {
    const body = Buffer.concat([...Array(m.count).keys()].map((index) => this.parts.get(index)));
    return { ...m, body, originalLen: this.originalLen, seqs: this.seqs };
  }
}

// An Assembly holds the incomplete messages of one direction. [XTMP-FRG-014]
export class Assembly {
  #messages = new Map();
  #deadlines;
  #late;
  #memory;

  // late() is called when a message waited too long, memory(n) when n more, or
  // fewer, bytes are held.
  constructor({ deadlines, late, memory = () => {} }) {
    this.#deadlines = deadlines;
    this.#late = late;
    this.#memory = memory;
  }

  get size() {
    return this.#messages.size;
  }

  // receive takes one frame of a message. It returns the message when it is
  // complete, null when it is not, and throws a Refusal for what this frame shows.
  // A frame under a mid that is complete has no place here.
  receive(m, { limit, inflates, full = () => false, tooMany }) {
    const key = keyOf(m);
    let held = this.#messages.get(key);
    const fragment = (m.flags & FLAG.FRAGMENT) !== 0;
    if (held && fragment && m.fragId < held.first.fragId) return null; // [XTMP-FRG-018]
    if (held && fragment && m.fragId > held.first.fragId) held = this.drop(m); // [XTMP-FRG-017]
    if ((m.flags & FLAG.COMPRESSED) !== 0 && !inflates) throw new Refusal(ERROR.COMPRESSION_REFUSED, 'compressed');
    if (!fragment && held) throw malformed('a whole message under the mid of an incomplete one');
    const message = held ?? new Incomplete(m);
    if (fragment) message.check(m);
    if ((fragment ? message.leastTotal(m) : m.body.length) > limit) throw new Refusal(ERROR.PAYLOAD_TOO_LARGE, 'the body');
    if (m.originalLen > limit) throw new Refusal(ERROR.DECOMPRESS_LIMIT, 'original_len');
    if (!fragment) return { ...m, seqs: [m.seq] };
    if (!held) this.#begin(key, message, full, tooMany);
    return this.#add(key, message, m);
  }

  // [XTMP-FRG-015] [XTMP-FRG-024]
  #begin(key, message, full, tooMany) {
    if (full()) throw new Refusal(ERROR.SERVER_BUSY, 'receive memory');
    if (this.size >= LIMIT.incomplete_messages) throw tooMany();
    this.#messages.set(key, message);
  }

  #add(key, message, m) {
    message.seqs.push(m.seq);
    if (message.parts.has(m.index)) return null; // [XTMP-FRG-016]
    message.add(m);
    this.#memory(m.body.length);
    if (message.parts.size < m.count) {
      this.#deadlines.set(`reassembly ${key}`, TIMER.T_REASSEMBLY, this.#late); // [XTMP-FRG-019]
      return null;
    }
    this.drop(m);
    return message.joined(m); // [XTMP-FRG-012]
  }

  // drop forgets what is held of the message that m belongs to. [XTMP-FRG-023]
  drop(m) {
    const key = keyOf(m);
    const message = this.#messages.get(key);
    if (!message) return undefined;
    this.#messages.delete(key);
    this.#deadlines.clear(`reassembly ${key}`);
    this.#memory(-message.bytes);
    return undefined;
  }

  // seqsOf are the frames that are held of the message of m.
  seqsOf(m) {
    return this.#messages.get(keyOf(m))?.seqs ?? [];
  }

  erase() {
    for (const { bytes } of this.#messages.values()) this.#memory(-bytes);
    this.#messages.clear();
  }
}

const keyOf = ({ mid, fragId }) => (mid === undefined ? `frag ${fragId}` : `mid ${mid}`);
