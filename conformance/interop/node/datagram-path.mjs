// A DatagramPath is a path on UDP: each frame is a datagram, Acks name ranges, what is
// lost is sent again, and the address of the peer may change. Chapter 12.
//
// A route is where datagrams go: { link, address, port }, of which the link has
// send(bytes, route).

import { FLAG, HEADER, HEARTBEAT, LIMIT, TIMER, TYPE } from './codes.mjs';
import { Deadlines, nowMs, time } from './clock.mjs';
import { AckSet } from './datagram.mjs';
import { CheckFailed, NotOpened, Violation, protocolViolation } from './frame.mjs';
import { decodeRanges, encodeRanges } from './messages.mjs';
import { prologueLength } from './outbox.mjs';
import { Path } from './path.mjs';
import { equal, random } from './primitives.mjs';
import { Recovery } from './recovery.mjs';

const LONGEST_PROLOGUE = 40;
const ACK_EARLY = TIMER.T_ACK / 5; // to be in time, whatever else is computed meanwhile

export const sameAddress = (a, b) => a.address === b.address && a.port === b.port;

// isEliciting is every frame but Ack, Heartbeat, Disconnect and an unsolicited Error. [12.8]
const isEliciting = (type, flags) =>
  type !== TYPE.ACK && type !== TYPE.HEARTBEAT && type !== TYPE.DISCONNECT && (type !== TYPE.ERROR || (flags & FLAG.REQUIRES_ACK) !== 0);

export class DatagramPath extends Path {
  datagram = true;
  stream = false;
  messageLimit = LIMIT.message_udp; // [XTMP-UDP-087] [XTMP-UDP-092] [XTMP-PTH-049]
  blocked = false;
  ackDue = false;
  recovery;
  arrivedAt; // where an answer to the frame that is looked at would go
  opensFirst = null; // called when the first frame has opened
  #route; // the validated one
  #candidate = null; // at a server: { route, data, at, received, sent }, an address that is being validated
  #accepts; // bytes of a datagram
  #payload; // bytes of a frame that is sent
  #acks = new AckSet();
  #uncovered = 0; // ack-eliciting frames that no Ack has covered
  #ackedAt = -Infinity; // when an Ack arrived
  #expired = 0; // PTOs since something was heard
  #cutting = new Set(); // messages in fragments that are not acknowledged
  #follows; // whether the address of the peer may change
  #first; // the first frame on it gives { sample: since when } and the address
  #leaving = null; // the copies of Disconnect
  #release;
  #wokeAt = null;

  // accepts and size are the bytes of a datagram, received and sent; rtt is a first
  // sample in milliseconds, and began, where there is none yet, the time since when one
  // runs; follows says that the other end may change its address; release is called
  // once nothing is sent any more.
  constructor({ route, accepts = LIMIT.datagram_min, size = LIMIT.datagram_min, rtt = null, began = null, follows, release = () => {}, ...options }) {
    super({ ...options, deadlines: new Deadlines() });
    this.#route = route;
    this.#accepts = accepts;
    this.#payload = size - HEADER;
    this.#follows = follows;
    this.#first = began;
    this.#release = release;
    this.recovery = new Recovery((part) => this.isThere(part), size);
    if (rtt !== null) this.recovery.sample(rtt, 0, nowMs());
  }

  get route() {
    return this.#candidate?.route ?? this.#route;
  }

  // answersAt is where a PATH_RESPONSE goes: at a client from the local address at which
  // the challenge arrived. [XTMP-UDP-116]
  get answersAt() {
    return this.#follows ? undefined : this.arrivedAt;
  }

  // --- Receiving ---

  // receive takes a datagram that has passed the checks 1 … 3 and names a key of this
  // path. It throws CheckFailed for one that is dropped.
  receive(h, frame, route) {
    if (this.over) throw new CheckFailed('the path has ended');
    if (h.length > this.#accepts - HEADER) throw new CheckFailed('check 4: payload_length'); // [XTMP-UDP-091]
    const before = this.open.highest;
    const plaintext = this.#opened(h, frame);
    if (plaintext === null) return;
    this.arrivedAt = route;
    this.#expired = 0;
    this.opensFirst?.();
    this.opensFirst = null;
    if (this.#follows) this.#follow(h.seq > before, route, frame.length);
    this.heard();
    const kept = this.session.take(this, h, plaintext);
    if (this.over) return;
    if (kept) this.#received(h, before); // [XTMP-UDP-095]
    this.#arm();
  }

  #opened(h, frame) {
    try {
      return this.open.open(h, frame, this.session.id, this.anchor);
    } catch (error) {
      if (error instanceof NotOpened) this.session.failedToOpen();
      if (!(error instanceof Violation)) throw error;
      this.session.violated(error, h, this);
      return null;
    }
  }

  expectAck() {}

  answered() {}

  // #received: an Ack is due at once after the second frame, or after one that is not the
  // next. [XTMP-ACK-019] … [XTMP-ACK-024]
  #received(h, before) {
    this.#acks.add(h.seq, nowMs());
    if (!isEliciting(h.type, h.flags)) return;
    this.#uncovered += 1;
    if (this.#uncovered >= LIMIT.ack_every_udp || h.seq !== before + 1n) this.#ack();
    else this.deadlines.begin('ack', ACK_EARLY, () => this.#ack());
  }

  #ack() {
    this.ackDue = true;
    this.flush();
  }

  get ackSize() {
    return 16 + 4 * Math.min(LIMIT.ack_ranges, this.#acks.ranges.length - 1);
  }

  ackBody() {
    this.ackDue = false;
    this.#uncovered = 0;
    this.deadlines.clear('ack');
    return encodeRanges(this.#acks.ranges, 1000 * (nowMs() - this.#acks.at));
  }

  // acked takes the body of an Ack. [XTMP-ACK-027]
  acked(body) {
    const { largest, delayUs, ranges } = decodeRanges(body);
    if (largest >= this.seal.next) throw protocolViolation('Ack of a frame that was not sent');
    for (const seq of this.seal.leftOut) {
      if (ranges.some(({ low, high }) => seq >= low && seq <= high)) throw protocolViolation(`Ack of ${seq}, which was left out`);
    }
    const { acked, lost } = this.recovery.ack({ largest, ranges, delay: delayUs / 1000 }, nowMs());
    this.#ackedAt = nowMs();
    for (const { carried } of acked) if (carried) this.session.acknowledge(carried, this);
    this.#lost(lost);
    this.session.flush();
  }

  // reassembling: an incomplete message without mid is dropped after a while. [XTMP-UDP-096] [XTMP-UDP-097]
  reassembling(key, m) {
    if (m.mid === undefined) this.deadlines.set(`reassembly ${key}`, TIMER.T_REASSEMBLY_UDP, () => this.session.assembly.drop(m));
  }

  // --- Sending ---

  // pingData fills a PING to 64 bytes. [XTMP-UDP-101] [XTMP-UDP-102]
  pingData() {
    return Buffer.concat([random(8), Buffer.alloc(LIMIT.ping_udp - 9)]);
  }

  ping(data = this.pingData()) {
    super.ping(data);
  }

  refuses() {
    return false;
  }

  // [XTMP-UDP-088] [XTMP-UDP-089]
  sizes(message) {
    return { whole: this.#payload - prologueLength(message, false), part: this.#payload - prologueLength(message, true) };
  }

  // fits says whether a frame with so much plaintext may go to an address that is being
  // validated. [XTMP-UDP-109]
  fits(length) {
    return this.#candidate === null || this.#candidate.sent + HEADER + length <= LIMIT.amplification * this.#candidate.received;
  }

  // room says whether the next frame of a message may go. On a suspect path everything
  // waits until it is live again. No more than four messages are in pieces at the peer,
  // for it would drop the fifth. [XTMP-REC-011] [XTMP-PTH-017]
  room(message) {
    if (this.suspect) return false;
    const longest = Math.min(this.#payload, LONGEST_PROLOGUE + (message?.body.length ?? Infinity));
    if (!this.fits(longest) || (message && !this.#mayCut(message))) return false;
    const now = this.#wakeUp();
    if (this.recovery.room(HEADER + longest, now)) return true;
    const wait = this.recovery.wait(HEADER + longest, now);
    if (wait > 0) this.deadlines.set('pace', wait, () => this.flush());
    return false;
  }

  // #wakeUp is when this turn of the event loop began to send.
  #wakeUp() {
    if (this.#wokeAt === null) {
      this.#wokeAt = nowMs();
      time.setImmediate(() => (this.#wokeAt = null));
    }
    return this.#wokeAt;
  }

  #mayCut(message) {
    if (message.body.length <= this.sizes(message).whole || this.#cutting.has(message)) return true;
    for (const cut of this.#cutting) if (cut.acked) this.#cutting.delete(cut);
    if (this.#cutting.size >= LIMIT.incomplete_messages) return false;
    if (message.reliable) this.#cutting.add(message);
    return true;
  }

  nothing() {
    this.recovery.idle();
  }

  handOver() {
    this.#arm();
  }

  transmit(frame, { type, flags, carried, to }) {
    const at = nowMs();
    this.recovery.sent({ seq: this.seal.last, at, bytes: frame.length, eliciting: isEliciting(type, flags), carried, reliable: carried !== null });
    this.#give(frame, to ?? this.route);
    if (!this.flushing) this.#arm();
  }

  #give(frame, route) {
    if (this.#candidate && sameAddress(this.#candidate.route, route)) this.#candidate.sent += frame.length;
    route.link.send(frame, route);
  }

  // #lost sends again what lost frames carried. [XTMP-REC-005] [XTMP-REC-006] [XTMP-UDP-090]
  #lost(records) {
    for (const { carried, reliable } of records) if (reliable && !this.isThere(carried)) this.sendAgain(carried);
  }

  // letGo leaves a message to another path.
  letGo(message) {
    this.recovery.letGo(message);
    this.#cutting.delete(message);
  }

  // --- Timers ---

  // #arm sets the timers of recovery and of T_SUSPECT. [12.9] [12.12]
  #arm() {
    if (this.over) return;
    const [now, due, since] = [nowMs(), this.recovery.due(this.suspect), this.recovery.since];
    if (due === null) this.deadlines.clear('recovery');
    else this.deadlines.set('recovery', Math.max(0, due - now), () => this.#fire());
    if (since === null || this.suspect) this.deadlines.clear('suspect');
    else this.deadlines.set('suspect', Math.max(0, Math.max(since, this.#ackedAt) + TIMER.T_SUSPECT - now), () => this.suspected('T_SUSPECT'));
  }

  // #fire: what is lost by its age is sent again; when PTO has expired, what is oldest is,
  // whatever the window says. [XTMP-REC-007]
  #fire() {
    const { lost, probe } = this.recovery.timeout(nowMs(), this.suspect);
    this.#lost(lost);
    if (probe) {
      for (const part of this.recovery.oldest(2)) this.sendNow(part);
      this.#expired += 1;
      if (this.#expired >= LIMIT.suspect_ptos) this.suspected(`${LIMIT.suspect_ptos} expiries of PTO`);
    }
    this.flush();
    this.#arm();
  }

  // --- Addresses ---

  // #follow looks at where a frame came from. [XTMP-UDP-106] [XTMP-UDP-112] … [XTMP-UDP-114], [XTMP-ATT-039]
  #follow(isHighest, route, bytes) {
    if (!this.heardOnce) {
      this.#route = route;
      if (this.#first !== null) this.recovery.sample(nowMs() - this.#first, 0, nowMs());
      return;
    }
    const candidate = this.#candidate;
    if (candidate && sameAddress(candidate.route, route)) candidate.received += bytes;
    else if (isHighest && sameAddress(this.#route, route)) this.#return();
    else if (isHighest) this.#challenge(route, bytes);
  }

  // #challenge begins to validate an address. [XTMP-UDP-107] [XTMP-UDP-108]
  #challenge(route, received) {
    const data = random(LIMIT.challenge);
    this.#candidate = { route, data, at: nowMs(), received, sent: 0 };
    const ask = (bytes, at) => this.send(TYPE.HEARTBEAT, 0, Buffer.concat([Buffer.from([HEARTBEAT.PATH_CHALLENGE]), bytes]), null, at);
    if (this.fits(1 + data.length)) ask(data, route);
    ask(random(LIMIT.challenge), this.#route);
    this.deadlines.set('challenge', LIMIT.persistent_ptos * this.recovery.pto, () => this.#return()); // [XTMP-UDP-111]
  }

  #return() {
    this.deadlines.clear('challenge');
    this.#candidate = null;
    this.flush();
  }

  // response adopts an address. [XTMP-UDP-110] [XTMP-UDP-115]
  response(data) {
    const candidate = this.#candidate;
    if (!candidate || !equal(candidate.data, data) || !sameAddress(candidate.route, this.arrivedAt)) return;
    if (candidate.route.address !== this.#route.address) this.recovery.restart(nowMs() - candidate.at, nowMs());
    this.#route = candidate.route;
    this.#return();
  }

  // reroute changes the local address. [XTMP-UDP-117]
  reroute(route) {
    this.#route = route;
  }

  // --- Ending ---

  // disconnect says Disconnect three times, after the Ack that is due. [XTMP-DSC-021] [XTMP-DSC-022]
  disconnect(body, why) {
    if (this.over || this.mute) return this.shut(why);
    if (this.#uncovered > 0) this.#last(TYPE.ACK, this.ackBody());
    const { route } = this;
    this.forget();
    this.#leaving = new Deadlines();
    let left = LIMIT.disconnect_copies;
    const say = () => {
      route.link.send(this.sealed(TYPE.DISCONNECT, 0, body), route);
      left -= 1;
      if (left > 0) this.#leaving.set('next', TIMER.T_DISC_GAP, say);
      else this.#gone();
    };
    say();
  }

  // finish sends the last frame, once. [XTMP-ERR-032]
  finish(type, plaintext, why) {
    if (!this.over && !this.mute) this.#last(type, plaintext);
    this.shut(why);
  }

  #last(type, plaintext) {
    if (this.fits(plaintext.length)) this.#give(this.sealed(type, 0, plaintext), this.route);
  }

  shut() {
    if (this.over) return;
    this.forget();
    this.#gone();
  }

  #gone() {
    this.seal.erase();
    this.#release();
    this.session.gone();
  }
}
