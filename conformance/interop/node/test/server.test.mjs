// The server over loopback, led by a puppet client: one case, one behaviour.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ERROR, FLAG, NO_SEQ } from '../codes.mjs';
import { wallMicros } from '../clock.mjs';
import { SealSlot, clearFrame } from '../frame.mjs';
import { ClientHandshake } from '../handshake.mjs';
import { identityFrom } from '../identity.mjs';
import { encodeAck, encodeDisconnect, encodeError, encodeHandshakeDone, u64, withEnvelope } from '../messages.mjs';
import { Puppet, alter, flip, mid } from '../puppet.mjs';
import { Server } from '../server.mjs';

const { REQUIRES_ACK: R, PRIORITY, STREAMING: S, COMPRESSED: Z, FRAGMENT: F, REPLY: Y } = FLAG;
const identity = identityFrom(Buffer.alloc(32, 5));
const second = identityFrom(Buffer.alloc(32, 6));
let server;
let port;

before(async () => {
  server = new Server({ identities: [identity, second], settings: { suites: [1] }, limits: { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 } });
  ({ port } = await server.listen(0));
});
after(() => server.shutdown());

// on runs a case with a puppet, which it destroys.
async function on(act, at = port) {
  const puppet = await Puppet.open(at);
  try {
    return await act(puppet);
  } finally {
    puppet.destroy();
  }
}

// inSession runs a case on an established session, HandshakeDone read.
const inSession = (act, at) => on(async (puppet) => {
  assert.ok(await puppet.establish(identity));
  const done = await puppet.message();
  assert.deepEqual([done.type, done.seq, done.mid, done.h.flags], [2, 0n, 1n, 3]);
  return act(puppet);
}, at);

const hello = () => new ClientHandshake([{ kind: 1, fingerprint: identity.fingerprint, key: null }], wallMicros(), { suites: [1] }).hello();
const body = (at) => 96 + 16 + at; // offset of a byte of the ClientHello body

describe('first frame', { concurrency: true }, () => {
  const clear = (type, payload, change = () => {}) => alter(clearFrame(type, 0n, wallMicros(), payload), change);
  const cases = {
    'version byte': [alter(hello(), (b) => (b[4] = 2)), 'VERSION_UNSUPPORTED'],
    'version byte, header alone': [alter(hello(), (b) => (b[4] = 9)).subarray(0, 96), 'VERSION_UNSUPPORTED'],
    'payload_length 8209, header alone': [alter(hello(), (b) => b.writeUInt32BE(8209, 24)).subarray(0, 96), 'PAYLOAD_TOO_LARGE'],
    'payload_length 2^32 - 1': [alter(hello(), (b) => b.writeUInt32BE(0xffffffff, 24)), 'PAYLOAD_TOO_LARGE'],
    'payload_length 8208': [clear(1, Buffer.alloc(8208)), 'MALFORMED'],
    'type 0x02': [clear(2, hello().subarray(96)), 'MALFORMED'],
    'hs_type 5': [clear(1, withEnvelope(5, Buffer.alloc(8), Buffer.alloc(48))), 'MALFORMED'],
    'no envelope': [clear(1, Buffer.alloc(15)), 'MALFORMED'],
    'frag_count 2': [alter(hello(), (b) => (b[98] = 2)), 'MALFORMED'],
    'token_len 48': [alter(hello(), (b) => (b[99] = 48)), 'MALFORMED'],
    'total_len': [alter(hello(), flip(103)), 'MALFORMED'],
    'suite after 0xff': [alter(hello(), (b) => (b[body(4)] = 1)), 'MALFORMED'],
    'TLV type 2': [alter(hello(), (b) => b.writeUInt16BE(2, body(1298))), 'MALFORMED'],
    'min above max': [alter(hello(), (b) => (b[body(0)] = 2)), 'VERSION_UNSUPPORTED'],
    'versions 2 to 3': [alter(hello(), (b) => b.set([2, 3], body(0))), 'VERSION_UNSUPPORTED'],
    'versions 0 to 0': [alter(hello(), (b) => b.set([0, 0], body(0))), 'VERSION_UNSUPPORTED'],
    'no suite': [alter(hello(), (b) => (b[body(2)] = 0xff)), 'NO_COMMON_SUITE'],
    'suites 0, 2, 3, 9': [alter(hello(), (b) => b.set([0, 2, 3, 9], body(2))), 'NO_COMMON_SUITE'],
    'malformed before version': [alter(hello(), (b) => { b[body(0)] = 2; b.writeUInt16BE(2, body(1298)); }), 'MALFORMED'],
    'version before suite': [alter(hello(), (b) => b.set([2, 2, 9], body(0))), 'VERSION_UNSUPPORTED'],
    'suite before arithmetic': [alter(hello(), (b) => { b[body(2)] = 9; b.fill(0, body(48), body(80)); }), 'NO_COMMON_SUITE'],
    'X25519 key zero': [alter(hello(), (b) => b.fill(0, body(48), body(80))), 'HANDSHAKE_FAILED'],
    'ML-KEM key ff': [alter(hello(), (b) => b.fill(0xff, body(80), body(1264))), 'HANDSHAKE_FAILED'],
    'magic': [alter(hello(), flip(0)), null],
    'type 0x03': [clear(3, Buffer.alloc(1)), null],
    'type 0x50': [clear(0x50, Buffer.alloc(1)), null],
    'type 0xfe': [clear(0xfe, encodeError({ code: ERROR.INTERNAL, scope: 1 })), null],
    'type 0xfe, too long': [clear(0xfe, Buffer.alloc(1), (b) => b.writeUInt32BE(9000, 24)), null],
    'a flag': [alter(hello(), flip(7, PRIORITY)), null],
    'encryption_type': [alter(hello(), flip(32)), null],
    'key_id': [alter(hello(), flip(40)), null],
    'nonce': [alter(hello(), flip(79)), null],
    'auth_tag': [alter(hello(), flip(80)), null],
    'session_id': [alter(hello(), flip(15)), null],
    'sequence_number': [alter(hello(), flip(23)), null],
    'checksum': [Object.assign(hello(), { 28: 0 }).fill(0, 29, 32), null],
  };
  for (const [name, [bytes, want]] of Object.entries(cases)) {
    test(name, () => on(async (puppet) => {
      puppet.raw(bytes);
      assert.equal(await puppet.clearError(), want);
      assert.equal(await puppet.next(), null);
    }));
  }

  test('what a ClientHello may hold', () => on(async (puppet) => {
    const change = (name, frame) => (name === 'client_hello' ? alter(frame, (b) => b.fill(0xaa, 33, 40)) : frame); // a clear frame's stamp
    assert.ok(await puppet.establish(identity, { change }));
    assert.equal((await puppet.message()).type, 2);
  }));

  test('undefined flags, unknown suites, versions 0 to 255', () => on(async (puppet) => {
    puppet.raw(alter(hello(), (b) => { b.set([0, 255, 9, 1, 1, 0], body(0)); b[body(6)] = 0x80; }));
    assert.equal((await puppet.next()).h.type, 2);
  }));
});

describe('handshake', { concurrency: true }, () => {
  test('the default identity, the hinted identity', async () => {
    for (const chosen of [identity, second]) {
      await on(async (puppet) => {
        assert.ok(await puppet.establish(chosen));
        assert.deepEqual(puppet.si.key, chosen.key);
        assert.ok(puppet.id > 0n && puppet.id < 2n ** 53n);
      });
    }
  });

  test('the key is left out when it is not asked for', () => on(async (puppet) => {
    puppet.handshake = new ClientHandshake([{ kind: 1, fingerprint: identity.fingerprint, key: identity.key }], wallMicros());
    puppet.raw(puppet.handshake.hello());
    assert.ok(await puppet.flight());
    assert.equal(puppet.si.key, null);
  }));

  const spoilt = {
    'MAC': flip(112 + 3), 'tag': flip(80), 'nonce': flip(60), 'key_id': flip(40), 'suite': flip(32, 2), 'session_id': flip(15),
    'sequence number': flip(23), 'type 0x50': (b) => (b[5] = 0x50), 'type 0x02': (b) => (b[5] = 2), 'a clear frame': (b) => b.fill(0, 6, 8),
    'too long': (b) => b.writeUInt32BE(9000, 24), 'version': flip(4, 2),
  };
  for (const [name, change] of Object.entries(spoilt)) {
    test(`ClientFinish spoilt: ${name}`, () => on(async (puppet) => {
      assert.ok(await puppet.establish(identity, { change: (which, frame) => (which === 'client_finish' ? alter(frame, change) : frame) }));
      assert.equal(await puppet.next(), null);
    }));
  }

  const wrong = { // sealed as it should be, and wrong inside
    'handshake_id': (v) => [0, withEnvelope(5, Buffer.alloc(8), v.cf_mac)],
    'hs_type': (v, id) => [0, withEnvelope(1, id, v.cf_mac)],
    'one bit of the MAC': (v, id) => [0, withEnvelope(5, id, Object.assign(Buffer.from(v.cf_mac), { 0: v.cf_mac[0] ^ 1 }))],
    'a MAC of 47 bytes': (v, id) => [0, withEnvelope(5, id, v.cf_mac.subarray(0, 47))],
    'a bad envelope': (v, id) => [0, withEnvelope(5, id, v.cf_mac).subarray(0, 15)],
    'REQUIRES_ACK': (v, id) => [R, mid(1, withEnvelope(5, id, v.cf_mac))],
  };
  const finish = (puppet, make) => {
    const [flags, plaintext] = make(puppet.handshake.values, puppet.handshake.handshakeId);
    puppet.raw(new SealSlot(puppet.handshake.values.c_hs).seal({ type: 1, flags, sessionId: puppet.id, stamp: 0n }, plaintext));
  };
  const withoutFinish = { change: (name, frame) => (name === 'client_finish' ? Buffer.alloc(0) : frame) };
  for (const [name, make] of Object.entries(wrong)) {
    test(`ClientFinish wrong: ${name}`, () => on(async (puppet) => {
      assert.ok(await puppet.establish(identity, withoutFinish));
      finish(puppet, make);
      assert.equal(await puppet.next(), null);
    }));
  }
  test('ClientFinish with PRIORITY', () => on(async (puppet) => {
    assert.ok(await puppet.establish(identity, withoutFinish));
    finish(puppet, (v, id) => [PRIORITY, withEnvelope(5, id, v.cf_mac)]);
    assert.equal((await puppet.message()).type, 2);
  }));

  test('a path frame in place of ClientFinish', () => on(async (puppet) => {
    assert.ok(await puppet.establish(identity, { change: (name, frame) => (name === 'client_finish' ? Buffer.alloc(0) : frame) }));
    puppet.send(3, 0, [0]);
    assert.equal(await puppet.next(), null);
  }));

  test('every byte of ClientHello is covered', async () => {
    const length = hello().length - 112;
    let established = 0;
    for (let at = 0; at < length; at += 13) {
      await on(async (puppet) => {
        const change = (name, frame) => (name === 'client_hello' ? alter(frame, flip(body(at), 0x10)) : frame);
        await puppet.establish(identity, { change }).catch(() => {}); // the client notices first
        if (puppet.seal) established += 1;
      });
    }
    assert.equal(established, 0);
  });

  test('CLOCK_SKEW in place of HandshakeDone', () => on(async (puppet) => {
    assert.ok(await puppet.establish(identity, { time: wallMicros() - 301_000_000n }));
    puppet.send(0x50, R, mid(1), puppet.time);
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.seq, error.refSeq], ['CLOCK_SKEW', 2, 0n, NO_SEQ]);
    assert.equal(await puppet.next(), null);
  }));

  test('a skew of just under 300 s, either way', async () => {
    for (const skew of [-299_000_000n, 299_900_000n]) {
      await on(async (puppet) => {
        assert.ok(await puppet.establish(identity, { time: wallMicros() + skew }));
        assert.equal((await puppet.message()).type, 2);
        puppet.send(3, 0, [0], puppet.time); // the anchor is the client's own time
        assert.equal((await puppet.message()).type, 3);
      });
    }
  });

  test('HandshakeDone', () => on(async (puppet) => {
    assert.ok(await puppet.establish(identity));
    const { body: b, stamp } = await puppet.message();
    assert.equal(b.length, 16 + 56);
    assert.deepEqual(b.subarray(16, 64), Buffer.alloc(48));
    assert.ok(stamp - b.readBigUInt64BE(64) < 100_000n);
  }));
});

describe('session', { concurrency: true }, () => {
  const closesSilently = (name, act) => test(`closes silently: ${name}`, () => inSession(async (puppet) => {
    puppet.raw(act(puppet));
    puppet.send(3, 0, [0]); // not processed any more
    assert.equal(await puppet.next(), null);
  }));
  const ping = (puppet, stamp) => puppet.frame(3, 0, [0], stamp);
  for (const [name, at, bit] of [['magic', 0, 1], ['version', 4, 2], ['reserved flag', 6, 0x80], ['ENCRYPTED cleared', 7, 1], ['session_id', 8, 1],
    ['sequence number', 23, 1], ['encryption_type', 32, 2], ['key_id', 55, 1], ['nonce', 56, 1], ['nonce padding', 79, 1], ['tag', 80, 1], ['payload', 96, 1]]) {
    closesSilently(name, (puppet) => alter(ping(puppet), flip(at, bit)));
  }
  closesSilently('checksum', (puppet) => Object.assign(ping(puppet), { 31: 0 }).fill(0, 28, 31));
  closesSilently('a repeated frame', (puppet) => { const frame = ping(puppet); return Buffer.concat([alter(frame, flip(80)), frame]); });
  closesSilently('a skipped number', (puppet) => { puppet.seal.next = 1n; return ping(puppet); });
  closesSilently('a stamp 31 s ahead', (puppet) => ping(puppet, wallMicros() + 31_000_000n));
  closesSilently('a stamp 301 s behind', (puppet) => ping(puppet, wallMicros() - 301_000_000n));
  closesSilently('a clear frame', () => clearFrame(1, 0n, wallMicros(), hello().subarray(96)));
  closesSilently('a clear Error', (puppet) => clearFrame(0xfe, puppet.id, wallMicros(), encodeError({ code: ERROR.INTERNAL, scope: 1 })));
  for (const [name, type, flags] of [['type 0x00', 0, 0], ['type 0xf0', 0xf0, 0], ['type 0xff', 0xff, 0], ['Heartbeat with mid', 3, R], ['0xfe with REPLY alone', 0xfe, Y],
    ['0x13 compressed', 0x13, R | Z], ['0x50 STREAMING and REQUIRES_ACK', 0x50, R | S], ['0x01 FRAGMENT alone', 1, F]]) {
    closesSilently(name, (puppet) => puppet.frame(type, flags, Buffer.alloc(40, 1)));
  }
  closesSilently('Error scope 1', (puppet) => puppet.frame(0xfe, 0, encodeError({ code: ERROR.PAYLOAD_TOO_LARGE, scope: 1 })));
  closesSilently('Error scope 2', (puppet) => puppet.frame(0xfe, 0, encodeError({ code: ERROR.INTERNAL, scope: 2 })));
  closesSilently('malformed Error scope 2', (puppet) => puppet.frame(0xfe, 0, [0, 1, 2, 0]));
  closesSilently('Error as reply', (puppet) => puppet.frame(0xfe, R | Y, Buffer.concat([u64(1n), u64(1n), encodeError({ code: 1, scope: 0 })])));
  closesSilently('Error as reply, mid 0', (puppet) => puppet.frame(0xfe, R | Y, Buffer.alloc(32)));
  closesSilently('Error, too long', (puppet) => alter(puppet.frame(0xfe, 0, Buffer.alloc(16)), (b) => b.writeUInt32BE(70_000, 24)));
  closesSilently('Disconnect', (puppet) => puppet.frame(4, 0, encodeDisconnect(77, 9n, 9n)));

  // violation: the frame, sent as sequence number 1 after a PING, ends the session
  const violation = (name, code, type, flags, plaintext) => test(`violation: ${name}`, () => inSession(async (puppet) => {
    puppet.raw(Buffer.concat([ping(puppet), puppet.frame(type, flags, plaintext), ping(puppet)]));
    assert.equal((await puppet.message()).type, 3);
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq, error.retryAfterMs, error.text], [code, 2, 1n, 0, '']);
    assert.equal(await puppet.next(), null);
  }));
  const envelope = (hsType, b = Buffer.alloc(0)) => withEnvelope(hsType, Buffer.alloc(8), b);
  violation('plaintext shorter than prologue', 'PROTOCOL_VIOLATION', 0x50, R, Buffer.alloc(7));
  violation('extension shorter than prologue', 'PROTOCOL_VIOLATION', 0x90, R | Y | S | F | Z, Buffer.alloc(39, 0).fill(1, 0, 32));
  violation('mid 0', 'PROTOCOL_VIOLATION', 0x90, R, mid(0));
  violation('mid 4097', 'PROTOCOL_VIOLATION', 0x50, R, mid(4097));
  violation('type 0x02', 'PROTOCOL_VIOLATION', 2, 0, envelope(6));
  violation('HandshakeDone', 'PROTOCOL_VIOLATION', 2, R, Buffer.concat([mid(1), envelope(6, encodeHandshakeDone(1n))]));
  violation('a reply', 'PROTOCOL_VIOLATION', 0x50, R | Y, Buffer.concat([mid(1), u64(1n)]));
  violation('0x01 with a bad envelope', 'PROTOCOL_VIOLATION', 1, R, Buffer.concat([mid(1), Buffer.alloc(16)]));
  violation('RekeyInit without a body', 'PROTOCOL_VIOLATION', 1, R, Buffer.concat([mid(1), envelope(32)]));
  violation('ClientFinish again', 'UNEXPECTED_MESSAGE', 1, 0, envelope(5, Buffer.alloc(48)));
  violation('RekeyInit, fragment of count 0', 'PROTOCOL_VIOLATION', 1, R | F, Buffer.concat([mid(1), Buffer.alloc(8)]));
  violation('empty Heartbeat', 'PROTOCOL_VIOLATION', 3, 0, '');
  violation('Heartbeat of 65 bytes', 'PROTOCOL_VIOLATION', 3, 0, Buffer.alloc(65));
  violation('REKEY_REQUEST', 'PROTOCOL_VIOLATION', 3, 0, [4]);
  violation('Disconnect of 17 bytes', 'PROTOCOL_VIOLATION', 4, 0, Buffer.alloc(17));
  violation('Ack beyond', 'PROTOCOL_VIOLATION', 5, 0, encodeAck(2n)); // HandshakeDone 0, PONG 1
  violation('Ack with a range', 'PROTOCOL_VIOLATION', 5, 0, Buffer.concat([u64(0n), Buffer.from([0, 0, 0, 0, 0, 1, 0, 0])]));
  violation('Ack of 20 bytes', 'PROTOCOL_VIOLATION', 5, 0, Buffer.concat([encodeAck(0n), Buffer.alloc(4)]));

  const keeps = (name, type, flags, plaintext) => test(`keeps the session: ${name}`, () => inSession(async (puppet) => {
    puppet.send(type, flags, plaintext);
    puppet.send(3, 0, [0, 9]);
    const m = await puppet.message();
    assert.deepEqual([m.type, [...m.body]], [3, [1, 9]]);
  }));
  keeps('PONG', 3, 0, [1, 7]);
  keeps('PATH_RESPONSE', 3, 0, [3, 7]);
  keeps('unknown Heartbeat kind', 3, 0, [99, 7]);
  keeps('push of an unknown type', 0x40, S | F | Z, Buffer.alloc(24));
  keeps('extension', 0x80, Y | S | F | Z, Buffer.alloc(40));
  keeps('Ack twice', 5, 0, encodeAck(0n));
  keeps('Ack with a delay', 5, PRIORITY, Buffer.concat([u64(0n), Buffer.from([1, 2, 3, 4, 0, 0, 0, 0])]));
  keeps('Error scope 0', 0xfe, 0, encodeError({ code: 0xabcd, scope: 0 }));
  keeps('Error of 3 bytes', 0xfe, 0, [0, 1, 2]);
  keeps('Error scope 3', 0xfe, 0, [0, 1, 3, 0, ...Buffer.alloc(12)]);
  keeps('Error with token, scope 1', 0xfe, 0, [0, 1, 1, 1, ...Buffer.alloc(28)]);

  test('Heartbeats are answered with equal bytes', () => inSession(async (puppet) => {
    const data = Buffer.alloc(63, 0xab);
    puppet.send(3, PRIORITY, Buffer.concat([Buffer.from([0]), data]));
    assert.deepEqual((await puppet.message()).body, Buffer.concat([Buffer.from([1]), data]));
    puppet.send(3, 0, [2, 5, 6]);
    assert.deepEqual([...(await puppet.message()).body], [3, 5, 6]);
  }));

  test('requests of every unknown type get one reply each', () => inSession(async (puppet) => {
    const types = [0x06, 0x0f, 0x10, 0x13, 0x14, 0x40, 0x50, 0x70, 0x7f];
    puppet.raw(Buffer.concat(types.map((type, i) => puppet.frame(type, R, mid(i + 1, 'x')))));
    for (let i = 0; i < types.length; i++) {
      const error = await puppet.error();
      assert.deepEqual([error.name, error.scope, error.refSeq, error.mid, error.replyTo], ['UNSUPPORTED_TYPE', 0, NO_SEQ, BigInt(i + 2), BigInt(i + 1)]);
    }
    puppet.send(3, 0, [0]);
    assert.equal((await puppet.message()).type, 3); // no Ack came before
  }));

  test('a fragmented, compressed request is answered once, at its first fragment', () => inSession(async (puppet) => {
    const fragment = (index, tail = []) => Buffer.from([...u64(1n), 0, 0, 0, 1, 0, index, 0, 2, ...tail]);
    puppet.send(0x50, R | F | Z, fragment(1));
    assert.equal((await puppet.error()).name, 'UNSUPPORTED_TYPE');
    puppet.send(0x50, R | F | Z, fragment(0, [0, 0, 0, 0]));
    const ack = await puppet.message();
    assert.deepEqual([ack.type, ack.body.readBigUInt64BE(0)], [5, 1n]);
  }));

  test('a repeated mid is acknowledged and not answered, whatever its type', () => inSession(async (puppet) => {
    puppet.send(0x50, R, mid(1));
    await puppet.error();
    puppet.raw(Buffer.concat([0x50, 0x90, 1].map((type) => puppet.frame(type, R, mid(1)))));
    const ack = await puppet.message();
    assert.deepEqual([ack.type, ack.body], [5, encodeAck(3n)]);
  }));

  test('an extension with a mid is acknowledged and not answered', () => inSession(async (puppet) => {
    puppet.send(0x90, R | Y | S | F | Z, Buffer.concat([mid(1), Buffer.alloc(40)]));
    const ack = await puppet.message();
    assert.deepEqual([ack.type, ack.body], [5, encodeAck(0n)]);
    puppet.send(0x50, R, mid(2));
    assert.equal((await puppet.error()).replyTo, 2n);
  }));

  test('32 open frames are acknowledged at once, 31 later', () => inSession(async (puppet) => {
    puppet.raw(Buffer.concat([...Array(32).keys()].map((i) => puppet.frame(0x90, R, mid(i + 1)))));
    puppet.send(3, 0, [0]);
    const [first, then] = [await puppet.message(), await puppet.message()];
    assert.deepEqual(new Set([first.type, then.type]), new Set([5, 3]));
  }));

  test('mids in any order within the window', () => inSession(async (puppet) => {
    puppet.send(0x50, R, mid(4096));
    assert.equal((await puppet.error()).replyTo, 4096n);
    puppet.send(0x50, R, mid(1)); // base is 2 now
    assert.equal((await puppet.error()).replyTo, 1n);
    puppet.send(0x50, R, mid(4097));
    assert.equal((await puppet.error()).replyTo, 4097n);
    puppet.send(0x50, R, mid(4098));
    assert.equal((await puppet.error()).name, 'PROTOCOL_VIOLATION');
  }));

  test('a frame without mid: one unsolicited Error per second', () => inSession(async (puppet) => {
    for (let i = 0; i < 5; i++) puppet.send(0x50, 0, 'x');
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq, error.mid], ['UNSUPPORTED_TYPE', 0, 0n, undefined]);
    puppet.send(3, 0, [0]);
    assert.equal((await puppet.message()).type, 3);
  }));

  test('payload_length: the limit is accepted, one more is refused', () => inSession(async (puppet) => {
    puppet.send(0x50, R, mid(1, Buffer.alloc(65_592)));
    assert.equal((await puppet.error()).replyTo, 1n);
    puppet.raw(alter(ping(puppet), (b) => b.writeUInt32BE(65_601, 24)).subarray(0, 96));
    const error = await puppet.error();
    assert.deepEqual([error.name, error.scope, error.refSeq], ['PAYLOAD_TOO_LARGE', 1, NO_SEQ]);
    assert.equal(await puppet.next(), null);
  }));

  test('replies are held back at 4096 unacknowledged, and go on after an Ack', () => inSession(async (puppet) => {
    for (let i = 1; i <= 4100; i++) puppet.send(0x50, R, mid(i));
    const mids = [];
    while (mids.at(-1) !== 4096n) {
      const m = await puppet.message();
      if (m.type === 0xfe) mids.push(m.mid);
    }
    puppet.send(3, 0, [0]);
    const other = async () => { // than an Ack for what has no reply yet
      for (let m; ;) if ((m = await puppet.message()).type !== 5) return m;
    };
    assert.equal((await other()).type, 3);
    puppet.send(5, 0, encodeAck(0n));
    assert.equal((await other()).mid, 4097n);
    puppet.send(5, 0, encodeAck(4096n));
    assert.equal((await other()).mid, 4098n);
  }));

  test('frames split at every byte', () => inSession(async (puppet) => {
    for (const byte of ping(puppet)) {
      puppet.raw(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    assert.equal((await puppet.message()).type, 3);
  }));

  test('a peer that does not read is read on, and gets its Error', () => inSession(async (puppet) => {
    puppet.socket.pause();
    for (let i = 0; i < 250; i++) { // 16 MB go in though nothing is taken out
      const pings = Buffer.concat([...Array(400).keys()].map(() => puppet.frame(3, 0, Buffer.alloc(64))));
      if (!puppet.socket.write(pings)) await new Promise((resolve) => puppet.socket.once('drain', resolve));
    }
    puppet.send(4, 0, '');
    puppet.socket.resume();
    let answers = 0;
    let last;
    for (let m; (m = await puppet.message()) !== null; last = m) answers += 1;
    assert.equal(last.type, 0xfe);
    assert.ok(answers < 100_000, `${answers} answers`); // the others gave way to newer ones
  }));
});

test('T_ACK', () => inSession(async (puppet) => { // alone, for its time is short
  puppet.send(0x90, R, mid(1)); // the first time is for warming up
  await puppet.message();
  const started = performance.now();
  puppet.send(0x90, R, mid(2));
  assert.equal((await puppet.message()).type, 5);
  assert.ok(performance.now() - started < 30);
}));

describe('limits and ends', { concurrency: true }, () => {
  const serve = async (options) => {
    const s = new Server({ identities: [identity], ...options });
    return { s, at: (await s.listen(0)).port };
  };

  test('SERVER_BUSY at the limits of half-open connections and sessions', async () => {
    const { s, at } = await serve({ limits: { half_open_per_source: 2, connections_per_client: 2 } });
    const idle = [await Puppet.open(at), await Puppet.open(at)];
    const refused = () => on(async (puppet) => {
      puppet.raw(hello());
      return puppet.clearError();
    }, at);
    await on(async (puppet) => {
      puppet.raw(hello());
      assert.equal(await puppet.clearError(), 'SERVER_BUSY');
      idle.forEach((one) => one.destroy());
      await new Promise((resolve) => setTimeout(resolve, 50));
      await inSession(() => {}, at); // the refused one lingers, and does not count
    }, at);
    await inSession(() => inSession(async () => assert.equal(await refused(), 'SERVER_BUSY'), at), at);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await inSession(() => {}, at);
    await s.shutdown();
  });

  test('first frames beyond the token bucket are delayed and served', async () => {
    const { s, at } = await serve({ limits: { pre_session_rate: 20, pre_session_burst: 1, half_open_per_source: 0 } });
    const started = performance.now();
    await Promise.all([1, 2, 3].map(() => inSession(() => {}, at)));
    assert.ok(performance.now() - started >= 95);
    await s.shutdown();
  });

  test('shutdown: SERVER_BUSY for requests, Disconnect after the Acks', async () => {
    const { s, at } = await serve({});
    await inSession(async (puppet) => {
      const down = s.shutdown();
      puppet.send(3, 0, [0]);
      assert.equal((await puppet.message()).type, 3); // HandshakeDone is not acknowledged: no Disconnect yet
      puppet.send(0x50, R, mid(1));
      const busy = await puppet.error();
      assert.deepEqual([busy.name, busy.scope, busy.replyTo], ['SERVER_BUSY', 0, 1n]);
      puppet.send(0x90, R, mid(2));
      puppet.send(5, 0, encodeAck(2n));
      const ack = await puppet.message();
      assert.equal(ack.type, 5); // what it owed for the extension
      const bye = await puppet.message();
      assert.deepEqual([bye.type, bye.body], [4, encodeDisconnect(0, 2n, 2n)]);
      assert.equal(await puppet.next(), null);
      puppet.end();
      await down;
    }, at);
  });

  test('T_IDLE closes, and any frame puts it off', async () => {
    const { s, at } = await serve({ settings: { params: { ...server.settings.params, idleTimeoutMs: 300 } } });
    await inSession(async (puppet) => {
      const started = performance.now();
      setTimeout(() => puppet.send(0x90, 0, ''), 200);
      assert.equal(await puppet.next(), null);
      const ms = performance.now() - started;
      assert.ok(ms > 480 && ms < 1500, `${ms}`);
    }, at);
    await s.shutdown();
  });

  test('a PING after silence for three heartbeats, and one only', async () => {
    const { s, at } = await serve({ settings: { heartbeatMs: 50, params: { ...server.settings.params, idleTimeoutMs: 600 } } });
    const started = performance.now();
    await inSession(async (puppet) => {
      const m = await puppet.message();
      assert.deepEqual([m.type, m.body[0]], [3, 0]);
      assert.ok(performance.now() - started > 140);
      assert.equal(await puppet.next(), null);
    }, at);
    await s.shutdown();
  });

  test('T_HANDSHAKE_TCP', { timeout: 10_000 }, () => on(async (puppet) => {
    const started = performance.now();
    puppet.raw(hello().subarray(0, 500));
    assert.equal(await puppet.next(), null);
    const ms = performance.now() - started;
    assert.ok(ms > 4900 && ms < 6000, `${ms}`);
  }));

  test('T_FRAME', { timeout: 20_000 }, () => inSession(async (puppet) => {
    const started = performance.now();
    const frame = puppet.frame(3, 0, [0]);
    puppet.raw(frame.subarray(0, 1));
    setTimeout(() => puppet.raw(frame.subarray(1, 50)), 5000);
    assert.equal(await puppet.next(), null);
    const ms = performance.now() - started;
    assert.ok(ms > 14_900 && ms < 16_500, `${ms}`);
  }));

  test('T_LINGER after a last frame', () => inSession(async (puppet) => {
    puppet.send(3, 0, '');
    assert.equal((await puppet.error()).name, 'PROTOCOL_VIOLATION');
    const started = performance.now();
    await new Promise((resolve) => {
      const knock = setInterval(() => puppet.raw(Buffer.alloc(1)), 20); // read, and without effect, until the server closes
      puppet.socket.once('close', () => resolve(clearInterval(knock)));
    });
    const ms = performance.now() - started;
    assert.ok(ms > 900 && ms < 2000, `${ms}`);
  }));
});
