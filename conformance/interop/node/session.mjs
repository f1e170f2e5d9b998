// An established session, at either end: checks, prologue, mids, Acks, fragments,
// Heartbeat, Disconnect, Error, violations, what is to be sent, and timers.
// ServerSession and ClientSession add what their role has. Chapters 7 to 9.

import { ERROR, FLAG, HEARTBEAT, LIMIT, NO_SEQ, SCOPE, TIMER, TYPE, errorName, isExtension } from './codes.mjs';
import { SessionClock } from './clock.mjs';
import {
  CheckFailed, Malformed, Violation, checkMagic, checkTypeAndFlags, checkVersion, readPrologue, writePrologue,
} from './frame.mjs';
import { Assembly, Refusal } from './fragments.mjs';
import { decodeAck, decodeDisconnect, decodeError, encodeAck, encodeDisconnect, encodeError } from './messages.mjs';
import { Outbox, flagsOf } from './outbox.mjs';
import { random } from './primitives.mjs';

const BATCH = 65_536; // bytes handed to the transport in one write
const TURN = 1_048_576; // bytes sealed before others get their turn

export const protocolViolation = (what) => new Violation(ERROR.PROTOCOL_VIOLATION, what);
export const unexpectedMessage = (what) => new Violation(ERROR.UNEXPECTED_MESSAGE, what);

// Mids is the set of complete mids of the peer. [8.3]
export class Mids {
  #complete = new Set();

  constructor(base = 1n) {
    this.base = base; // the lowest mid that is not complete
  }

  // isNew says whether the message is not complete yet. [XTMP-MSG-017] [XTMP-MSG-018]
  isNew(mid) {
    if (mid >= this.base + LIMIT.mid_window) throw protocolViolation(`mid ${mid} beyond the window from ${this.base}`);
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
  outbox = new Outbox();
  #connection;
  #slots;
  #clock;
  #anchor;
  #idleMs;
  #mids;
  #open = new Set(); // sequence numbers of frames that await an Ack or their reply
  #lastReceived = 0n;
  #ackDue = false;
  #heartbeats = new Map(); // kind, of a PING with its data → { kind, data }, not yet handed over [XTMP-HBT-013]
  #notices = []; // unsolicited Errors of scope 0: { code, refSeq }
  #nextMid = 1n;
  #unacked = new Map(); // mid → { first, last }, sequence numbers; last is null while fragments are left
  #highestAck = -1n;
  #batch = []; // frames that are sealed and not handed over
  #batchBytes = 0;
  #flushing = false;
  #turn = null; // when flushing goes on

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
    const late = () => connection.fail('T_REASSEMBLY');
    this.assembly = new Assembly({ deadlines: connection.deadlines, late, memory: (n) => connection.memory?.(n) });
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

  get suite() {
    return this.#slots.seal.suite;
  }

  // rekeyOptions are what a rekey needs of a session.
  get rekeyOptions() {
    const { root, binder } = this.#slots;
    return { root, binder, slots: this.#slots, deadlines: this.deadlines, end: (code) => this.endByError(code, SCOPE.SESSION) };
  }

  // --- Receiving ---

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (h.length <= this.payloadLimit) return;
    // An Error is not answered by an Error, be it only one that claims to be. [XTMP-ERR-003] [XTMP-ORD-030]
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
      // Repeated: acknowledged, and nothing else. [XTMP-MSG-019] [XTMP-MSG-020] [XTMP-MSG-052]
      if (!this.#mids.isNew(m.mid)) return;
      if ((m.flags & FLAG.FRAGMENT) === 0) this.#mids.complete(m.mid);
    }
    if (!isExtension(m.type)) this.dispatch(m);
    else if (m.mid !== undefined) this.completed(m); // and nothing else [XTMP-TYP-009] [XTMP-TYP-011] [XTMP-TYP-012]
  }

  // completed: nothing more of the message is waited for.
  completed(m) {
    if (m.mid !== undefined) this.#mids.complete(m.mid);
    this.assembly.drop(m);
  }

  // receive takes a frame of a message that may come in fragments. It returns the
  // message when it is complete, and null before. What is refused is complete too:
  // refused(m, code, why) is told of it. [XTMP-MSG-069]
  receive(m, limits, refused) {
    try {
      const whole = this.assembly.receive(m, { ...limits, tooMany: () => protocolViolation('a fifth incomplete message') });
      if (whole !== null) this.completed(whole);
      return whole;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const seqs = [...this.assembly.seqsOf(m), m.seq];
      this.completed(m);
      refused({ ...m, seqs }, error.code, error.message);
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

  // anchorAt takes a stamp as the peer's time now. [XTMP-TIM-015] [XTMP-TIM-016]
  anchorAt(stamp) {
    this.#anchor = new SessionClock(stamp);
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
    for (const [mid, { first, last }] of this.#unacked) {
      if (first > largest) break;
      if (last !== null && last <= largest) this.#unacked.delete(mid);
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
    this.flush();
  }

  // sendHeartbeat: a newer answer takes the place of one that waits. [XTMP-HBT-012]
  sendHeartbeat(kind, data) {
    this.#heartbeats.set(kind === HEARTBEAT.PING ? `PING ${data.toString('hex')}` : kind, { kind, data });
    this.flush();
  }

  // notify sends an unsolicited Error of scope 0. [XTMP-ERR-008]
  notify(code, refSeq) {
    this.#notices.push({ code, refSeq });
    this.flush();
  }

  // post sends a message when its turn comes; outbox.mjs says what it is made of.
  post(message) {
    this.outbox.push(message);
    this.flush();
  }

  // flush hands over what waits, as far as the transport and the window of mids
  // allow it, and so much at a time that reading goes on meanwhile. [XTMP-MSG-015]
  // [XTMP-MSG-028]
  flush() {
    if (this.#flushing || this.over) return;
    this.#flushing = true;
    let left = TURN;
    while (left > 0 && !this.over && !this.#connection.wire.blocked) {
      const bytes = this.#sendNext();
      if (bytes === 0) break;
      left -= bytes;
      if (this.#batchBytes >= BATCH) this.#handOver();
    }
    this.#handOver();
    this.#flushing = false;
    if (left <= 0 && !this.over) this.#later();
    const idle = this.outbox.length === 0 && this.#unacked.size === 0 && this.quiet;
    if (this.draining && idle && !this.over) this.disconnect(0);
  }

  #later() {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.flush();
    });
  }

  // #sendNext seals the next frame and returns its size, or 0 when nothing is to be
  // sent. Whatever is no message goes between the fragments of one. [XTMP-MSG-059]
  #sendNext() {
    const numbers = this.#midAllowed;
    if (this.outbox.urgent(numbers)) return this.#sendMessage(numbers);
    if (this.#ackDue) return this.send(TYPE.ACK, 0, this.#ackBody());
    if (this.#heartbeats.size > 0) {
      const [[key, { kind, data }]] = this.#heartbeats;
      this.#heartbeats.delete(key);
      this.heartbeatSent?.(kind);
      return this.send(TYPE.HEARTBEAT, 0, Buffer.concat([Buffer.from([kind]), data]));
    }
    if (this.#notices.length > 0) {
      const notice = this.#notices.shift();
      this.noticeSent?.(notice.code);
      return this.send(TYPE.ERROR, 0, encodeError({ scope: SCOPE.MESSAGE, ...notice }));
    }
    if (this.outbox.ready(numbers)) return this.#sendMessage(numbers);
    return this.sendOther();
  }

  // sendOther may be overridden; it returns the size of a frame that it has sent, or 0.
  sendOther() {
    return 0;
  }

  get #midAllowed() {
    const [oldest = this.#nextMid] = this.#unacked.keys();
    return this.#nextMid < oldest + LIMIT.mid_window; // [XTMP-MSG-013]
  }

  // #sendMessage sends a frame of the outbox. A reliable message gets its number with
  // its first frame, of which numbered(mid) is told; answers are the sequence numbers
  // of the request that a reply closes. [XTMP-MSG-011] [XTMP-MSG-012] [XTMP-FRG-001]
  #sendMessage(numbers) {
    const { message: m, body, fields, first, last } = this.outbox.next(numbers);
    const seq = this.#slots.seal.next;
    if (first && m.reliable) {
      m.mid = this.#nextMid;
      this.#nextMid += 1n;
      this.#unacked.set(m.mid, { first: seq, last: null });
      this.#close(m.answers ?? []);
      m.numbered?.(m.mid);
    }
    const unacked = this.#unacked.get(m.mid);
    if (last && unacked) unacked.last = seq;
    const { mid, replyTo, subId, n, originalLen } = m;
    const prologue = writePrologue({ mid, replyTo, subId, n, originalLen, ...fields });
    const bytes = this.send(m.type, flagsOf(m, fields.count !== undefined), Buffer.concat([prologue, body]));
    this.handed(m, { bytes: body.length, first });
    return bytes;
  }

  // sendPush sends one push in one frame.
  sendPush({ type, body, ...push }) {
    return this.send(type, flagsOf(push, false), Buffer.concat([writePrologue(push), body]));
  }

  // handed tells a subclass that a frame of a message has left the outbox.
  handed() {}

  // peerHas takes a message as acknowledged. [XTMP-MSG-014]
  peerHas(mid) {
    this.#unacked.delete(mid);
  }

  // send seals a frame, which is handed to the transport at once or at the end of a
  // flush, and returns its size.
  send(type, flags, plaintext) {
    if (this.over) return 0;
    const frame = this.#sealed(type, flags, plaintext);
    this.#batch.push(frame);
    this.#batchBytes += frame.length;
    if (!this.#flushing) this.#handOver();
    this.sent?.();
    if (this.#slots.seal.blocks >= LIMIT.blocks_rekey) this.keyWearsOut(); // [XTMP-RKY-011] [XTMP-RKY-014]
    if (this.#slots.seal.exhausted) this.endByError(ERROR.KEY_LIMIT, SCOPE.SESSION); // [XTMP-NON-019]
    return frame.length;
  }

  #handOver() {
    if (this.#batch.length === 0) return;
    const frames = this.#batch;
    [this.#batch, this.#batchBytes] = [[], 0];
    this.#connection.wire.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
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

  // #close takes frames as answered.
  #close(seqs) {
    const before = this.#open.size;
    for (const seq of seqs) this.#open.delete(seq);
    if (before > 0 && this.#open.size === 0) this.#nothingOpen();
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
    this.#handOver(); // what is sealed precedes it
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
    this.#handOver();
    this.#connection.lastWrite(this.#sealed(TYPE.ERROR, 0, encodeError({ code, scope, refSeq })), refusedLength, why);
  }

  // lost erases the session. [XTMP-MSG-046] [XTMP-KEY-004]
  lost(why) {
    clearImmediate(this.#turn);
    this.#batch = [];
    this.#slots.seal.erase();
    this.#slots.open.erase();
    this.rekey.erase();
    this.assembly.erase();
    this.ended?.(why);
  }
}
