// What a server adds to a session: requests, Probe, types that it does not implement,
// wrong roles, rekey, pushes, the PING after silence.

import { ERROR, FLAG, HEARTBEAT, HS, LIMIT, SCOPE, TYPE, isRequestType } from './codes.mjs';
import { deflated, inflate } from './compression.mjs';
import { CheckFailed } from './frame.mjs';
import { encodeError, encodeHandshakeDone, encodeProbe, splitEnvelope, u32, withEnvelope } from './messages.mjs';
import { Queue } from './outbox.mjs';
import * as probe from './probe.mjs';
import { ServerRekey } from './rekey.mjs';
import { Session, protocolViolation, unexpectedMessage } from './session.mjs';

const has = ({ flags }, flag) => (flags & flag) !== 0;

export class ServerSession extends Session {
  payloadLimit = LIMIT.frame_payload_before_wallet; // [XTMP-LIM-002]
  #features; // probe, inflates, clientInflates, full()
  #heartbeatMs;
  #unanswered = 0; // requests whose reply is not handed to the transport
  #unansweredBytes = 0;
  #keptBytes = 0; // replies that are not handed to the transport
  #delayed = new Queue(); // requests that wait until fewer replies are kept
  #noticed = new Map(); // code → when an unsolicited Error of it is allowed again
  #streams = new Queue(); // subscriptions with pushes left
  #subscriptions = 0;
  #delays = 0;

  constructor({ heartbeatMs, probe: enabled = false, inflates = false, clientInflates = false, full = () => false, ...options }) {
    super(options);
    this.#heartbeatMs = heartbeatMs;
    this.#features = { probe: enabled, inflates, clientInflates, full };
    this.rekey = new ServerRekey({ ...this.rekeyOptions, sendHeartbeat: (...args) => this.sendHeartbeat(...args) });
  }

  // begin sends HandshakeDone, or refuses the client's clock. [XTMP-HSK-053] [XTMP-HSK-054] [XTMP-HSK-057]
  begin(handshakeId, skewed) {
    if (skewed) return this.endByError(ERROR.CLOCK_SKEW, SCOPE.SESSION);
    this.start();
    const body = withEnvelope(HS.HANDSHAKE_DONE, handshakeId, encodeHandshakeDone(this.now)); // [XTMP-HSK-056]
    this.post({ type: TYPE.HANDSHAKE_ACK, body, reliable: true, first: true });
  }

  // heard restarts the wait for the PING of a silent path. [XTMP-HBT-022] [XTMP-HBT-023]
  heard() {
    this.deadlines.set('silent', 3 * this.#heartbeatMs, () => this.sendHeartbeat(HEARTBEAT.PING, Buffer.alloc(0)));
  }

  keyWearsOut() {
    this.rekey.ask();
  }

  heartbeatSent(kind) {
    if (kind === HEARTBEAT.REKEY_REQUEST) this.rekey.asked();
  }

  judgeRole(m) {
    const reply = has(m, FLAG.REPLY);
    if (m.type === TYPE.HANDSHAKE_ACK) throw protocolViolation('type 0x02 from a client'); // [XTMP-MSG-037]
    if (isRequestType(m.type) && reply) throw protocolViolation('a reply from a client'); // [XTMP-MSG-038]
    if (m.type === TYPE.ERROR && reply) throw new CheckFailed('an Error as reply from a client'); // [XTMP-MSG-041]
    if (this.#implements(m.type) && has(m, FLAG.STREAMING)) throw protocolViolation('a push from a client'); // [XTMP-MSG-056]
  }

  #implements(type) {
    return type === TYPE.PROBE && this.#features.probe; // [XTMP-PRB-001]
  }

  dispatch(m) {
    if (m.type === TYPE.HANDSHAKE) this.#rekeyInit(m);
    else if (!isRequestType(m.type)) super.dispatch(m);
    else if (this.#implements(m.type)) this.#known(m);
    else this.#unknown(m);
  }

  rekeyRequest() {
    throw protocolViolation('REKEY_REQUEST from a client'); // [XTMP-HBT-010]
  }

  // #rekeyInit: the order is that of 11.6. [XTMP-MSG-039] [XTMP-RKY-037] … [XTMP-RKY-039]
  #rekeyInit(m) {
    const whole = this.receiveHandshake(m);
    if (whole === null) return;
    const { hsType, handshakeId, body } = splitEnvelope(whole.body);
    if (hsType !== HS.REKEY_INIT) throw unexpectedMessage(`hs_type ${hsType} in a session`);
    if (whole.mid === undefined) throw protocolViolation('RekeyInit without REQUIRES_ACK');
    const resp = this.rekey.init(body);
    this.anchorAt(whole.stamp); // [XTMP-TIM-015]
    const answer = withEnvelope(HS.REKEY_RESP, handshakeId, resp); // [XTMP-RKY-004] [XTMP-RKY-006]
    const priority = has(whole, FLAG.PRIORITY);
    this.post({ type: TYPE.HANDSHAKE_ACK, body: answer, reliable: true, replyTo: whole.mid, answers: whole.seqs, priority });
  }

  // #unknown is 8.7 for types that this server does not implement. Fragment fields,
  // compression and size are not looked at. [XTMP-MSG-031] [XTMP-MSG-033] [XTMP-MSG-034]
  #unknown(m) {
    const seqs = [...this.assembly.seqsOf(m), m.seq];
    if (m.mid !== undefined) this.completed(m);
    if (has(m, FLAG.STREAMING)) return;
    if (m.mid === undefined) this.#notice(ERROR.UNSUPPORTED_TYPE, m.seq); // [XTMP-MSG-030]
    else this.#deliver({ ...m, seqs }, m.body.length, (request) => this.#refuse(request, ERROR.UNSUPPORTED_TYPE)); // [XTMP-MSG-029]
  }

  // #known takes a frame of a request, or of a message that should be one. [8.14]
  #known(m) {
    const { inflates, full } = this.#features;
    const limits = { limit: LIMIT.message_to_server_before_wallet, inflates, full }; // [XTMP-MSG-070] [XTMP-FRG-021]
    const whole = this.receive(m, limits, (refused, code) => this.#refusedFrame(refused, code));
    if (whole === null) return;
    if (whole.mid === undefined) this.#bare(whole);
    else this.#deliver(whole, whole.originalLen ?? whole.body.length, (request) => this.#execute(request));
  }

  // #refusedFrame answers what one frame has shown; without mid the message is
  // discarded. [XTMP-FRG-020] [XTMP-FRG-022] [XTMP-CMP-007] [XTMP-CMP-008] [XTMP-CMP-011]
  #refusedFrame(m, code) {
    if (m.mid === undefined) return;
    this.#count(0, 2);
    this.#refuse({ ...m, size: 0 }, code);
  }

  // #bare is a message without REQUIRES_ACK: a sink, or nothing that has a place.
  // [XTMP-MSG-054] [XTMP-MSG-055] [XTMP-PRB-013]
  #bare(m) {
    const body = m.originalLen === undefined ? m.body : inflate(m.body, m.originalLen);
    if (body !== null && !probe.isSink(body)) this.#notice(ERROR.MALFORMED, m.seq);
  }

  // #notice sends an unsolicited Error, at most one per second of its code.
  #notice(code, refSeq) {
    const now = performance.now();
    if (now < (this.#noticed.get(code) ?? 0)) return;
    this.#noticed.set(code, Infinity); // until it is handed over
    this.notify(code, refSeq);
  }

  noticeSent(code) {
    this.#noticed.set(code, performance.now() + 1001);
  }

  // #count takes a request as unanswered. Beyond `factor` times a limit the session
  // ends. [XTMP-MSG-025]
  #count(size, factor) {
    this.#unanswered += 1;
    this.#unansweredBytes += size;
    if (this.#beyond(factor)) throw protocolViolation('requests beyond twice the limit');
  }

  #beyond(factor) {
    return this.#unanswered > factor * this.params.maxInflight || this.#unansweredBytes > factor * LIMIT.inflight_bytes;
  }

  // #deliver judges load, and then handles the request. [XTMP-MSG-024] [XTMP-MSG-053] [XTMP-DSC-015]
  #deliver(m, size, handle) {
    this.#count(size, 2);
    const request = { ...m, size };
    if (this.#beyond(1)) return this.#refuse(request, ERROR.RATE_LIMITED);
    if (this.draining) return this.#refuse(request, ERROR.SERVER_BUSY);
    handle(request);
  }

  // #execute waits while too many replies are kept. [XTMP-MSG-027]
  #execute(request) {
    if (this.#keptBytes >= LIMIT.unacked_reply_bytes || this.#delayed.length > 0) return this.#delayed.push({ request, at: performance.now() });
    this.#executeNow(request, 0);
  }

  #executeNow(request, lateMs) {
    const body = request.originalLen === undefined ? request.body : inflate(request.body, request.originalLen);
    if (body === null) return this.#refuse(request, ERROR.DECOMPRESS_LIMIT); // [XTMP-CMP-009]
    const answer = probe.answer(body);
    if (answer.error !== undefined) return this.#refuse(request, answer.error); // [XTMP-PRB-016]
    if (answer.pushes) return this.#stream(request, answer);
    if (answer.afterMs === undefined || answer.afterMs <= lateMs) return this.#answer(request, answer);
    this.deadlines.set(`delay ${this.#delays++}`, answer.afterMs - lateMs, () => this.#answer(request, answer)); // [XTMP-PRB-018]
  }

  #answer(request, { op, arg, data }, numbered) {
    const compress = request.originalLen !== undefined && this.#features.clientInflates; // [XTMP-CMP-001]
    this.#reply(request, { type: TYPE.PROBE, ...deflated(encodeProbe(op, arg, data), compress), numbered }); // [XTMP-PRB-006] [XTMP-PRB-007]
  }

  // #stream opens a subscription, whose pushes begin when the reply is sealed.
  // [XTMP-MSG-062] [XTMP-MSG-064] [XTMP-PRB-020] [XTMP-PRB-024]
  #stream(request, { op, arg, pushes }) {
    if (this.#streams.length >= LIMIT.probe_streams) return this.#refuse(request, ERROR.RATE_LIMITED);
    const subId = ++this.#subscriptions;
    const compress = request.originalLen !== undefined && this.#features.clientInflates;
    const push = { subId, n: 0n, left: pushes.left, ...deflated(encodeProbe(op, 0, pushes.data), compress) };
    this.#answer(request, { op, arg, data: u32(subId) }, () => push.left > 0 && this.#streams.push(push));
  }

  #refuse(request, code) {
    this.#reply(request, { type: TYPE.ERROR, body: encodeError({ code, scope: SCOPE.MESSAGE }) }); // [XTMP-ERR-004] [XTMP-ERR-006]
  }

  // #reply queues the reply, with the priority of the request. [XTMP-MSG-001] … [XTMP-MSG-003], [XTMP-MSG-060]
  #reply({ mid, seqs, size, flags }, reply) {
    this.#keptBytes += reply.body.length;
    this.post({ ...reply, reliable: true, replyTo: mid, answers: seqs, priority: (flags & FLAG.PRIORITY) !== 0, size });
  }

  // handed: what the transport has is not kept any more, and its request is answered.
  handed({ size }, { bytes, first }) {
    if (size === undefined) return; // no reply of #reply
    this.#keptBytes -= bytes;
    if (first) {
      this.#unanswered -= 1;
      this.#unansweredBytes -= size;
    }
    while (this.#delayed.length > 0 && this.#keptBytes < LIMIT.unacked_reply_bytes) {
      const { request, at } = this.#delayed.shift();
      this.#executeNow(request, performance.now() - at);
    }
  }

  // sendOther sends one push; subscriptions take turns. None is sealed before the
  // transport takes it. [XTMP-MSG-061] [XTMP-MSG-063] [XTMP-PRB-021] [XTMP-PRB-023]
  sendOther() {
    if (this.#streams.length === 0 || this.draining) return 0;
    const push = this.#streams.shift();
    push.n += 1n;
    push.left -= 1;
    if (push.left > 0) this.#streams.push(push);
    const { subId, n, body, originalLen } = push;
    return this.sendPush({ type: TYPE.PROBE, subId, n, body, originalLen });
  }

  // quiet says that nothing of its own keeps the session from being drained.
  get quiet() {
    return this.#unanswered === 0;
  }
}
