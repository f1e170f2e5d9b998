// Round trips, losses, congestion and pacing of one UDP path, as computation alone:
// what was sent and acknowledged goes in, with the time in milliseconds. It is RFC 9002
// with frames as its packets. 12.9, 12.10
//
// A record of a frame that was sent is { seq, at, bytes, eliciting, carried, reliable }:
// when it was sealed, the size of its datagram, whether an Ack answers it, which part of
// which reliable message it carries, if any, and whether that is this path's to deliver.

import { LIMIT, TIMER } from './codes.mjs';

const GRANULARITY = 1; // ms
const INITIAL_RTT = 333; // of RFC 9002, for a path without a sample
const KEPT = 10_000; // ms for which a lost frame is remembered
const REMEMBERED = 1024; // frames

export class Recovery {
  srtt = null;
  rttvar = 0;
  latest = 0;
  least = Infinity;
  window; // the congestion window, bytes
  inFlight = 0; // bytes
  expiries = 0; // of PTO, consecutive
  #datagram;
  #threshold = Infinity; // above it the window grows by one datagram per window
  #halvedAt = -Infinity;
  #frames = new Map(); // seq → record, in the order of sending
  #count = 0; // of frames sent
  #eliciting = 0; // of them ack-eliciting
  #acked = -1; // the highest ordinal that is acknowledged
  #lossAt = null; // when the next frame is lost by its age
  #lastSent = 0; // when the last ack-eliciting frame was
  #run = null; // of ack-eliciting frames lost in a row: { last, from, to }
  #firstSample = Infinity; // when the first sample was taken
  #idle = true; // the sender has less to send than the window allows
  #tokens; // bytes that may be sent at once
  #filledAt = 0;

  #isThere;

  // isThere says whether a part of a message is at the peer; datagram is the size of one.
  constructor(isThere, datagram = LIMIT.datagram_min) {
    this.#isThere = isThere;
    this.#datagram = datagram;
    this.window = LIMIT.window_initial * datagram; // [XTMP-REC-012]
    this.#tokens = LIMIT.window_initial * datagram;
  }

  // sample takes a round trip; the delay is what the peer says it waited. [12.9]
  sample(ms, delay, now) {
    this.latest = ms;
    this.least = Math.min(this.least, ms);
    if (this.srtt === null) {
      this.#firstSample = now;
      [this.srtt, this.rttvar] = [ms, ms / 2];
      return;
    }
    const adjusted = Math.max(ms - Math.min(delay, TIMER.T_ACK), this.least);
    this.rttvar = 0.75 * this.rttvar + 0.25 * Math.abs(this.srtt - adjusted);
    this.srtt = 0.875 * this.srtt + 0.125 * adjusted;
  }

  // pto is PTO without doubling. [XTMP-REC-002]
  get pto() {
    const [srtt, rttvar] = this.srtt === null ? [INITIAL_RTT, INITIAL_RTT / 2] : [this.srtt, this.rttvar];
    return srtt + Math.max(4 * rttvar, GRANULARITY) + TIMER.T_ACK;
  }

  // --- Sending ---

  sent(record) {
    Object.assign(record, { ordinal: this.#count++, lost: false });
    this.#frames.set(record.seq, record);
    this.#prune();
    if (!record.eliciting) return;
    record.nth = this.#eliciting++;
    this.inFlight += record.bytes;
    this.#tokens -= record.bytes;
    this.#lastSent = record.at;
  }

  // #prune forgets old frames that nothing hangs on: who only receives sends Acks that
  // nobody acknowledges.
  #prune() {
    for (const [seq, { eliciting, lost }] of this.#frames) {
      if (this.#frames.size <= REMEMBERED || (eliciting && !lost)) return;
      this.#frames.delete(seq);
    }
  }

  // room says whether a frame of so many bytes may go now, which is the same moment for
  // all that is sent in one wake-up. [XTMP-REC-011] [XTMP-REC-018] [XTMP-REC-019]
  room(bytes, now) {
    this.#idle = false;
    if (this.inFlight + bytes > this.window) return false;
    this.#fill(now);
    return this.#tokens >= bytes;
  }

  // wait is how long it takes until the pace allows so many bytes; 0 when it is not
  // the pace that holds them back.
  wait(bytes, now) {
    this.#fill(now);
    if (this.inFlight + bytes > this.window || this.#tokens >= bytes) return 0;
    return Math.max(GRANULARITY, (bytes - this.#tokens) / this.#pace);
  }

  // idle: there is nothing left to send. [XTMP-REC-017]
  idle() {
    this.#idle = true;
  }

  get #pace() {
    return (1.25 * this.window) / Math.max(this.srtt ?? INITIAL_RTT, 0.01); // bytes per ms
  }

  #fill(now) {
    const full = LIMIT.window_initial * this.#datagram;
    this.#tokens = Math.min(full, this.#tokens + Math.max(0, now - this.#filledAt) * this.#pace);
    this.#filledAt = now;
  }

  // --- Acks ---

  // ack takes an Ack and returns { acked, lost }, records of ack-eliciting frames.
  // [XTMP-REC-001] [XTMP-ACK-030]
  ack({ largest, ranges, delay }, now) {
    const newly = this.#covered(largest, ranges);
    const eliciting = newly.filter((record) => record.eliciting);
    if (newly.at(-1)?.seq === largest && eliciting.length > 0) this.sample(now - newly.at(-1).at, delay, now);
    for (const record of newly) {
      this.#frames.delete(record.seq);
      this.#acked = Math.max(this.#acked, record.ordinal);
    }
    for (const record of eliciting) this.#grow(record);
    if (eliciting.length > 0) this.expiries = 0; // [XTMP-REC-008]
    return { acked: eliciting, lost: this.#detect(now) };
  }

  #covered(largest, ranges) {
    const newly = [];
    let i = ranges.length - 1;
    for (const [seq, record] of this.#frames) {
      if (seq > largest) break;
      while (ranges[i].high < seq) i -= 1;
      if (ranges[i].low <= seq) newly.push(record);
    }
    return newly;
  }

  // #grow: one that was taken for lost counts as received, and changes nothing else.
  // [XTMP-REC-013] [XTMP-REC-017]
  #grow({ lost, bytes, at, nth }) {
    if (this.#run?.last + 1 === nth) this.#run = null;
    if (lost) return;
    this.inFlight -= bytes;
    if (at <= this.#halvedAt || this.#idle) return;
    this.window += this.window < this.#threshold ? bytes : (this.#datagram * bytes) / this.window;
  }

  // #detect finds what is lost by now. [XTMP-REC-003] [XTMP-REC-004] [XTMP-REC-009]
  #detect(now) {
    const age = Math.max(1.125 * Math.max(this.srtt ?? INITIAL_RTT, this.latest), GRANULARITY);
    const longest = LIMIT.persistent_ptos * this.pto;
    const lost = [];
    this.#lossAt = null;
    const later = (at) => (this.#lossAt = Math.min(at, this.#lossAt ?? Infinity));
    for (const [seq, record] of this.#frames) {
      const { ordinal, at, eliciting, reliable } = record;
      if (record.lost) {
        if (now - at > KEPT) this.#frames.delete(seq);
        continue;
      }
      const passed = ordinal < this.#acked;
      const gone = passed && (this.#acked - ordinal >= LIMIT.loss_frames || now >= at + age);
      const old = eliciting && !reliable && now >= at + longest;
      if (!gone && !old) {
        if (passed) later(at + age);
        if (eliciting && !reliable) later(at + longest);
        continue;
      }
      if (eliciting) lost.push(record);
      else this.#frames.delete(seq);
    }
    for (const record of lost) this.#lose(record, now);
    return lost;
  }

  // [XTMP-REC-014] [XTMP-REC-015]
  #lose(record, now) {
    record.lost = true;
    this.inFlight -= record.bytes;
    if (record.at > this.#halvedAt) {
      this.#halvedAt = now;
      this.window = Math.max(this.window / 2, LIMIT.window_min * this.#datagram);
      this.#threshold = this.window;
    }
    this.#persist(record);
  }

  // #persist looks for a span of losses. [XTMP-REC-016]
  #persist({ nth, at }) {
    if (at < this.#firstSample) return;
    if (this.#run?.last + 1 === nth) Object.assign(this.#run, { last: nth, to: at });
    else this.#run = { last: nth, from: at, to: at };
    if (this.#run.to - this.#run.from <= LIMIT.persistent_ptos * this.pto) return;
    this.window = LIMIT.window_min * this.#datagram;
    this.#run = null;
  }

  // --- Timers ---

  // due is when timeout wants to be called, or null. While the path rests, for it is
  // suspect, PTO does not run.
  due(rests) {
    const waits = !rests && this.#waiting();
    const pto = waits ? this.#lastSent + this.pto * 2 ** this.expiries : Infinity;
    const at = Math.min(pto, this.#lossAt ?? Infinity, this.#oldest());
    return at === Infinity ? null : at;
  }

  #waiting() {
    for (const { lost, reliable } of this.#frames.values()) if (reliable && !lost) return true;
    return false;
  }

  // #oldest is when the oldest frame without mid is lost.
  #oldest() {
    for (const { lost, eliciting, reliable, at } of this.#frames.values()) {
      if (eliciting && !reliable && !lost) return at + LIMIT.persistent_ptos * this.pto;
    }
    return Infinity;
  }

  // timeout returns { lost, probe }: what is lost, and whether PTO has expired.
  // [XTMP-REC-007] [XTMP-REC-008]
  timeout(now, rests) {
    const lost = this.#detect(now);
    if (lost.length > 0 || rests || !this.#waiting() || now < this.#lastSent + this.pto * 2 ** this.expiries) return { lost, probe: false };
    this.expiries += 1;
    return { lost, probe: true };
  }

  // oldest are what the oldest unacknowledged frames carry, at most n of them.
  oldest(n) {
    const found = [];
    for (const { carried, reliable } of this.#frames.values()) {
      if (reliable && found.length < n && !this.#isThere(carried) && !found.some((other) => isSame(other, carried))) found.push(carried);
    }
    return found;
  }

  // since is when the oldest unacknowledged reliable frame was sent, or null.
  get since() {
    for (const { carried, reliable, at, lost } of this.#frames.values()) if (reliable && !lost && !this.#isThere(carried)) return at;
    return null;
  }

  // letGo: a message is another path's to deliver.
  letGo(message) {
    for (const record of this.#frames.values()) if (record.carried?.message === message) record.reliable = false;
  }

  // restart is for another network: the first round trip there is known, and losses of
  // what was sent before say nothing. [XTMP-UDP-115]
  restart(rtt, now) {
    Object.assign(this, { srtt: null, latest: 0, least: Infinity, expiries: 0, window: LIMIT.window_initial * this.#datagram });
    this.#threshold = Infinity;
    this.#halvedAt = now;
    this.sample(rtt, 0, now);
  }
}

const isSame = (a, b) => a.message === b.message && a.cut === b.cut && a.index === b.index;
