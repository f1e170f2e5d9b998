// What a server adds to a session: requests, Probe, types that it does not implement,
// wrong roles, rekey, pushes, the PING after silence.

import { ERROR, FLAG, HEARTBEAT, HS, LIMIT, SCOPE, TIMER, TYPE, isRequestType } from './codes.mjs';
import { AttachSlots } from './attach.mjs';
import { nowMs } from './clock.mjs';
import { deflated, inflate } from './compression.mjs';
import { Ended, protocolViolation, unexpectedMessage } from './frame.mjs';
import { encodeError, encodeHandshakeDone, encodeProbe, splitEnvelope, u32, withEnvelope } from './messages.mjs';
import { Queue } from './outbox.mjs';
import * as probe from './probe.mjs';
import { ServerRekey } from './rekey.mjs';
import { Session } from './session.mjs';

const has = ({ flags }, flag) => (flags & flag) !== 0;

export class ServerSession extends Session {
  payloadLimit = LIMIT.frame_payload_before_wallet; // [XTMP-LIM-002]
  parked = false;
  parkMs = TIMER.T_PARK_ANON;
  #features; // probe, inflates, clientInflates, full(), addressToken()
  #unanswered = 0; // requests whose reply is not handed to the transport
  #unansweredBytes = 0;
  #keptBytes = 0; // replies that are not handed to the transport, or where that is not enough, not acknowledged
  #delayed = new Queue(); // requests that wait until fewer replies are kept
  #noticed = new Map(); // code → when an unsolicited Error of it is allowed again
  #streams = new Queue(); // subscriptions with pushes left
  #subscriptions = 0;
  #delays = 0;
  #requests = new Map(); // mid → request that is delivered and not answered
  #replies = new Map(); // mid of a request → its reply, while that is unacknowledged

  constructor({ probe: enabled = false, inflates = false, clientInflates = false, full = () => false, addressToken, root, ...options }) {
    super(options);
    this.#features = { probe: enabled, inflates, clientInflates, full, addressToken };
    this.rekey = new ServerRekey({ session: this, root });
    this.attachSlots = new AttachSlots(this);
  }

  // begin sends HandshakeDone, or refuses the client's clock. [XTMP-HSK-053] [XTMP-HSK-054] [XTMP-HSK-057]
  begin(handshakeId, skewed) {
    if (skewed) return this.endByError(ERROR.CLOCK_SKEW, SCOPE.SESSION);
    this.start();
    const body = withEnvelope(HS.HANDSHAKE_DONE, handshakeId, encodeHandshakeDone(this.now, this.#features.addressToken?.())); // [XTMP-HSK-056] [XTMP-TOK-015]
    this.post({ type: TYPE.HANDSHAKE_ACK, body, reliable: true, first: true });
  }

  heard() {}

  // silent is the PING of a silent path. [XTMP-HBT-022] [XTMP-HBT-023]
  silent(path) {
    path.ping();
  }

  // --- Paths ---

  // A server may have to use whichever path is live, a standby path last.
  choices(asked) {
    const others = this.paths.filter((path) => path !== asked && path !== this.current);
    return [asked, this.current, ...others.filter(({ standby }) => !standby), ...others.filter(({ standby }) => standby)];
  }

  // firstFrame: a path has become live. Without the standby bit the session moves there.
  // [XTMP-PTH-026] [XTMP-PRK-010]
  firstFrame(path) {
    const parked = this.parked;
    if (parked) this.#resume(path);
    if (parked || !path.standby || this.current === null) this.moveTo(path);
    else this.revived(path);
  }

  // opened: a reliable frame on a standby path is the client's word that it moves.
  // [XTMP-PTH-027] [XTMP-PTH-028]
  opened(path, { flags }) {
    if (path.standby && (flags & FLAG.REQUIRES_ACK) !== 0) this.moveTo(path);
  }

  // pathLost: the current path is the live one that was heard last, or the next that
  // becomes live. [XTMP-PTH-030]
  pathLost(path) {
    if (this.current === path) {
      this.current = null;
      const live = this.paths.filter((other) => other.live);
      if (live.length > 0) return this.moveTo(live.reduce((a, b) => (b.heardAt > a.heardAt ? b : a)));
    }
    this.rescue();
  }

  suspects(path) {
    if (this.paths.length > 1 && !path.over) this.rescue();
  }

  revived(path) {
    if (this.current === null) this.moveTo(path);
    else super.revived(path);
  }

  // pathless parks the session. [XTMP-PRK-002] [XTMP-PRK-007] [XTMP-PRK-009] [XTMP-PRK-011] [XTMP-PRK-013]
  pathless(why, path) {
    if (this.parked) return; // a path was open and came to nothing
    this.parked = true;
    this.current = null;
    this.rekey.rest();
    this.#streams.take();
    this.#checkParked();
    if (this.over) return;
    this.deadlines.set('park', this.parkMs, () => this.end('parked for T_PARK_ANON')); // [XTMP-PRK-004] [XTMP-PRK-005]
    this.owner.parked?.(this, why, path);
  }

  // #checkParked: what is kept is bounded.
  #checkParked() {
    const kept = [...this.unacked.values(), ...this.holding.waiting].filter(({ body }) => body);
    const bytes = kept.reduce((sum, { body }) => sum + body.length, 0);
    if (kept.length > LIMIT.parked_messages || bytes > LIMIT.parked_bytes) this.end('too much to keep while parked');
  }

  replyKept() {
    if (this.parked && !this.over) this.#checkParked();
  }

  #resume(path) {
    this.parked = false;
    this.deadlines.clear('park');
    this.owner.resumed?.(this, path);
    this.rekey.resume();
  }

  keyWearsOut() {
    this.rekey.ask();
  }

  heartbeatSent(kind) {
    if (kind === HEARTBEAT.REKEY_REQUEST) this.rekey.asked();
  }

  // repeated is a frame under a mid that is complete. Its reply is sent again, if it
  // exists, is unacknowledged and was not sent on this path, on UDP not of late.
  // One that is not answered yet will be where its newest copy came from.
  // [XTMP-UDP-098] [XTMP-UDP-099] [XTMP-PTH-013] [XTMP-PTH-031] [XTMP-RKY-051]
  repeated({ path, mid }) {
    const request = this.#requests.get(mid);
    if (request) request.path = path;
    const reply = this.#replies.get(mid);
    if (!reply) return;
    if (reply.path !== path) this.#reroute(reply, path);
    if (reply.mid === undefined || reply.acked || !reply.body) return;
    const since = nowMs() - (reply.sentOn?.get(path) ?? -Infinity);
    if ((path.datagram ? since >= path.recovery.pto : since === Infinity) && reply.body.length <= path.messageLimit) this.shift(reply, path);
    path.flush();
  }

  // #reroute: a reply that is not begun goes where the newest copy of its request came
  // from. [XTMP-PTH-013]
  #reroute(reply, path) {
    reply.path = path;
    if (reply.mid !== undefined) return;
    const waits = [this.holding, ...this.paths.map(({ outbox }) => outbox)].some((outbox) => outbox.remove(reply));
    if (waits) this.place(reply).push(reply);
  }

  judgeRole(m) {
    const reply = has(m, FLAG.REPLY);
    if (m.type === TYPE.HANDSHAKE_ACK) throw protocolViolation('type 0x02 from a client'); // [XTMP-MSG-037]
    if (isRequestType(m.type) && reply) throw protocolViolation('a reply from a client'); // [XTMP-MSG-038]
    if (m.type === TYPE.ERROR && reply) throw new Ended('an Error as reply from a client'); // [XTMP-MSG-041]
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
    this.#respond(whole, { type: TYPE.HANDSHAKE_ACK, body: answer });
  }

  // #unknown is 8.7 for types that this server does not implement. Fragment fields,
  // compression and size are not looked at. [XTMP-MSG-031] [XTMP-MSG-033] [XTMP-MSG-034]
  #unknown(m) {
    const frames = [...this.assembly.framesOf(m), m];
    if (m.mid !== undefined) this.completed(m);
    if (has(m, FLAG.STREAMING)) return;
    if (m.mid === undefined) this.#notice(ERROR.UNSUPPORTED_TYPE, m); // [XTMP-MSG-030]
    else this.#deliver({ ...m, frames }, m.body.length, (request) => this.#refuse(request, ERROR.UNSUPPORTED_TYPE)); // [XTMP-MSG-029]
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
    if (body !== null && !probe.isSink(body)) this.#notice(ERROR.MALFORMED, m);
  }

  // #notice sends an unsolicited Error, at most one per second of its code.
  #notice(code, { path, seq }) {
    const now = nowMs();
    if (now < (this.#noticed.get(code) ?? 0)) return;
    this.#noticed.set(code, Infinity); // until it is handed over
    path.notify(code, seq);
  }

  noticeSent(code) {
    this.#noticed.set(code, nowMs() + 1001);
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
    this.#requests.set(request.mid, request);
    handle(request);
  }

  // #execute waits while too many replies are kept. [XTMP-MSG-027]
  #execute(request) {
    if (this.#keptBytes >= LIMIT.unacked_reply_bytes || this.#delayed.length > 0) return this.#delayed.push({ request, at: nowMs() });
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

  #answer(request, { op, arg, data }, told = {}) {
    const compress = request.originalLen !== undefined && this.#features.clientInflates; // [XTMP-CMP-001]
    this.#reply(request, { type: TYPE.PROBE, ...deflated(encodeProbe(op, arg, data), compress), ...told }); // [XTMP-PRB-006] [XTMP-PRB-007]
  }

  // #stream opens a subscription, whose pushes begin when the reply is sent on the
  // connection that carries them, or, where they could overtake it, when it is
  // acknowledged: the client would ignore them.
  // [XTMP-MSG-062] [XTMP-MSG-064] [XTMP-MSG-066] [XTMP-PRB-020] [XTMP-PRB-024]
  #stream(request, { op, arg, pushes }) {
    if (this.#streams.length >= LIMIT.probe_streams) return this.#refuse(request, ERROR.RATE_LIMITED);
    const subId = ++this.#subscriptions;
    const compress = request.originalLen !== undefined && this.#features.clientInflates;
    const push = { subId, n: 0n, left: pushes.left, ...deflated(encodeProbe(op, 0, pushes.data), compress) };
    let begun = push.left === 0;
    const begin = () => {
      if (begun || this.parked) return;
      begun = true;
      this.#streams.push(push);
      this.flush();
    };
    const sent = (path) => path.stream && path === this.#pushPath && begin();
    this.#answer(request, { op, arg, data: u32(subId) }, { sent, acknowledged: begin });
  }

  #refuse(request, code) {
    this.#reply(request, { type: TYPE.ERROR, body: encodeError({ code, scope: SCOPE.MESSAGE }) }); // [XTMP-ERR-004] [XTMP-ERR-006]
  }

  // #reply queues the reply to a request that counts. [XTMP-MSG-001] … [XTMP-MSG-003]
  #reply(request, reply) {
    if (reply.body.length > LIMIT.message_udp && !this.paths.some((path) => path.stream && (path.live || !this.attachable))) { // [XTMP-PTH-052]
      return this.#refuse(request, ERROR.PAYLOAD_TOO_LARGE);
    }
    this.#keptBytes += reply.body.length;
    this.#respond(request, { ...reply, size: request.size, kept: reply.body.length });
  }

  // #respond queues what answers a message, with its priority, for the path on which its
  // newest copy arrived. [XTMP-MSG-060] [XTMP-PTH-013]
  #respond({ mid, frames, flags, path }, reply) {
    const priority = (flags & FLAG.PRIORITY) !== 0;
    const message = { ...reply, reliable: true, replyTo: mid, answers: frames, priority, path };
    this.#requests.delete(mid);
    this.#replies.set(mid, message);
    this.post(message);
    this.replyKept?.();
  }

  // handed: a request is answered when the first frame of its reply is handed over. A
  // reply that can only be lost with the session is not kept any longer than that.
  handed(message, { bytes, first, path }) {
    if (message.size !== undefined && first) {
      this.#unanswered -= 1;
      this.#unansweredBytes -= message.size;
    }
    message.sent?.(path);
    if (this.attachable || path.datagram || !message.reliable) return;
    this.#release(message, bytes);
    const { cut } = message;
    if (cut) cut.left = (cut.left ?? cut.count) - 1;
    if (!cut || cut.left === 0) this.#forget(message);
  }

  // released: the peer has the message.
  released(message) {
    message.acknowledged?.();
    this.#release(message, message.kept ?? 0);
    this.#forget(message);
  }

  #forget(message) {
    message.body = null;
    if (this.#replies.get(message.replyTo) === message) this.#replies.delete(message.replyTo);
  }

  #release(message, bytes) {
    if (message.kept === undefined) return;
    const fewer = Math.min(bytes, message.kept);
    message.kept -= fewer;
    this.#keptBytes -= fewer;
    while (this.#delayed.length > 0 && this.#keptBytes < LIMIT.unacked_reply_bytes) {
      const { request, at } = this.#delayed.shift();
      this.#executeNow(request, nowMs() - at);
    }
  }

  // hasOther and sendOther are for pushes: one is sealed when the transport takes it,
  // on TCP if there is such a path; subscriptions take turns. [XTMP-MSG-061]
  // [XTMP-MSG-063] [XTMP-PRB-021] [XTMP-PRB-023]
  hasOther(path) {
    return this.#streams.length > 0 && !this.draining && path === this.#pushPath;
  }

  get #pushPath() {
    return this.current?.stream ? this.current : this.paths.find((path) => path.stream && path.live) ?? this.current;
  }

  sendOther(path) {
    const push = this.#streams.shift();
    const { subId, body, originalLen } = push;
    push.n += 1n;
    push.left -= 1;
    if (push.left > 0) this.#streams.push(push);
    const message = { type: TYPE.PROBE, subId, n: push.n, body, originalLen };
    if (path.cutOf(message) === null) return path.sendPush(message);
    path.outbox.push(message); // in fragments, and no other push meanwhile
    return 1;
  }

  // quiet says that nothing of its own keeps the session from being drained.
  get quiet() {
    return this.#unanswered === 0;
  }
}
