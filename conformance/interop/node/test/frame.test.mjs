import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, LIMIT, TYPE } from '../codes.mjs';
import { SessionClock, skewed } from '../clock.mjs';
import { CheckFailed, FrameReader, Malformed, OpenSlot, SealSlot, parseHeader, readPrologue, writePrologue } from '../frame.mjs';
import { decodeAck, decodeClientHello, decodeDisconnect, decodeError, decodeServerHello, encodeTLVs, splitEnvelope, withEnvelope } from '../messages.mjs';
import { alter, flip } from '../puppet.mjs';

const ts = Buffer.alloc(48, 9);
const id = 77n;
const seal = (slot, plaintext = 'x', fields = {}) => slot.seal({ type: TYPE.HEARTBEAT, sessionId: id, stamp: 5n, ...fields }, Buffer.from(plaintext));
const open = (slot, frame, anchor = null) => slot.open(parseHeader(frame), frame, id, anchor);

test('what was sealed opens, in order and once', () => {
  const [out, back] = [new SealSlot(ts), new OpenSlot(ts)];
  const frames = ['a', 'b', ''].map((text) => seal(out, text));
  assert.deepEqual(frames.map((f) => open(back, f).toString()), ['a', 'b', '']);
  assert.throws(() => open(back, frames[2]), /check 9/);
  seal(out);
  assert.throws(() => open(back, seal(out)), /check 9/); // one is skipped
});

test('no byte of a sealed frame can be altered', () => {
  const frame = seal(new SealSlot(ts), 'hello');
  for (let at = 0; at < frame.length; at++) {
    const altered = Buffer.from(frame);
    altered[at] ^= 0x40;
    if (at < 4 || (at >= 24 && at < 28)) continue; // magic and length: checks 2 and 4 come before
    assert.throws(() => open(new OpenSlot(ts), altered), CheckFailed, `byte ${at}`);
    if (at < 28 || at > 31) assert.throws(() => open(new OpenSlot(ts), alter(frame, flip(at, 0x40))), CheckFailed, `byte ${at}, checksum right`);
  }
});

test('checks 6 to 11 in their order', () => {
  const anchor = new SessionClock(0n);
  const frame = seal(new SealSlot(ts), 'x', { stamp: 400_000_000n });
  // each alteration comes on top of those below it, so the earlier check decides
  const steps = [[/check 11/, flip(96)], [/check 10/, flip(60)], [/check 9/, flip(23)], [/check 8/, () => {}], [/check 6: encryption/, flip(32, 2)],
    [/check 6: key_id/, flip(40)], [/check 6: session_id/, flip(15)], [/check 6: no key/, (b) => b.fill(0, 40, 56)]];
  let altered = frame;
  for (const [want, change] of steps) {
    altered = alter(altered, change);
    assert.throws(() => open(new OpenSlot(ts), altered, /check (8|6)/.test(String(want)) ? anchor : null), want);
  }
  assert.throws(() => open(new OpenSlot(ts), Object.assign(Buffer.from(frame), { 96: frame[96] ^ 1 }), anchor), /check 7/);
});

test('a number is sealed once, and only the next', () => {
  const slot = new SealSlot(ts);
  seal(slot);
  for (const seq of [0n, 2n]) assert.throws(() => slot.seal({ type: 3, sessionId: id, stamp: 0n }, Buffer.alloc(1), seq), RangeError);
  const once = new SealSlot(ts, 1, 1n);
  seal(once);
  assert.throws(() => seal(once), RangeError);
  const last = new SealSlot(ts);
  last.next = LIMIT.sequence_end;
  assert.throws(() => seal(last), RangeError);
});

test('the budget of a key', () => {
  const slot = new SealSlot(ts);
  seal(slot, Buffer.alloc(17));
  assert.equal(slot.blocks, 8n);
  slot.blocks = LIMIT.blocks_control;
  assert.throws(() => seal(slot, 'x', { type: 0x50 }), RangeError);
  seal(slot);
  slot.blocks = LIMIT.blocks_end;
  assert.throws(() => seal(slot), RangeError);
});

test('timestamps and skew', () => {
  const clock = new SessionClock(10n ** 15n);
  const at = (ms) => clock.accepts(10n ** 15n + BigInt(ms) * 1000n);
  assert.deepEqual([at(-299_900), at(-300_001), at(30_000), at(30_200)], [true, false, true, false]);
  const wall = 1_790_000_000_000_000n;
  assert.deepEqual([-300_000_000n, -300_000_001n, 300_000_999n, 300_001_000n].map((d) => skewed(wall + d, wall)), [false, true, false, true]);
});

test('frames are found however the bytes are split', () => {
  const slot = new SealSlot(ts);
  const frames = ['', 'hello', Buffer.alloc(70_000, 7), 'z'].map((text) => seal(slot, text));
  const stream = Buffer.concat(frames);
  for (const step of [1, 95, 96, 97, 4096, 65_536, stream.length]) {
    const reader = new FrameReader(() => {});
    const found = [];
    for (let at = 0; at < stream.length; at += step) found.push(...[...reader.push(stream.subarray(at, at + step))].map(({ frame }) => frame));
    assert.deepEqual(found, frames, `in steps of ${step}`);
    assert.equal(reader.held, 0);
  }
});

test('a header is judged at 96 bytes, and after the frame before it', () => {
  const slot = new SealSlot(ts);
  const log = [];
  const reader = new FrameReader((h) => log.push(`judge ${h.seq}`));
  const stream = Buffer.concat([seal(slot, 'one'), seal(slot, 'two').subarray(0, 96)]);
  for (const { h } of reader.push(stream)) log.push(`take ${h.seq}`);
  assert.deepEqual(log, ['judge 0', 'take 0', 'judge 1']);
});

test('prologues', () => {
  const all = FLAG.REQUIRES_ACK | FLAG.REPLY | FLAG.STREAMING | FLAG.FRAGMENT | FLAG.COMPRESSED;
  const bytes = Buffer.alloc(41, 0);
  bytes[19] = 5;
  bytes[27] = 6;
  bytes[31] = 7;
  bytes[35] = 2;
  bytes[39] = 9;
  bytes[7] = 3;
  bytes[15] = 4;
  const fields = { mid: 3n, replyTo: 4n, subId: 5, n: 6n, fragId: 7, index: 0, count: 2, originalLen: 9 };
  assert.deepEqual(readPrologue(all, bytes), { body: Buffer.alloc(1), ...fields });
  assert.deepEqual(writePrologue(fields), bytes.subarray(0, 40));
  assert.equal(writePrologue({ ...fields, index: 1 }).length, 36);
  assert.equal(readPrologue(all, bytes.subarray(0, 39)), null);
  bytes[33] = 1; // index 1: no original_len
  assert.equal(readPrologue(all, bytes).body.length, 5);
  assert.equal(readPrologue(FLAG.REQUIRES_ACK, Buffer.alloc(7)), null);
  assert.equal(readPrologue(FLAG.COMPRESSED, Buffer.alloc(3)), null);
});

test('envelopes', () => {
  const good = withEnvelope(5, Buffer.alloc(8, 1), Buffer.from('body'));
  assert.equal(splitEnvelope(good).body.toString(), 'body');
  for (const [at, bit] of [[1, 1], [2, 1], [2, 2], [3, 1], [7, 1]]) {
    const bad = Buffer.from(good);
    bad[at] ^= bit;
    assert.throws(() => splitEnvelope(bad), Malformed, `byte ${at}`);
  }
  assert.throws(() => splitEnvelope(good.subarray(0, 15)), Malformed);
  assert.throws(() => splitEnvelope(withEnvelope(5, Buffer.alloc(8), Buffer.alloc(8193))), Malformed);
  splitEnvelope(withEnvelope(5, Buffer.alloc(8), Buffer.alloc(8192)));
});

test('bodies that break their layout', () => {
  const hello = (tlvs, change = () => {}) => {
    const body = Buffer.concat([Buffer.alloc(1296), tlvs]);
    body.fill(0xff, 3, 6);
    change(body);
    return () => decodeClientHello(body);
  };
  const entry = (type) => [type, Buffer.from('v')];
  hello(encodeTLVs([]))();
  hello(encodeTLVs([entry(0x8000), entry(0xffff)]))();
  hello(encodeTLVs([]), (b) => b.fill(0xff, 2, 6))(); // offers nothing, and is well-formed
  const bad = {
    'ext_len too small': hello(Buffer.from('0000ff', 'hex')), 'ext_len too large': hello(Buffer.from('0001', 'hex')),
    'type 2': hello(encodeTLVs([entry(2)])), 'type 0x7fff': hello(encodeTLVs([entry(0x7fff)])),
    'descending': hello(encodeTLVs([entry(0x8001), entry(0x8000)])), 'twice': hello(encodeTLVs([entry(0x8000), entry(0x8000)])),
    'beyond': hello(Buffer.from('000480000001', 'hex')), 'half an entry': hello(Buffer.from('0003800000', 'hex')),
    'suite after 0xff': hello(encodeTLVs([]), (b) => (b[5] = 1)), 'short': () => decodeClientHello(Buffer.alloc(1297)),
    'ServerHello zero': () => decodeServerHello(Object.assign(Buffer.alloc(1178), { 7: 1 })),
    'Ack 15': () => decodeAck(Buffer.alloc(15)), 'Ack 20': () => decodeAck(Buffer.alloc(20)),
    'Ack first_range': () => decodeAck(Object.assign(Buffer.alloc(16), { 13: 1 })), 'Ack zero': () => decodeAck(Object.assign(Buffer.alloc(16), { 15: 1 })),
    'Disconnect 17': () => decodeDisconnect(Buffer.alloc(17)), 'Disconnect 19': () => decodeDisconnect(Buffer.alloc(19)),
    'Error 15': () => decodeError(Buffer.alloc(15)), 'Error scope 3': () => decodeError(Object.assign(Buffer.alloc(16), { 2: 3 })),
    'Error text': () => decodeError(Buffer.alloc(16 + 257)), 'Error token': () => decodeError(Object.assign(Buffer.alloc(32), { 3: 1 })),
    'clear Error token': () => decodeError(Object.assign(Buffer.alloc(31), { 3: 1 }), false),
  };
  for (const [name, decode] of Object.entries(bad)) assert.throws(decode, Malformed, name);
  assert.equal(decodeError(Buffer.concat([Buffer.from('ff02000200000000'.padEnd(32, '0'), 'hex'), Buffer.from([0xff])])).name, 'INTERNAL');
});
