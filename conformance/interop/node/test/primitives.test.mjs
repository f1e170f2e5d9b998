// B.5 of the specification, and what the libraries are relied on for.

import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import * as p from '../primitives.mjs';

const hex = (s) => Buffer.from(s, 'hex');
const message = Buffer.from('message');
const seed = Buffer.alloc(32, 7);
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

test('Ed25519: RFC 8032, test 1', () => {
  const secret = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
  const key = p.ed25519Public(secret);
  assert.equal(key.toString('hex'), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
  const signature = p.ed25519Sign(secret, Buffer.alloc(0));
  assert.ok(signature.toString('hex').startsWith('e5564300c360ac729086e2cc806e828a'));
  assert.ok(p.ed25519Verify(key, Buffer.alloc(0), signature));
  for (let at = 0; at < 64; at++) {
    const bad = Buffer.from(signature);
    bad[at] ^= 1;
    assert.ok(!p.ed25519Verify(key, Buffer.alloc(0), bad), `byte ${at}`);
  }
});

test('Ed25519: keys to refuse', () => {
  const keys = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`, '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', `ed${'ff'.repeat(30)}7f`, `ee${'ff'.repeat(30)}7f`, 'ff'.repeat(32)];
  for (const key of keys.map(hex)) {
    assert.ok(!p.ed25519KeyAcceptable(key), key.toString('hex'));
    key[31] |= 0x80;
    assert.ok(!p.ed25519KeyAcceptable(key), key.toString('hex'));
  }
  assert.ok(p.ed25519KeyAcceptable(p.ed25519Public(seed)));
  assert.ok(!p.ed25519Verify(hex(`01${'00'.repeat(31)}`), message, hex(`01${'00'.repeat(63)}`)));
});

test('Ed25519: S + L is refused', () => {
  const signature = p.ed25519Sign(seed, message);
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + L;
  const raised = Buffer.concat([signature.subarray(0, 32), hex(s.toString(16).padStart(64, '0')).reverse()]);
  assert.ok(p.ed25519Verify(p.ed25519Public(seed), message, signature));
  assert.ok(!p.ed25519Verify(p.ed25519Public(seed), message, raised));
});

// With a key of order 1 and S = 0 the equation without cofactor wants R = 0, the
// encoding 01 00*31. A point of order 2 as R satisfies the equation with cofactor only.
test('Ed25519: OpenSSL verifies without the cofactor', () => {
  const key = createPublicKey({ key: Buffer.concat([hex('302a300506032b6570032100'), hex(`01${'00'.repeat(31)}`)]), format: 'der', type: 'spki' });
  assert.ok(verify(null, message, key, hex(`01${'00'.repeat(63)}`)));
  assert.ok(!verify(null, message, key, hex(`ec${'ff'.repeat(30)}7f${'00'.repeat(32)}`)));
});

test('X25519: agreement, and keys that give zero', () => {
  const other = Buffer.alloc(32, 8);
  assert.deepEqual(p.x25519Shared(seed, p.x25519Public(other)), p.x25519Shared(other, p.x25519Public(seed)));
  const small = ['00'.repeat(32), `01${'00'.repeat(31)}`, 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', `ec${'ff'.repeat(30)}7f`, `ed${'ff'.repeat(30)}7f`, `ee${'ff'.repeat(30)}7f`];
  for (const key of small) assert.equal(p.x25519Shared(seed, hex(key)), null, key);
});

test('ML-KEM-768: modulus check, lengths, implicit rejection', () => {
  const { ek, dk } = p.mlkemKeys(Buffer.alloc(64, 3));
  assert.equal(ek.length, 1184);
  assert.ok(p.mlkemKeyAcceptable(ek));
  const { ct, shared } = p.mlkemEncapsulate(ek, Buffer.alloc(32, 4));
  assert.equal(ct.length, 1088);
  assert.deepEqual(p.mlkemDecapsulate(dk, ct), shared);
  ct[0] ^= 1;
  const rejected = p.mlkemDecapsulate(dk, ct);
  assert.equal(rejected.length, 32);
  assert.notDeepEqual(rejected, shared);
  const set = (index, value) => { // one 12-bit coefficient
    const bad = Buffer.from(ek);
    const at = (index >> 1) * 3;
    if (index % 2 === 0) [bad[at], bad[at + 1]] = [value & 0xff, (bad[at + 1] & 0xf0) | (value >> 8)];
    else [bad[at + 1], bad[at + 2]] = [(bad[at + 1] & 0x0f) | ((value & 0x0f) << 4), value >> 4];
    return bad;
  };
  for (const index of [0, 1, 383, 767]) {
    assert.ok(p.mlkemKeyAcceptable(set(index, 3328)), `coefficient ${index}`);
    for (const value of [3329, 4095]) {
      assert.ok(!p.mlkemKeyAcceptable(set(index, value)), `coefficient ${index}`);
      assert.throws(() => ml_kem768.encapsulate(set(index, value)), /modulus/);
    }
  }
  assert.ok(!p.mlkemKeyAcceptable(Buffer.alloc(1184, 0xff)));
});

test('HKDF-Expand over more than one block', () => {
  const prk = Buffer.alloc(48, 1);
  const long = p.hkdfExpand(prk, Buffer.from('i'), 100);
  assert.equal(long.length, 100);
  assert.deepEqual(long.subarray(0, 48), p.hmac384(prk, 'i', Buffer.from([1])));
  assert.deepEqual(long.subarray(48, 96), p.hmac384(prk, long.subarray(0, 48), 'i', Buffer.from([2])));
});
