// The server on UDP, led by a puppet, on virtual time: one case, one behaviour.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERROR, FLAG, HEADER, NO_SEQ } from '../codes.mjs';
import { wallMicros } from '../clock.mjs';
import { SealSlot, clearFrame, parseHeader } from '../frame.mjs';
import { hybridFrom, identityFrom } from '../identity.mjs';
import { decodeError, decodeProbe, encodeDisconnect, encodeProbe, encodeRanges, u64, withEnvelope } from '../messages.mjs';
import { OP, sourceData } from '../probe.mjs';
import { alter, flip, mid } from '../puppet.mjs';
import { Server } from '../server.mjs';
import { DatagramPuppet } from '../udp-puppet.mjs';
import { inWorld } from '../virtual.mjs';

const { REQUIRES_ACK: R, FRAGMENT: F, REPLY: Y } = FLAG;
const [identity, hybrid] = [identityFrom(Buffer.alloc(32, 5)), hybridFrom(Buffer.alloc(32, 6), Buffer.alloc(32, 7))];
const AT = { address: '198.51.100.1', port: 8090 };
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };

// serve makes a server in the net, and a puppet at an address.
function serve(net, { settings = {}, limits = unlimited, from } = {}) {
  const server = new Server({ identities: [identity, hybrid], settings: { udp: true, probe: true, suites: [1, 2, 3], ...settings }, limits });
  server.serveDatagrams(net.socket(AT.address, AT.port));
  const puppet = new DatagramPuppet(net.socket(from), AT);
  return { server, puppet };
}

const on = (act, options = {}) => inWorld((net, world) => act({ net, world, ...serve(net, options) }), options.net);
const inSession = (act, options = {}) => on(async (all) => {
  assert.ok(await all.puppet.establish(identity, options.offer));
  all.puppet.send(5, 0, encodeRanges([{ low: 0n, high: all.puppet.done.seq }], 0));
  return act(all);
}, options);

const ask = (puppet, n, op, arg, data) => puppet.send(0x70, R, mid(n, encodeProbe(op, arg, data)));
const echo = (puppet, n, text = 'echo') => ask(puppet, n, OP.ECHO, 0, Buffer.from(text));
const ping = (puppet) => puppet.send(3, 0, Buffer.alloc(64));

describe('first contact', () => {
  test('Retry, and nothing kept', on(async ({ puppet, server }) => {
    const hello = puppet.offer(identity);
    puppet.raw(hello()[0]);
    const { h, frame } = await puppet.next();
    assert.deepEqual([h.type, h.flags, h.sessionId, h.seq, frame.length, frame[HEADER]], [2, 0, 0n, 0n, 160, 2]);
    assert.equal(puppet.retry(frame).length, 48);
    assert.equal(server.counts.busy('192.0.2.1'), false);
    puppet.raw(hello()[1]); // another index
    assert.equal(await puppet.next(), null);
  }));

  for (const [name, change] of Object.entries({
    'a flag': flip(7, 4), 'session_id': flip(15), 'sequence number': flip(23), 'version': flip(4, 3), 'magic': flip(0), 'type 2': flip(5, 3), 'nonce': flip(60),
    'hs_type': flip(96, 2), 'frag_count': flip(98, 1), 'token_len': flip(99, 7), 'frag_index': flip(97, 4), 'total_len': flip(102, 0x80), 'total_len 0': (b) => b.writeUInt32BE(0, 100),
  })) {
    test(`no answer: ${name}`, on(async ({ puppet }) => {
      puppet.raw(alter(puppet.offer(identity)()[0], change));
      assert.equal(await puppet.next(), null);
    }));
  }
  test('no answer: a short total_len, a wrong length, a wrong checksum', on(async ({ puppet }) => {
    const [first] = puppet.offer(identity)();
    const small = withEnvelope(1, puppet.handshake.handshakeId, Buffer.alloc(1024));
    puppet.raw(clearFrame(1, 0n, wallMicros(), small), first.subarray(0, first.length - 1), Buffer.concat([first, Buffer.alloc(1)]), first.subarray(0, 95));
    puppet.raw(Object.assign(Buffer.from(first), { 31: first[31] ^ 1 }));
    assert.equal(await puppet.next(), null);
  }));

  test('a cookie is bound to address, port and handshake_id, and to its time', on(async ({ puppet, net, world }) => {
    const hello = puppet.offer(identity);
    const cookie = await puppet.cookie(hello);
    for (const elsewhere of [net.socket('192.0.2.2', 40_000), net.socket('192.0.2.1', 1)]) {
      const other = new DatagramPuppet(elsewhere, AT);
      other.raw(...hello(cookie));
      assert.equal((await other.next()).frame[HEADER], 2); // another Retry
      assert.equal(await other.next(), null);
    }
    const stranger = new DatagramPuppet(net.socket('192.0.2.1'), AT);
    stranger.offer(identity);
    puppet.raw(...stranger.handshake.helloFrames(cookie));
    assert.equal((await puppet.next()).frame[HEADER], 2);
    await world.sleep(9000);
    puppet.raw(...hello(cookie));
    assert.ok(await puppet.flight());
    puppet.raw(...hello(Object.assign(Buffer.from(cookie), { 20: cookie[20] ^ 1 })));
    assert.equal((await puppet.next()).frame[HEADER], 2);
  }));
  for (const [ms, works] of [[9999, true], [11_001, false]]) {
    test(`a cookie after ${ms} ms`, on(async ({ puppet, world }) => {
      const hello = puppet.offer(identity);
      const cookie = await puppet.cookie(hello); // it was made one way ago, and arrives one way from now
      await world.sleep(ms - 20);
      puppet.raw(...hello(cookie));
      assert.equal((await puppet.next()).frame[HEADER], works ? 3 : 2);
    }));
  }

  test('fragments in any order, repeated, with others between', on(async ({ puppet }) => {
    const hello = puppet.offer(identity);
    const [a, b] = hello(await puppet.cookie(hello));
    const altered = alter(b, flip(300));
    puppet.raw(b, altered, b, a);
    assert.ok(await puppet.flight());
    assert.deepEqual(puppet.flightFrames.map((f) => f.length), [1136, 266, 347]);
  }));

  test('an incomplete ClientHello is dropped after 2 s', on(async ({ puppet, world }) => {
    const hello = puppet.offer(identity);
    const [a, b] = hello(await puppet.cookie(hello));
    puppet.raw(a);
    await world.sleep(2100);
    puppet.raw(b);
    assert.equal(await puppet.next(), null);
    puppet.raw(a);
    assert.ok(await puppet.flight());
  }));

  test('a duplicate is answered five times, by the same bytes, at index 0 alone', on(async ({ puppet }) => {
    const hello = puppet.offer(identity);
    const cookie = await puppet.cookie(hello);
    puppet.raw(...hello(cookie));
    await puppet.flight();
    const before = puppet.flightFrames.map((f) => f.toString('hex'));
    puppet.raw(hello(cookie)[1]);
    puppet.raw(alter(hello(cookie)[0], flip(400)));
    assert.equal(await puppet.next(), null);
    for (let i = 0; i < 7; i++) puppet.raw(hello(cookie)[0]);
    const again = [];
    for (let got; (got = await puppet.next()) !== null;) again.push(got.frame.toString('hex'));
    assert.deepEqual(again, [1, 2, 3, 4, 5].flatMap(() => before));
  }));

  test('a kind-2 flight with its key: six datagrams', on(async ({ puppet }) => {
    assert.ok(await puppet.establish(hybrid, { suites: [3] }));
    assert.equal(puppet.flightFrames.length, 8);
    assert.deepEqual(puppet.si.key, hybrid.key);
  }));

  test('NO_COMMON_SUITE, and silence for everything else', on(async ({ puppet, server, net }) => {
    const start = async (options, change = (frames) => frames) => {
      const client = new DatagramPuppet(net.socket(), AT);
      const hello = client.offer(identity, options);
      const cookie = await client.cookie(hello);
      client.raw(...change(hello(cookie)));
      return client.next();
    };
    const { h, frame } = await start({ suites: [0] });
    const error = decodeError(frame.subarray(HEADER), false);
    assert.deepEqual([h.type, h.sessionId, error.name, error.scope, error.refSeq], [0xfe, 0n, 'NO_COMMON_SUITE', 1, NO_SEQ]);
    const body = HEADER + 16 + 48;
    const first = (change) => ([a, b]) => [alter(a, change), b];
    assert.equal(await start({}, first((f) => (f[body] = 2))), null); // versions
    assert.equal(await start({}, first((f) => f.fill(0, body + 48, body + 80))), null); // X25519
    assert.equal(await start({}, first((f) => f.fill(0xff, body + 80, body + 900))), null); // ML-KEM
    assert.equal(await start({}, ([a, b]) => [a, alter(b, (f) => f.writeUInt16BE(2, body + 1298 - 1024))]), null); // TLV
    assert.equal(server.sessions.size, 0);
    assert.ok(puppet);
  }));

  test('beyond a limit: silence', on(async ({ puppet, net }) => {
    const hello = puppet.offer(identity);
    puppet.raw(...hello(await puppet.cookie(hello)));
    assert.ok(await puppet.flight());
    const second = new DatagramPuppet(net.socket(), AT);
    const again = second.offer(identity);
    second.raw(...again(await second.cookie(again)));
    assert.equal(await second.next(), null);
  }, { limits: { ...unlimited, half_open_per_source: 1 } }));

  test('the rate of first frames', on(async ({ puppet, world }) => {
    const [first] = puppet.offer(identity)();
    for (let i = 0; i < 15; i++) puppet.raw(first);
    await world.sleep(50);
    assert.equal(puppet.drain().length, 10);
    await world.sleep(1000);
    puppet.raw(first);
    assert.ok(await puppet.next());
  }, { limits: { ...unlimited, pre_session_rate: 5, pre_session_burst: 10 } }));

  test('an address token serves one handshake, from every port, without Retry', on(async ({ puppet, net }) => {
    assert.ok(await puppet.establish(identity));
    const token = puppet.done.body.subarray(16, 64);
    assert.ok(token.some((byte) => byte !== 0) && token[1] === 2);
    const second = new DatagramPuppet(net.socket(), AT);
    assert.ok(await second.establish(identity, { token }));
    const third = new DatagramPuppet(net.socket(), AT);
    third.raw(...third.offer(identity)(token));
    assert.equal((await third.next()).frame[HEADER], 2);
    const elsewhere = new DatagramPuppet(net.socket('192.0.2.77'), AT);
    elsewhere.raw(...elsewhere.offer(identity)(second.done.body.subarray(16, 64)));
    assert.equal((await elsewhere.next()).frame[HEADER], 2);
  }));

  test('after T_FLIGHT the same handshake_id is a new contact', on(async ({ puppet, world, server }) => {
    const hello = puppet.offer(identity);
    const cookie = await puppet.cookie(hello);
    puppet.raw(...hello(cookie));
    await puppet.flight();
    const { sessionId } = puppet.handshake;
    await world.sleep(10_050);
    puppet.raw(...hello(await puppet.cookie(hello)));
    const { h } = await puppet.next();
    assert.notEqual(h.sessionId, sessionId);
    assert.equal(server.sessions.size, 0);
  }));
});

describe('ClientFinish', () => {
  const spoilt = {
    'MAC': flip(96 + 16 + 3), 'tag': flip(80), 'nonce': flip(60), 'key_id': flip(40), 'type 0x02': (b) => (b[5] = 2), 'version': flip(4, 2),
  };
  for (const [name, change] of Object.entries(spoilt)) {
    test(`spoilt and then right: ${name}`, on(async ({ puppet }) => {
      assert.ok(await puppet.establish(identity, { finish: false, done: false }));
      puppet.raw(alter(puppet.clientFinish, change));
      assert.equal(await puppet.next(), null);
      puppet.raw(puppet.clientFinish);
      assert.equal((await puppet.message()).type, 2);
      puppet.raw(puppet.clientFinish); // dropped
      assert.equal((await puppet.message(3000)).mid, 1n); // HandshakeDone again, by PTO
    }));
  }

  test('sealed under the number 1, with index 0, it is dropped', on(async ({ puppet }) => {
    assert.ok(await puppet.establish(identity, { finish: false, done: false }));
    const { c_hs: secret, cf_mac: mac } = puppet.handshake.values;
    const slot = Object.assign(new SealSlot(secret), { next: 1n });
    puppet.raw(slot.seal({ type: 1, sessionId: puppet.id, stamp: wallMicros() }, withEnvelope(5, puppet.handshake.handshakeId, mac)));
    assert.equal(await puppet.next(), null);
    puppet.raw(puppet.clientFinish);
    assert.equal((await puppet.message()).type, 2);
  }));

  test('from another port it is dropped; path frames before it are too', on(async ({ puppet, net }) => {
    assert.ok(await puppet.establish(identity, { finish: false, done: false }));
    const other = new DatagramPuppet(net.socket(), AT);
    other.raw(puppet.clientFinish);
    assert.equal(await other.next(), null);
    echo(puppet, 1);
    assert.equal(await puppet.next(), null);
    puppet.raw(puppet.clientFinish);
    assert.deepEqual([(await puppet.message()).type, (await puppet.message(5)) ], [2, null]);
    puppet.send(3, 0, Buffer.alloc(64));
    const pong = await puppet.messageOf(3);
    assert.equal(pong.body.length, 64);
  }));

  test('CLOCK_SKEW, once', on(async ({ puppet }) => {
    assert.equal(await puppet.establish(identity, { time: wallMicros() - 301_000_000n }), false);
    const error = decodeError(puppet.done.body);
    assert.deepEqual([error.name, error.scope, puppet.done.seq], ['CLOCK_SKEW', 2, 0n]);
    assert.equal(await puppet.next(2000), null);
  }));

  test('HandshakeDone is sent again until it is acknowledged, in new frames', on(async ({ puppet }) => {
    assert.ok(await puppet.establish(identity));
    const first = puppet.done;
    const second = await puppet.messageOf(2);
    assert.deepEqual([first.mid, second.mid, second.seq > first.seq], [1n, 1n, true]);
    const ms = second.at - first.at;
    assert.ok(ms >= 20 + 40 + 25 - 1 && ms < 200, `${ms}`); // PTO of a round trip of 20 ms
    puppet.send(5, 0, encodeRanges([{ low: second.seq, high: second.seq }], 0));
    assert.equal(await puppet.messageOf(2, 3000), null);
  }));
});

describe('numbers and Acks', () => {
  test('a frame is taken once, in any order, within 8128', inSession(async ({ puppet }) => {
    const frames = [...Array(5).keys()].map(() => puppet.frame(3, 0, Buffer.alloc(64)));
    puppet.raw(frames[4], frames[2], frames[4], frames[0], frames[2]);
    let pongs = 0;
    for (let m; (m = await puppet.message(300)) !== null;) pongs += m.type === 3 ? 1 : 0;
    assert.equal(pongs, 3);
    const old = puppet.seal.next;
    const [beyond, atEdge] = [puppet.frame(3, 0, Buffer.alloc(64)), puppet.frame(3, 0, Buffer.alloc(64))];
    puppet.seal.next = old + 8128n;
    ping(puppet);
    assert.ok(await puppet.messageOf(3));
    puppet.raw(beyond, atEdge);
    const pong = await puppet.messageOf(3);
    assert.ok(pong);
    assert.equal(await puppet.messageOf(3, 300), null);
  }));

  test('spoilt datagrams change nothing', inSession(async ({ puppet }) => {
    const frame = puppet.frame(3, 0, Buffer.alloc(64));
    for (const at of [4, 16, 40, 60, 80, 100]) puppet.raw(alter(frame, flip(at, 2)));
    puppet.raw(frame.subarray(0, 150), Buffer.concat([frame, Buffer.alloc(1)]), Object.assign(Buffer.from(frame), { 31: frame[31] ^ 1 }));
    puppet.send(3, 0, Buffer.alloc(64), wallMicros() + 31_000_000n);
    puppet.send(3, 0, Buffer.alloc(64), wallMicros() - 31_000_000n);
    assert.equal(await puppet.messageOf(3, 300), null);
    puppet.raw(frame);
    assert.ok(await puppet.messageOf(3));
    puppet.send(3, 0, Buffer.alloc(64), wallMicros() - 29_900_000n);
    assert.ok(await puppet.messageOf(3));
  }));

  test('one frame is acknowledged within T_ACK, two at once', inSession(async ({ puppet, world }) => {
    const started = world.now;
    puppet.send(0x90, R, mid(1));
    const one = await puppet.ack();
    assert.deepEqual([one.ranges, world.now - started <= 20 + 25, one.delayUs > 0], [[{ low: 0n, high: 1n }], true, true]);
    const then = world.now;
    puppet.send(0x90, R, mid(2));
    puppet.send(0x90, R, mid(3));
    const two = await puppet.ack();
    assert.deepEqual([two.largest, world.now - then], [3n, 20]);
    ping(puppet);
    assert.equal(await puppet.ack(300), null); // nothing asks for one
  }));

  test('a gap is acknowledged at once; ranges', inSession(async ({ puppet, world }) => {
    puppet.seal.next = 10n;
    const started = world.now;
    puppet.send(0x90, R, mid(1));
    const one = await puppet.ack();
    assert.deepEqual([one.ranges, world.now - started], [[{ low: 10n, high: 10n }, { low: 0n, high: 0n }], 20]);
    puppet.seal.next = 12n;
    puppet.send(0x90, 0, 'without mid');
    assert.deepEqual((await puppet.ack()).ranges.map(({ low, high }) => [low, high]), [[12n, 12n], [10n, 10n], [0n, 0n]]);
    for (let seq = 100n; seq < 180n; seq += 2n) {
      puppet.seal.next = seq;
      puppet.send(0x90, 0, '');
    }
    let last;
    for (let ack; (ack = await puppet.ack(200)) !== null;) last = ack;
    assert.deepEqual([last.largest, last.ranges.length], [178n, 33]);
  }));

  const violation = (name, code, make) => test(`violation: ${name}`, inSession(async ({ puppet }) => {
    const seq = puppet.seal.next;
    make(puppet);
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq], [code, 2, seq]);
    assert.equal(await puppet.next(1000), null);
  }));
  const ackOf = (...ranges) => (puppet) => puppet.send(5, 0, encodeRanges(ranges, 0));
  violation('Ack of a frame that was not sent', 'PROTOCOL_VIOLATION', ackOf({ low: 7n, high: 7n }));
  violation('Ack with a pair of gap 0', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(5, 0, Buffer.concat([u64(0n), Buffer.from([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])])));
  violation('Ack that reaches below 0', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(5, 0, Buffer.concat([u64(0n), Buffer.from([0, 0, 0, 0, 0, 1, 0, 0])])));
  violation('Ack of 20 bytes without a pair', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(5, 0, Buffer.alloc(20)));
  violation('Ack with 33 pairs', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(5, 0, Buffer.concat([u64(200n), Buffer.from([0, 0, 0, 0, 0, 0, 33, 0]), ...Array(33).fill(Buffer.from([0, 1, 0, 1]))])));
  violation('mid 0', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(0x90, R, mid(0)));
  violation('type 0x02', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(2, 0, withEnvelope(6, Buffer.alloc(8), Buffer.alloc(56))));
  violation('Disconnect of 17 bytes', 'PROTOCOL_VIOLATION', (puppet) => puppet.send(4, 0, Buffer.alloc(17)));

  test('the server leaves numbers out, and ends who acknowledges one', inSession(async ({ puppet }) => {
    const seen = new Set();
    let hole = null;
    for (let n = 0; hole === null; n++) {
      assert.ok(n < 1100, 'a hole after at most 512 frames');
      ping(puppet);
      const pong = await puppet.messageOf(3);
      seen.add(pong.seq);
      if (!seen.has(pong.seq - 1n) && seen.size > 1) hole = pong.seq - 1n;
    }
    puppet.send(5, 0, encodeRanges([{ low: hole + 1n, high: hole + 1n }], 0));
    ping(puppet);
    assert.ok(await puppet.messageOf(3));
    puppet.send(5, 0, encodeRanges([{ low: hole, high: hole + 1n }], 0));
    assert.equal((await puppet.error()).name, 'PROTOCOL_VIOLATION');
  }));
});

describe('messages', () => {
  test('echo, and a repeated mid', inSession(async ({ puppet }) => {
    echo(puppet, 1);
    const reply = await puppet.messageOf(0x70);
    assert.deepEqual([reply.replyTo, decodeProbe(reply.body).data.toString()], [1n, 'echo']);
    puppet.send(5, 0, encodeRanges([{ low: 0n, high: reply.seq }], 0)); // numbers of the server, none left out so early
    puppet.drain();
    echo(puppet, 1);
    let last;
    for (let m; (m = await puppet.message(1000)) !== null; last = m) assert.notEqual(m.type, 0x70);
    assert.equal(last.type, 5);
  }));

  test('the reply to a duplicate is sent again at once, after a PTO', inSession(async ({ puppet, world, net }) => {
    ask(puppet, 1, OP.ECHO, 0, Buffer.from('x'));
    const first = await puppet.messageOf(0x70);
    ask(puppet, 1, OP.ECHO, 0, Buffer.from('x'));
    const pto = await puppet.messageOf(0x70);
    assert.ok(pto.at - first.at > 70); // by PTO, not because of the duplicate
    await world.sleep(100);
    puppet.drain();
    const started = world.now;
    ask(puppet, 1, OP.ECHO, 0, Buffer.from('x'));
    const again = await puppet.messageOf(0x70);
    assert.deepEqual([again.mid, again.at - started], [first.mid, 2 * net.delay]);
  }));

  test('a source in fragments of 1080 bytes', inSession(async ({ puppet }) => {
    ask(puppet, 1, OP.SOURCE, 20_000);
    const parts = new Map();
    let count = Infinity;
    while (parts.size < count) {
      const m = await puppet.message();
      if (m.type !== 0x70) continue;
      assert.ok(m.length <= 1200 && (m.body.length === 1080 || m.index === m.count - 1));
      count = m.count;
      parts.set(m.index, m.body);
      puppet.send(5, 0, encodeRanges([{ low: m.seq, high: m.seq }], 0));
    }
    const body = Buffer.concat([...Array(count).keys()].map((i) => parts.get(i)));
    assert.deepEqual(decodeProbe(body).data, sourceData(20_000));
  }));

  test('a source above 65536: PAYLOAD_TOO_LARGE', inSession(async ({ puppet }) => {
    ask(puppet, 1, OP.SOURCE, 65_529);
    assert.equal((await puppet.error()).name, 'PAYLOAD_TOO_LARGE');
    ask(puppet, 2, OP.SOURCE, 65_528);
    assert.equal((await puppet.messageOf(0x70)).count, 61);
  }));

  test('the congestion window holds back, and grows with Acks', inSession(async ({ puppet }) => {
    ask(puppet, 1, OP.SOURCE, 60_000);
    let first = 0;
    while ((await puppet.messageOf(0x70, 40)) !== null) first += 1;
    assert.equal(first, 10);
  }));

  test('a request in fragments, in any order, doubled', inSession(async ({ puppet }) => {
    const data = sourceData(3000);
    const body = encodeProbe(OP.ECHO, 0, data);
    const parts = [0, 1, 2].map((i) => puppet.frame(0x70, R | F, Buffer.concat([Buffer.from([...u64(1n), 0, 0, 0, 0, 0, i, 0, 3]), body.subarray(i * 1088, (i + 1) * 1088)])));
    puppet.raw(parts[2], parts[0], parts[2], parts[1]);
    assert.equal((await puppet.messageOf(0x70)).count, 3);
  }));

  test('a mid beyond the window and a fifth incomplete message are dropped and not acknowledged', inSession(async ({ puppet }) => {
    const [beyond] = [puppet.seal.next];
    puppet.send(0x90, R, mid(4097));
    assert.equal(await puppet.ack(200), null);
    const begin = (n) => puppet.send(0x70, R | F, Buffer.concat([Buffer.from([...u64(BigInt(n)), 0, 0, 0, n, 0, 0, 0, 2]), Buffer.alloc(1000)]));
    for (let n = 1; n <= 5; n++) begin(n);
    let acked;
    for (let ack; (ack = await puppet.ack(200)) !== null;) acked = ack;
    assert.equal(acked.largest, beyond + 4n);
    assert.ok(acked.ranges.every(({ low, high }) => beyond < low || beyond > high));
    echo(puppet, 6);
    assert.ok(await puppet.messageOf(0x70));
  }));

  test('a datagram of more than 1200 bytes is dropped', inSession(async ({ puppet }) => {
    puppet.send(0x70, R, mid(1, encodeProbe(OP.ECHO, 0, Buffer.alloc(1089))));
    assert.equal(await puppet.message(300), null);
    puppet.send(0x70, R, mid(1, encodeProbe(OP.ECHO, 0, Buffer.alloc(1088))));
    assert.ok(await puppet.messageOf(0x70));
  }));
});

describe('addresses', () => {
  const move = (net, puppet, address) => {
    const before = puppet.socket;
    puppet.use(net.socket(address));
    return before;
  };
  const challenges = async (puppet, n) => {
    const found = [];
    while (found.length < n) {
      const m = await puppet.messageOf(3);
      if (m.body[0] === 2) found.push(m);
    }
    return found;
  };

  test('a new port is challenged, and so is the old one; the answer is adopted', inSession(async ({ puppet, net }) => {
    const old = move(net, puppet);
    ping(puppet);
    const [a, b] = await challenges(puppet, 2);
    assert.deepEqual([a.body.length, b.body.length, new Set([a.socket, b.socket])], [17, 17, new Set([old, puppet.socket])]);
    assert.notDeepEqual(a.body, b.body);
    const here = a.socket === puppet.socket ? a : b;
    puppet.send(3, 0, Buffer.concat([Buffer.from([3]), here.body.subarray(1)]));
    await puppet.message(50);
    puppet.drain();
    ping(puppet);
    const pong = await puppet.messageOf(3);
    assert.equal(pong.socket, puppet.socket);
  }));

  test('without an answer the server returns to the old address', inSession(async ({ puppet, net, world }) => {
    const old = move(net, puppet);
    ping(puppet);
    await challenges(puppet, 2);
    await world.sleep(1000);
    puppet.drain();
    puppet.socket = old;
    ping(puppet);
    assert.equal((await puppet.messageOf(3)).socket, old);
  }));

  test('a wrong answer, or one from elsewhere, is not enough', inSession(async ({ puppet, net, world }) => {
    const old = move(net, puppet);
    ping(puppet);
    const [a] = await challenges(puppet, 2);
    puppet.send(3, 0, Buffer.concat([Buffer.from([3]), Buffer.alloc(16)]));
    const here = puppet.socket;
    puppet.socket = old;
    puppet.send(3, 0, Buffer.concat([Buffer.from([3]), a.body.subarray(1)])); // highest, from the old one: back there
    puppet.socket = here;
    await world.sleep(50);
    puppet.drain();
    puppet.socket = old;
    ping(puppet);
    assert.equal((await puppet.messageOf(3)).socket, old);
  }));

  test('an older frame from elsewhere moves nothing', inSession(async ({ puppet, net }) => {
    const late = puppet.frame(3, 0, Buffer.alloc(64));
    ping(puppet);
    await puppet.messageOf(3);
    const old = move(net, puppet);
    puppet.raw(late);
    const pong = await puppet.messageOf(3);
    assert.deepEqual([pong.body[0], pong.socket], [1, old]);
  }));

  test('no more than three times what came from it', inSession(async ({ puppet, net }) => {
    const old = move(net, puppet);
    ask(puppet, 1, OP.SOURCE, 10_000);
    let there = 0;
    for (let m; (m = await puppet.message(30)) !== null;) if (m.socket !== old) there += m.length;
    assert.ok(there > 0 && there <= 3 * (96 + 16), `${there}`);
  }));
});

describe('ends', () => {
  test('Disconnect: nothing more is sent', inSession(async ({ puppet, server }) => {
    ping(puppet);
    await puppet.messageOf(3);
    puppet.send(4, 0, encodeDisconnect(0, 0n, 0n));
    assert.equal(await puppet.next(1000), null);
    assert.equal(server.sessions.size, 0);
  }));

  test('shutdown: three Disconnects, 100 ms apart, in frames of their own', inSession(async ({ puppet, server }) => {
    const down = server.shutdown();
    const said = [await puppet.messageOf(4), await puppet.messageOf(4), await puppet.messageOf(4)];
    assert.deepEqual(said.map(({ seq, at }) => [seq - said[0].seq, at - said[0].at]), [[0n, 0], [1n, 100], [2n, 200]]);
    assert.equal(await puppet.next(1000), null);
    await down;
  }));

  test('T_IDLE: the path is forgotten, and with it the session', inSession(async ({ puppet, server, world }) => {
    await world.sleep(9000);
    ping(puppet);
    assert.ok(await puppet.messageOf(3));
    await world.sleep(10_100);
    assert.equal(server.sessions.size, 0);
    assert.ok(!puppet.drain().some(({ frame }) => parseHeader(frame).type === 4));
  }, { settings: { params: { maxPayload: 65_536, idleTimeoutMs: 10_000, keyRotationS: 86_400, maxDatagram: 1200, policy: 0, reassemblyBytes: 262_144, maxInflight: 1024 } } }));

  test('a PING of 64 bytes after silence', inSession(async ({ puppet, world }) => {
    await world.sleep(3000);
    const [first] = puppet.drain().map((got) => puppet.opened(got)).filter(({ type }) => type === 3);
    assert.deepEqual([first.body[0], first.body.length], [0, 64]);
  }, { settings: { heartbeatMs: 900 } }));

  test('a reset for a session that is unknown, to 160 bytes and more', inSession(async ({ puppet, server, world }) => {
    const frames = [64, 64, 63].map((n) => puppet.frame(3, 0, Buffer.alloc(n)));
    puppet.send(4, 0, encodeDisconnect(0, 0n, 0n));
    assert.equal(await puppet.next(), null);
    puppet.raw(frames[2]);
    assert.equal(await puppet.next(), null);
    puppet.raw(frames[0]);
    const { h, frame } = await puppet.next();
    const error = decodeError(frame.subarray(HEADER), false);
    assert.deepEqual([h.type, h.flags, h.sessionId, frame.length], [0xfe, 0, puppet.id, 128]);
    assert.deepEqual([error.code, error.scope, error.refSeq, error.token], [ERROR.SESSION_UNKNOWN, 2, NO_SEQ, server.unknown(puppet.id).subarray(HEADER + 16)]);
    for (let i = 0; i < 20; i++) puppet.raw(frames[1]);
    await world.sleep(50);
    assert.equal(puppet.drain().length, 9);
    puppet.raw(clearFrame(0xfe, puppet.id, wallMicros(), Buffer.alloc(100)));
    assert.equal(await puppet.next(), null);
  }));
});
