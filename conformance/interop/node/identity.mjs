// Identities of servers, pins of clients, addresses. Chapter 6 and 1.4.

import { readFileSync, writeFileSync } from 'node:fs';
import { SUITE } from './codes.mjs';
import * as p from './primitives.mjs';
import { ed25519KeyAcceptable, equal, random, sha256 } from './primitives.mjs';

export const KIND_ED25519 = 1;
export const KIND_HYBRID = 2; // Ed25519 and ML-DSA-65
const KEY_BYTES = { [KIND_ED25519]: 33, [KIND_HYBRID]: 33 + p.MLDSA_KEY };
const DEFAULT_PORT = 8090;

export const fingerprintOf = (keyBytes) => sha256('XTMP/1 identity', Buffer.alloc(1), keyBytes);

// identityFrom makes the identity of kind 1 of a 32-byte Ed25519 seed.
export function identityFrom(seed) {
  const key = Buffer.concat([Buffer.from([KIND_ED25519]), p.ed25519Public(seed)]);
  return { kind: KIND_ED25519, seed, key, fingerprint: fingerprintOf(key) };
}

// hybridFrom makes the identity of kind 2 of two seeds of 32 bytes.
export function hybridFrom(seed, mldsaSeed) {
  const { pk, sk } = p.mldsaKeys(mldsaSeed);
  const key = Buffer.concat([Buffer.from([KIND_HYBRID]), p.ed25519Public(seed), pk]);
  return { kind: KIND_HYBRID, seed, mldsaSecret: sk, key, fingerprint: fingerprintOf(key) };
}

// fromSeeds takes 32 bytes for kind 1, 64 for kind 2.
const fromSeeds = (seeds) => (seeds.length === 32 ? identityFrom(seeds) : hybridFrom(seeds.subarray(0, 32), seeds.subarray(32)));

export const freshIdentity = (kind) => fromSeeds(random(32 * kind));

// loadIdentity reads a file of 64 hexadecimal digits, the seed of kind 1, or of 128,
// the Ed25519 and the ML-DSA-65 seed of kind 2. A file that does not exist is
// written, of the kind given, readable by its owner alone.
export function loadIdentity(file, kind = KIND_ED25519) {
  let text;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    text = random(32 * kind).toString('hex');
    writeFileSync(file, `${text}\n`, { mode: 0o600, flag: 'wx' });
  }
  if (!/^([0-9a-f]{64}){1,2}$/i.test(text)) {
    throw new Error(`${file}: not a seed of 64 hexadecimal digits, nor two of them; give another file, or remove it to get a new key`);
  }
  return fromSeeds(Buffer.from(text, 'hex'));
}

// sign is the signature of an identity over the server signature input, and verify
// whether one is right, both parts of it for kind 2. [XTMP-KEY-016] [XTMP-KEY-018]
export function sign({ seed, mldsaSecret }, input) {
  const classical = p.ed25519Sign(seed, input);
  return mldsaSecret ? Buffer.concat([classical, p.mldsaSign(mldsaSecret, input)]) : classical;
}

export function verify(key, input, signature) {
  const classical = p.ed25519Verify(key.subarray(1, 33), input, signature.subarray(0, 64));
  if (key[0] === KIND_ED25519) return classical && signature.length === 64;
  return p.mldsaVerify(key.subarray(33), input, signature.subarray(64)) && classical;
}

const serves = ({ kind }, suite) => suite !== SUITE.POSTQUANTUM || kind === KIND_HYBRID;

// chooseIdentity is 6.4: of the identities whose fingerprint begins with a hint, or
// else of all, the first that can serve one of the client's suites, with the first
// such suite; null when there is none. [XTMP-TRU-018] … [XTMP-TRU-021] [XTMP-SUI-003]
export function chooseIdentity(identities, hints, offered, enabled) {
  const hinted = identities.filter(({ fingerprint }) => hints.some((hint) => fingerprint.subarray(0, 8).equals(hint)));
  const common = offered.filter((suite) => enabled.includes(suite));
  for (const identity of hinted.length > 0 ? hinted : identities) {
    const suite = common.find((one) => serves(identity, one));
    if (suite !== undefined) return { identity, suite };
  }
  return null;
}

// parseEndpoint reads host:port, [v6]:port or a host alone. [XTMP-CON-006]
export function parseEndpoint(text) {
  const m = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]]+))(?::([0-9]{1,5}))?$/.exec(text);
  const port = Number(m?.[3] ?? DEFAULT_PORT);
  if (!m || port < 1 || port > 65_535) throw new Error(`${text}: not host:port; write name:8090, 192.0.2.1:8090 or [2001:db8::1]:8090`);
  return { host: m[1] ?? m[2], port, v6: m[1] !== undefined };
}

const nameOf = ({ host, port, v6 }) => (v6 ? `[${host}]:${port}` : `${host}:${port}`).toLowerCase();

// parsePins reads a pin file. The first line of another form, or with a key that
// is not its own, is an error that names it. [XTMP-TRU-002] [XTMP-TRU-003] [XTMP-TRU-004]
export function parsePins(bytes) {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lines = Buffer.from(bytes).toString('latin1').split(/\r?\n/);
  return lines.flatMap((raw, i) => {
    try {
      const line = utf8.decode(Buffer.from(raw, 'latin1'));
      return /^[ \t]*(#|$)/.test(line) ? [] : [parsePin(line)];
    } catch (error) {
      throw new Error(`pin file, line ${i + 1}: ${error.message}`);
    }
  });
}

function parsePin(line) {
  const fields = line.split(/[ \t]+/).filter((field) => field !== '');
  const note = fields.findIndex((field) => field.startsWith('#'));
  const [endpoint, kind, fingerprint, base64, ...rest] = note < 0 ? fields : fields.slice(0, note);
  if (fingerprint === undefined || rest.length > 0) throw new Error('expected host:port, kind, fingerprint and perhaps a key');
  if (!/:[0-9]+$/.test(endpoint)) throw new Error('the endpoint has no port');
  if (!/^[12]$/.test(kind)) throw new Error(`kind ${kind}: neither 1 nor 2`);
  if (!/^[0-9a-f]{64}$/i.test(fingerprint)) throw new Error('the fingerprint has not 64 hexadecimal digits');
  const pin = { endpoint: nameOf(parseEndpoint(endpoint)), kind: Number(kind), fingerprint: Buffer.from(fingerprint, 'hex'), key: null };
  if (base64 !== undefined) pin.key = parseKey(base64, pin);
  return pin;
}

function parseKey(base64, pin) {
  const key = Buffer.from(base64, 'base64');
  if (key.toString('base64') !== base64) throw new Error('the key is not base64');
  if (!equal(fingerprintOf(key), pin.fingerprint)) throw new Error('the key does not have the fingerprint of its line');
  if (key[0] !== pin.kind) throw new Error('the key is not of the kind of its line');
  if (key.length !== KEY_BYTES[pin.kind]) throw new Error('the key has the wrong length');
  if (!ed25519KeyAcceptable(key.subarray(1, 33))) throw new Error('the key is not an acceptable Ed25519 key'); // [XTMP-KEY-011] [XTMP-KEY-012]
  return key;
}

// pinsFor returns the pins of an endpoint as its user named it. [XTMP-TRU-005]
export const pinsFor = (pins, endpoint) => pins.filter((pin) => pin.endpoint === nameOf(endpoint));

// keyHeldFor returns the identity key bytes that the pins hold for a fingerprint.
export const keyHeldFor = (pins, fingerprint) => pins.find((pin) => pin.key && equal(pin.fingerprint, fingerprint))?.key;

// A HandshakeFailure is why a client gave a server up. `met` is the fingerprint
// that the server showed, if it came to that.
export class HandshakeFailure extends Error {
  constructor(message, met = null) {
    super(message);
    this.met = met;
  }
}

// judgeIdentity finds the key to verify the server by: [XTMP-TRU-007] … [XTMP-TRU-013],
// [XTMP-HSK-038] … [XTMP-HSK-042], [XTMP-TRU-022], [XTMP-TRU-026]. It returns the
// identity key bytes.
export function judgeIdentity(si, pins, asked, suite = SUITE.AES256GCM) {
  const fail = (why) => {
    throw new HandshakeFailure(why, si.fingerprint);
  };
  if (asked && si.key === null) fail('the server left out the key that it was asked for');
  if (!asked && si.key !== null) fail('the server sent a key that it was not asked for');
  const pin = pins.find(({ kind, fingerprint }) => kind === si.kind && equal(fingerprint, si.fingerprint));
  if (!pin) fail('no pin has the kind and the fingerprint that the server showed');
  if (!serves(si, suite)) fail('the suite calls for an identity of kind 2');
  if (si.key !== null) {
    if (si.key.length !== KEY_BYTES[si.kind]) fail('the key has the wrong length');
    if (si.key[0] !== si.kind) fail('the key is not of the kind that the server named');
    if (!equal(fingerprintOf(si.key), si.fingerprint)) fail('the key does not have the fingerprint that the server named');
    if (pin.key !== null && !equal(pin.key, si.key)) fail('the key differs from the one in the pin');
  }
  const key = si.key ?? keyHeldFor(pins, si.fingerprint);
  if (!key) fail('the key is neither sent nor pinned');
  if (!ed25519KeyAcceptable(key.subarray(1, 33))) fail('the key is not an acceptable Ed25519 key');
  return key;
}
