// A Path is what a session has of its own on one connection or one pair of addresses:
// keys, numbers, Acks, silence, and what waits to be sent there. StreamPath is that of
// TCP; datagram-path.mjs has that of UDP. Chapters 7 to 9 and 13.

import { ERROR, HEARTBEAT, LIMIT, NO_SEQ, SCOPE, TIMER, TYPE } from './codes.mjs';
import { nowMs, time } from './clock.mjs';
import { CheckFailed, checkMagic, checkTypeAndFlags, checkVersion, protocolViolation, writePrologue } from './frame.mjs';
import { decodeAck, encodeAck, encodeError } from './messages.mjs';
import { Outbox, flagsOf, partOf } from './outbox.mjs';
import { random } from './primitives.mjs';

const BATCH = 65_536; // bytes handed to the transport in one write
const TURN = 1_048_576; // bytes sealed before others get their turn

export class Path {
  over = false; // nothing more is sent or taken
  suspect = false;
  mute = false; // it has no keys to seal under
  heardOnce; // a frame has opened on it, or it is p0
  standby;
  heardAt = nowMs();
  outbox = new Outbox();
  flushing = false;
  #heartbeats = new Map(); // kind, of a PING with its data → { kind, data }, not yet handed over [XTMP-HBT-013] [XTMP-UDP-118]
  #notices = []; // unsolicited Errors of scope 0: { code, refSeq }
  #again = []; // parts of messages to be sent again: { message, cut, index }
  #turn = null; // when flushing goes on
  #probedAt = -Infinity; // when a PING was sent for the reason that the path is suspect

  // slots are { seal, open, binder }; attached says that it is not the path of the handshake.
  constructor({ session, slots, anchor, deadlines, attached = false, standby = false }) {
    Object.assign(this, { session, anchor, deadlines, standby, ...slots, heardOnce: !attached, attached });
    session.add(this);
  }

  get live() {
    return !this.over && this.heardOnce && !this.suspect;
  }

  // sendable: a server sends nothing on an attached path before it has heard something
  // there. [XTMP-ATT-038]
  get sendable() {
    return !this.over && (this.heardOnce || this.session.client);
  }

  // --- Receiving ---

  // heard: a frame has passed check 11. [XTMP-HBT-015] [XTMP-HBT-016] [XTMP-PTH-039]
  heard() {
    const first = !this.heardOnce;
    this.heardOnce = true;
    this.heardAt = nowMs();
    this.watch();
    this.deadlines.clear('answer');
    if (this.suspect) {
      this.suspect = false;
      this.deadlines.clear('pathless');
      this.session.revived(this);
    }
    if (first) {
      this.deadlines.clear('first frame');
      this.session.firstFrame(this);
    }
    this.session.heard(this);
  }

  // watch begins the times of silence anew.
  watch() {
    this.deadlines.set('idle', this.session.params.idleTimeoutMs, () => this.fail('silence for T_IDLE'));
    this.deadlines.set('silent', LIMIT.heartbeats_missed * this.session.heartbeatMs, () => {
      this.suspected('silence');
      this.session.silent(this);
    });
  }

  // suspected: the peer was not heard for too long. With a message unacknowledged PINGs
  // find out when it is back. [9.2] [XTMP-HBT-024] [XTMP-HBT-025]
  suspected(why) {
    if (this.over || this.suspect) return;
    this.suspect = true;
    this.session.suspects(this, why);
    this.pathless();
  }

  pathless() {
    if (this.over || !this.suspect || this.deadlines.has('pathless')) return;
    if (!this.datagram && !this.session.attachable) return; // TCP delivers, or ends
    const wait = Math.max(0, this.#probedAt + TIMER.T_PATHLESS_PROBE - nowMs());
    this.deadlines.set('pathless', wait, () => {
      if (!this.suspect) return;
      if (this.session.unsettled) {
        this.#probedAt = nowMs();
        this.ping();
      }
      this.deadlines.set('pathless', TIMER.T_PATHLESS_PROBE, () => this.pathless());
    });
  }

  // --- Sending ---

  post(message) {
    this.outbox.push(message);
    this.flush();
  }

  // sendHeartbeat: a newer answer takes the place of one that waits. [XTMP-HBT-012]
  sendHeartbeat(kind, data, to) {
    this.#heartbeats.set(kind === HEARTBEAT.PING ? `PING ${data.toString('hex')}` : kind, { kind, data, to });
    this.flush();
  }

  pingData() {
    return random(8);
  }

  ping(data = Buffer.alloc(0)) {
    this.sendHeartbeat(HEARTBEAT.PING, data);
  }

  // notify sends an unsolicited Error of scope 0. [XTMP-ERR-008]
  notify(code, refSeq) {
    this.#notices.push({ code, refSeq });
    this.flush();
  }

  // ackedOf are the fragments of a cut that were acknowledged on this path, and isThere
  // says whether a part need not be sent on it any more: of an older cut nothing is.
  // [XTMP-ACK-032] [XTMP-PTH-061]
  ackedOf(cut) {
    if (!cut.acks.has(this)) cut.acks.set(this, new Set());
    return cut.acks.get(this);
  }

  isThere({ message, cut, index, repeated }) {
    if (repeated) return false;
    return message.acked || !message.body || cut !== (message.cut ?? null) || (cut !== null && this.ackedOf(cut).has(index));
  }

  // sendAgain queues one part of a message.
  sendAgain(part) {
    this.#again.push(part);
  }

  // resend queues all of a message that was sent elsewhere, the fragments that were
  // acknowledged included. [XTMP-PTH-033] [XTMP-PTH-034]
  resend(message) {
    if (message.acked || this.refuses(message) || this.#again.some((part) => part.message === message)) return;
    const cut = this.cutOf(message);
    for (let index = 0; index < (cut?.count ?? 1); index++) this.#again.push({ message, cut, index });
  }

  // repeat sends a message that is acknowledged once more. [XTMP-PTH-022]
  repeat(message) {
    const cut = this.cutOf(message);
    for (let index = 0; index < (cut?.count ?? 1); index++) this.#again.push({ message, cut, index, repeated: true });
    this.flush();
  }

  // cutOf says how a message goes on this path: in the cut that it has, if its
  // fragments are not too large, else whole or in a cut of its own. [XTMP-PTH-035] [XTMP-FRG-002] [XTMP-FRG-003]
  cutOf(message) {
    const { whole, part } = this.sizes(message);
    const { length } = message.body;
    if (message.cut && message.cut.size <= part) return message.cut;
    if (!message.cut && length <= (message.fragment ?? whole)) return null;
    const size = Math.min(part, message.fragment ?? part);
    message.cut = { fragId: this.session.nextFragId(), size, count: Math.ceil(length / size), acks: new Map() };
    return message.cut;
  }

  get waits() {
    return this.outbox.length > 0 || this.#again.length > 0;
  }

  // flush hands over what waits, as far as the transport and the window of mids
  // allow it, and so much at a time that reading goes on meanwhile. [XTMP-MSG-015]
  // [XTMP-MSG-028]
  flush() {
    if (this.flushing || !this.sendable || this.session.over) return;
    this.flushing = true;
    let left = TURN;
    while (left > 0 && !this.over && !this.mute && !this.blocked) {
      const bytes = this.#sendNext();
      if (bytes === 0) break;
      left -= bytes;
    }
    this.handOver();
    this.flushing = false;
    if (left <= 0 && !this.over) this.#later();
    this.session.settled();
  }

  #later() {
    this.#turn ??= time.setImmediate(() => {
      this.#turn = null;
      this.flush();
    });
  }

  // #sendNext seals the next frame and returns its size, or 0 when nothing is to be
  // sent. Whatever is no message goes between the fragments of one. [XTMP-MSG-059]
  #sendNext() {
    const numbers = this.session.midAllowed;
    while (this.#again.length > 0 && this.isThere(this.#again[0])) this.#again.shift();
    const other = this.session.hasOther(this);
    const any = this.#again.length > 0 || this.outbox.ready(numbers) || other;
    const room = any && this.room(this.#again[0]?.message ?? this.outbox.peek(numbers));
    if (room && this.#again[0]?.message.priority) return this.#sendPart(this.#again.shift());
    if (room && this.outbox.urgent(numbers)) return this.#sendNew(numbers);
    const bytes = this.#sendControl();
    if (bytes > 0) return bytes;
    if (!any) this.nothing();
    if (!room) return 0;
    if (this.#again.length > 0) return this.#sendPart(this.#again.shift());
    if (this.outbox.ready(numbers)) return this.#sendNew(numbers);
    return this.session.sendOther(this);
  }

  // #sendControl sends an Ack that is due, a Heartbeat or a notice. They wait for nothing
  // but the limit of an address that is not validated.
  #sendControl() {
    if (this.ackDue && this.fits(this.ackSize)) return this.send(TYPE.ACK, 0, this.ackBody());
    const [[key, heartbeat] = []] = this.#heartbeats;
    if (heartbeat && this.fits(1 + heartbeat.data.length)) {
      const { kind, data, to } = heartbeat;
      this.#heartbeats.delete(key);
      this.session.heartbeatSent?.(kind, this);
      return this.send(TYPE.HEARTBEAT, 0, Buffer.concat([Buffer.from([kind]), data]), null, to);
    }
    if (this.#notices.length === 0 || !this.fits(16)) return 0;
    const notice = this.#notices.shift();
    this.session.noticeSent?.(notice.code);
    return this.send(TYPE.ERROR, 0, encodeError({ scope: SCOPE.MESSAGE, ...notice }));
  }

  #sendNew(numbers) {
    return this.#sendPart(this.outbox.next(numbers, (message) => this.cutOf(message)));
  }

  // #sendPart sends a frame of a message. A reliable one gets its number with its first
  // frame. [XTMP-MSG-011] [XTMP-MSG-012] [XTMP-FRG-001]
  #sendPart(part) {
    const { message: m, cut, index, first = false } = part;
    if (m.reliable && m.mid === undefined) this.session.number(m);
    if (index === 0) m.sentOn = (m.sentOn ?? new Map()).set(this, nowMs());
    m.on = this; // last
    if (cut === null || index === cut.count - 1) (m.carriedBy ??= new Set()).add(this); // where parts go in order, all of it
    const { body, fields } = partOf(part);
    const { mid, replyTo, subId, n, originalLen } = m;
    const prologue = writePrologue({ mid, replyTo, subId, n, originalLen, ...fields });
    const flags = flagsOf(m, fields.count !== undefined);
    const bytes = this.send(m.type, flags, Buffer.concat([prologue, body]), m.reliable ? part : null);
    this.session.handed(m, { bytes: body.length, first, path: this });
    return bytes;
  }

  // sendNow sends a part of a message past everything that holds it back, a limit of the
  // address excepted.
  sendNow(part) {
    if (this.fits(part.message.body.length)) this.#sendPart(part);
  }

  // sendPush sends one push in one frame.
  sendPush({ type, body, ...push }) {
    return this.send(type, flagsOf(push, false), Buffer.concat([writePrologue(push), body]));
  }

  // sealed is a frame of the session on this path. [XTMP-HDR-020]
  sealed(type, flags, plaintext) {
    return this.seal.seal({ type, flags, sessionId: this.session.id, stamp: this.session.now }, plaintext);
  }

  // send seals a frame, hands it over, and returns its size; carried is the part of a
  // reliable message that it carries.
  send(type, flags, plaintext, carried = null, to = undefined) {
    if (this.over) return 0;
    const frame = this.sealed(type, flags, plaintext);
    this.transmit(frame, { type, flags, carried, to });
    this.session.sent?.(this);
    if (this.seal.blocks >= LIMIT.blocks_rekey) this.session.keyWearsOut(); // [XTMP-RKY-011] [XTMP-RKY-014]
    if (this.seal.exhausted) this.session.endByError(ERROR.KEY_LIMIT, SCOPE.SESSION, { path: this }); // [XTMP-NON-019]
    return frame.length;
  }

  // --- Ending ---

  // fail ends the path silently. [XTMP-PTH-011]
  fail(why) {
    if (this.over) return;
    this.shut(why);
    this.session.pathEnded(this, why);
  }

  // forget is what every end of a path does.
  forget() {
    this.over = true;
    this.deadlines.stop();
    time.clearImmediate(this.#turn);
    this.open.erase();
  }
}

// A StreamPath is a stage of a Connection.
export class StreamPath extends Path {
  datagram = false;
  stream = true;
  messageLimit = Infinity;
  ackDue = false;
  ackSize = 16;
  #connection;
  #open = new Set(); // sequence numbers of frames that await an Ack or their reply
  #lastReceived = 0n;
  #sent = []; // reliable frames that are not acknowledged: { seq, carried }
  #highestAck = -1n;
  #batch = []; // frames that are sealed and not handed over
  #batchBytes = 0;

  constructor({ connection, ...options }) {
    super({ ...options, deadlines: connection.deadlines });
    this.#connection = connection;
  }

  get transport() {
    return this.#connection;
  }

  // --- Receiving ---

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (h.length <= this.session.payloadLimit) return;
    // An Error is not answered by an Error, be it only one that claims to be. [XTMP-ERR-003] [XTMP-ORD-030]
    if (h.type !== TYPE.ERROR) this.refuse(h.length); // [XTMP-ORD-011]
    throw new CheckFailed('check 4: payload_length');
  }

  // refuse answers an over-long frame, which ends the path alone.
  refuse(length) {
    this.finish(TYPE.ERROR, encodeError({ code: ERROR.PAYLOAD_TOO_LARGE, scope: SCOPE.PATH, refSeq: NO_SEQ }), 'PAYLOAD_TOO_LARGE', length);
  }

  take(h, frame) {
    if (!this.heardOnce && this.attachAgain?.(h, frame)) return;
    const plaintext = this.open.open(h, frame, this.session.id, this.anchor);
    this.#lastReceived = h.seq;
    this.heard();
    this.#watchSuspect(true);
    this.session.take(this, h, plaintext);
  }

  // acked takes the body of an Ack. [XTMP-ACK-004] [XTMP-ACK-007]
  acked(body) {
    const largest = decodeAck(body);
    if (largest >= this.seal.next) throw protocolViolation('Ack of a frame that was not sent');
    if (largest <= this.#highestAck) return;
    this.#highestAck = largest;
    let n = 0;
    while (n < this.#sent.length && this.#sent[n].seq <= largest) this.session.acknowledge(this.#sent[n++].carried, this);
    this.#sent.splice(0, n);
    if (!this.#awaits()) this.deadlines.clear('suspect');
    this.session.flush();
  }

  // endOfBatch: an Ack when many frames are open, and the clock of a frame that
  // has begun. [XTMP-ACK-011] [XTMP-ORD-004]
  endOfBatch({ held, begun }) {
    if (this.#open.size >= LIMIT.ack_after_frames) this.#ack();
    if (held === 0) this.deadlines.clear('frame');
    else if (begun) this.deadlines.set('frame', TIMER.T_FRAME, () => this.fail('check 1: T_FRAME'));
  }

  // reassembling runs T_REASSEMBLY. [XTMP-FRG-019]
  reassembling(key) {
    this.deadlines.set(`reassembly ${key}`, TIMER.T_REASSEMBLY, () => this.fail('T_REASSEMBLY'));
  }

  // --- Sending ---

  get blocked() {
    return this.#connection.wire.blocked;
  }

  room() {
    return true;
  }

  fits() {
    return true;
  }

  nothing() {}

  // refuses says that the connection has the message already, or is about to have the
  // rest of it. [XTMP-MSG-012] [13.6]
  refuses(message) {
    return (message.carriedBy?.has(this) ?? false) || this.outbox.hasBegun(message);
  }

  // [XTMP-FRG-007]
  sizes() {
    return { whole: LIMIT.fragment_body_tcp, part: LIMIT.fragment_body_tcp };
  }

  writable() {
    this.flush();
    this.#watchSuspect(false);
  }

  transmit(frame, { carried }) {
    if (carried) this.#sent.push({ seq: this.seal.last, carried });
    this.#batch.push(frame);
    this.#batchBytes += frame.length;
    if (!this.flushing || this.#batchBytes >= BATCH) this.handOver();
  }

  handOver() {
    if (this.#batch.length === 0) return;
    const frames = this.#batch;
    [this.#batch, this.#batchBytes] = [[], 0];
    this.#connection.wire.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
    this.#watchSuspect(false);
  }

  // #watchSuspect runs T_SUSPECT while the transport has a message that is not
  // acknowledged; anew says that a frame was received.
  #watchSuspect(anew) {
    if (!this.#awaits() || this.blocked || (!anew && this.deadlines.has('suspect'))) return;
    this.deadlines.set('suspect', TIMER.T_SUSPECT, () => this.#awaits() && this.suspected('T_SUSPECT'));
  }

  // #awaits says that a message is unacknowledged; a reply may have answered it.
  #awaits() {
    let n = 0;
    while (this.#sent[n]?.carried.message.acked) n += 1;
    if (n > 0) this.#sent.splice(0, n);
    return this.#sent.length > 0;
  }

  // expectAck takes a frame as open. [XTMP-ACK-010]
  expectAck(seq) {
    this.#open.add(seq);
    if (!this.deadlines.has('ack')) this.deadlines.set('ack', TIMER.T_ACK / 5, () => this.#ack()); // early, to be in time
  }

  #ack() {
    this.ackDue = this.#open.size > 0; // [XTMP-ACK-012]
    this.flush();
  }

  ackBody() {
    this.#open.clear();
    this.#nothingOpen();
    return encodeAck(this.#lastReceived); // [XTMP-ACK-001]
  }

  isOpen(seq) {
    return this.#open.has(seq);
  }

  // answered takes a frame as answered.
  answered(seq) {
    if (this.#open.delete(seq) && this.#open.size === 0) this.#nothingOpen();
  }

  #nothingOpen() {
    this.ackDue = false;
    this.deadlines.clear('ack');
  }

  // --- Ending ---

  // disconnect says Disconnect, after the Ack that is due. [XTMP-DSC-004] [XTMP-DSC-018]
  disconnect(body, why) {
    if (this.over || this.mute) return this.shut(why);
    const ack = this.#open.size > 0 ? [this.sealed(TYPE.ACK, 0, this.ackBody())] : [];
    this.#last([...ack, this.sealed(TYPE.DISCONNECT, 0, body)], why);
  }

  // finish sends the last frame. What is sealed precedes it; what waits is dropped.
  // [XTMP-ERR-013]
  finish(type, plaintext, why, refusedLength = 0) {
    if (this.over || this.mute) return this.shut(why);
    this.#last([this.sealed(type, 0, plaintext)], why, refusedLength);
  }

  #last(frames, why, refusedLength) {
    this.handOver();
    this.#connection.lastWrite(Buffer.concat(frames), refusedLength, why);
  }

  shut(why) {
    this.#connection.fail(why);
  }

  // gone and lost are what the connection says: that it is closed, and that it ends,
  // whoever ended it.
  gone() {
    this.session.gone();
  }

  lost(why) {
    this.#batch = [];
    this.forget();
    this.seal.erase();
    this.session.pathEnded(this, why);
  }
}
