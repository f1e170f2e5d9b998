// What the server counts: half-open connections, sessions and receive memory, in
// all and per source, and the token bucket of first frames. 10.3

import { isIPv6 } from 'node:net';
import { LIMIT } from './codes.mjs';
import { nowMs } from './clock.mjs';

// sourceOf is the IPv4 address, or the first 64 bits of the IPv6 address. No
// address is exempt. [XTMP-LIM-009]
export function sourceOf(address) {
  const v4 = /^::ffff:([0-9.]+)$/i.exec(address);
  if (v4) return v4[1];
  if (!isIPv6(address)) return address;
  const [head, tail] = address.split('%')[0].split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    groups.push(...Array(Math.max(0, 8 - groups.length - after)).fill('0'), ...tail.split(':'));
  }
  return `${groups.slice(0, 4).map((g) => parseInt(g, 16).toString(16)).join(':')}::/64`;
}

const SWEEP = 1024; // sources

export class Counts {
  #limits;
  #total = { halfOpen: 0, connections: 0, sessions: 0, memory: 0 };
  #sources = new Map();
  #sweepAt = SWEEP;

  constructor(limits = {}) {
    this.#limits = { ...LIMIT, ...limits };
  }

  add(source, name, n) {
    const counts = this.#of(source);
    counts[name] += n;
    this.#total[name] += n;
  }

  // busy judges a handshake whose connection is counted as half-open already.
  // [XTMP-LIM-005] … [XTMP-LIM-008]
  busy(source) {
    const { halfOpen, connections, sessions } = this.#of(source);
    const l = this.#limits;
    const reached = (n, limit) => limit !== 0 && n >= limit;
    return reached(halfOpen - 1, l.half_open_per_source) || this.#total.halfOpen - 1 >= l.half_open_total
      || reached(connections, l.connections_per_client) || reached(sessions, l.sessions_per_source) || this.full(source);
  }

  // attachBusy judges an Attach whose connection is counted as half-open already; on UDP
  // there is nothing to count. [13.3]
  attachBusy(source, own) {
    const { half_open_per_source: each, half_open_total: total } = this.#limits;
    return (each !== 0 && this.#of(source).halfOpen - own >= each) || this.#total.halfOpen - own >= total || this.full(source);
  }

  // full says whether receive memory is at its limit. [XTMP-FRG-024]
  full(source) {
    const { receive_memory_total: total, receive_memory_per_source: each } = this.#limits;
    return this.#total.memory >= total || this.#of(source).memory >= each;
  }

  // delayOfFirstFrame takes a token and returns the milliseconds to wait for it.
  // [XTMP-ORD-014]
  delayOfFirstFrame(source) {
    if (this.#limits.pre_session_rate === 0) return 0;
    const counts = this.#of(source);
    counts.tokens = this.#tokens(counts) - 1;
    counts.at = nowMs();
    return counts.tokens >= 0 ? 0 : (-counts.tokens * 1000) / this.#limits.pre_session_rate;
  }

  // takeToken takes one if there is one. [XTMP-ORD-035]
  takeToken(source) {
    if (this.#limits.pre_session_rate === 0) return true;
    const counts = this.#of(source);
    const tokens = this.#tokens(counts);
    if (tokens < 1) return false;
    Object.assign(counts, { tokens: tokens - 1, at: nowMs() });
    return true;
  }

  #tokens({ tokens, at }) {
    const gained = ((nowMs() - at) / 1000) * this.#limits.pre_session_rate;
    return Math.min(this.#limits.pre_session_burst, tokens + gained);
  }

  #of(source) {
    let counts = this.#sources.get(source);
    if (!counts) {
      if (this.#sources.size >= this.#sweepAt) this.#sweep();
      counts = { halfOpen: 0, connections: 0, sessions: 0, memory: 0, tokens: this.#limits.pre_session_burst, at: nowMs() };
      this.#sources.set(source, counts);
    }
    return counts;
  }

  // #sweep forgets the sources that hold nothing and whose bucket is full.
  #sweep() {
    for (const [source, counts] of this.#sources) {
      const { halfOpen, connections, sessions, memory } = counts;
      if (halfOpen + connections + sessions + memory === 0 && this.#tokens(counts) >= this.#limits.pre_session_burst) this.#sources.delete(source);
    }
    this.#sweepAt = Math.max(SWEEP, 2 * this.#sources.size);
  }
}
