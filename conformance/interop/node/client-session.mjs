// What a client adds to a session: HandshakeDone, calls and their replies, pushes,
// rekey, pings, and the two reasons for which a client sends a PING on its own.

import { BIT, ERROR, HEARTBEAT, HS, LIMIT, TIMER, TYPE, isRequestType } from './codes.mjs';
import { deflated, inflate } from './compression.mjs';
import { CheckFailed, Malformed } from './frame.mjs';
import { decodeError, splitEnvelope } from './messages.mjs';
import { Queue } from './outbox.mjs';
import { random } from './primitives.mjs';
import { ClientRekey } from './rekey.mjs';
import { Session, protocolViolation, unexpectedMessage } from './session.mjs';

const HANDSHAKE_DONE_BYTES = 56;
const LONGEST_BODY = LIMIT.message_to_server_before_wallet;

export class ClientSession extends Session {
  payloadLimit = LIMIT.frame_payload; // [XTMP-LIM-003]
  #handshakeId;
  #done = false; // HandshakeDone is there
  #calls = new Map(); // mid → call without a whole reply
  #subscriptions = new Map(); // sub_id → what takes its pushes
  #inflates;
  #waiting = new Queue(); // calls that the limits of 8.6 hold back
  #unanswered = 0;
  #unansweredBytes = 0;
  #pings = new Map(); // data in hex → { resolve, reject }
  #heartbeatMs;
  #probeMs = TIMER.T_PROBE;
  #probe = null; // data of the PING that T_PROBE sent

  constructor(options) {
    super(options);
    this.#handshakeId = options.handshakeId;
    this.#inflates = options.inflates ?? false;
    this.rekey = new ClientRekey({ ...this.rekeyOptions, session: this, rotateMs: 1000 * this.params.keyRotationS });
    this.#heartbeatMs = Math.min(options.heartbeatMs ?? TIMER.T_HEARTBEAT, this.params.idleTimeoutMs / 3); // [XTMP-HBT-019]
  }

  // ping resolves to the round trip in milliseconds.
  ping() {
    const data = random(8);
    const started = performance.now();
    return new Promise((resolve, reject) => {
      if (this.over) return reject(new Error('the session is over'));
      this.#pings.set(data.toString('hex'), { resolve: () => resolve(performance.now() - started), reject });
      this.sendHeartbeat(HEARTBEAT.PING, data);
    });
  }

  start() {
    super.start();
    this.rekey.rotate();
  }

  keyWearsOut() {
    this.rekey.request();
  }

  // call sends a request and resolves to { type, body }, or { error } when the reply
  // is an Error. It rejects when the result is unknown. Options: priority; compress;
  // fragment, a size to cut the body into; replied(body), called as the reply comes.
  // [XTMP-MSG-047] [XTMP-MSG-048]
  call(type, body, { priority, compress, fragment, replied } = {}) {
    return new Promise((resolve, reject) => {
      if (this.over || this.draining) return reject(new Error('the session is over')); // [XTMP-DSC-016]
      if (body.length > LONGEST_BODY) return reject(new RangeError(`a body of more than ${LONGEST_BODY} bytes`)); // [XTMP-LIM-004]
      const call = { type, size: body.length, replied, resolve, reject };
      call.message = { type, ...this.#deflated(body, compress), priority, fragment, reliable: true, numbered: (mid) => this.#calls.set(mid, call) };
      call.timer = setTimeout(() => reject(new Error('unknown: no reply within T_REPLY')), TIMER.T_REPLY + 1);
      this.#waiting.push(call);
      this.#release();
    });
  }

  // tell sends a message without REQUIRES_ACK; of it nobody hears again.
  tell(type, body, { priority, compress, fragment } = {}) {
    if (this.over || this.draining) throw new Error('the session is over');
    if (body.length > LONGEST_BODY) throw new RangeError(`a body of more than ${LONGEST_BODY} bytes`);
    this.post({ type, ...this.#deflated(body, compress), priority, fragment });
  }

  // [XTMP-CMP-001]
  #deflated(body, compress) {
    return deflated(body, compress && (this.params.policy & BIT.SERVER_INFLATES) !== 0);
  }

  // subscribe names what takes the pushes of a subscription.
  subscribe(subId, take) {
    this.#subscriptions.set(subId, take);
  }

  // #release lets calls go as far as the limits allow. [XTMP-MSG-022] [XTMP-MSG-023]
  #release() {
    const room = () => this.#unanswered < this.params.maxInflight && this.#unansweredBytes <= LIMIT.inflight_bytes - LONGEST_BODY;
    while (this.#waiting.length > 0 && room()) {
      const call = this.#waiting.shift();
      this.#unanswered += 1;
      this.#unansweredBytes += call.size;
      this.outbox.push(call.message);
    }
    this.flush();
    this.#watch();
  }

  // #watch runs T_PROBE while a request is unanswered. [XTMP-HBT-020] [XTMP-HBT-021]
  #watch() {
    if ((this.#unanswered === 0 && !this.rekey.awaiting) || this.over) {
      this.deadlines.clear('probe');
      this.#probeMs = TIMER.T_PROBE;
      return;
    }
    this.deadlines.set('probe', this.#probeMs, () => {
      this.#probe = random(8);
      this.sendHeartbeat(HEARTBEAT.PING, this.#probe);
      this.#watch();
    });
  }

  heard() {
    this.#watch();
  }

  // sent restarts the heartbeat period. [XTMP-HBT-014] [XTMP-HBT-018]
  sent() {
    this.deadlines.set('heartbeat', this.#heartbeatMs, () => this.sendHeartbeat(HEARTBEAT.PING, Buffer.alloc(0)));
  }

  pong(data) {
    if (this.#probe?.equals(data)) {
      this.#probe = null;
      this.#probeMs = Math.min(2 * this.#probeMs, TIMER.T_PROBE_MAX);
      this.#watch();
    }
    const key = data.toString('hex');
    this.#pings.get(key)?.resolve(); // one that nobody asked for is ignored [XTMP-HBT-009]
    this.#pings.delete(key);
  }

  rekeyRequest() {
    this.rekey.request(); // [XTMP-RKY-012] [XTMP-HBT-027]
  }

  // judgeRole ends with what only the first frame is judged by. [XTMP-HSK-059] [XTMP-HSK-063]
  judgeRole(m) {
    if (m.type === TYPE.HANDSHAKE) throw protocolViolation('type 0x01 from a server'); // [XTMP-MSG-042]
    if (m.type === TYPE.HANDSHAKE_ACK && m.replyTo !== undefined && !this.rekey.mids.has(m.replyTo)) { // [XTMP-MSG-043]
      throw protocolViolation('type 0x02 as reply to no RekeyInit');
    }
    if (this.#done || (m.type === TYPE.HANDSHAKE_ACK && m.mid === 1n)) return;
    if (m.type === TYPE.ERROR && m.mid === undefined) throw new CheckFailed(firstError(m));
    throw unexpectedMessage('the first frame is not HandshakeDone');
  }

  dispatch(m) {
    if (m.replyTo !== undefined) this.#reply(m);
    else if (m.type === TYPE.HANDSHAKE_ACK) this.#handshakeDone(m);
    else if (isRequestType(m.type)) this.#unasked(m);
    else super.dispatch(m);
  }

  // #unasked is a message of a request type that is no reply. [XTMP-MSG-035] [XTMP-MSG-036] [XTMP-MSG-057]
  #unasked(m) {
    if (m.mid !== undefined) throw protocolViolation('a request from a server');
    if (m.type !== TYPE.PROBE) return; // ignored
    if (m.subId === undefined) throw protocolViolation('neither a reply nor a push');
    this.#push(m);
  }

  // #push hands a push to whoever has subscribed. [XTMP-MSG-066] [XTMP-MSG-067] [XTMP-MSG-075]
  #push(m) {
    const take = this.#subscriptions.get(m.subId);
    if (!take) return;
    const whole = this.receive(m, this.#limits, () => {});
    const body = whole && this.#inflated(whole);
    if (body) take({ n: whole.n, body: Buffer.from(body) });
  }

  get #limits() {
    return { limit: LIMIT.message_to_client, inflates: this.#inflates };
  }

  #inflated({ body, originalLen }) {
    return originalLen === undefined ? body : inflate(body, originalLen);
  }

  #handshakeDone({ mid, body }) {
    const envelope = splitEnvelope(body); // bad: [XTMP-MSG-044]
    if (mid === undefined || envelope.hsType !== HS.HANDSHAKE_DONE) { // [XTMP-MSG-045]
      throw unexpectedMessage(`hs_type ${envelope.hsType} in a session`);
    }
    if (this.#done) throw unexpectedMessage('a second HandshakeDone'); // [XTMP-HSK-061]
    if (!envelope.handshakeId.equals(this.#handshakeId)) throw unexpectedMessage('another handshake_id'); // [XTMP-HSK-060]
    if (envelope.body.length !== HANDSHAKE_DONE_BYTES) throw protocolViolation('HandshakeDone: not 56 bytes'); // [XTMP-ERR-022]
    this.#done = true;
  }

  // #reply takes a frame of a reply, which is matched by reply_to alone and judged
  // by its first frame. [XTMP-MSG-006]
  #reply(m) {
    const { type, mid, replyTo } = m;
    if (replyTo === 0n || replyTo >= this.nextMid) throw protocolViolation(`a reply to ${replyTo}, which was not sent`); // [XTMP-MSG-007]
    if (this.rekey.mids.has(replyTo)) return this.#rekeyReply(m);
    const call = this.#calls.get(replyTo);
    if (!call || (call.replyMid ?? mid) !== mid) return this.completed(m); // a second reply [XTMP-MSG-009]
    if (type !== TYPE.ERROR && type !== call.type) throw protocolViolation('a reply of another type'); // [XTMP-MSG-008]
    if (call.replyMid === undefined) this.#answered(call, mid, replyTo);
    const whole = this.receive(m, this.#limits, ({ seq }, code, why) => this.#refuseReply(call, replyTo, code, seq, why));
    if (whole !== null) this.#replied(call, whole);
  }

  // #answered: the first frame of a reply is there. What is left of the request may
  // be left out. [XTMP-MSG-014] [XTMP-FRG-010]
  #answered(call, mid, replyTo) {
    call.replyMid = mid;
    this.peerHas(replyTo);
    this.outbox.abandon(call.message);
    this.#unanswered -= 1;
    this.#unansweredBytes -= call.size;
  }

  #replied(call, whole) {
    const { type, seq, replyTo } = whole;
    const body = this.#inflated(whole);
    if (body === null) return this.#refuseReply(call, replyTo, ERROR.DECOMPRESS_LIMIT, seq, 'it does not inflate');
    this.#ended(call, replyTo);
    if (type === TYPE.ERROR) this.#errorReply(call, body);
    else this.#bodyReply(call, type, Buffer.from(body)); // whoever stopped waiting gets nothing [XTMP-MSG-049]
    this.#release();
  }

  // [XTMP-MSG-072] [XTMP-MSG-073] [XTMP-MSG-074]
  #refuseReply(call, replyTo, code, seq, why) {
    this.#ended(call, replyTo);
    call.reject(new Error(`unknown: the reply was refused: ${why}`));
    this.notify(code, seq);
    this.#release();
  }

  #ended(call, replyTo) {
    this.#calls.delete(replyTo);
    clearTimeout(call.timer);
  }

  #bodyReply(call, type, body) {
    try {
      call.replied?.(body);
      call.resolve({ type, body });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      call.reject(new Error(`unknown: ${error.message}`));
    }
  }

  // #rekeyReply takes a reply to a RekeyInit. [XTMP-RKY-043]
  #rekeyReply(m) {
    if (!this.rekey.awaiting || m.replyTo !== this.rekey.mid) return this.completed(m); // a second reply [XTMP-MSG-009]
    if (m.type === TYPE.ERROR) throw new CheckFailed('an Error in reply to RekeyInit');
    if (m.type !== TYPE.HANDSHAKE_ACK) throw protocolViolation('a reply of another type'); // [XTMP-MSG-008]
    const whole = this.receiveHandshake(m);
    if (whole === null) return;
    this.rekey.resp(splitEnvelope(whole.body));
    this.anchorAt(whole.stamp); // [XTMP-TIM-016]
    this.peerHas(m.replyTo);
    this.sendHeartbeat(HEARTBEAT.PING, Buffer.alloc(0)); // [XTMP-RKY-020]
  }

  // #errorReply: the scope of an Error that is a reply is ignored, and a malformed
  // one leaves the result unknown. [XTMP-ERR-014] [XTMP-ERR-015] [XTMP-ERR-023]
  #errorReply(call, body) {
    try {
      call.resolve({ error: decodeError(body) });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      call.reject(new Error('unknown: the reply is a malformed Error'));
    }
  }

  get quiet() {
    return this.#calls.size === 0 && this.#unanswered === 0 && !this.rekey.awaiting;
  }

  // ended reports calls without a reply as unknown, and pings as lost.
  ended(why) {
    for (const call of this.#calls.values()) {
      clearTimeout(call.timer);
      call.reject(new Error(`unknown: the session ended: ${why}`));
    }
    while (this.#waiting.length > 0) {
      const call = this.#waiting.shift();
      clearTimeout(call.timer);
      call.reject(new Error(`not sent: the session ended: ${why}`));
    }
    for (const { reject } of this.#pings.values()) reject(new Error(`the session ended: ${why}`));
  }
}

// firstError says what an Error in place of HandshakeDone said; of CLOCK_SKEW its
// stamp is the server's time.
function firstError(m) {
  try {
    const { code, name } = decodeError(m.body);
    const time = code === ERROR.CLOCK_SKEW ? `; the server's time is ${new Date(Number(m.stamp / 1000n)).toISOString()}` : '';
    return `the server ended the session: ${name}${time}`;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return 'the server ended the session by a malformed Error';
  }
}
