// A DatagramPuppet is a client on UDP that the tests lead by hand: it says what they
// want, right or wrong, and shows what came back. Its socket is anything with send and
// the event 'message'.

import { HEADER, HS, SUITE, TYPE } from './codes.mjs';
import { nowMs, time, wallMicros } from './clock.mjs';
import { parseHeader, readPrologue } from './frame.mjs';
import { ClientHandshake } from './handshake.mjs';
import { Pile, decodeError, decodeRanges, splitFragment } from './messages.mjs';

export class DatagramPuppet {
  #frames = [];
  #waiting = [];

  constructor(socket, { port, address = '127.0.0.1' }) {
    Object.assign(this, { port, address });
    this.use(socket);
  }

  // use sends from another socket from now on; the one before is still heard.
  use(socket) {
    this.socket = socket;
    socket.on('message', (bytes) => {
      const got = { frame: bytes, h: parseHeader(bytes), at: nowMs(), socket };
      const waiting = this.#waiting.shift();
      if (waiting) waiting(got);
      else this.#frames.push(got);
    });
  }

  raw(...frames) {
    for (const frame of frames) this.socket.send(frame, this.port, this.address);
  }

  // next is the next datagram as it came, or null when none comes in time.
  next(ms = 500) {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    return new Promise((resolve) => {
      const got = (frame) => {
        time.clearTimeout(timer);
        resolve(frame);
      };
      const timer = time.setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(got), 1);
        resolve(null);
      }, ms);
      this.#waiting.push(got);
    });
  }

  // offer makes the handshake and returns the frames of ClientHello for a token.
  offer(identity, { time: now = wallMicros(), ...options } = {}) {
    const pins = [{ kind: identity.kind, fingerprint: identity.fingerprint, key: null }];
    this.handshake = new ClientHandshake(pins, now, { suites: [SUITE.AES256GCM], ...options });
    this.time = now;
    return (token) => this.handshake.helloFrames(token);
  }

  // cookie asks for one.
  async cookie(hello) {
    this.raw(hello()[0]);
    const got = await this.next();
    return got && this.retry(got.frame);
  }

  retry(frame) {
    const { hsType, handshakeId, fragment } = splitFragment(frame.subarray(HEADER));
    if (hsType !== HS.RETRY || !handshakeId.equals(this.handshake.handshakeId)) throw new Error('no Retry');
    return Buffer.from(fragment);
  }

  // flight reads ServerHello and ServerFlight; null when they do not come.
  async flight(ms) {
    const piles = { [HS.SERVER_HELLO]: new Pile(), [HS.SERVER_FLIGHT]: new Pile() };
    this.flightFrames = [];
    for (;;) {
      const got = await this.next(ms);
      if (got === null) return null;
      const { h, frame } = got;
      this.flightFrames.push(frame);
      const sealed = this.handshake.slot !== undefined;
      const payload = sealed ? this.handshake.slot.open(h, frame, this.handshake.sessionId, null) : frame.subarray(HEADER);
      const fragment = splitFragment(payload, sealed ? h.seq : undefined);
      const body = piles[fragment.hsType].add(fragment);
      if (body === null) continue;
      if (fragment.hsType === HS.SERVER_FLIGHT) return this.handshake.serverFlightBody(body, false);
      this.handshake.serverHelloBody(h, body, true);
    }
  }

  // establish runs the handshake, and HandshakeDone if it is wanted. token is one that
  // is held.
  async establish(identity, { token, done = true, finish = true, ...options } = {}) {
    const hello = this.offer(identity, options);
    const held = token ?? (await this.cookie(hello));
    if (held === null) return false;
    this.raw(...hello(held));
    this.si = await this.flight();
    if (this.si === null) return false;
    const { frame, ...slots } = this.handshake.finish(wallMicros(), true);
    slots.seal.leavesOut = false; // the tests count
    Object.assign(this, { ...slots, id: this.handshake.sessionId, clientFinish: frame });
    if (finish) this.raw(frame);
    if (!done) return true;
    const first = await this.message();
    this.done = first;
    return first?.type === TYPE.HANDSHAKE_ACK;
  }

  frame(type, flags = 0, plaintext = Buffer.alloc(0), stamp = wallMicros()) {
    return this.seal.seal({ type, flags, sessionId: this.id, stamp }, Buffer.from(plaintext));
  }

  send(...fields) {
    this.raw(this.frame(...fields));
  }

  // opened shows a datagram under the path key.
  opened({ h, frame, at, socket }) {
    const m = readPrologue(h.flags, this.open.open(h, frame, this.id, null));
    return { ...m, h, at, socket, type: h.type, seq: h.seq, stamp: h.stamp, length: frame.length };
  }

  async message(ms) {
    const got = await this.next(ms);
    return got && this.opened(got);
  }

  // messageOf is the next of a type, whatever comes before.
  async messageOf(type, ms) {
    for (;;) {
      const m = await this.message(ms);
      if (m === null || m.type === type) return m;
    }
  }

  async ack(ms) {
    const m = await this.messageOf(TYPE.ACK, ms);
    return m && decodeRanges(m.body);
  }

  async error(ms) {
    const m = await this.messageOf(TYPE.ERROR, ms);
    return m && { ...decodeError(m.body), seq: m.seq, mid: m.mid, replyTo: m.replyTo };
  }

  // drain drops what has come.
  drain() {
    return this.#frames.splice(0);
  }
}
