// Round trips, losses, congestion, ranges, tokens and the window, without a network.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LIMIT } from '../codes.mjs';
import { AckSet, DatagramOpenSlot, DatagramSealSlot } from '../datagram.mjs';
import { Malformed, SealSlot, Violation, parseHeader } from '../frame.mjs';
import { attachSecrets, pathSecrets, slotKeys } from '../keys.mjs';
import { binderOf } from '../attach.mjs';
import { decodeEndpoints, decodeRanges, encodeAttach, encodeAttachAck, encodeEndpoints, encodeRanges } from '../messages.mjs';
import { random } from '../primitives.mjs';
import { Recovery } from '../recovery.mjs';
import { ADDRESS, COOKIE, Tokens, ip16, makeToken, resetToken } from '../tokens.mjs';
import { World } from '../virtual.mjs';

const never = () => false;
const frame = (seq, at, more = {}) => ({ seq: BigInt(seq), at, bytes: 1200, eliciting: true, carried: {}, reliable: true, ...more });
const ackOf = (low, high = low, delay = 0) => ({ largest: BigInt(high), ranges: [{ low: BigInt(low), high: BigInt(high) }], delay });
const filled = (n, at = 0) => {
  const r = new Recovery(never);
  for (let i = 0; i < n; i++) r.sent(frame(i, at));
  return r;
};

describe('round trips', () => {
  test('the formulas of 12.9', () => {
    const r = new Recovery(never);
    r.sample(100, 0, 0);
    assert.deepEqual([r.srtt, r.rttvar, r.pto], [100, 50, 100 + 200 + 25]);
    r.sample(140, 20, 0); // adjusted 120
    assert.deepEqual([r.rttvar, r.srtt], [0.75 * 50 + 0.25 * 20, 0.875 * 100 + 0.125 * 120]);
    r.sample(110, 500, 0); // no more than T_ACK, and not below the least
    assert.equal(r.srtt, 0.875 * 102.5 + 0.125 * 100);
  });

  test('a sample needs the largest newly acknowledged, and an ack-eliciting frame', () => {
    const r = new Recovery(never);
    r.sent(frame(0, 0, { eliciting: false }));
    r.ack(ackOf(0), 50);
    assert.equal(r.srtt, null);
    r.sent(frame(1, 60));
    r.sent(frame(2, 70, { eliciting: false }));
    r.ack(ackOf(1, 2), 100);
    assert.equal(r.srtt, 30);
    r.sent(frame(3, 110));
    r.ack(ackOf(1, 2), 500);
    assert.equal(r.srtt, 30);
  });

  test('nothing is remembered for ever', () => {
    const r = new Recovery(never);
    for (let i = 0; i < 5000; i++) r.sent(frame(i, i, { eliciting: false }));
    assert.equal(r.inFlight, 0);
    assert.deepEqual(r.ack(ackOf(0, 4999), 6000), { acked: [], lost: [] });
  });
});

describe('losses', () => {
  test('three later frames, left-out numbers not counted', () => {
    const r = new Recovery(never);
    for (const seq of [0, 1, 5, 9]) r.sent(frame(seq, 0));
    assert.deepEqual(r.ack(ackOf(9), 1000).lost.map(({ seq }) => seq), [0n]); // 1 has two later ones
  });

  test('by count alone, by age alone', () => {
    const r = filled(10);
    r.sample(100, 0, 0);
    assert.deepEqual(r.ack(ackOf(3), 100).lost.map(({ seq }) => seq), [0n]);
    assert.equal(r.due(false) - 112.5, 0);
    assert.deepEqual(r.timeout(112.4, false).lost.length, 0);
    assert.deepEqual(r.timeout(112.5, false).lost.map(({ seq }) => seq), [1n, 2n]);
  });

  test('PTO doubles, and an Ack sets it back', () => {
    const r = new Recovery(never);
    r.sample(20, 0, 0);
    const { pto } = r;
    r.sent(frame(0, 0));
    assert.equal(r.due(false), pto);
    assert.equal(r.due(true), null); // a suspect path rests
    assert.deepEqual(r.timeout(pto, false), { lost: [], probe: true });
    r.sent(frame(1, pto));
    assert.equal(r.due(false), pto + 2 * pto);
    assert.equal(r.timeout(3 * pto, false).probe, true);
    r.ack(ackOf(1), 3 * pto);
    assert.equal(r.expiries, 0);
  });

  test('without mid: lost after 3 PTO, and no probe', () => {
    const r = new Recovery(never);
    r.sample(20, 0, 0);
    r.sent(frame(0, 0, { carried: null, reliable: false }));
    assert.equal(r.due(false), 3 * r.pto);
    const { lost, probe } = r.timeout(3 * r.pto, false);
    assert.deepEqual([lost.length, probe, r.inFlight], [1, false, 0]);
  });

  test('one that was taken for lost and is acknowledged later changes nothing', () => {
    const r = filled(10);
    r.ack(ackOf(9), 100);
    const { window, inFlight } = r;
    const late = r.ack(ackOf(0), 120);
    assert.deepEqual([late.acked.length, r.window, r.inFlight], [1, window, inFlight]);
  });
});

describe('congestion', () => {
  test('ten datagrams at first, one burst of ten', () => {
    const r = new Recovery(never);
    for (let i = 0; i < 10; i++) {
      assert.ok(r.room(1200, 0));
      r.sent(frame(i, 0));
    }
    assert.equal(r.room(1, 0), false);
  });

  test('slow start grows by what is acknowledged; then by one datagram a window', () => {
    const r = filled(10);
    r.room(1200, 0);
    r.ack(ackOf(0, 1), 100);
    assert.equal(r.window, 12_000 + 2400);
    r.ack(ackOf(9), 100);
    assert.equal(r.window, (14_400 + 1200) / 2); // six lost, halved once
    for (let i = 10; i < 16; i++) r.sent(frame(i, 200));
    r.room(1200, 200);
    const before = r.window;
    r.ack(ackOf(10, 15), 300);
    assert.ok(r.window > before && r.window < before + 1200);
  });

  test('it does not grow while it is not used', () => {
    const r = filled(2);
    r.idle();
    r.ack(ackOf(0, 1), 100);
    assert.equal(r.window, 12_000);
  });

  test('never below two; persistent congestion', () => {
    const r = new Recovery(never);
    r.sample(20, 0, -1);
    for (let i = 0; i < 8; i++) r.sent(frame(i, 50 * i));
    r.sent(frame(8, 400));
    r.ack(ackOf(8), 420);
    assert.equal(r.window, 2400); // 350 ms without one Ack, more than 3 PTO
    const s = filled(8, 0);
    s.sample(20, 0, -1);
    s.ack(ackOf(7), 20);
    assert.equal(s.window > 2400, true);
  });

  test('the pace is 5/4 of the window in a round trip', () => {
    const r = new Recovery(never);
    r.sample(100, 0, 0);
    r.window = 120_000;
    for (let i = 0; i < 10; i++) {
      assert.ok(r.room(1200, 1000));
      r.sent(frame(i, 1000));
    }
    assert.equal(r.room(1200, 1000), false);
    assert.equal(r.wait(1200, 1000), 1);
    assert.equal(r.room(1200, 1000.9), true);
  });

  test('another network begins anew', () => {
    const r = filled(10);
    r.ack(ackOf(9), 100);
    r.restart(7, 200);
    assert.deepEqual([r.srtt, r.window], [7, 12_000]);
    assert.deepEqual(r.timeout(5000, false).lost.every(({ at }) => at < 200), true);
    assert.equal(r.window, 12_000);
  });
});

describe('ranges', () => {
  const ranges = (set) => set.ranges.map(({ low, high }) => [Number(low), Number(high)]);

  test('numbers in any order come together', () => {
    const set = new AckSet();
    for (const n of [5, 1, 3, 9, 4, 0, 2]) set.add(BigInt(n), 0);
    assert.deepEqual(ranges(set), [[9, 9], [0, 5]]);
    for (const n of [7, 8, 6, 7]) set.add(BigInt(n), 0);
    assert.deepEqual(ranges(set), [[0, 9]]);
  });

  test('whatever is added is what is acknowledged', () => {
    for (let round = 0; round < 200; round++) {
      const [set, all] = [new AckSet(), new Set()];
      for (let i = 0; i < 60; i++) {
        const n = random(1)[0] % 80;
        all.add(n);
        set.add(BigInt(n), 0);
      }
      const { largest, ranges: got } = decodeRanges(encodeRanges(set.ranges, 0));
      const seen = new Set(got.flatMap(({ low, high }) => [...Array(Number(high - low) + 1).keys()].map((i) => Number(low) + i)));
      assert.deepEqual([Number(largest), [...seen].sort()], [Math.max(...all), [...all].sort()]);
    }
  });

  test('a range or a gap above 65535 ends the list', () => {
    const low = (body) => decodeRanges(body).ranges.at(-1).low;
    assert.equal(low(encodeRanges([{ low: 0n, high: 70_000n }], 0)), 70_000n - 65_535n);
    assert.equal(low(encodeRanges([{ low: 80_000n, high: 80_000n }, { low: 0n, high: 70_000n }], 0)), 70_000n - 65_534n);
    assert.equal(low(encodeRanges([{ low: 80_000n, high: 80_000n }, { low: 0n, high: 10n }], 0)), 80_000n);
    assert.throws(() => decodeRanges(Buffer.alloc(15)), Malformed);
  });
});

describe('numbers', () => {
  const ts = Buffer.alloc(48, 3);
  const fields = { type: 3, sessionId: 1n, stamp: 0n };

  test('holes: never two in a row, at most 512 frames apart, then more', () => {
    const slot = new DatagramSealSlot(ts);
    const seqs = [...Array(3000).keys()].map(() => parseHeader(slot.seal(fields, Buffer.alloc(1))).seq);
    const gaps = seqs.map((seq, i) => seq - (i === 0 ? -1n : seqs[i - 1]));
    assert.ok(gaps.every((gap) => gap === 1n || gap === 2n) && gaps[0] === 1n);
    const holes = gaps.flatMap((gap, i) => (gap === 2n ? [i] : []));
    assert.ok(holes.length >= 1 && holes[0] <= 512);
    assert.deepEqual([...slot.leftOut].map(Number), holes.map((i) => Number(seqs[i]) - 1));
  });

  test('the window at its edges, and after a leap', () => {
    const open = new DatagramOpenSlot(ts);
    const fresh = (n) => open.fresh(BigInt(n));
    open.resume(10_000n, [5000n]);
    assert.deepEqual([fresh(10_000), fresh(5000), fresh(10_000 - 8127), fresh(10_000 - 8128), fresh(10_001)], [false, false, true, false, true]);
    open.resume(18_192n);
    assert.deepEqual([fresh(10_000), fresh(10_001), fresh(18_192 - 8127), fresh(18_191)], [false, false, true, true]);
    open.resume(2n ** 61n);
    assert.deepEqual([open.fresh(2n ** 61n - 8127n), open.fresh(2n ** 61n - 8128n)], [true, false]);
  });

  test('epochs rise with the numbers', () => {
    const open = new DatagramOpenSlot(ts);
    const next = Buffer.alloc(48, 4);
    open.prepare(next, 1);
    const [old, fresh] = [new SealSlot(ts), new SealSlot(next)];
    const at = (slot, seq) => Object.assign(slot, { next: seq }).seal(fields, Buffer.alloc(1));
    const take = (bytes) => open.open(parseHeader(bytes), bytes, 1n, null);
    const [late, wrong] = [at(old, 4n), at(Object.assign(new SealSlot(ts), { next: 9n }), 9n)];
    take(at(fresh, 7n));
    take(late);
    assert.throws(() => take(wrong), Violation);
  });
});

describe('known answers', () => {
  const hex = (b) => b.toString('hex');

  test('attached paths and attach slots of appendix B.6', () => {
    const attach = encodeAttach({ kind: 1, flags: 0, counter: 0, random: Buffer.alloc(32, 5), time: 1_790_000_000_000_000n });
    const ack = encodeAttachAck({ status: 0, pathId: 1, random: Buffer.alloc(32, 6), time: 1_790_000_000_000_000n });
    const root = Buffer.from('ee3efe4fd6415800038fd96ab04b09932fc8ef8b2cc79568055ac5d33bc1dbcda0eba946dd5a618bfcbcc4c75b121418', 'hex');
    const binder = binderOf(attach, ack);
    assert.equal(hex(binder), 'cb4f19a72dded61acfdfa30090cbec76b68f0006ff9d766b58b5442dc867367cad318c12d09fccb5b4d3e47f6c9d73d1');
    const path = pathSecrets(root, binder);
    assert.equal(hex(slotKeys(path.ts_client).keyId), '413ea5a018ee5592a0e2f923345db8b9');
    assert.equal(hex(slotKeys(path.ts_server).keyId), '01eaa35ebd8d19d06c525a0308990b36');
    const at = attachSecrets(root);
    assert.equal(hex(slotKeys(at.ts_client).keyId), 'e3b354eb8ae9f92bad2c45b387b99088');
    assert.equal(hex(slotKeys(at.ts_server).keyId), '9815c5b0dd3855755d2c0f25a7b08fe6');
  });

  test('reset and tokens', () => {
    assert.equal(hex(resetToken(Buffer.alloc(32, 7), 0x1122334455667788n)), 'edf30ed67bb64d5399acd522d61df250');
    const peer = { address: '192.0.2.1', port: 4711, handshakeId: Buffer.from('0102030405060708', 'hex') };
    const made = (kind, expiry) => hex(makeToken(Buffer.alloc(32, 8), { gen: 1, kind, expiry, salt: Buffer.alloc(8, 9) }, peer));
    assert.equal(made(COOKIE, 1_790_000_010), '010100006ab13b8a09090909090909097db446db898d093193d72703513c23204ea2283af86491edff60f4604c04ec17');
    assert.equal(made(ADDRESS, 1_790_086_400), '010200006ab28d000909090909090909137ce7bffd54a757074ec1c3506fedbcb7e45d7eba1e477d54ac5b2dc56f2e37');
    assert.equal(hex(ip16('2001:db8::1')), '20010db8000000000000000000000001');
    assert.equal(hex(ip16('::ffff:192.0.2.1')), hex(ip16('192.0.2.1')));
  });
});

test('keys of tokens: two generations, and no more', () => {
  const world = new World();
  const tokens = new Tokens(1000);
  const peer = { address: '192.0.2.1', port: 1, handshakeId: Buffer.alloc(8) };
  const [cookie, token] = [tokens.cookie(peer), tokens.address(peer)];
  world.now = 999;
  assert.ok(tokens.valid(cookie, peer));
  world.now = 1001;
  assert.ok(!tokens.valid(token, peer));
  world.now = 59_000;
  const late = tokens.cookie(peer);
  world.now = 65_000;
  assert.ok(tokens.valid(late, peer)); // of the generation before
  assert.equal(tokens.cookie(peer)[0], 1);
  world.now = 200_000;
  assert.equal(tokens.cookie(peer)[0], 3);
  assert.ok(!tokens.valid(late, peer));
});

test('attach endpoints', () => {
  const all = [{ kind: 1, port: 8090, host: 'a.example' }, { kind: 2, port: 1, host: '2001:db8::1' }];
  assert.deepEqual(decodeEndpoints(encodeEndpoints(all)), all);
  assert.equal(LIMIT.paths_per_session, 4);
});
