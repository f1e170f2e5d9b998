// The client over loopback: against a puppet server, one case, one behaviour.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERROR, FLAG, LIMIT, NO_SEQ, TYPE } from '../codes.mjs';
import { connect } from '../client.mjs';
import { deflate } from '../compression.mjs';
import { clearFrame, writePrologue } from '../frame.mjs';
import { identityFrom, parseEndpoint } from '../identity.mjs';
import { decodeClientHello, decodeError, encodeAck, encodeDisconnect, encodeError, u64, withEnvelope } from '../messages.mjs';
import { alter, flip, mid } from '../puppet.mjs';
import { PuppetServer } from '../puppet-server.mjs';

const { REQUIRES_ACK: R, STREAMING: S, COMPRESSED: Z, FRAGMENT: F, REPLY: Y } = FLAG;
const [identity, other] = [identityFrom(Buffer.alloc(32, 5)), identityFrom(Buffer.alloc(32, 6))];
const pinOf = ({ fingerprint }, key = null, kind = 1) => ({ kind, fingerprint, key });

async function on(act, { pins = [pinOf(identity)], ...options } = {}) {
  const server = await PuppetServer.listen(identity);
  const session = connect(parseEndpoint(`localhost:${server.port}`), pins, options);
  session.catch(() => {});
  try {
    return await act(server, session);
  } finally {
    server.close();
    await session.then((s) => s.closed, () => {});
  }
}

// refuses: the handshake fails, and the client has sent nothing after ClientHello.
const refuses = (name, parts, want, options) => test(`fails the handshake: ${name}`, () => on(async (server, session) => {
  assert.equal(await server.establish(parts), false);
  await assert.rejects(session, want ?? /./);
}, options));

const inSession = (act, options) => on(async (server, session) => {
  assert.ok(await server.establish());
  return act(server, await session);
}, options);

describe('handshake', { concurrency: true }, () => {
  test('ClientHello', () => on(async (server, session) => {
    assert.ok(await server.establish());
    const { h, frame } = server.clientHello;
    const ch = decodeClientHello(frame.subarray(112));
    assert.deepEqual([h.type, h.flags, h.sessionId, h.seq, frame.length], [1, 0, 0n, 0n, 1414]);
    assert.deepEqual([ch.suites, ch.includeKey, frame[112], frame[113], frame[112 + 7]], [[1, 2], true, 1, 1, 1]);
    assert.deepEqual(ch.hints, [identity.fingerprint.subarray(0, 8), other.fingerprint.subarray(0, 8)]);
    const tlv = frame.subarray(112 + 1296);
    assert.ok(tlv.length === 6 && tlv[1] === 4 && tlv[2] >= 0x80);
    assert.equal((await session).id, 2n ** 64n - 1n);
  }, { pins: [pinOf(identity), pinOf(other)] }));

  test('a pinned key is not asked for', () => on(async (server, session) => {
    assert.ok(await server.establish());
    await session;
  }, { pins: [pinOf(other, other.key), pinOf(identity, identity.key)] }));

  const body = (at) => (frame) => alter(frame, flip(112 + at));
  refuses('version', { shBody: (b) => Object.assign(b, { 0: 2 }) }, /version/);
  refuses('suite', { shBody: (b) => Object.assign(b, { 1: 3 }) }, /suite/);
  refuses('zero field', { shBody: (b) => Object.assign(b, { 7: 1 }) }, /zero/);
  refuses('session_id 0', { sh: (f) => ({ ...f, sessionId: 0n }) }, /session_id/);
  refuses('session_id of header', { shFrame: (b) => alter(b, flip(15)) }, /session_id/);
  refuses('X25519 key zero', { sh: (f) => ({ ...f, x25519: Buffer.alloc(32) }) }, /X25519/);
  refuses('TLV type 2 in ServerHello', { sh: (f) => ({ ...f, extensions: [[2, Buffer.alloc(0)]] }) }, /TLV/);
  refuses('handshake_id of ServerHello', { helloId: () => Buffer.alloc(8) }, /handshake_id/);
  refuses('handshake_id of ServerFlight', { flightId: () => Buffer.alloc(8) }, /handshake_id/);
  refuses('Retry', { shFrame: (b) => alter(b, (f) => (f[96] = 2)) }, /hs_type/);
  refuses('checksum of ServerHello', { shFrame: (b) => Object.assign(b, { 31: b[31] ^ 1 }) }, /check 7/);
  refuses('a flag of ServerHello', { shFrame: (b) => alter(b, flip(7, 4)) }, /check 3/);
  refuses('tag of ServerFlight', { flightFrame: (b) => alter(b, flip(80)) }, /check 11/);
  refuses('too long a flight', { flightFrame: (b) => alter(b, (f) => f.writeUInt32BE(8209, 24)) }, /check 4/);
  refuses('random altered on the way', { shFrame: body(30) });
  refuses('skew', { sh: (f) => ({ ...f, time: f.time + 302_000_000n }) }, /300 s/);
  refuses('signature input', { input: (b) => Object.assign(b, { 130: b[130] ^ 1 }) }, /signature/);
  refuses('signature', { ss: (b) => Object.assign(b, { 63: b[63] ^ 0x80 }) }, /signature/);
  refuses('signature too long', { ss: (b) => Buffer.concat([b, Buffer.alloc(1)]) }, /ServerFlight/);
  refuses('MAC', { sf: (b) => Object.assign(b, { 47: b[47] ^ 1 }) }, /MAC/);
  refuses('bytes after the flight', { flight: (b) => Buffer.concat([b, Buffer.alloc(1)]) }, /ServerFlight/);
  refuses('flight without its last message', { flight: (b) => b.subarray(0, -52) }, /ServerFlight/);
  refuses('flight in another order', { flight: (b) => Buffer.concat([b.subarray(-120), b.subarray(0, -120)]) }, /ServerFlight/);
  refuses('key left out', { si: (f) => ({ ...f, key: null }) }, /left out/);
  refuses('another key', { si: (f) => ({ ...f, key: other.key }) }, /fingerprint/);
  refuses('kind 2', { si: (f) => ({ ...f, kind: 2 }) }, /./);
  refuses('no pin', {}, /no pin/, { pins: [pinOf(other)] });
  refuses('kind-2 pin', {}, /no pin/, { pins: [pinOf(identity, null, 2)] });
  refuses('key not asked for', { si: (f) => ({ ...f, key: identity.key }) }, /not asked for/, { pins: [pinOf(identity, identity.key)] });
  refuses('TLV type 1 in ServerIdentity', { si: (f) => ({ ...f, extensions: [[1, Buffer.alloc(0)]] }) }, /TLV/);
  refuses('flag without key', { flight: (b) => Object.assign(b, { 5: b[5] ^ 1 }) }, /key_len/);
  for (const [name, value] of [['maxPayload', 65_535], ['maxPayload', 16_777_217], ['idleTimeoutMs', 0], ['keyRotationS', 0], ['reassemblyBytes', 262_143]]) {
    refuses(`${name} ${value}`, { si: (f) => ({ ...f, params: { ...f.params, [name]: value } }) }, /params/);
  }
  refuses('max_datagram with UDP', { si: (f) => ({ ...f, params: { ...f.params, maxDatagram: 1199, policy: 2 } }) }, /params/);
  test('fails the handshake: no answer', () => on((_, session) => assert.rejects(session, /T_CONNECT/), { connectMs: 100 }));
  refuses('clear Error', { shFrame: () => clearFrame(0xfe, 0n, 0n, encodeError({ code: ERROR.SERVER_BUSY, scope: 1 })) }, /SERVER_BUSY.*unauthenticated/);
  refuses('Heartbeat before ServerHello', { shFrame: () => clearFrame(3, 0n, 0n, Buffer.alloc(1)) }, /check 3/);

  const accepts = (name, parts, options) => test(`accepts: ${name}`, () => on(async (server, session) => {
    assert.ok(await server.establish(parts));
    await session;
  }, options));
  accepts('unknown TLVs, TLV 2 and undefined bits in ServerIdentity', {
    sh: (f) => ({ ...f, extensions: [[0x8000, Buffer.alloc(3)]] }),
    si: (f) => ({ ...f, extensions: [[2, Buffer.alloc(5)], [0x9000, Buffer.alloc(0)]], params: { ...f.params, policy: 0xfff0, maxDatagram: 0, maxInflight: 0 } }),
  }, { failover: false });
  const endpoints = (...bytes) => ({ si: (f) => ({ ...f, extensions: [[2, Buffer.from(bytes)]] }) });
  accepts('attach endpoints, of a kind that it does not know too', endpoints(1, 31, 154, 1, 97, 9, 0, 1, 1, 98));
  for (const [name, bytes] of [['none', []], ['an entry that is cut', [1, 31, 154, 2, 97]], ['bytes after the last', [1, 31, 154, 1, 97, 1]], ['port 0', [1, 0, 0, 1, 97]],
    ['no host', [1, 31, 154, 0]], ['a host that is not ASCII', [2, 31, 154, 1, 0xe4]]]) {
    refuses(`attach endpoints: ${name}`, endpoints(...bytes), /endpoints/);
  }
  accepts('one of two pins', {}, { pins: [pinOf(other), pinOf(identity)] });

  test('no byte of ServerHello or ServerFlight can be altered', async () => {
    for (const [part, length] of [['shFrame', 1178], ['flightFrame', 235]]) {
      for (let at = 0; at < length; at += 29) {
        await on(async (server, session) => {
          assert.equal(await server.establish({ [part]: body(at) }), false, `${part} ${at}`);
          await assert.rejects(session);
        });
      }
    }
  });

  test('without a pin nothing is sent', () => assert.rejects(connect(parseEndpoint('localhost:1'), []), /no pin/));
});

describe('session', { concurrency: true }, () => {
  // ends: after HandshakeDone (or not) the frame makes the client send this Error,
  // or, for null, close silently.
  const ends = (name, code, frame, first = false) => test(`${code ?? 'closes silently'}: ${name}`, () => inSession(async (server, session) => {
    if (!first) server.send(2, R, server.done());
    server.send(...frame(server));
    server.send(3, 0, [0]);
    const seq = first ? 0n : 1n;
    let m = await server.message();
    if (m?.type === TYPE.ACK) m = await server.message();
    if (code === null) assert.equal(m, null);
    else {
      const error = decodeError(m.body);
      assert.deepEqual([m.type, error.name, error.scope, error.refSeq], [0xfe, code, 2, seq]);
      assert.equal(await server.next(), null);
    }
    server.socket.end();
    await session.closed;
  }));
  const V = 'PROTOCOL_VIOLATION';
  const U = 'UNEXPECTED_MESSAGE';
  const reply = (to, b = Buffer.alloc(0), n = 2n) => Buffer.concat([u64(n), u64(to), b]);
  ends('Heartbeat first', U, () => [3, 0, [0]], true);
  ends('HandshakeDone with mid 2 first', U, (s) => [2, R, s.done(s.handshakeId, 2n)], true);
  ends('another handshake_id', U, (s) => [2, R, s.done(Buffer.alloc(8))], true);
  ends('HandshakeDone of 55 bytes', V, (s) => [2, R, s.done(s.handshakeId, 1n, Buffer.alloc(55))], true);
  ends('bad envelope first', V, () => [2, R, mid(1, 'x')], true);
  ends('unsolicited Error scope 0 first', null, () => [0xfe, 0, encodeError({ code: ERROR.INTERNAL, scope: 0 })], true);
  ends('CLOCK_SKEW first', null, () => [0xfe, 0, encodeError({ code: ERROR.CLOCK_SKEW, scope: 2 })], true);
  ends('second HandshakeDone', U, (s) => [2, R, s.done(s.handshakeId, 2n)]);
  ends('RekeyResp', V, () => [2, R | Y, reply(1n)]);
  ends('type 0x02 without mid', U, () => [2, 0, withEnvelope(6, Buffer.alloc(8), Buffer.alloc(56))]);
  ends('type 0x02, bad envelope', V, () => [2, R, mid(2, 'x')]);
  ends('type 0x01', V, () => [1, R, mid(2)]);
  ends('a request', V, () => [0x50, R, mid(2)]);
  ends('a reply to nothing', V, () => [0x50, R | Y, reply(1n)]);
  ends('an Error reply to nothing', null, () => [0xfe, R | Y, reply(1n, encodeError({ code: 9, scope: 0 }))]);
  ends('mid 4098', V, () => [0x90, R, mid(4098)]);
  ends('Error scope 1', null, () => [0xfe, 0, encodeError({ code: ERROR.PAYLOAD_TOO_LARGE, scope: 1 })]);
  ends('Disconnect', null, () => [4, 0, encodeDisconnect(0, 1n, 0n)]);

  test('keeps the session: what is ignored', () => inSession(async (server, session) => {
    const frames = [[2, R, server.done()], [0x40, S, Buffer.alloc(12)], [0x50, 0, 'x'], [0x90, R | Y | F, reply(9n, Buffer.alloc(8))], [3, 0, [1, 1]],
      [2, R, server.done()], [0xfe, 0, encodeError({ code: 9, scope: 0 })], [0xfe, 0, [0]], [3, 0, [0, 5]]];
    server.socket.write(Buffer.concat(frames.map((fields) => server.frame(...fields))));
    const got = [await server.message(), await server.message()];
    assert.deepEqual(got.map(({ type }) => type).sort(), [3, 5]);
    session.drain();
    assert.equal((await server.message()).type, 4);
  }));

  test('an over-long frame', () => inSession(async (server, session) => {
    server.send(2, R, server.done());
    server.socket.write(alter(server.frame(3, 0, [0]), (b) => b.writeUInt32BE(LIMIT.frame_payload + 1, 24)).subarray(0, 96));
    let m = await server.message();
    if (m.type === TYPE.ACK) m = await server.message();
    const error = decodeError(m.body);
    assert.deepEqual([error.name, error.scope, error.refSeq], ['PAYLOAD_TOO_LARGE', 1, NO_SEQ]);
    server.socket.end();
    await session.closed;
  }));

  test('a reply of 262 208 bytes, an Ack for it, a second reply discarded, Disconnect', () => inSession(async (server, session) => {
    const call = session.call(0x50, Buffer.from('hello'));
    const request = await server.message();
    assert.deepEqual([request.h.flags, request.mid, request.body.toString()], [3, 1n, 'hello']);
    const long = Buffer.alloc(LIMIT.frame_payload - 16, 1);
    server.socket.write(Buffer.concat([server.frame(2, R, server.done()), server.frame(0x50, R | Y, reply(1n, long))]));
    assert.deepEqual(await call, { type: 0x50, body: long });
    server.send(0x50, R | Y, reply(1n, long, 3n));
    let m;
    do m = await server.message(); while (m.type === TYPE.ACK && m.body.readBigUInt64BE(0) < 2n);
    assert.deepEqual([m.type, m.body], [5, encodeAck(2n)]);
    session.drain();
    assert.deepEqual((await server.message()).body, encodeDisconnect(0, 1n, 3n));
    assert.equal(await server.next(), null);
  }));

  test('the Ack that is due comes before Disconnect', () => inSession(async (server, session) => {
    const pong = session.ping();
    const ping = await server.message();
    server.socket.write(Buffer.concat([server.frame(2, R, server.done()), server.frame(3, 0, Buffer.concat([Buffer.from([1]), ping.body.subarray(1)]))]));
    await pong;
    session.drain();
    assert.deepEqual((await server.message()).body, encodeAck(1n));
    assert.deepEqual((await server.message()).body, encodeDisconnect(0, 0n, 1n));
  }));

  test('replies: Error, malformed Error, another type, end of the session', () => inSession(async (server, session) => {
    const calls = [0x50, 0x51, 0x52, 0x53].map((type) => session.call(type, Buffer.alloc(1)));
    const outcomes = Promise.allSettled(calls);
    for (let i = 0; i < 4; i++) await server.message();
    server.send(2, R, server.done());
    server.send(0xfe, R | Y, reply(1n, encodeError({ code: ERROR.UNSUPPORTED_TYPE, scope: 2 })));
    server.send(0xfe, R | Y, reply(2n, Buffer.alloc(3), 3n));
    server.send(0x51, R | Y, reply(3n, Buffer.alloc(3), 4n));
    const [error, malformed, type, end] = await outcomes;
    assert.equal(error.value.error.name, 'UNSUPPORTED_TYPE');
    for (const { reason } of [malformed, type, end]) assert.match(reason.message, /unknown/);
    server.socket.end();
  }));

  // refusesReply: the call ends as unknown, the reply is acknowledged, an unsolicited
  // Error says why, and the session goes on.
  const refusesReply = (name, code, flags, tail, options) => test(`${code} for a reply: ${name}`, () => inSession(async (server, session) => {
    const call = session.call(0x50, Buffer.alloc(1));
    const outcome = assert.rejects(call, /unknown/);
    await server.message();
    server.send(2, R, server.done());
    await server.message(); // Ack
    server.send(0x50, R | Y | flags, reply(1n, tail));
    const notice = await server.message();
    const error = decodeError(notice.body);
    assert.deepEqual([notice.type, notice.mid, error.name, error.scope, error.refSeq], [0xfe, undefined, code, 0, 1n]);
    assert.deepEqual((await server.message()).body, encodeAck(1n));
    await outcome;
    server.send(0x50, R | Y | flags, reply(1n, tail)); // a repeated mid
    assert.deepEqual((await server.message()).body, encodeAck(2n));
    session.drain();
    assert.deepEqual((await server.message()).body, encodeDisconnect(0, 1n, 2n));
  }, options));
  const fragment = (index, count, n) => Buffer.concat([Buffer.from([0, 0, 0, 0]), u64(BigInt(index) * 65_536n + BigInt(count)).subarray(4), Buffer.alloc(n)]);
  refusesReply('count 1', 'MALFORMED', F, fragment(0, 1, 512));
  refusesReply('too many fragments', 'PAYLOAD_TOO_LARGE', F, fragment(0, 65_535, 512));
  refusesReply('compressed', 'COMPRESSION_REFUSED', Z, Buffer.alloc(8));
  refusesReply('original_len', 'DECOMPRESS_LIMIT', Z, Buffer.from([1, 0, 0, 1, 3, 0]), { inflates: true });
  refusesReply('no stream', 'DECOMPRESS_LIMIT', Z, Buffer.from([0, 0, 0, 1, 7]), { inflates: true });

  test('a compressed reply in fragments, backwards, with a push between', () => inSession(async (server, session) => {
    const body = Buffer.from([...Array(3000).keys()].map((i) => (i * i * 7919) >> 5));
    const stream = deflate(body);
    const pushed = [];
    session.subscribe(7, ({ n, body: b }) => pushed.push([n, b.toString()]));
    const call = session.call(0x70, Buffer.alloc(8));
    await server.message();
    server.send(2, R, server.done());
    const count = Math.ceil(stream.length / 700);
    for (let index = count - 1; index >= 0; index--) {
      const prologue = writePrologue({ mid: 2n, replyTo: 1n, fragId: 0, index, count, originalLen: body.length });
      server.send(0x70, R | Y | F | Z, Buffer.concat([prologue, stream.subarray(index * 700, (index + 1) * 700)]));
      server.send(0x70, S, Buffer.concat([writePrologue({ subId: 7, n: BigInt(count - index) }), Buffer.from('push')]));
      server.send(0x70, S | Z, Buffer.concat([writePrologue({ subId: 7, n: 99n, originalLen: 3 }), Buffer.from('no stream')]));
    }
    assert.deepEqual(await call, { type: 0x70, body });
    assert.deepEqual(pushed.slice(0, 2), [[1n, 'push'], [2n, 'push']]);
    server.send(0x70, 0, Buffer.alloc(8)); // neither a reply nor a push
    let m;
    do m = await server.message(); while (m.type !== 0xfe);
    assert.equal(decodeError(m.body).name, 'PROTOCOL_VIOLATION');
  }, { inflates: true }));

  test('no more requests than max_inflight', () => on(async (server, pending) => {
    assert.ok(await server.establish({ si: (f) => ({ ...f, params: { ...f.params, maxInflight: 2 } }) }));
    const session = await pending;
    const calls = [1, 2, 3].map(() => session.call(0x50, Buffer.alloc(1)));
    calls.forEach((call) => call.catch(() => {}));
    server.send(2, R, server.done());
    const mids = [(await server.message()).mid, (await server.message()).mid];
    server.send(3, 0, [0, 1]);
    for (let m; (m = await server.message()).type !== 3;) assert.equal(m.type, 5); // the PONG comes, the third request does not
    server.send(0x50, R | Y, reply(1n));
    for (let m; (m = await server.message()).type !== 0x50 || !mids.push(m.mid););
    assert.deepEqual(mids, [1n, 2n, 3n]);
  }));

  test('T_HEARTBEAT and T_PROBE', { timeout: 20_000 }, () => inSession(async (server, session) => {
    server.send(2, R, server.done());
    await server.message(); // Ack
    const started = performance.now();
    assert.equal((await server.message()).type, 3);
    assert.ok(performance.now() - started > 190);
    session.call(0x50, Buffer.alloc(1)).catch(() => {});
    const probes = [];
    let last = performance.now();
    while (probes.length < 2) {
      const m = await server.message();
      if (m.type !== 3 || m.body.length !== 9) continue; // the request, and heartbeats, which carry no data
      probes.push(performance.now() - last);
      server.send(3, 0, Buffer.concat([Buffer.from([1]), m.body.subarray(1)]));
      last = performance.now();
    }
    assert.ok(probes[0] > 1900 && probes[0] < 3000 && probes[1] > 3900 && probes[1] < 5000, `${probes}`);
  }, { heartbeatMs: 200 }));
});
