// What a client adds to a session: HandshakeDone, calls and their replies, pushes,
// rekey, pings, and the two reasons for which a client sends a PING on its own.

import { BIT, ERROR, HS, LIMIT, TIMER, TYPE, isRequestType } from './codes.mjs';
import { nowMs, time } from './clock.mjs';
import { deflated, inflate } from './compression.mjs';
import { Ended, Malformed, protocolViolation, unexpectedMessage } from './frame.mjs';
import { decodeError, splitEnvelope } from './messages.mjs';
import { Queue } from './outbox.mjs';
import { random } from './primitives.mjs';
import { ClientRekey } from './rekey.mjs';
import { Session } from './session.mjs';
import { Watch } from './watch.mjs';

const HANDSHAKE_DONE_BYTES = 56;
const LONGEST_BODY = LIMIT.message_to_server_before_wallet;

export class ClientSession extends Session {
  client = true;
  payloadLimit = LIMIT.frame_payload; // [XTMP-LIM-003]
  #handshakeId;
  #done = false; // HandshakeDone is there
  #calls = new Map(); // mid → call without a whole reply
  #subscriptions = new Map(); // sub_id → what takes its pushes
  #inflates;
  #waiting = new Queue(); // calls that the limits of 8.6 hold back
  #posted = new Set(); // calls whose request has no number yet
  #unanswered = 0;
  #unansweredBytes = 0;
  #pings = new Map(); // data in hex → { resolve, reject }
  token = null; // the address token of HandshakeDone
  failover = null;
  leftUDP = false; // a UDP path that was current has failed

  constructor({ handshakeId, inflates = false, root, ...options }) {
    super({ ...options, heartbeatMs: Math.min(options.heartbeatMs ?? TIMER.T_HEARTBEAT, options.params.idleTimeoutMs / 3) }); // [XTMP-HBT-019]
    this.#handshakeId = handshakeId;
    this.#inflates = inflates;
    this.rekey = new ClientRekey({ session: this, root, rotateMs: 1000 * this.params.keyRotationS });
  }

  // ping resolves to the round trip in milliseconds.
  ping() {
    const started = nowMs();
    return new Promise((resolve, reject) => {
      if (this.over || !this.current) return reject(new Error('the session is over, or has no path'));
      const data = this.current.pingData();
      this.#pings.set(data.toString('hex'), { resolve: () => resolve(nowMs() - started), reject });
      this.current.ping(data);
    });
  }

  start() {
    super.start();
    this.rekey.rotate();
  }

  add(path) {
    super.add(path);
    path.probe = new Watch(this, path);
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
      if (this.over || this.draining) return reject(Object.assign(new Error('not sent: the session is over'), { notSent: true })); // [XTMP-DSC-016]
      if (body.length > LONGEST_BODY) return reject(new RangeError(`a body of more than ${LONGEST_BODY} bytes`)); // [XTMP-LIM-004]
      const call = { type, size: body.length, replied, resolve, reject };
      call.message = { type, ...this.#deflated(body, compress), priority, fragment, reliable: true, numbered: (mid) => this.#posted.delete(call) && this.#calls.set(mid, call) };
      call.timer = time.setTimeout(() => reject(new Error('unknown: no reply within T_REPLY')), TIMER.T_REPLY + 1);
      this.#waiting.push(call);
      this.#release();
      this.failover?.look(); // [XTMP-PRK-018]
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
      this.#posted.add(call);
      this.post(call.message);
    }
    this.watchAll();
  }

  // --- Paths ---

  // needs says that there are calls to make or to wait for.
  get needs() {
    return this.#calls.size > 0 || this.#posted.size > 0 || this.#waiting.length > 0 || this.unsettled || this.rekey.awaiting;
  }

  suspects(path) {
    if (path === this.current && path.datagram) this.leftUDP = true;
    this.failover?.look();
  }

  firstFrame(path) {
    this.revived(path);
    this.failover?.look();
  }

  pathLost(path) {
    if (path === this.current) Object.assign(this, { current: null, leftUDP: path.datagram });
    this.failover?.look();
    this.rescue();
  }

  // pathless: the session waits for a path, as long as its server does. [XTMP-PRK-017]
  pathless(why, path) {
    if (!this.failover) return this.end(why);
    Object.assign(this, { current: null, leftUDP: path.datagram });
    this.rekey.rest();
    this.deadlines.begin('park', TIMER.T_PARK_ANON, () => this.end(`without a path for T_PARK_ANON: ${why}`));
    this.failover.look();
  }

  // attached takes a path that was attached. [XTMP-RKY-019] [XTMP-RKY-052]
  attached(path) {
    const { epoch } = path.seal;
    this.rekey.adopt(path);
    if (this.rekey.rootOf(epoch + 1)) path.seal.rekey(this.rekey.secretsOf(path, epoch + 1).ts_client, epoch + 1);
    path.watch();
  }

  // resumed: there is a path again. [XTMP-PRK-019]
  resumed() {
    if (!this.deadlines.has('park')) return;
    this.deadlines.clear('park');
    this.rekey.resume();
  }

  moveTo(path) {
    super.moveTo(path);
    this.watchAll();
  }

  // repeatOldest sends the oldest unanswered request again, or a PING: the word by which
  // a client moves to a standby path. [XTMP-PTH-022]
  repeatOldest(path) {
    const oldest = [...this.#calls.values()].find(({ replyMid, message }) => replyMid === undefined && message.mid !== undefined);
    if (oldest) path.repeat(oldest.message);
    else path.ping();
  }

  // awaits says that a request is unanswered.
  get awaits() {
    return this.#unanswered > 0 || this.rekey.awaiting;
  }

  // awaitsOn says that one is that was last sent on the path. [XTMP-UDP-103]
  awaitsOn(path) {
    return [...this.#calls.values()].some((call) => call.replyMid === undefined && call.message.on === path)
      || (this.rekey.awaiting && this.unacked.get(this.rekey.mid)?.on === path);
  }

  watchAll() {
    for (const path of this.paths) path.probe?.watch();
  }

  heard(path) {
    this.failover?.heard();
    path.probe?.heard();
  }

  silent() {}

  // sent restarts the heartbeat period. [XTMP-HBT-014] [XTMP-HBT-018] [XTMP-PTH-038]
  sent(path) {
    path.deadlines.set('heartbeat', this.heartbeatMs, () => path.ping());
  }

  pong(data, path) {
    path.probe?.pong(data);
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
    if (m.path.datagram) return this.#judgeFirst(m);
    if (this.#done || m.path.attached || (m.type === TYPE.HANDSHAKE_ACK && m.mid === 1n)) return;
    if (m.type === TYPE.ERROR && m.mid === undefined) throw new Ended(firstError(m));
    throw unexpectedMessage('the first frame is not HandshakeDone');
  }

  // #judgeFirst: on UDP frames come in any order, and it is the numbers that say which
  // was the first. [XTMP-UDP-052] … [XTMP-UDP-055]
  #judgeFirst(m) {
    if (m.path.attached) return;
    if (m.seq === 0n && m.type === TYPE.ERROR && m.mid === undefined) throw new Ended(firstError(m));
    if (!this.#done && m.mid === 1n && m.type !== TYPE.HANDSHAKE_ACK) throw unexpectedMessage('mid 1 is not HandshakeDone');
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
    if (mid === undefined || envelope.hsType !== HS.HANDSHAKE_DONE) { // [XTMP-MSG-045] [XTMP-UDP-053]
      throw unexpectedMessage(`hs_type ${envelope.hsType} in a session`);
    }
    if (this.#done || mid !== 1n) throw unexpectedMessage('a second HandshakeDone, or one that is not the first message'); // [XTMP-HSK-061] [XTMP-UDP-054]
    if (!envelope.handshakeId.equals(this.#handshakeId)) throw unexpectedMessage('another handshake_id'); // [XTMP-HSK-060]
    if (envelope.body.length !== HANDSHAKE_DONE_BYTES) throw protocolViolation('HandshakeDone: not 56 bytes'); // [XTMP-ERR-022]
    this.#done = true;
    const token = envelope.body.subarray(0, 48);
    this.token = token.some((byte) => byte !== 0) ? Buffer.from(token) : null; // [XTMP-HSK-062] [XTMP-TOK-018]
  }

  get done() {
    return this.#done;
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
    const whole = this.receive(m, this.#limits, (frame, code, why) => this.#refuseReply(call, frame, code, why));
    if (whole !== null) this.#replied(call, whole);
  }

  // #answered: the first frame of a reply is there. What is left of the request may
  // be left out. [XTMP-MSG-014] [XTMP-FRG-010]
  #answered(call, mid, replyTo) {
    call.replyMid = mid;
    this.peerHas(call.message);
    for (const path of this.paths) path.outbox.abandon(call.message);
    this.#unanswered -= 1;
    this.#unansweredBytes -= call.size;
  }

  #replied(call, whole) {
    const { type, replyTo } = whole;
    const body = this.#inflated(whole);
    if (body === null) return this.#refuseReply(call, whole, ERROR.DECOMPRESS_LIMIT, 'it does not inflate');
    this.#ended(call, replyTo);
    if (type === TYPE.ERROR) this.#errorReply(call, body);
    else this.#bodyReply(call, type, Buffer.from(body)); // whoever stopped waiting gets nothing [XTMP-MSG-049]
    this.#release();
  }

  // [XTMP-MSG-072] [XTMP-MSG-073] [XTMP-MSG-074]
  #refuseReply(call, { path, seq, replyTo }, code, why) {
    this.#ended(call, replyTo);
    call.reject(new Error(`unknown: the reply was refused: ${why}`));
    path.notify(code, seq);
    this.#release();
  }

  #ended(call, replyTo) {
    this.#calls.delete(replyTo);
    time.clearTimeout(call.timer);
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
    if (m.type === TYPE.ERROR) throw new Ended('an Error in reply to RekeyInit');
    if (m.type !== TYPE.HANDSHAKE_ACK) throw protocolViolation('a reply of another type'); // [XTMP-MSG-008]
    const whole = this.receiveHandshake(m);
    if (whole === null) return;
    this.rekey.resp(splitEnvelope(whole.body));
    this.anchorAt(whole.stamp); // [XTMP-TIM-016]
    this.peerHas(this.unacked.get(m.replyTo) ?? {});
    this.rekey.pingAll(); // [XTMP-RKY-020] [XTMP-RKY-046]
    this.watchAll();
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
    this.failover?.stop();
    for (const call of this.#calls.values()) {
      time.clearTimeout(call.timer);
      call.reject(new Error(`unknown: the session ended: ${why}`));
    }
    for (const call of [...this.#posted, ...this.#waiting.take()]) {
      time.clearTimeout(call.timer);
      call.reject(Object.assign(new Error(`not sent: the session ended: ${why}`), { notSent: true }));
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
