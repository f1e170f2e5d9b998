// What a client adds to a session: HandshakeDone, calls and their replies, pings,
// and the two reasons for which a client sends a PING on its own.

import { ERROR, FLAG, HEARTBEAT, HS, LIMIT, SCOPE, TIMER, TYPE, errorName, isRequestType } from './codes.mjs';
import { CheckFailed, Malformed } from './frame.mjs';
import { decodeError, splitEnvelope } from './messages.mjs';
import { random } from './primitives.mjs';
import { Queue, Session, protocolViolation, unexpectedMessage } from './session.mjs';

const HANDSHAKE_DONE_BYTES = 56;
const LONGEST_BODY = LIMIT.message_to_server_before_wallet;

export class ClientSession extends Session {
  payloadLimit = LIMIT.frame_payload; // [XTMP-LIM-003]
  #handshakeId;
  #done = false; // HandshakeDone is there
  #calls = new Map(); // mid → call without a reply
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

  // call sends a request and resolves to { type, body }, or { error } when the reply
  // is an Error. It rejects when the result is unknown. [XTMP-MSG-047] [XTMP-MSG-048]
  call(type, body) {
    return new Promise((resolve, reject) => {
      if (this.over || this.draining) return reject(new Error('the session is over')); // [XTMP-DSC-016]
      if (body.length > LONGEST_BODY) return reject(new RangeError(`a body of more than ${LONGEST_BODY} bytes`)); // [XTMP-LIM-004]
      const call = { type, body, resolve, reject };
      call.timer = setTimeout(() => reject(new Error('unknown: no reply within T_REPLY')), TIMER.T_REPLY + 1);
      this.#waiting.push(call);
      this.#release();
    });
  }

  // #release lets calls go as far as the limits allow. [XTMP-MSG-022] [XTMP-MSG-023]
  #release() {
    const room = () => this.#unanswered < this.params.maxInflight && this.#unansweredBytes <= LIMIT.inflight_bytes - LONGEST_BODY;
    while (this.#waiting.length > 0 && room()) {
      const call = this.#waiting.shift();
      this.#unanswered += 1;
      this.#unansweredBytes += call.body.length;
      this.outbox.push({ type: call.type, body: call.body, numbered: (mid) => this.#calls.set(mid, call) });
    }
    this.flush();
    this.#watch();
  }

  // #watch runs T_PROBE while a request is unanswered. [XTMP-HBT-020] [XTMP-HBT-021]
  #watch() {
    if (this.#unanswered === 0 || this.over) {
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

  rekeyRequest() {} // ignored [XTMP-HBT-011]

  // judgeRole ends with what only the first frame is judged by. [XTMP-HSK-059] [XTMP-HSK-063]
  judgeRole(m) {
    if (m.type === TYPE.HANDSHAKE) throw protocolViolation('type 0x01 from a server'); // [XTMP-MSG-042]
    if (m.type === TYPE.HANDSHAKE_ACK && (m.flags & FLAG.REPLY) !== 0) throw protocolViolation('type 0x02 as reply'); // [XTMP-MSG-043]
    if (this.#done || (m.type === TYPE.HANDSHAKE_ACK && m.mid === 1n)) return;
    if (m.type === TYPE.ERROR && m.mid === undefined) throw new CheckFailed(firstError(m));
    throw unexpectedMessage('the first frame is not HandshakeDone');
  }

  dispatch(m) {
    if (m.type === TYPE.HANDSHAKE_ACK) this.#handshakeDone(m);
    else if (m.replyTo !== undefined) this.#reply(m);
    else if (isRequestType(m.type)) {
      if (m.mid !== undefined) throw protocolViolation('a request from a server'); // [XTMP-MSG-036]; the others are ignored [XTMP-MSG-035]
    } else super.dispatch(m);
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

  // #reply matches by reply_to alone. [XTMP-MSG-006]
  #reply({ type, replyTo, body }) {
    if (replyTo === 0n || replyTo >= this.nextMid) throw protocolViolation(`a reply to ${replyTo}, which was not sent`); // [XTMP-MSG-007]
    const call = this.#calls.get(replyTo);
    if (!call) return; // a second reply [XTMP-MSG-009]
    if (type !== TYPE.ERROR && type !== call.type) throw protocolViolation('a reply of another type'); // [XTMP-MSG-008]
    this.#calls.delete(replyTo);
    this.peerHas(replyTo); // [XTMP-MSG-014]
    clearTimeout(call.timer);
    this.#unanswered -= 1;
    this.#unansweredBytes -= call.body.length;
    if (type === TYPE.ERROR) this.#errorReply(call, body);
    else call.resolve({ type, body: Buffer.from(body) }); // whoever stopped waiting gets nothing [XTMP-MSG-049]
    this.#release();
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
    return this.#unanswered === 0;
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
