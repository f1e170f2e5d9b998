// Virtual time and a network in memory, for the tests: timers fire in their order, as
// fast as the computer can, and datagrams are delayed, lost, doubled and overtaken as a
// test says.

import { EventEmitter } from 'node:events';
import { time } from './clock.mjs';
import { holes } from './datagram.mjs';

const yieldToPromises = globalThis.setImmediate;
const EPOCH = 1_800_000_000_000_000n; // where the wall clock begins, microseconds

// A Heap of { at, n, act }, the earliest first.
class Heap {
  #items = [];

  get length() {
    return this.#items.length;
  }

  push(item) {
    const a = this.#items;
    let i = a.push(item) - 1;
    for (let up = (i - 1) >> 1; i > 0 && before(item, a[up]); up = (i - 1) >> 1) {
      a[i] = a[up];
      i = up;
    }
    a[i] = item;
  }

  pop() {
    const a = this.#items;
    const [first, last] = [a[0], a.pop()];
    if (a.length === 0) return first;
    let i = 0;
    for (let down = 1; down < a.length; down = 2 * i + 1) {
      if (down + 1 < a.length && before(a[down + 1], a[down])) down += 1;
      if (!before(a[down], last)) break;
      a[i] = a[down];
      i = down;
    }
    a[i] = last;
    return first;
  }
}

const before = (x, y) => x.at < y.at || (x.at === y.at && x.n < y.n);

export class World {
  now = 0; // ms
  #events = new Heap();
  #n = 0;

  constructor(epoch = EPOCH) {
    const random = randomOf(Number(epoch % 1000n) + 7);
    holes.draw = (from, to) => from + Math.floor(random() * (to - from));
    Object.assign(time, {
      wall: () => epoch + this.#micros,
      elapsed: () => this.#micros,
      now: () => this.now,
      setTimeout: (act, ms) => this.after(ms, act),
      clearTimeout: (event) => event && (event.act = null),
      setImmediate: (act) => this.after(0, act),
      clearImmediate: (event) => event && (event.act = null),
    });
  }

  get #micros() {
    return BigInt(Math.round(this.now * 1000));
  }

  after(ms, act) {
    const event = { at: this.now + Math.max(0, ms), n: this.#n++, act };
    this.#events.push(event);
    return event;
  }

  sleep(ms) {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  // run lets the world go on until the promise is settled, and says how it was.
  async run(promise) {
    let done = false;
    const seen = promise.then((value) => ({ value }), (error) => ({ error })).finally(() => (done = true));
    for (;;) {
      await new Promise((resolve) => yieldToPromises(resolve));
      if (done) break;
      if (this.#events.length === 0) throw new Error(`nothing happens any more, at ${this.now} ms`);
      const { at, act } = this.#events.pop();
      if (act === null) continue;
      this.now = at;
      act();
    }
    const { value, error } = await seen;
    if (error) throw error;
    return value;
  }
}

// inWorld runs a test on virtual time.
export const inWorld = (test, options) => () => {
  const world = new World();
  return world.run(test(new Net(world, options), world));
};

// randomOf gives numbers below 1 that depend on the seed alone.
function randomOf(seed) {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A Net carries datagrams, and bytes of connections, between addresses. Its fields may
// be changed at any time: delay and jitter in ms, loss and double as probabilities, and
// drops(packet), which sees { bytes, from, to } of a datagram.
export class Net {
  sent = 0; // datagrams
  #world;
  #sockets = new Map();
  #listeners = new Map();
  #random;
  #port = 40_000;

  constructor(world, { delay = 10, jitter = 0, loss = 0, double = 0, seed = 1 } = {}) {
    this.#world = world;
    this.#random = randomOf(seed);
    Object.assign(this, { delay, jitter, loss, double, drops: () => false, cut: false });
  }

  // socket is a UDP socket at an address.
  socket(address = '192.0.2.1', port = this.#port++) {
    const socket = new FakeSocket(this, { address, port });
    this.#sockets.set(`${address} ${port}`, socket);
    return socket;
  }

  close({ address, port }) {
    this.#sockets.delete(`${address} ${port}`);
  }

  carry(bytes, from, to) {
    this.sent += 1;
    const copy = Buffer.from(bytes);
    if (this.drops({ bytes: copy, from, to }) || this.#random() < this.loss) return;
    const copies = this.#random() < this.double ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.#world.after(this.delay + this.#random() * this.jitter, () => {
        this.#sockets.get(`${to.address} ${to.port}`)?.emit('message', copy, { ...from, size: copy.length });
      });
    }
  }

  // at is what a client uses at an address.
  at(address) {
    return {
      resolve: async (host) => ({ address: host, family: 4 }),
      socket: async () => this.socket(address),
      connect: (endpoint) => this.connect(endpoint, address),
    };
  }

  // listen says who takes connections at an address: accept(socket).
  listen(address, port, accept) {
    this.#listeners.set(`${address} ${port}`, accept);
  }

  // connect is a TCP connection; it never comes about while the net is cut.
  connect({ host, port }, from = '192.0.2.1') {
    const [here, there] = [new FakeStream(this.#world, this, host), new FakeStream(this.#world, this, from)];
    [here.peer, there.peer] = [there, here];
    const accept = this.#listeners.get(`${host} ${port}`);
    this.#world.after(2 * this.delay, () => {
      if (this.cut) return;
      if (!accept) return here.fail('ECONNREFUSED');
      accept(there);
      here.emit('connect');
    });
    return here;
  }
}

class FakeSocket extends EventEmitter {
  #net;
  #at;

  constructor(net, at) {
    super();
    this.#net = net;
    this.#at = at;
  }

  address() {
    return this.#at;
  }

  send(bytes, port, address) {
    this.#net.carry(bytes, this.#at, { address, port });
  }

  close() {
    this.#net.close(this.#at);
  }
}

// A FakeStream is as much of a net.Socket as a Wire uses. Bytes arrive in their order, or
// not at all once the net is cut.
class FakeStream extends EventEmitter {
  writableLength = 0;
  writableFinished = false;
  #world;
  #net;
  #destroyed = false;

  constructor(world, net, remoteAddress) {
    super();
    this.#world = world;
    this.#net = net;
    this.remoteAddress = remoteAddress;
  }

  setNoDelay() {}

  write(bytes, taken = () => {}) {
    this.#carry(() => this.peer.emit('data', Buffer.from(bytes)));
    this.#world.after(0, taken);
  }

  end(bytes, taken = () => {}) {
    if (bytes) this.write(bytes);
    this.writableFinished = true;
    this.#carry(() => this.peer.emit('end'));
    this.#world.after(0, taken);
  }

  #carry(arrive) {
    if (this.#destroyed || this.#net.cut) return;
    this.#world.after(this.#net.delay, () => {
      if (!this.peer.#destroyed && !this.#net.cut) arrive();
    });
  }

  destroy() {
    if (this.#destroyed) return;
    this.#carry(() => this.peer.fail('ECONNRESET'));
    this.#destroyed = true;
    this.#world.after(0, () => this.emit('close'));
  }

  fail(code) {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.listenerCount('error') > 0) this.emit('error', Object.assign(new Error(code), { code }));
    this.emit('close');
  }
}
