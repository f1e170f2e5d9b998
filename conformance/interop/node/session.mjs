// An established session, at either end, whatever its paths: prologue, mids, fragments,
// Heartbeat, Disconnect, Error, violations, what is unacknowledged, and where it goes.
// ServerSession and ClientSession add what their role has. Chapters 7 to 9 and 13.

import { BIT, ERROR, FLAG, HEARTBEAT, LIMIT, NO_SEQ, SCOPE, TIMER, TYPE, errorName, isExtension } from './codes.mjs';
import { Deadlines, SessionClock } from './clock.mjs';
import { Ended, Malformed, NoRoom, Violation, protocolViolation, readPrologue } from './frame.mjs';
import { Assembly, Refusal } from './fragments.mjs';
import { decodeDisconnect, decodeError, encodeDisconnect, encodeError } from './messages.mjs';
import { Outbox } from './outbox.mjs';
import { random } from './primitives.mjs';

// Mids is the set of complete mids of the peer. [8.3]
export class Mids {
  #complete = new Set();

  constructor(base = 1n) {
    this.base = base; // the lowest mid that is not complete
  }

  // isNew says whether the message is not complete yet. [XTMP-MSG-017] [XTMP-MSG-018] [XTMP-UDP-093]
  isNew(mid, datagram = false) {
    if (mid >= this.base + LIMIT.mid_window) {
      const beyond = `mid ${mid} beyond the window from ${this.base}`;
      throw datagram ? new NoRoom(beyond) : protocolViolation(beyond);
    }
    return mid >= this.base && !this.#complete.has(mid);
  }

  complete(mid) {
    if (mid < this.base) return;
    this.#complete.add(mid);
    while (this.#complete.delete(this.base)) this.base += 1n;
  }
}

export class Session {
  draining = false;
  over = false;
  why = null; // why it is over
  deadlines = new Deadlines();
  paths = []; // those that are not closed
  current = null; // the current path
  holding = new Outbox(); // what waits for a path
  #clock;
  #mids;
  #nextMid = 1n;
  #nextFragId = 0;
  #unacked = new Map(); // mid → message, in the order of mids
  #transports = 0; // of paths that may still have something to send
  #failedOpens = 0;

  // clock stamps what is sent; params are those that the server announced; owner is
  // told of the end: ended(session, why) when the session is erased, gone(session) when
  // its last transport is closed too.
  constructor({ id, suite, clock, params, mids = new Mids(), heartbeatMs = TIMER.T_HEARTBEAT, memory = () => {}, owner = {} }) {
    Object.assign(this, { id, suite, params, heartbeatMs, owner });
    this.#clock = clock;
    this.#mids = mids;
    this.assembly = new Assembly({ memory });
  }

  // start sets the timers of an established session going.
  start() {
    this.deadlines.set('age', 7000 * this.params.keyRotationS, () => this.disconnect(ERROR.SESSION_EXPIRED)); // [XTMP-DSC-019]
    this.#exerciseLater();
  }

  get now() {
    return this.#clock.now();
  }

  get nextMid() {
    return this.#nextMid;
  }

  // attachable sessions outlive their paths. [13.8]
  get attachable() {
    return (this.params.policy & (BIT.ATTACH_UDP | BIT.ATTACH_TCP)) !== 0;
  }

  // --- Paths ---

  // add makes a path one of the session's. The first is the current one. [XTMP-PTH-005]
  add(path) {
    if (this.over) throw new Error('a path for a session that is over');
    this.paths.push(path);
    this.#transports += 1;
    if (this.current === null && !path.attached) this.current = path;
  }

  // pathEnded: the path is closed, and what becomes of the session depends on whether
  // another one is left. [XTMP-MSG-046] [XTMP-PRK-001] [XTMP-PRK-002]
  pathEnded(path, why) {
    const at = this.paths.indexOf(path);
    if (at < 0) return;
    this.paths.splice(at, 1);
    if (this.over) return;
    this.assembly.closed();
    this.#take(path);
    if (this.paths.length > 0) this.pathLost(path);
    else if (!this.attachable || this.draining) this.end(why);
    else this.pathless(why, path);
    if (!this.over) this.rekey.pathEnded();
    this.flush();
  }

  // pathLost: one path is closed, another is not.
  pathLost(path) {
    if (this.current === path) this.current = null;
    this.rescue();
  }

  suspects() {}

  // revived: a path is live, for the first time or again. What was last sent on one that
  // is not goes there. [XTMP-PTH-016]
  revived(path) {
    this.rescue();
    path.flush();
  }

  // rescue sends what was last sent on paths that are not live where it can be sent.
  rescue() {
    for (const message of this.#unacked.values()) {
      const { on } = message;
      if (!message.body || on?.live) continue;
      const other = this.choices(message.path).find((path) => path?.live && path !== on && message.body.length <= path.messageLimit);
      if (other) this.shift(message, other);
    }
    for (const path of this.paths) if (!path.live) this.#take(path);
    this.placeHeld();
    this.flush();
  }

  // shift sends a message again on another path, whose it is from now on.
  shift(message, path) {
    message.on?.letGo?.(message);
    message.on = path;
    path.resend(message);
  }

  firstFrame() {}

  // #take holds what a path has not begun to send.
  #take(path) {
    for (const message of path.outbox.take()) this.holding.push(message);
  }

  // moveTo makes a path the current one: what is not begun goes there, and what is
  // unacknowledged is sent there again, in the order of mid. [XTMP-PTH-021] [XTMP-PTH-029]
  moveTo(path) {
    if (this.current === path) return;
    const before = this.current;
    this.current = path;
    path.standby = false;
    if (before && !before.over) this.#take(before);
    for (const message of this.#unacked.values()) {
      if (message.body && message.on !== path && message.body.length <= path.messageLimit) this.shift(message, path);
    }
    this.placeHeld();
    this.flush();
  }

  // placeHeld gives what is held a path, as far as there is one.
  placeHeld() {
    for (const message of this.holding.take()) this.place(message).push(message);
  }

  // place is the outbox for a message. It goes to the path that it asks for, to the
  // current one, or to another one that is live and carries it; where there is none, it
  // waits on the current path, or for one. [13.5] [XTMP-PTH-013] [XTMP-PTH-014] [XTMP-PTH-017]
  place(message) {
    const carries = (path) => path && !path.over && message.body.length <= path.messageLimit;
    const live = this.choices(message.path).find((path) => carries(path) && path.live);
    const path = live ?? (carries(this.current) && this.current.sendable ? this.current : null);
    return path ? path.outbox : this.holding;
  }

  // choices are the paths for a message, the best first.
  choices(asked) {
    return [asked, this.current];
  }

  // --- Receiving ---

  // take judges the meaning of a frame that has opened on a path. It returns false when
  // there was no room for it.
  take(path, h, plaintext) {
    try {
      this.opened?.(path, h);
      this.#meaning(path, h, plaintext);
    } catch (error) {
      if (error instanceof Malformed) this.violated(protocolViolation(error.message), h, path); // [XTMP-ERR-021]
      else if (error instanceof Violation) this.violated(error, h, path);
      else if (error instanceof Ended) this.end(error.message);
      else if (error instanceof NoRoom) return false;
      else throw error;
    }
    return true;
  }

  // #meaning is check 13: prologue, role, mid, type and body. [XTMP-ORD-027]
  #meaning(path, h, plaintext) {
    const m = readPrologue(h.flags, plaintext);
    if (m === null) throw protocolViolation('shorter than its prologue'); // [XTMP-HDR-036]
    if (m.mid === 0n) throw protocolViolation('mid 0'); // [XTMP-HDR-037]
    Object.assign(m, { path, type: h.type, flags: h.flags, seq: h.seq, stamp: h.stamp });
    this.judgeRole(m);
    if (m.mid !== undefined) {
      const isNew = this.#mids.isNew(m.mid, path.datagram);
      path.expectAck(m.seq);
      // Repeated: acknowledged, and what was answered is answered again where that is
      // wanted. [XTMP-MSG-019] [XTMP-MSG-020] [XTMP-MSG-052]
      if (!isNew) return this.repeated(m);
      if ((m.flags & FLAG.FRAGMENT) === 0) this.#mids.complete(m.mid);
    }
    if (!isExtension(m.type)) this.dispatch(m);
    else if (m.mid !== undefined) this.completed(m); // and nothing else [XTMP-TYP-009] [XTMP-TYP-011] [XTMP-TYP-012]
  }

  repeated() {}

  // completed: nothing more of the message is waited for.
  completed(m) {
    if (m.mid !== undefined) this.#mids.complete(m.mid);
    this.assembly.drop(m);
  }

  // receive takes a frame of a message that may come in fragments. It returns the
  // message when it is complete, and null before. What is refused is complete too:
  // refused(m, code, why) is told of it. [XTMP-MSG-069] [XTMP-UDP-092]
  receive(m, limits, refused) {
    const limit = Math.min(limits.limit, m.path?.messageLimit ?? Infinity);
    const tooMany = () => (m.path?.datagram ? new NoRoom('a fifth incomplete message') : protocolViolation('a fifth incomplete message')); // [XTMP-FRG-015] [XTMP-UDP-094]
    try {
      const whole = this.assembly.receive(m, { ...limits, limit, tooMany });
      if (whole !== null) this.completed(whole);
      return whole;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const frames = [...this.assembly.framesOf(m), m];
      this.completed(m);
      refused({ ...m, frames }, error.code, error.message);
      return null;
    }
  }

  // receiveHandshake is receive for the types 0x01 and 0x02; a whole one is judged
  // by its envelope. [XTMP-RKY-009] [XTMP-RKY-044]
  receiveHandshake(m) {
    const limit = (m.flags & FLAG.FRAGMENT) === 0 ? Infinity : LIMIT.rekey_message;
    return this.receive(m, { limit, inflates: false }, (_, code, why) => {
      throw protocolViolation(`fragments of type ${m.type}: ${why}`);
    });
  }

  // anchorAt takes a stamp as the peer's time now, on every path. [XTMP-TIM-015] [XTMP-TIM-016] [11.7]
  anchorAt(stamp) {
    for (const path of this.paths) path.anchor = new SessionClock(stamp);
  }

  // dispatch handles what both roles share; a subclass takes the rest.
  dispatch(m) {
    if (m.type === TYPE.HEARTBEAT) this.#heartbeat(m);
    else if (m.type === TYPE.DISCONNECT) this.#disconnected(decodeDisconnect(m.body));
    else if (m.type === TYPE.ACK) m.path.acked(m.body);
    else if (m.type === TYPE.ERROR) this.#unsolicitedError(m);
  }

  // [XTMP-HBT-004] [XTMP-HBT-005] [XTMP-HBT-006] [XTMP-PTH-015]
  #heartbeat({ path, body }) {
    if (body.length < 1 || body.length > LIMIT.heartbeat_payload_max) { // [XTMP-HBT-003]
      throw protocolViolation('Heartbeat of a wrong length');
    }
    const data = Buffer.from(body.subarray(1));
    if (body[0] === HEARTBEAT.PING) path.sendHeartbeat(HEARTBEAT.PONG, data);
    if (body[0] === HEARTBEAT.PATH_CHALLENGE) path.sendHeartbeat(HEARTBEAT.PATH_RESPONSE, data, path.answersAt);
    if (body[0] === HEARTBEAT.PONG) this.pong?.(data, path);
    if (body[0] === HEARTBEAT.PATH_RESPONSE) path.response?.(data);
    if (body[0] === HEARTBEAT.REKEY_REQUEST) this.rekeyRequest();
  }

  // [XTMP-DSC-007] [XTMP-DSC-008] [XTMP-DSC-009] [XTMP-DSC-023] [XTMP-PTH-042]
  #disconnected({ reason }) {
    this.end(`the peer said Disconnect, reason ${reason === 0 ? 0 : errorName(reason)}`);
  }

  #unsolicitedError({ path, body }) {
    let error;
    try {
      error = decodeError(body);
    } catch (malformed) {
      if (!(malformed instanceof Malformed)) throw malformed;
      if (body.length >= 4 && body[2] === SCOPE.SESSION) this.end('a malformed Error of scope 2'); // [XTMP-ERR-025]
      return; // [XTMP-ERR-024]
    }
    const why = `the peer sent Error ${error.name}, scope ${error.scope}`;
    if (error.scope === SCOPE.PATH && error.code === ERROR.PAYLOAD_TOO_LARGE && this.#lastSentOn(path)) this.disconnect(error.code, path); // [XTMP-PTH-043]
    else if (error.scope === SCOPE.PATH) path.fail(why); // [XTMP-ERR-018] [XTMP-PTH-041]
    if (error.scope === SCOPE.SESSION) this.end(why); // [XTMP-ERR-019]
  }

  // #lastSentOn says that a path has carried something that would be sent again. Which
  // message was too large for it nobody says.
  #lastSentOn(path) {
    return [...this.#unacked.values()].some(({ on }) => on === path);
  }

  // failedToOpen counts datagrams that named a key and did not open. [XTMP-UDP-086]
  failedToOpen() {
    this.#failedOpens += 1;
    if (this.#failedOpens >= LIMIT.failed_opens_udp) this.endByError(ERROR.KEY_LIMIT, SCOPE.SESSION);
  }

  // --- Sending ---

  nextFragId() {
    return this.#nextFragId++;
  }

  // post sends a message when its turn comes; outbox.mjs says what it is made of.
  post(message) {
    this.place(message).push(message);
    this.flush();
    for (const path of this.paths) if (path.suspect) path.pathless();
  }

  notify(code, refSeq, path) {
    path.notify(code, refSeq);
  }

  flush() {
    for (const path of [...this.paths]) path.flush();
  }

  // number gives a reliable message the next mid. What it answers is answered.
  number(m) {
    m.mid = this.#nextMid;
    this.#nextMid += 1n;
    this.#unacked.set(m.mid, m);
    for (const { path, seq } of m.answers ?? []) path.answered(seq);
    m.numbered?.(m.mid);
  }

  get midAllowed() {
    const [oldest = this.#nextMid] = this.#unacked.keys();
    return this.#nextMid < oldest + LIMIT.mid_window; // [XTMP-MSG-013]
  }

  // acknowledge takes a part of a message as acknowledged on a path. One path has to
  // have brought all of it, in one cut. [XTMP-ACK-031] [XTMP-ACK-032] [XTMP-PTH-009]
  acknowledge({ message, cut, index }, path) {
    if (message.acked || (cut !== null && cut !== message.cut)) return;
    if (cut === null || path.ackedOf(cut).add(index).size === cut.count) this.peerHas(message);
  }

  // peerHas takes a message as acknowledged. [XTMP-MSG-014]
  peerHas(message) {
    message.acked = true;
    this.#unacked.delete(message.mid);
    for (const path of this.paths) path.outbox.abandon(message);
    this.released(message);
  }

  released() {}

  get unacked() {
    return this.#unacked;
  }

  // unsettled says that something of this end is not at the peer.
  get unsettled() {
    return this.#unacked.size > 0 || this.holding.length > 0 || this.paths.some((path) => path.waits);
  }

  // settled is asked after each flush whether a draining session has done its work.
  settled() {
    if (this.draining && !this.over && !this.unsettled && this.quiet) this.disconnect(0);
  }

  // hasOther and sendOther may be overridden: something else that a path can send.
  hasOther() {
    return false;
  }

  sendOther() {
    return 0;
  }

  // handed tells a subclass that a frame of a message has left the outbox.
  handed() {}

  // #exerciseLater sends a frame without meaning now and then. [XTMP-TYP-002] [XTMP-TYP-003] [XTMP-TYP-004]
  #exerciseLater() {
    this.deadlines.set('exercise', TIMER.T_EXERCISE * (1 + Math.random()), () => {
      const type = 0x80 + Math.floor(Math.random() * 0x70);
      const body = random(Math.floor(Math.random() * (LIMIT.exercise_payload + 1)));
      if (this.current?.live && !this.current.blocked && this.current.room()) this.current.send(type, 0, body);
      if (!this.over) this.#exerciseLater();
    });
  }

  // --- Ending ---

  // drain ends the session in an orderly way, T_CLOSE at most from now. [XTMP-DSC-017]
  drain() {
    if (this.over || this.draining) return;
    this.draining = true;
    if (this.paths.length === 0) return this.end('it had no path');
    this.deadlines.set('drain', TIMER.T_CLOSE, () => this.disconnect(0));
    this.flush();
  }

  // disconnect says Disconnect on every path but one that is refused. [XTMP-DSC-002] [XTMP-DSC-003] [XTMP-DSC-024]
  disconnect(reason, refused = null) {
    if (this.over) return;
    const why = reason === 0 ? 'an ordinary end' : errorName(reason);
    const body = encodeDisconnect(reason, this.#nextMid - 1n, this.#mids.base - 1n);
    this.over = true;
    for (const path of [...this.paths]) {
      if (path.heardOnce && path !== refused) path.disconnect(body, why);
      else path.shut(why);
    }
    this.end(why);
  }

  violated(violation, h, path) {
    const why = `violation ${errorName(violation.code)}: ${violation.message}`;
    if (h.type === TYPE.ERROR) this.end(why); // [XTMP-ERR-031]
    else this.endByError(violation.code, SCOPE.SESSION, { path, refSeq: h.seq, why });
  }

  // endByError ends the session by an Error of scope 2 on the path that it concerns; the
  // others are closed silently. [XTMP-ERR-027] [XTMP-ERR-030] [XTMP-PTH-040]
  endByError(code, scope, { path = this.current, refSeq = NO_SEQ, why = errorName(code) } = {}) {
    if (this.over) return;
    this.over = true;
    path?.finish(TYPE.ERROR, encodeError({ code, scope, refSeq }), why);
    this.end(why);
  }

  // end erases the session and closes what is left of its paths. [XTMP-KEY-004]
  end(why) {
    if (this.why !== null) return;
    this.over = true;
    this.why = why;
    this.deadlines.stop();
    for (const path of [...this.paths]) path.shut(why);
    this.paths = [];
    this.rekey.erase();
    this.attachSlots?.erase();
    this.assembly.erase();
    this.ended?.(why);
    this.owner.ended?.(this, why);
    this.#look();
  }

  // gone: a transport has closed.
  gone() {
    this.#transports -= 1;
    this.#look();
  }

  #look() {
    if (this.why !== null && this.#transports === 0) this.owner.gone?.(this);
  }
}
