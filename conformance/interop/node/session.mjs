// An established session, at either end: checks, prologue, mids, Acks, Heartbeat,
// Disconnect, Error, violations, the queue of what is to be sent, and timers.
// ServerSession and ClientSession add what their role has. Chapters 7 to 9.

import { ERROR, FLAG, HEARTBEAT, LIMIT, NO_SEQ, SCOPE, TIMER, TYPE, errorName, isExtension } from './codes.mjs';
import {
  CheckFailed, Malformed, Violation, checkMagic, checkTypeAndFlags, checkVersion, readPrologue,
} from './frame.mjs';
import { decodeAck, decodeDisconnect, decodeError, encodeAck, encodeDisconnect, encodeError, u64 } from './messages.mjs';
import { random } from './primitives.mjs';

export const protocolViolation = (what) => new Violation(ERROR.PROTOCOL_VIOLATION, what);
export const unexpectedMessage = (what) => new Violation(ERROR.UNEXPECTED_MESSAGE, what);

// Mids is the set of complete mids of the peer. [8.3]
export class Mids {
  #complete = new Set();

  constructor(base = 1n) {
    this.base = base; // the lowest mid that is not complete
  }

  // take says whether the mid is new. [XTMP-MSG-017] [XTMP-MSG-018]
  take(mid) {
    if (mid >= this.base + LIMIT.mid_window) throw protocolViolation(`mid ${mid} beyond the window from ${this.base}`);
    if (mid < this.base || this.#complete.has(mid)) return false;
    this.#complete.add(mid);
    while (this.#complete.delete(this.base)) this.base += 1n;
    return true;
  }
}

// A Queue is first in, first out.
export class Queue {
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  push(item) {
    this.#items.push(item);
  }

  shift() {
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

export class Session {
  draining = false;
  outbox = new Queue(); // reliable messages that have no number yet
  #connection;
  #slots;
  #clock;
  #anchor;
  #idleMs;
  #mids;
  #open = new Set(); // sequence numbers of frames that await an Ack or their reply
  #lastReceived = 0n;
  #ackDue = false;
  #heartbeats = new Map(); // kind → data, not yet handed to the transport [XTMP-HBT-013]
  #nextMid = 1n;
  #unacked = new Map(); // mid → sequence number, ascending
  #highestAck = -1n;

  // clock stamps what is sent, anchor judges what is received; params are those
  // that the server announced.
  constructor({ connection, id, slots, clock, anchor, params, mids = new Mids() }) {
    this.id = id;
    this.params = params;
    this.#connection = connection;
    this.#slots = slots;
    this.#clock = clock;
    this.#anchor = anchor;
    this.#idleMs = params.idleTimeoutMs;
    this.#mids = mids;
  }

  // start sets the timers of an established session going.
  start() {
    this.deadlines.set('age', 7000 * this.params.keyRotationS, () => this.disconnect(ERROR.SESSION_EXPIRED)); // [XTMP-DSC-019]
    this.#exerciseLater();
    this.#heard();
  }

  get deadlines() {
    return this.#connection.deadlines;
  }

  get over() {
    return this.#connection.over;
  }

  get now() {
    return this.#clock.now();
  }

  get nextMid() {
    return this.#nextMid;
  }

  // --- Receiving ---

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (h.length <= this.payloadLimit) return;
    // An Error is not answered by an Error, be it only one that claims to be. [XTMP-ERR-003]
    if (h.type !== TYPE.ERROR) this.endByError(ERROR.PAYLOAD_TOO_LARGE, SCOPE.PATH, NO_SEQ, h.length); // [XTMP-ORD-011]
    throw new CheckFailed('check 4: payload_length');
  }

  take(h, frame) {
    const plaintext = this.#slots.open.open(h, frame, this.id, this.#anchor);
    this.#lastReceived = h.seq;
    this.#heard();
    try {
      this.#meaning(h, plaintext);
    } catch (error) {
      if (error instanceof Malformed) this.#violated(protocolViolation(error.message), h); // [XTMP-ERR-021]
      else if (error instanceof Violation) this.#violated(error, h);
      else throw error;
    }
  }

  // #meaning is check 13: prologue, role, mid, type and body. [XTMP-ORD-027]
  #meaning(h, plaintext) {
    const m = readPrologue(h.flags, plaintext);
    if (m === null) throw protocolViolation('shorter than its prologue'); // [XTMP-HDR-036]
    if (m.mid === 0n) throw protocolViolation('mid 0'); // [XTMP-HDR-037]
    Object.assign(m, { type: h.type, flags: h.flags, seq: h.seq, stamp: h.stamp });
    this.judgeRole(m);
    if (m.mid !== undefined) {
      this.#expectAck(m.seq);
      if (!this.#mids.take(m.mid)) return; // repeated: acknowledged, and nothing else [XTMP-MSG-019] [XTMP-MSG-020]
    }
    if (isExtension(m.type)) return; // [XTMP-TYP-009] [XTMP-TYP-011]
    this.dispatch(m);
  }

  // dispatch handles what both roles share; a subclass takes the rest.
  dispatch(m) {
    if (m.type === TYPE.HEARTBEAT) this.#heartbeat(m.body);
    else if (m.type === TYPE.DISCONNECT) this.#disconnected(decodeDisconnect(m.body));
    else if (m.type === TYPE.ACK) this.#acked(decodeAck(m.body));
    else if (m.type === TYPE.ERROR) this.#unsolicitedError(m.body);
  }

  #heartbeat(body) {
    if (body.length < 1 || body.length > LIMIT.heartbeat_payload_max) { // [XTMP-HBT-003]
      throw protocolViolation('Heartbeat of a wrong length');
    }
    const data = Buffer.from(body.subarray(1));
    if (body[0] === HEARTBEAT.PING) this.sendHeartbeat(HEARTBEAT.PONG, data); // [XTMP-HBT-004] [XTMP-HBT-005]
    if (body[0] === HEARTBEAT.PATH_CHALLENGE) this.sendHeartbeat(HEARTBEAT.PATH_RESPONSE, data); // [XTMP-HBT-006]
    if (body[0] === HEARTBEAT.PONG) this.pong?.(data);
    if (body[0] === HEARTBEAT.REKEY_REQUEST) this.rekeyRequest();
  }

  // [XTMP-DSC-007] [XTMP-DSC-008] [XTMP-DSC-009]
  #disconnected({ reason }) {
    this.#connection.fail(`the peer said Disconnect, reason ${reason === 0 ? 0 : errorName(reason)}`);
  }

  #acked(largest) {
    if (largest >= this.#slots.seal.next) throw protocolViolation('Ack of a frame that was not sent'); // [XTMP-ACK-004]
    if (largest <= this.#highestAck) return; // [XTMP-ACK-007]
    this.#highestAck = largest;
    for (const [mid, seq] of this.#unacked) {
      if (seq > largest) break;
      this.#unacked.delete(mid);
    }
    this.flush();
  }

  #unsolicitedError(body) {
    let error;
    try {
      error = decodeError(body);
    } catch (malformed) {
      if (!(malformed instanceof Malformed)) throw malformed;
      if (body.length >= 4 && body[2] === SCOPE.SESSION) this.#connection.fail('a malformed Error of scope 2'); // [XTMP-ERR-025]
      return; // [XTMP-ERR-024]
    }
    if (error.scope === SCOPE.MESSAGE) return; // [XTMP-ERR-017]
    this.#connection.fail(`the peer sent Error ${error.name}, scope ${error.scope}`); // [XTMP-ERR-018] [XTMP-ERR-019]
  }

  #heard() {
    this.deadlines.set('idle', this.#idleMs, () => this.#connection.fail('silence for T_IDLE')); // [XTMP-HBT-015] [XTMP-HBT-016]
    this.heard();
  }

  // endOfBatch: an Ack when many frames are open, and the clock of a frame that
  // has begun. [XTMP-ACK-011] [XTMP-ORD-004]
  endOfBatch({ held, begun }) {
    if (this.#open.size >= LIMIT.ack_after_frames) this.#ack();
    if (held === 0) this.deadlines.clear('frame');
    else if (begun) this.deadlines.set('frame', TIMER.T_FRAME, () => this.#connection.fail('check 1: T_FRAME'));
  }

  // --- Sending ---

  // writable is called when the transport has taken what it was given.
  writable() {
    if (!this.over) this.flush();
  }

  sendHeartbeat(kind, data) {
    this.#heartbeats.set(kind, data); // a newer one takes the place of one that waits [XTMP-HBT-012]
    this.flush();
  }

  // flush hands over what waits, as far as the transport and the window of mids
  // allow it. Reading goes on meanwhile. [XTMP-MSG-015] [XTMP-MSG-028]
  flush() {
    while (!this.over && !this.#connection.wire.blocked && this.#sendNext());
    const idle = this.outbox.length === 0 && this.#unacked.size === 0 && this.quiet;
    if (this.draining && idle && !this.over) this.disconnect(0);
  }

  #sendNext() {
    if (this.#ackDue) this.send(TYPE.ACK, 0, this.#ackBody());
    else if (this.#heartbeats.size > 0) {
      const [[kind, data]] = this.#heartbeats;
      this.#heartbeats.delete(kind);
      this.send(TYPE.HEARTBEAT, 0, Buffer.concat([Buffer.from([kind]), data]));
    } else if (this.outbox.length > 0 && this.#midAllowed) this.sendReliable(this.outbox.shift());
    else return this.sendOther();
    return true;
  }

  // sendOther may be overridden; it says whether it has sent a frame.
  sendOther() {
    return false;
  }

  get #midAllowed() {
    const [oldest = this.#nextMid] = this.#unacked.keys();
    return this.#nextMid < oldest + LIMIT.mid_window; // [XTMP-MSG-013]
  }

  // sendReliable numbers a message and sends it: { type, body, replyTo?, answers?,
  // numbered? }. answers is the sequence number of the request that a reply closes.
  // [XTMP-MSG-011] [XTMP-MSG-012]
  sendReliable(m) {
    const mid = this.#nextMid;
    this.#nextMid += 1n;
    const reply = m.replyTo !== undefined;
    const prologue = reply ? [u64(mid), u64(m.replyTo)] : [u64(mid)];
    this.#unacked.set(mid, this.#slots.seal.next);
    if (reply && this.#open.delete(m.answers) && this.#open.size === 0) this.#nothingOpen();
    m.numbered?.(mid);
    this.send(m.type, FLAG.REQUIRES_ACK | (reply ? FLAG.REPLY : 0), Buffer.concat([...prologue, m.body]));
    this.handed(m);
  }

  // handed tells a subclass that a reliable message has left the outbox.
  handed() {}

  // peerHas takes a message as acknowledged. [XTMP-MSG-014]
  peerHas(mid) {
    this.#unacked.delete(mid);
  }

  // send seals a frame and hands it to the transport.
  send(type, flags, plaintext) {
    if (this.over) return;
    this.#connection.wire.write(this.#sealed(type, flags, plaintext));
    this.sent?.();
    if (this.#slots.seal.exhausted) this.endByError(ERROR.KEY_LIMIT, SCOPE.SESSION); // [XTMP-NON-017]
  }

  #sealed(type, flags, plaintext) {
    return this.#slots.seal.seal({ type, flags, sessionId: this.id, stamp: this.now }, plaintext); // [XTMP-HDR-020]
  }

  #expectAck(seq) {
    this.#open.add(seq);
    if (!this.deadlines.has('ack')) this.deadlines.set('ack', TIMER.T_ACK / 2, () => this.#ack()); // early, to be in time [XTMP-ACK-010]
  }

  #ack() {
    this.#ackDue = this.#open.size > 0; // [XTMP-ACK-012]
    this.flush();
  }

  #ackBody() {
    this.#open.clear();
    this.#nothingOpen();
    return encodeAck(this.#lastReceived); // [XTMP-ACK-001]
  }

  #nothingOpen() {
    this.#ackDue = false;
    this.deadlines.clear('ack');
  }

  // #exerciseLater sends a frame without meaning now and then. [XTMP-TYP-002] [XTMP-TYP-003] [XTMP-TYP-004]
  #exerciseLater() {
    this.deadlines.set('exercise', TIMER.T_EXERCISE * (1 + Math.random()), () => {
      const type = 0x80 + Math.floor(Math.random() * 0x70);
      if (!this.#connection.wire.blocked) this.send(type, 0, random(Math.floor(Math.random() * (LIMIT.exercise_payload + 1))));
      if (!this.over) this.#exerciseLater();
    });
  }

  // --- Ending ---

  // drain ends the session in an orderly way, T_CLOSE at most from now. [XTMP-DSC-017]
  drain() {
    if (this.over || this.draining) return;
    this.draining = true;
    this.deadlines.set('drain', TIMER.T_CLOSE, () => this.disconnect(0));
    this.flush();
  }

  // disconnect says Disconnect, after the Ack that is due. [XTMP-DSC-002] [XTMP-DSC-003] [XTMP-DSC-018]
  disconnect(reason) {
    if (this.over) return;
    const frames = this.#open.size > 0 ? [this.#sealed(TYPE.ACK, 0, this.#ackBody())] : [];
    frames.push(this.#sealed(TYPE.DISCONNECT, 0, encodeDisconnect(reason, this.#nextMid - 1n, this.#mids.base - 1n)));
    this.#connection.lastWrite(Buffer.concat(frames), 0, reason === 0 ? 'an ordinary end' : errorName(reason));
  }

  #violated(violation, h) {
    const why = `violation ${errorName(violation.code)}: ${violation.message}`;
    if (h.type === TYPE.ERROR) this.#connection.fail(why); // [XTMP-ERR-031]
    else this.endByError(violation.code, SCOPE.SESSION, h.seq, 0, why);
  }

  // endByError sends an Error of scope 1 or 2 as the last frame; what waits in the
  // queue is dropped. [XTMP-ERR-013] [XTMP-ERR-027] [XTMP-ERR-030]
  endByError(code, scope, refSeq = NO_SEQ, refusedLength = 0, why = errorName(code)) {
    if (this.over) return;
    this.#connection.lastWrite(this.#sealed(TYPE.ERROR, 0, encodeError({ code, scope, refSeq })), refusedLength, why);
  }

  // lost erases the session. [XTMP-MSG-046] [XTMP-KEY-004]
  lost(why) {
    this.#slots.seal.erase();
    this.#slots.open.erase();
    this.ended?.(why);
  }
}
