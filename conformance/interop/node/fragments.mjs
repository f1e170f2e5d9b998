// Receiving messages that come in fragments, and judging what one frame of a
// message shows. 8.11, 8.14

import { ERROR, FLAG, LIMIT } from './codes.mjs';

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
  paths = new Set(); // on which fragments have come
  frames = []; // { path, seq } of its frames that may be open on TCP
  bytes = 0;
  size = null; // body bytes of a fragment that is not the last
  last = null; // body bytes of the last

  constructor(first) {
    this.first = first;
  }

  // on says whether it is incomplete on a path; those of UDP count as one.
  on(path) {
    return this.paths.has(path) || (path.datagram && [...this.paths].some(({ datagram }) => datagram));
  }

  came({ path, seq }) {
    this.paths.add(path);
    if (path.datagram) return;
    if (this.frames.length > 64) this.frames = this.frames.filter((frame) => frame.path.isOpen(frame.seq));
    this.frames.push({ path, seq });
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
    return { ...m, body, originalLen: this.originalLen, frames: this.frames };
  }
}

// An Assembly holds the incomplete messages of one direction, whatever paths their
// fragments take. [XTMP-FRG-014]
export class Assembly {
  #messages = new Map();
  #memory;

  // memory(n) is told when n more, or fewer, bytes are held.
  constructor({ memory = () => {} } = {}) {
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
    if (!fragment) held = this.drop(m); // one frame completes what came in pieces before [13.6]
    const message = held ?? new Incomplete(m);
    if (fragment) message.check(m);
    if ((fragment ? message.leastTotal(m) : m.body.length) > limit) throw new Refusal(ERROR.PAYLOAD_TOO_LARGE, 'the body');
    if (m.originalLen > limit) throw new Refusal(ERROR.DECOMPRESS_LIMIT, 'original_len');
    if (!fragment) return { ...m, frames: [m] };
    if (!held && full()) throw new Refusal(ERROR.SERVER_BUSY, 'receive memory'); // [XTMP-FRG-024]
    if (!message.on(m.path) && this.#begun(m.path) >= LIMIT.incomplete_messages) throw tooMany();
    this.#messages.set(key, message);
    return this.#add(key, message, m);
  }

  // #begun is how many messages are incomplete on a TCP connection, or on all UDP paths.
  #begun(path) {
    return [...this.#messages.values()].filter((message) => message.on(path)).length;
  }

  #add(key, message, m) {
    message.came(m);
    if (message.parts.has(m.index)) return null; // [XTMP-FRG-016]
    message.add(m);
    this.#memory(m.body.length);
    if (message.parts.size < m.count) {
      m.path.reassembling(key, m); // [XTMP-FRG-019] [XTMP-UDP-096]
      return null;
    }
    this.drop(m);
    return message.joined(m); // [XTMP-FRG-012]
  }

  // closed: a path has ended. What was incomplete on it alone is dropped. [XTMP-PRK-021]
  closed() {
    for (const { first, paths } of [...this.#messages.values()]) if ([...paths].every(({ over }) => over)) this.drop(first);
  }

  // drop forgets what is held of the message that m belongs to. [XTMP-FRG-023]
  drop(m) {
    const key = keyOf(m);
    const message = this.#messages.get(key);
    if (!message) return undefined;
    this.#messages.delete(key);
    for (const path of message.paths) path.deadlines.clear(`reassembly ${key}`);
    this.#memory(-message.bytes);
    return undefined;
  }

  // framesOf are the frames that are held of the message of m.
  framesOf(m) {
    return this.#messages.get(keyOf(m))?.frames ?? [];
  }

  erase() {
    for (const { bytes } of this.#messages.values()) this.#memory(-bytes);
    this.#messages.clear();
  }
}

const keyOf = ({ mid, fragId }) => (mid === undefined ? `frag ${fragId}` : `mid ${mid}`);
