// A Puppet is a client that the tests lead by hand: it says what they want, right
// or wrong, and shows what came back.

import { once } from 'node:events';
import { connect } from 'node:net';
import { HEADER, SCOPE, SUITE, TYPE } from './codes.mjs';
import { wallMicros } from './clock.mjs';
import { FrameReader, frameChecksum, readPrologue } from './frame.mjs';
import { ClientHandshake } from './handshake.mjs';
import { decodeError, u64 } from './messages.mjs';

// alter changes a frame and makes its checksum right again.
export function alter(frame, change) {
  const b = Buffer.from(frame);
  change(b);
  b.writeUInt32BE(frameChecksum(b), 28);
  return b;
}

export const flip = (at, bit = 1) => (b) => (b[at] ^= bit);
export const mid = (n, body = '') => Buffer.concat([u64(BigInt(n)), Buffer.from(body)]);

export class Puppet {
  #frames = [];
  #waiting = [];
  #ended = false;

  static open(port) {
    return Puppet.over(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  }

  static async over(socket) {
    const puppet = new Puppet();
    puppet.socket = socket;
    const reader = new FrameReader(() => {});
    puppet.socket.on('data', (chunk) => {
      for (const f of reader.push(chunk)) puppet.#arrived(f);
    });
    puppet.socket.on('end', () => puppet.#end());
    puppet.socket.on('error', () => {});
    puppet.socket.on('close', () => puppet.#end());
    await once(puppet.socket, 'connect');
    return puppet;
  }

  // establish runs the handshake; change(name, frame) may replace what is sent.
  // offer is what ClientHandshake takes: suites, inflates.
  async establish(identity, { time = wallMicros(), change = (_, frame) => frame, ...offer } = {}) {
    const pins = [{ kind: identity.kind, fingerprint: identity.fingerprint, key: null }];
    this.handshake = new ClientHandshake(pins, time, { suites: [SUITE.AES256GCM], ...offer });
    this.raw(change('client_hello', this.handshake.hello()));
    if (!(await this.flight())) return false;
    const { frame, ...slots } = this.handshake.finish(time);
    Object.assign(this, { ...slots, time, id: this.handshake.sessionId });
    this.raw(change('client_finish', frame));
    return true;
  }

  // flight reads ServerHello and ServerFlight; false when the server has none.
  async flight() {
    const hello = await this.next();
    if (hello === null || hello.h.type !== TYPE.HANDSHAKE_ACK) return false;
    this.handshake.serverHello(hello.h, hello.frame.subarray(HEADER));
    const { h, frame } = await this.next();
    this.si = this.handshake.serverFlight(h, this.handshake.slot.open(h, frame, this.handshake.sessionId, null), false);
    return true;
  }

  raw(bytes) {
    this.socket.write(bytes);
  }

  frame(type, flags = 0, plaintext = Buffer.alloc(0), stamp = wallMicros()) {
    return this.seal.seal({ type, flags, sessionId: this.id, stamp }, Buffer.from(plaintext));
  }

  send(...fields) {
    this.raw(this.frame(...fields));
  }

  // next is the next frame as it came, or null when the server has closed.
  next() {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // message is the next frame, opened and split, or null.
  async message() {
    const got = await this.next();
    if (got === null) return null;
    const { h, frame } = got;
    return { ...readPrologue(h.flags, this.open.open(h, frame, this.id, null)), h, type: h.type, seq: h.seq, stamp: h.stamp };
  }

  // error is the next message, which must be an Error.
  async error() {
    const m = await this.message();
    if (m === null) throw new Error('closed in place of an Error');
    if (m.type !== TYPE.ERROR) throw new Error(`type ${m.type} in place of an Error`);
    return { ...decodeError(m.body), seq: m.seq, mid: m.mid, replyTo: m.replyTo };
  }

  // clearError is the next frame, which must be a clear Error of scope 1.
  async clearError() {
    const got = await this.next();
    if (got === null) return null;
    const error = decodeError(got.frame.subarray(HEADER), false);
    if (got.h.flags !== 0 || got.h.sessionId !== 0n || error.scope !== SCOPE.PATH) throw new Error('not a clear Error of scope 1');
    return error.name;
  }

  // drain takes what has come.
  drain() {
    return this.#frames.splice(0);
  }

  end() {
    this.socket.end();
  }

  destroy() {
    this.socket.destroy();
  }

  #arrived(frame) {
    const resolve = this.#waiting.shift();
    if (resolve) resolve(frame);
    else this.#frames.push(frame);
  }

  #end() {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve(null);
  }
}
