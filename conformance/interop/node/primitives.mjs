// The primitives: hashes, HKDF-Expand, the suites, X25519, Ed25519, ML-KEM-768 and
// ML-DSA-65. All of them are node:crypto, except the last two, which are
// @noble/post-quantum. Raw keys go in and out of node:crypto in their DER form,
// whose prefix is fixed.

import * as crypto from 'node:crypto';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { SUITE } from './codes.mjs';

const PKCS8 = { x25519: '302e020100300506032b656e04220420', ed25519: '302e020100300506032b657004220420' };
const SPKI = { x25519: '302a300506032b656e032100', ed25519: '302a300506032b6570032100' };

export const random = (n) => crypto.randomBytes(n);
export const sha384 = (...parts) => digest('sha384', parts);
export const sha256 = (...parts) => digest('sha256', parts);
export const hmac384 = (key, ...parts) => mac('sha384', key, parts);
export const hmac256 = (key, ...parts) => mac('sha256', key, parts);

function digest(name, parts) {
  const h = crypto.createHash(name);
  for (const part of parts) h.update(part);
  return h.digest();
}

function mac(name, key, parts) {
  const h = crypto.createHmac(name, key);
  for (const part of parts) h.update(part);
  return h.digest();
}

// equal compares in constant time. Lengths are public.
export const equal = (a, b) => a.length === b.length && crypto.timingSafeEqual(a, b);

// hkdfExpand is the second half of RFC 5869 over SHA-384; crypto.hkdfSync cannot
// do it without the first.
export function hkdfExpand(prk, info, n) {
  const blocks = [];
  for (let last = Buffer.alloc(0), i = 1; blocks.length * 48 < n; i++) {
    last = hmac384(prk, last, info, Buffer.from([i]));
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, n);
}

// AEADS of the suites that encrypt. [XTMP-SUI-006] [XTMP-SUI-007]
const AEADS = { [SUITE.AES256GCM]: 'aes-256-gcm', [SUITE.CHACHA20POLY1305]: 'chacha20-poly1305', [SUITE.POSTQUANTUM]: 'aes-256-gcm' };

// integrityTag is the tag of 15.3.
const integrityTag = (key, aad, payload) => hmac256(key, aad, payload).subarray(0, 16);

// seal returns payload and 16-byte tag in a suite. [XTMP-INT-007] [XTMP-INT-008]
export function seal(suite, key, nonce, aad, plaintext) {
  if (suite === SUITE.INTEGRITY_ONLY) return { ciphertext: plaintext, tag: integrityTag(key, aad, plaintext) };
  const c = crypto.createCipheriv(AEADS[suite], key, nonce, { authTagLength: 16 });
  c.setAAD(aad);
  const ciphertext = Buffer.concat([c.update(plaintext), c.final()]);
  return { ciphertext, tag: c.getAuthTag() };
}

// open returns the plaintext, or null when the tag does not verify. OpenSSL
// compares tags in constant time. [XTMP-HDR-026] [XTMP-HDR-027] [XTMP-INT-011]
export function open(suite, key, nonce, aad, ciphertext, tag) {
  if (suite === SUITE.INTEGRITY_ONLY) return equal(integrityTag(key, aad, ciphertext), tag) ? ciphertext : null;
  const d = crypto.createDecipheriv(AEADS[suite], key, nonce, { authTagLength: 16 });
  d.setAAD(aad);
  d.setAuthTag(tag);
  const plaintext = d.update(ciphertext);
  try {
    d.final();
  } catch {
    return null;
  }
  return plaintext;
}

const privateKey = (kind, seed) =>
  crypto.createPrivateKey({ key: Buffer.concat([Buffer.from(PKCS8[kind], 'hex'), seed]), format: 'der', type: 'pkcs8' });
const publicKey = (kind, raw) =>
  crypto.createPublicKey({ key: Buffer.concat([Buffer.from(SPKI[kind], 'hex'), raw]), format: 'der', type: 'spki' });
const rawPublic = (key) => crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);

export const x25519Public = (seed) => rawPublic(privateKey('x25519', seed));

// x25519Shared returns the shared secret, or null when it is all zero, which
// OpenSSL reports as a failure. [XTMP-KEY-007] [XTMP-KEY-009]
export function x25519Shared(seed, peer) {
  let shared;
  try {
    shared = crypto.diffieHellman({ privateKey: privateKey('x25519', seed), publicKey: publicKey('x25519', peer) });
  } catch {
    return null;
  }
  return equal(shared, Buffer.alloc(32)) ? null : shared;
}

export const ed25519Public = (seed) => rawPublic(privateKey('ed25519', seed));
export const ed25519Sign = (seed, message) => crypto.sign(null, message, privateKey('ed25519', seed));

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];

const littleEndian = (b) => BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`);

// ed25519KeyAcceptable refuses keys that are not canonical or of small order,
// whatever their sign bit. [XTMP-KEY-011] [XTMP-KEY-012]
export function ed25519KeyAcceptable(raw) {
  if (raw.length !== 32) return false;
  const y = Buffer.from(raw);
  y[31] &= 0x7f;
  return littleEndian(y) < P && !SMALL_ORDER.includes(y.toString('hex'));
}

// ed25519Verify: OpenSSL's verification is the one that XTMP-KEY-014 asks for. It
// computes SB − kA and compares its encoding with the bytes of R. What OpenSSL is
// not trusted with is checked before it. [XTMP-KEY-013]
export function ed25519Verify(raw, message, signature) {
  if (signature.length !== 64 || !ed25519KeyAcceptable(raw)) return false;
  if (littleEndian(signature.subarray(32)) >= L) return false;
  try {
    return crypto.verify(null, message, publicKey('ed25519', raw), signature);
  } catch {
    return false; // no point of the curve
  }
}

export const mlkemKeys = (seed64) => {
  const { publicKey: ek, secretKey: dk } = ml_kem768.keygen(seed64);
  return { ek: Buffer.from(ek), dk };
};

// mlkemKeyAcceptable is the modulus check of FIPS 203, section 7.2: twelve bits
// per coefficient, two coefficients in three bytes, 768 of them, each below 3329.
// noble's encapsulate does it too, and throws. [XTMP-KEY-008]
export function mlkemKeyAcceptable(ek) {
  if (ek.length !== 1184) return false;
  for (let i = 0; i < 1152; i += 3) {
    const a = ek[i] | ((ek[i + 1] & 0x0f) << 8);
    const b = (ek[i + 1] >> 4) | (ek[i + 2] << 4);
    if (a >= 3329 || b >= 3329) return false;
  }
  return true;
}

// mlkemEncapsulate takes the 32 random bytes m of FIPS 203.
export function mlkemEncapsulate(ek, m) {
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(ek, m);
  return { ct: Buffer.from(cipherText), shared: Buffer.from(sharedSecret) };
}

// mlkemDecapsulate returns what FIPS 203 says for any ciphertext of the right
// length, implicit rejection included. [XTMP-KEY-010]
export const mlkemDecapsulate = (dk, ct) => Buffer.from(ml_kem768.decapsulate(ct, dk));

export const MLDSA_KEY = 1952;
export const MLDSA_SIGNATURE = 3309;
const MLDSA_CONTEXT = Buffer.from('XTMP/1 server auth', 'ascii'); // [XTMP-KEY-017]

// mldsaKeys takes the 32-byte seed of FIPS 204.
export const mldsaKeys = (seed) => {
  const { publicKey: pk, secretKey: sk } = ml_dsa65.keygen(seed);
  return { pk: Buffer.from(pk), sk };
};

// mldsaSign signs the whole message, without hedging: the same input gives the same signature.
export const mldsaSign = (sk, message) => Buffer.from(ml_dsa65.sign(message, sk, { context: MLDSA_CONTEXT, extraEntropy: false }));

// mldsaVerify: every string of 1952 bytes is a key.
export const mldsaVerify = (pk, message, signature) =>
  signature.length === MLDSA_SIGNATURE && ml_dsa65.verify(signature, message, pk, { context: MLDSA_CONTEXT });
