// Requests of a type that the server implements: Probe, fragments, compression,
// flow control and the order of refusals. A puppet leads, one case, one behaviour.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FLAG, NO_SEQ } from '../codes.mjs';
import { deflate, inflate } from '../compression.mjs';
import { identityFrom } from '../identity.mjs';
import { decodeError, decodeProbe, encodeAck, encodeProbe, u32, u64 } from '../messages.mjs';
import { writePrologue } from '../frame.mjs';
import { OP, sourceData } from '../probe.mjs';
import { Puppet } from '../puppet.mjs';
import { DEFAULTS, Server } from '../server.mjs';

const { REQUIRES_ACK: R, PRIORITY: P, STREAMING: S, COMPRESSED: Z, FRAGMENT: F } = FLAG;
const identity = identityFrom(Buffer.alloc(32, 5));
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };
const [EMPTY, hello] = [Buffer.alloc(0), Buffer.from('hello')];
const servers = {};

async function serve(settings) {
  const server = new Server({ identities: [identity], settings: { probe: true, ...settings }, limits: unlimited });
  return { server, port: (await server.listen(0)).port };
}
before(async () => {
  servers.plain = await serve({});
  servers.inflating = await serve({ compression: true });
  servers.narrow = await serve({ params: { ...DEFAULTS.params, maxInflight: 2 } });
});
after(() => Promise.all(Object.values(servers).map(({ server }) => server.shutdown())));

// inSession runs a case on an established session, HandshakeDone read.
async function inSession(act, { to = 'plain', ...offer } = {}) {
  const puppet = await Puppet.open(servers[to].port);
  try {
    assert.ok(await puppet.establish(identity, offer));
    await puppet.message();
    return await act(puppet);
  } finally {
    puppet.destroy();
  }
}

// ask sends a request, and answer is the next frame that is no Ack.
const ask = (puppet, mid, body, { flags = 0, ...fields } = {}) =>
  puppet.send(0x70, R | flags, Buffer.concat([writePrologue({ mid: BigInt(mid), ...fields }), body]));
async function answer(puppet) {
  for (;;) {
    const m = await puppet.message();
    if (m?.type !== 5) return m;
  }
}
async function refused(puppet) {
  for (;;) {
    const error = await puppet.error().catch((e) => (/type 5/.test(e.message) ? null : assert.fail(e)));
    if (error) return error;
  }
}
async function alive(puppet) {
  puppet.send(3, 0, [0, 9]);
  assert.deepEqual([...(await answer(puppet)).body], [1, 9]);
}

describe('operations', { concurrency: true }, () => {
  const replies = (name, [op, arg, data], [wantArg, wantData]) => test(name, () => inSession(async (puppet) => {
    ask(puppet, 1, encodeProbe(op, arg, data));
    const m = await answer(puppet);
    assert.deepEqual([m.type, m.h.flags, m.mid, m.replyTo], [0x70, 0x43, 2n, 1n]);
    assert.deepEqual(decodeProbe(m.body), { op, arg: wantArg, data: wantData });
    await alive(puppet);
  }));
  replies('echo', [OP.ECHO, 0, hello], [0, hello]);
  replies('echo ignores arg', [OP.ECHO, 7, EMPTY], [0, EMPTY]);
  replies('sink', [OP.SINK, 1, hello], [5, EMPTY]);
  replies('source ignores data', [OP.SOURCE, 300, hello], [0, sourceData(300)]);
  replies('delay of 0', [OP.DELAY, 0, hello], [0, hello]);

  const refuses = (name, body, code) => test(`${name}: ${code}`, () => inSession(async (puppet) => {
    ask(puppet, 1, body);
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq, error.mid, error.replyTo], [code, 0, NO_SEQ, 2n, 1n]);
    await alive(puppet);
  }));
  refuses('7 bytes', Buffer.alloc(7), 'INVALID_PAYLOAD');
  refuses('zero field', Buffer.from([0, 0, 1, 0, 0, 0, 0, 0]), 'INVALID_PAYLOAD');
  refuses('op 6', encodeProbe(6, 0), 'INVALID_PAYLOAD');
  refuses('source, too much', encodeProbe(OP.SOURCE, 16_777_209), 'PAYLOAD_TOO_LARGE');
  refuses('fail', encodeProbe(OP.FAIL, 0x42), 'CONFLICT');
  refuses('fail, unlisted', encodeProbe(OP.FAIL, 0xabcd), 'INTERNAL');
  refuses('fail, too great', encodeProbe(OP.FAIL, 65_536), 'INVALID_PAYLOAD');
  refuses('delay, too long', encodeProbe(OP.DELAY, 60_001), 'INVALID_PAYLOAD');
  refuses('stream, too long', encodeProbe(OP.STREAM, 1_000_001), 'INVALID_PAYLOAD');
  refuses('65 537 bytes', Buffer.alloc(65_537), 'PAYLOAD_TOO_LARGE');

  test('delay waits, and others are answered meanwhile', () => inSession(async (puppet) => {
    const started = performance.now();
    ask(puppet, 1, encodeProbe(OP.DELAY, 150, hello));
    ask(puppet, 2, encodeProbe(OP.ECHO, 0, hello));
    assert.equal((await answer(puppet)).replyTo, 2n);
    assert.equal((await answer(puppet)).replyTo, 1n);
    const ms = performance.now() - started;
    assert.ok(ms >= 149 && ms < 1200, `${ms}`);
  }));

  test('stream: the reply, then the pushes', () => inSession(async (puppet) => {
    ask(puppet, 1, encodeProbe(OP.STREAM, 3, hello));
    assert.deepEqual(decodeProbe((await answer(puppet)).body), { op: 5, arg: 3, data: u32(1) });
    for (const n of [1n, 2n, 3n]) {
      const push = await answer(puppet);
      assert.deepEqual([push.h.flags, push.mid, push.subId, push.n], [1 | S, undefined, 1, n]);
      assert.deepEqual(decodeProbe(push.body), { op: 5, arg: 0, data: hello });
    }
    ask(puppet, 2, encodeProbe(OP.STREAM, 0, hello));
    assert.deepEqual(decodeProbe((await answer(puppet)).body), { op: 5, arg: 0, data: u32(2) });
    await alive(puppet);
  }));

  test('a sink without mid is swallowed; anything else is MALFORMED, once a second', () => inSession(async (puppet) => {
    puppet.send(0x70, 0, encodeProbe(OP.SINK, 0, hello));
    await alive(puppet);
    for (const body of [encodeProbe(OP.ECHO, 0, hello), Buffer.alloc(7), encodeProbe(OP.STREAM, 3)]) puppet.send(0x70, 0, body);
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq, error.mid], ['MALFORMED', 0, 2n, undefined]);
    await alive(puppet);
  }));

  test('a push from a client is a violation', () => inSession(async (puppet) => {
    puppet.send(0x70, S, Buffer.concat([u32(1), u64(1n), encodeProbe(0, 0)]));
    assert.equal((await puppet.error()).name, 'PROTOCOL_VIOLATION');
  }));

  test('a repeated mid is not executed again', () => inSession(async (puppet) => {
    ask(puppet, 1, encodeProbe(OP.ECHO, 0, hello));
    await answer(puppet);
    ask(puppet, 1, encodeProbe(OP.ECHO, 0, hello));
    assert.deepEqual((await puppet.message()).body, encodeAck(1n));
  }));

  test('PRIORITY goes ahead, Heartbeats go between the fragments', () => inSession(async (puppet) => {
    puppet.socket.pause();
    ask(puppet, 1, encodeProbe(OP.SOURCE, 16_000_000));
    ask(puppet, 2, encodeProbe(OP.ECHO, 0, hello));
    ask(puppet, 3, encodeProbe(OP.ECHO, 0, hello), { flags: P });
    puppet.send(3, 0, [0, 1]);
    await new Promise((resolve) => setTimeout(resolve, 100)); // the server is stuck in the source
    puppet.socket.resume();
    const order = [];
    while (order.at(-1) !== 'echo 2') {
      const m = await answer(puppet);
      const name = m.type === 3 ? 'PONG' : m.replyTo === 1n ? 'source' : `echo ${m.replyTo}`;
      if (order.at(-1) !== name) order.push(name);
      if (m.replyTo === 3n) assert.equal(m.h.flags & P, P);
    }
    assert.equal(order[0], 'source');
    assert.equal(order.at(-2), 'source');
    assert.deepEqual(order.filter((name) => name !== 'source'), ['echo 3', 'PONG', 'echo 2']);
  }));
});

// cut sends a body in fragments of a size; pick orders or changes them.
function cut(puppet, mid, body, size, { pick = (all) => all, flags = 0, originalLen, fragId = 0 } = {}) {
  const count = Math.ceil(body.length / size);
  const all = [...Array(count).keys()].map((index) => ({ index, count, fragId, body: body.subarray(index * size, (index + 1) * size) }));
  for (const { body: part, ...fields } of pick(all)) {
    const prologue = writePrologue({ mid: mid === null ? undefined : BigInt(mid), originalLen, ...fields });
    puppet.send(0x70, (mid === null ? 0 : R) | F | flags, Buffer.concat([prologue, part]));
  }
}
const large = encodeProbe(OP.ECHO, 0, sourceData(5000));

describe('fragments', { concurrency: true }, () => {
  for (const [name, size, pick] of [['in order', 512], ['backwards', 600, (all) => all.reverse()], ['two of one size', 2504],
    ['some twice', 1000, (all) => [all[0], all[2], all[0], ...all.slice(1, 2), all[2], ...all.slice(3)]]]) {
    test(name, () => inSession(async (puppet) => {
      cut(puppet, 1, large, size, { pick });
      assert.deepEqual(decodeProbe((await answer(puppet)).body).data, sourceData(5000));
      await alive(puppet);
    }));
  }

  const refusedFragment = (name, code, change, body = large, size = 512) => test(`${name}: ${code}`, () => inSession(async (puppet) => {
    cut(puppet, 1, body, size, { pick: change });
    const error = await refused(puppet);
    assert.deepEqual([error.name, error.scope, error.replyTo], [code, 0, 1n]);
    await alive(puppet);
  }));
  refusedFragment('count 1', 'MALFORMED', (all) => [{ ...all[0], count: 1 }]);
  refusedFragment('index beyond count', 'MALFORMED', (all) => [{ ...all[0], index: all[0].count }]);
  refusedFragment('another count', 'MALFORMED', (all) => [all[0], { ...all[1], count: all[1].count + 1 }]);
  refusedFragment('511 bytes', 'MALFORMED', (all) => all, large, 511);
  refusedFragment('empty last', 'MALFORMED', (all) => [{ ...all.at(-1), body: EMPTY }]);
  refusedFragment('least total', 'PAYLOAD_TOO_LARGE', (all) => [{ ...all[0], count: 129 }]);
  refusedFragment('total 65 537', 'PAYLOAD_TOO_LARGE', (all) => all, Buffer.alloc(65_537), 600);

  test('a message is exactly as long as the limit', () => inSession(async (puppet) => {
    cut(puppet, 1, encodeProbe(OP.SINK, 0, Buffer.alloc(65_528)), 1000);
    assert.equal(decodeProbe((await answer(puppet)).body).arg, 65_528);
  }));

  test('a higher frag_id begins anew, a lower one is discarded', () => inSession(async (puppet) => {
    cut(puppet, 1, Buffer.alloc(2000, 1), 700, { fragId: 4, pick: (all) => all.slice(0, 2) });
    cut(puppet, 1, large, 512, { fragId: 5, pick: (all) => all.slice(0, 5) });
    cut(puppet, 1, Buffer.alloc(2000, 1), 700, { fragId: 4, pick: (all) => all.slice(2) });
    cut(puppet, 1, large, 512, { fragId: 5, pick: (all) => all.slice(5) });
    assert.deepEqual(decodeProbe((await answer(puppet)).body).data, sourceData(5000));
  }));

  test('four messages at a time, and no fifth', () => inSession(async (puppet) => {
    for (const mid of [1, 2, 3]) cut(puppet, mid, large, 512, { pick: (all) => all.slice(1) });
    cut(puppet, null, large, 512, { pick: (all) => all.slice(1) });
    cut(puppet, 4, large, 511, { pick: (all) => all.slice(0, 1) }); // refused, so it is no fifth
    assert.equal((await refused(puppet)).name, 'MALFORMED');
    cut(puppet, 2, large, 512, { pick: (all) => all.slice(0, 1) });
    assert.equal((await answer(puppet)).replyTo, 2n);
    cut(puppet, 5, large, 512, { pick: (all) => all.slice(1) });
    cut(puppet, 6, large, 512, { pick: (all) => all.slice(1) });
    assert.equal((await refused(puppet)).name, 'PROTOCOL_VIOLATION');
  }));

  test('without mid: a sink, or nothing', () => inSession(async (puppet) => {
    cut(puppet, null, encodeProbe(OP.SINK, 0, sourceData(5000)), 512);
    cut(puppet, null, large, 511, { fragId: 1 });
    await alive(puppet);
    cut(puppet, null, large, 512, { fragId: 2 });
    assert.equal((await refused(puppet)).name, 'MALFORMED');
  }));

  test('a source of more than one frame', () => inSession(async (puppet) => {
    ask(puppet, 1, encodeProbe(OP.SOURCE, 600_000));
    const parts = [await answer(puppet), await answer(puppet), await answer(puppet)];
    assert.deepEqual(parts.map(({ index, count, fragId, mid, body }) => [index, count, fragId, mid, body.length]),
      [[0, 3, 0, 2n, 262_144], [1, 3, 0, 2n, 262_144], [2, 3, 0, 2n, 75_720]]);
    assert.deepEqual(decodeProbe(Buffer.concat(parts.map(({ body }) => body))).data, sourceData(600_000));
  }));

  test('T_REASSEMBLY', { timeout: 20_000 }, () => inSession(async (puppet) => {
    const started = performance.now();
    cut(puppet, 1, large, 512, { pick: (all) => all.slice(0, 1) });
    setTimeout(() => cut(puppet, 1, large, 512, { pick: (all) => all.slice(0, 1) }), 5000); // nothing new
    assert.equal((await puppet.message()).type, 5);
    assert.equal((await puppet.message()).type, 5);
    assert.equal(await puppet.next(), null);
    const ms = performance.now() - started;
    assert.ok(ms > 14_900 && ms < 16_500, `${ms}`);
  }));
});

describe('compression', { concurrency: true }, () => {
  const stream = deflate(large);
  const accepts = (name, act, offer) => test(name, () => inSession(async (puppet) => {
    assert.equal(puppet.si.params.policy, 8);
    act(puppet);
    const m = await answer(puppet);
    const compressed = (m.h.flags & Z) !== 0;
    assert.equal(compressed, offer !== undefined);
    assert.deepEqual(decodeProbe(compressed ? inflate(m.body, m.originalLen) : m.body).data, sourceData(5000));
  }, { to: 'inflating', ...offer }));
  accepts('a compressed request', (puppet) => ask(puppet, 1, stream, { flags: Z, originalLen: large.length }));
  accepts('a compressed reply', (puppet) => ask(puppet, 1, stream, { flags: Z, originalLen: large.length }), { inflates: true });
  const noise = encodeProbe(OP.ECHO, 0, sourceData(5000).map((byte, i) => byte ^ ((i * 7919) >> 3)));
  test('a compressed request in fragments', () => inSession(async (puppet) => {
    cut(puppet, 1, deflate(noise), 512, { flags: Z, originalLen: noise.length, pick: (all) => all.reverse() });
    assert.deepEqual((await answer(puppet)).body, noise);
  }, { to: 'inflating' }));

  const refuses = (name, code, body, originalLen, to = 'inflating') => test(`${name}: ${code}`, () => inSession(async (puppet) => {
    ask(puppet, 1, body, { flags: Z, originalLen });
    assert.deepEqual([(await refused(puppet)).name, puppet.si.params.policy], [code, to === 'plain' ? 0 : 8]);
    await alive(puppet);
  }, { to }));
  refuses('not announced', 'COMPRESSION_REFUSED', stream, 70_000, 'plain');
  refuses('too long a body', 'DECOMPRESS_LIMIT', stream, 65_537);
  refuses('one byte more', 'DECOMPRESS_LIMIT', stream, large.length - 1);
  refuses('one byte less', 'DECOMPRESS_LIMIT', stream, large.length + 1);
  refuses('a byte behind the stream', 'DECOMPRESS_LIMIT', Buffer.concat([stream, Buffer.alloc(1)]), large.length);
  refuses('cut', 'DECOMPRESS_LIMIT', stream.subarray(0, -1), large.length);
  refuses('too long a stream', 'PAYLOAD_TOO_LARGE', Buffer.alloc(65_537), 5);
  refuses('an empty body', 'INVALID_PAYLOAD', deflate(EMPTY), 0);

  test('a compressed sink without mid, and a lie without one', () => inSession(async (puppet) => {
    const sink = encodeProbe(OP.SINK, 0, sourceData(5000));
    for (const length of [sink.length, 3]) puppet.send(0x70, Z, Buffer.concat([writePrologue({ originalLen: length }), deflate(sink)]));
    await alive(puppet);
  }, { to: 'inflating' }));
});

describe('flow control', { concurrency: true }, () => {
  const delay = encodeProbe(OP.DELAY, 60_000);

  test('beyond the limit RATE_LIMITED, beyond twice a violation', () => inSession(async (puppet) => {
    for (const mid of [1, 2]) ask(puppet, mid, delay);
    ask(puppet, 3, encodeProbe(OP.FAIL, 0x42));
    assert.deepEqual([(await refused(puppet)).name, puppet.si.params.maxInflight], ['RATE_LIMITED', 2]);
    puppet.send(0x50, R, u64(4n)); // a type that it does not implement
    assert.equal((await refused(puppet)).name, 'RATE_LIMITED');
    await alive(puppet);
  }, { to: 'narrow' }));

  test('a client that reads nothing', () => inSession(async (puppet) => {
    puppet.socket.pause();
    ask(puppet, 1, encodeProbe(OP.SOURCE, 16_777_208)); // its reply fills the transport
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let i = 2; i <= 2050; i++) ask(puppet, i, delay); // 1024, 1024 beyond the limit, and one
    await new Promise((resolve) => setTimeout(resolve, 200));
    puppet.socket.resume();
    let last;
    for (let m; (m = await puppet.message()) !== null; last = m) assert.ok(m.type === 0x70 || m.type === 5 || m.type === 0xfe);
    const { name, refSeq } = decodeError(last.body);
    assert.deepEqual([name, refSeq], ['PROTOCOL_VIOLATION', 2049n]);
  }));

  test('32 MiB of replies delay the next', () => inSession(async (puppet) => {
    for (const mid of [1, 2, 3]) ask(puppet, mid, encodeProbe(OP.SOURCE, 16_777_208));
    ask(puppet, 4, encodeProbe(OP.ECHO, 0, hello));
    const order = [];
    while (order.length < 4) {
      const m = await answer(puppet);
      if (!order.includes(m.replyTo)) order.push(m.replyTo);
    }
    assert.deepEqual(order, [1n, 2n, 3n, 4n]);
  }));

  test('a draining server answers SERVER_BUSY and finishes what it has', async () => {
    const { server, port } = await serve({});
    const puppet = await Puppet.open(port);
    await puppet.establish(identity);
    await puppet.message();
    ask(puppet, 1, encodeProbe(OP.DELAY, 1000, hello));
    await alive(puppet);
    const down = server.shutdown();
    ask(puppet, 2, encodeProbe(OP.ECHO, 0, hello));
    assert.equal((await refused(puppet)).name, 'SERVER_BUSY');
    const last = await answer(puppet);
    assert.equal(last.replyTo, 1n);
    puppet.send(5, 0, encodeAck(last.seq));
    for (let m; (m = await puppet.message()) && m.type !== 4;) assert.equal(m.type, 5);
    puppet.destroy();
    await down;
  });
});
