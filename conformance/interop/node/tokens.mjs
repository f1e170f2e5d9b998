// Cookies and address tokens: 48 bytes that a client can only have received at its
// address. 12.3
//
//	0 key_gen kind zero[2] expiry[4] salt[8]
//	16 mac[32]

import { LIMIT, TIMER } from './codes.mjs';
import { elapsedMicros, wallMicros } from './clock.mjs';
import { u32, u64 } from './messages.mjs';
import { equal, hmac256, random } from './primitives.mjs';

export const COOKIE = 1;
export const ADDRESS = 2;

const REMEMBERED = 4096; // address tokens that were used

// ip16 writes an address in 16 bytes, IPv4 as ::ffff:a.b.c.d.
export function ip16(address) {
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  if (v4) return Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4.slice(1).map(Number)]);
  const [head, tail] = address.split('%')[0].split('::');
  const words = (text) => (text ? text.split(':').map((word) => parseInt(word, 16)) : []);
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

// binding is what a token is bound to besides the address.
const binding = (kind, port, handshakeId) => (kind === COOKIE ? Buffer.concat([Buffer.from([port >> 8, port & 0xff]), handshakeId]) : Buffer.alloc(0));

// makeToken is the token of 12.3. [XTMP-TOK-001]
export function makeToken(key, { gen, kind, expiry, salt }, { address, port, handshakeId }) {
  const head = Buffer.concat([Buffer.from([gen, kind, 0, 0]), u32(expiry), salt]);
  return Buffer.concat([head, hmac256(key, 'XTMP/1 cookie', head, ip16(address), binding(kind, port, handshakeId))]);
}

// A Keyring holds the two newest generations of the keys of one kind. They are random
// and nothing else. [XTMP-TOK-002] [XTMP-TOK-006] [XTMP-TOK-011]
class Keyring {
  gen = 0;
  key = random(32);
  #before = null;
  #ms;
  #since = elapsedMicros();

  constructor(ms, given) {
    this.#ms = ms;
    Object.assign(this, given);
  }

  // turn replaces the key as often as its time has passed.
  turn() {
    const periods = Number((elapsedMicros() - this.#since) / (BigInt(this.#ms) * 1000n));
    for (let i = 0; i < Math.min(periods, 2); i++) [this.#before, this.key] = [this.key, random(32)];
    this.gen = (this.gen + periods) % 256;
    this.#since += BigInt(periods) * BigInt(this.#ms) * 1000n;
  }

  of(gen) {
    if (gen === this.gen) return this.key;
    return (gen + 1) % 256 === this.gen ? this.#before : null;
  }
}

export class Tokens {
  #start = wallMicros() - elapsedMicros(); // expiry is elapsed time too: nobody's clock moves it
  #ms;
  #rings;
  #used = new Map(); // salt of an address token → handshake_id that it served

  // given are the keys to begin with, { key, gen } by kind, in place of random ones.
  constructor(tokenMs = TIMER.T_TOKEN, given = {}) {
    this.#ms = { [COOKIE]: TIMER.T_COOKIE, [ADDRESS]: tokenMs };
    this.#rings = { [COOKIE]: new Keyring(TIMER.T_COOKIE_KEY, given[COOKIE]), [ADDRESS]: new Keyring(tokenMs, given[ADDRESS]) };
  }

  get #now() {
    return this.#start + elapsedMicros();
  }

  // The expiry of a cookie is rounded up, so that it holds for all of T_COOKIE; that of
  // an address token down, for it must not hold longer. [XTMP-TOK-003] [XTMP-TOK-004] [XTMP-TOK-010]
  #make(kind, peer) {
    const ring = this.#rings[kind];
    ring.turn();
    const end = this.#now + BigInt(this.#ms[kind]) * 1000n;
    const expiry = Number((end + (kind === COOKIE ? 999_999n : 0n)) / 1_000_000n);
    return makeToken(ring.key, { gen: ring.gen, kind, expiry, salt: random(8) }, peer);
  }

  cookie(peer) {
    return this.#make(COOKIE, peer);
  }

  address(peer) {
    return this.#make(ADDRESS, peer);
  }

  // valid judges what an envelope carries. An address token serves one handshake.
  // [XTMP-TOK-005] [XTMP-TOK-007] … [XTMP-TOK-009], [XTMP-TOK-012] [XTMP-TOK-014]
  valid(token, peer) {
    if (token.length !== LIMIT.token_udp) return false;
    const [gen, kind] = token;
    const ring = this.#rings[kind];
    if (ring === undefined || token.readUInt16BE(2) !== 0) return false;
    ring.turn();
    const key = ring.of(gen);
    if (key === null || this.#now > BigInt(token.readUInt32BE(4)) * 1_000_000n) return false;
    const mac = hmac256(key, 'XTMP/1 cookie', token.subarray(0, 16), ip16(peer.address), binding(kind, peer.port, peer.handshakeId));
    return equal(mac, token.subarray(16)) && (kind === COOKIE || this.#once(token, peer.handshakeId));
  }

  #once(token, handshakeId) {
    const salt = token.toString('hex', 8, 16);
    const served = this.#used.get(salt);
    if (served !== undefined) return served === handshakeId.toString('hex');
    this.#used.set(salt, handshakeId.toString('hex'));
    if (this.#used.size > REMEMBERED) this.#used.delete(this.#used.keys().next().value);
    return true;
  }
}

// resetToken proves a reset to be its server's own. [XTMP-HSK-033]
export const resetToken = (key, sessionId) => hmac256(key, 'XTMP/1 reset', u64(sessionId)).subarray(0, 16);
