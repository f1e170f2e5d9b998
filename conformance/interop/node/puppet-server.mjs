// A PuppetServer is a server of one connection that the tests lead by hand. Its
// handshake is made of the parts of the other modules, and each part can be
// replaced on the way.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { FLIGHT, HEADER, HS, SUITE, TYPE } from './codes.mjs';
import { wallMicros } from './clock.mjs';
import { FrameReader, OpenSlot, SealSlot, clearFrame, readPrologue } from './frame.mjs';
import { Schedule, transcriptMessage } from './keys.mjs';
import {
  decodeClientHello, encodeHandshakeDone, encodeServerHello, encodeServerIdentity, splitEnvelope, u64, withEnvelope,
} from './messages.mjs';
import * as p from './primitives.mjs';
import { DEFAULTS } from './server.mjs';

export class PuppetServer {
  #listener = createServer({ allowHalfOpen: true });
  #frames = [];
  #waiting = [];
  #ended = false;

  static async listen(identity) {
    const puppet = new PuppetServer();
    puppet.identity = identity;
    puppet.#listener.listen(0, '127.0.0.1');
    puppet.#listener.once('connection', (socket) => puppet.#accept(socket));
    await once(puppet.#listener, 'listening');
    puppet.port = puppet.#listener.address().port;
    return puppet;
  }

  #accept(socket) {
    this.socket = socket;
    const reader = new FrameReader(() => {});
    socket.on('data', (chunk) => {
      for (const frame of reader.push(chunk)) {
        const resolve = this.#waiting.shift();
        if (resolve) resolve(frame);
        else this.#frames.push(frame);
      }
    });
    const end = () => {
      this.#ended = true;
      for (const resolve of this.#waiting.splice(0)) resolve(null);
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('error', () => {});
  }

  // next is the next frame of the client, or null when it has closed.
  next() {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async message() {
    const got = await this.next();
    if (got === null) return null;
    const { h, frame } = got;
    return { ...readPrologue(h.flags, this.open.open(h, frame, this.id, null)), h, type: h.type, seq: h.seq };
  }

  // handshake answers ClientHello. `parts` may hold functions that change, by name:
  // sh (fields of ServerHello), shBody, shFrame, si (fields of ServerIdentity),
  // input (signed), ss and sf (bodies), flight (the body), finish nothing.
  async handshake(parts = {}) {
    const part = (name, value) => (parts[name] ? parts[name](value) : value);
    const { h, frame } = await this.next();
    this.clientHello = { h, frame };
    const { handshakeId, body } = splitEnvelope(frame.subarray(HEADER));
    const ch = decodeClientHello(body);
    this.handshakeId = handshakeId;
    const [time, secret] = [wallMicros(), p.random(32)];
    const { ct, shared } = p.mlkemEncapsulate(ch.ek, p.random(32));
    const fields = part('sh', {
      version: 1, suite: SUITE.AES256GCM, sessionId: 2n ** 64n - 1n, time, random: p.random(32), x25519: p.x25519Public(secret), ct,
    });
    this.id = fields.sessionId;
    const sh = part('shBody', encodeServerHello(fields));
    const schedule = new Schedule(shared, p.x25519Shared(secret, ch.x25519));
    const v = schedule.hellos(transcriptMessage(HS.CLIENT_HELLO, body), transcriptMessage(HS.SERVER_HELLO, sh));
    const si = encodeServerIdentity(part('si', {
      kind: 1, fingerprint: this.identity.fingerprint, key: ch.includeKey ? this.identity.key : null, extensions: [],
      params: { ...DEFAULTS.params, resetToken: Buffer.alloc(16) },
    }));
    const messages = [transcriptMessage(FLIGHT.IDENTITY, si)];
    const signature = p.ed25519Sign(this.identity.seed, part('input', schedule.identity(messages[0]).server_signature_input));
    messages.push(transcriptMessage(FLIGHT.SIGNATURE, part('ss', signature)));
    messages.push(transcriptMessage(FLIGHT.FINISHED, part('sf', Buffer.from(schedule.signature(messages[1]).sf_mac))));
    schedule.finished(messages[2]);
    const flight = new SealSlot(v.s_hs).seal(
      { type: TYPE.HANDSHAKE_ACK, sessionId: this.id, stamp: 0n }, // not judged
      withEnvelope(HS.SERVER_FLIGHT, part('flightId', handshakeId), part('flight', Buffer.concat(messages))),
    );
    const hello = clearFrame(TYPE.HANDSHAKE_ACK, this.id, 0n, withEnvelope(HS.SERVER_HELLO, part('helloId', handshakeId), sh));
    this.socket.write(Buffer.concat([part('shFrame', hello), part('flightFrame', flight)]));
    Object.assign(this, { v, time });
  }

  // establish reads ClientFinish; false when the client closed instead.
  async establish(parts) {
    await this.handshake(parts);
    const got = await this.next();
    if (got === null) return false;
    const { body } = splitEnvelope(new OpenSlot(this.v.c_hs).open(got.h, got.frame, this.id, null));
    if (!body.equals(this.v.cf_mac)) throw new Error('ClientFinish does not verify');
    this.open = new OpenSlot(this.v.ts_client);
    this.seal = new SealSlot(this.v.ts_server);
    return true;
  }

  frame(type, flags, plaintext) {
    return this.seal.seal({ type, flags, sessionId: this.id, stamp: wallMicros() }, Buffer.from(plaintext));
  }

  send(...fields) {
    this.socket.write(this.frame(...fields));
  }

  done(id = this.handshakeId, mid = 1n, body = encodeHandshakeDone(wallMicros())) {
    return Buffer.concat([u64(mid), withEnvelope(HS.HANDSHAKE_DONE, id, body)]);
  }

  close() {
    this.socket?.destroy();
    this.#listener.close();
  }
}
