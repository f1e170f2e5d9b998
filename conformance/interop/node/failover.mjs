// Failover is how a client keeps a way to its session: it attaches a standby path, moves
// when the current path fails, attaches another when none is left, and gives up in the
// end. 13.1, 13.3, 13.6, 13.8, 13.9
//
// An attempt is one Attach: over TCP a connection that begins with it, over UDP a datagram
// that is repeated.

import { BIT, ERROR, FLAG, HEADER, HS, KIND, LIMIT, SCOPE, SUITE, TIMER, TYPE, errorName } from './codes.mjs';
import { SessionClock, nowMs } from './clock.mjs';
import { slotsUnder, binderOf } from './attach.mjs';
import { Connection } from './connection.mjs';
import {
  CheckFailed, OpenSlot, SealSlot, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, isClear,
} from './frame.mjs';
import { attachSecrets } from './keys.mjs';
import { decodeAttachAck, encodeAttach, splitEnvelope, withEnvelope } from './messages.mjs';
import { StreamPath } from './path.mjs';
import { equal, random } from './primitives.mjs';
import { Link, checked, pathOver } from './udp-client.mjs';

const PLAIN = FLAG.ENCRYPTED | FLAG.PRIORITY;
const GIVE_UP = 3000; // ms since the first of three attempts

// An Attach is what one attempt sends and what it takes for an answer.
class Attach {
  constructor(session, { epoch, root }, counter, { udp, standby }) {
    Object.assign(this, { session, epoch, counter, udp, standby });
    const { ts_client: c, ts_server: s } = attachSecrets(root);
    const seal = Object.assign(new SealSlot(c, session.suite), { next: BigInt(counter) });
    this.id = random(8); // [XTMP-ATT-004]
    this.body = encodeAttach({ kind: udp ? KIND.UDP : KIND.STREAM, flags: standby ? BIT.STANDBY : 0, counter, random: random(32), time: session.now }); // [XTMP-ATT-002] [XTMP-ATT-005] [XTMP-ATT-006]
    this.frame = seal.seal({ type: TYPE.HANDSHAKE, sessionId: session.id, stamp: session.now }, withEnvelope(HS.ATTACH, this.id, this.body));
    this.open = Object.assign(new OpenSlot(s, session.suite), { next: BigInt(counter) });
    seal.erase();
  }

  // answer opens an AttachAck and returns what it makes: { status, slots, anchor }. It
  // throws CheckFailed for a frame that is none, Malformed for one that ends the attempt.
  // [XTMP-ATT-013] [XTMP-ATT-014]
  answer(h, frame) {
    const plaintext = this.open.open(h, frame, this.session.id, null);
    if (h.type !== TYPE.HANDSHAKE_ACK || (h.flags & ~PLAIN) !== 0) throw new CheckFailed('no AttachAck');
    const { hsType, handshakeId, body } = splitEnvelope(plaintext);
    if (hsType !== HS.ATTACH_ACK || !handshakeId.equals(this.id)) throw new CheckFailed('no AttachAck for this Attach');
    const { status, time } = decodeAttachAck(body);
    const root = this.session.rekey.rootOf(this.epoch);
    if (status !== 0 || root === null) return { status: status || ERROR.INTERNAL };
    const slots = slotsUnder(root, binderOf(this.body, body), this.epoch, this.session.suite, { client: true, udp: this.udp });
    return { status, slots, anchor: new SessionClock(time) };
  }

  erase() {
    this.open.erase();
  }
}

// An AttachHello is the stage of a connection on which Attach was sent. [XTMP-ATT-015]
class AttachHello {
  constructor(connection, attach, on) {
    Object.assign(this, { connection, attach, on });
  }

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (![TYPE.HANDSHAKE_ACK, TYPE.ERROR].includes(h.type)) throw new CheckFailed('check 3: type');
    if (h.length > LIMIT.payload_before_session) throw new CheckFailed('check 4: payload_length');
  }

  take(h, frame) {
    if (isClear(h)) {
      checkChecksum(h, frame);
      return this.on.clearError(h, frame.subarray(HEADER));
    }
    this.on.answered(this.attach.answer(h, frame));
  }

  lost(why) {
    this.on.failed(why);
  }
}

export class Failover {
  #session;
  #type;
  #net;
  #endpoints; // by kind, in the order in which they are tried
  #attempt = null; // { kind, attach, end }, the one under way
  #counters = new Map(); // epoch → the next attach counter
  #begunAt = -Infinity; // when the last attempt began
  #failed = 0; // attempts without AttachAck since something was heard
  #firstAt = 0; // when the first of them began
  #standbyFailed = 0;
  #tries = { [KIND.STREAM]: 0, [KIND.UDP]: 0 };
  #backMs = TIMER.T_UDP_BACK;

  // type is tcp, udp or hybrid; endpoint that of the handshake, with its address; net
  // what is used of the system. [XTMP-PTH-057] [XTMP-PTH-058]
  constructor(session, { type, endpoint, net }) {
    this.#session = session;
    this.#type = type;
    this.#net = net;
    const listed = session.attachEndpoints ?? [];
    const of = (kind) => listed.filter((one) => one.kind === kind);
    const or = (kind) => (of(kind).length > 0 ? of(kind) : [endpoint]);
    this.#endpoints = { [KIND.STREAM]: or(KIND.STREAM), [KIND.UDP]: or(KIND.UDP) };
    session.failover = this;
    this.look();
  }

  // allows says whether the server accepts Attach over a transport. [XTMP-PTH-003]
  #allows(kind) {
    return (this.#session.params.policy & (kind === KIND.UDP ? BIT.ATTACH_UDP : BIT.ATTACH_TCP)) !== 0;
  }

  heard() {
    this.#failed = 0;
  }

  // look does what is to be done: move, attach, or nothing.
  look() {
    const session = this.#session;
    if (session.over || session.draining || !session.attachable) return;
    const { current } = session;
    const fine = current && !current.over && !current.suspect;
    if (fine) return this.#spare();
    const live = session.paths.filter((path) => path.live && path !== current);
    const best = live.find(({ stream }) => stream) ?? live[0]; // [XTMP-PTH-020]
    if (current?.datagram || session.leftUDP) this.#leftUDP();
    if (best) this.#move(best);
    else if (session.needs) this.#attach({ standby: false }); // [XTMP-PTH-019] [XTMP-PRK-015]
  }

  // [XTMP-PTH-021] [XTMP-PTH-022]
  #move(path) {
    const { standby } = path;
    this.#session.moveTo(path);
    if (standby && !path.waits && this.#session.unacked.size === 0) this.#session.repeatOldest(path);
    this.#spare();
  }

  // #spare attaches what a session of this type has besides its current path.
  // [XTMP-PTH-001] [XTMP-PTH-002] [XTMP-PTH-018]
  #spare() {
    const { current, paths } = this.#session;
    const other = paths.some((path) => path !== current && !path.over && !path.suspect);
    if (this.#type === 'hybrid' && current.datagram && this.#allows(KIND.STREAM)) {
      if (!paths.some(({ stream, suspect }) => stream && !suspect)) this.#attach({ standby: false, kind: KIND.STREAM });
    } else if (!other && this.#standbyFailed < LIMIT.attach_attempts) {
      const kind = this.#type === 'hybrid' ? KIND.UDP : KIND.STREAM;
      if (kind === KIND.STREAM || !this.#session.deadlines.has('udp back')) this.#attach({ standby: true, kind });
    }
  }

  // #leftUDP: it is tried again after a while. [XTMP-PTH-023] [XTMP-PTH-024] [XTMP-PTH-025]
  #leftUDP() {
    const session = this.#session;
    session.leftUDP = false;
    if (this.#type === 'tcp' || !this.#allows(KIND.STREAM) || session.deadlines.has('udp back')) return; // where there is nothing else it is not left
    session.deadlines.set('udp back', this.#backMs, () => this.#back());
  }

  #back() {
    const session = this.#session;
    if (session.over || session.draining || !this.#allows(KIND.UDP)) return;
    const live = session.paths.find((path) => path.datagram && path.live);
    if (live) return this.#type === 'udp' ? this.#move(live) : undefined;
    this.#attach({ standby: this.#type === 'hybrid', kind: KIND.UDP });
  }

  // udpHolds: T_UDP_BACK goes back to its first value when UDP has lived for long.
  udpHolds() {
    this.#backMs = TIMER.T_UDP_BACK;
  }

  // #attach begins an attempt, one at a time, and not too soon. [XTMP-ATT-012] [XTMP-PRK-016]
  #attach({ standby, kind = this.#kind() }) {
    const session = this.#session;
    if (this.#attempt !== null || kind === null || !this.#allows(kind) || session.paths.length >= LIMIT.paths_per_session) return;
    const hurried = !session.paths.some(({ live }) => live) || this.#standbyFailed > 0;
    const wait = hurried ? this.#begunAt + TIMER.T_ATTACH_GAP - nowMs() : 0;
    if (wait > 0) return session.deadlines.set('attach', wait, () => this.look());
    this.#begunAt = nowMs();
    const endpoint = this.#endpoints[kind][this.#tries[kind]++ % this.#endpoints[kind].length];
    const attempt = { kind, standby, attach: null, end: () => {} };
    this.#attempt = attempt;
    if (kind === KIND.UDP) this.#overUDP(attempt, endpoint);
    else this.#overTCP(attempt, endpoint);
  }

  // #kind is TCP, unless the server does not take that.
  #kind() {
    if (this.#allows(KIND.STREAM)) return KIND.STREAM;
    return this.#type !== 'tcp' && this.#allows(KIND.UDP) ? KIND.UDP : null;
  }

  // #say makes the Attach, under the newest root. [XTMP-ATT-001] [XTMP-ATT-003]
  #say(attempt) {
    const { rekey } = this.#session;
    const epoch = rekey.pending ? rekey.epoch + 1 : rekey.epoch;
    const counter = this.#counters.get(epoch) ?? 0;
    this.#counters.set(epoch, counter + 1);
    if (this.#failed === 0) this.#firstAt = nowMs();
    const { kind, standby } = attempt;
    attempt.attach = new Attach(this.#session, { epoch, root: rekey.rootOf(epoch) }, counter, { udp: kind === KIND.UDP, standby });
    return attempt.attach;
  }

  // #overTCP: a connection that cannot be opened is no attempt. [XTMP-ATT-007] [XTMP-ATT-008] [XTMP-ATT-010]
  #overTCP(attempt, endpoint) {
    const connection = new Connection(this.#net.connect(endpoint));
    const on = {
      failed: (why) => this.#ended(attempt, why),
      clearError: (h, body) => this.#clearError(connection, h, body),
      answered: (answer) => {
        if (answer.status !== 0) return connection.fail(`AttachAck, status ${errorName(answer.status)}`);
        const { slots, anchor } = answer;
        const path = new StreamPath({ session: this.#session, connection, slots, anchor, attached: true, standby: attempt.standby });
        connection.stage = path;
        connection.deadlines.clear('attach');
        connection.closed = () => path.gone();
        path.deadlines.set('first frame', TIMER.T_ATTACH_TCP, () => path.heardOnce || path.fail('no frame followed AttachAck'));
        this.#attached(attempt, path);
      },
    };
    attempt.end = () => connection.fail('the session has ended');
    connection.closed = () => this.#ended(attempt, connection.why);
    connection.stage = { judge: () => {}, take: () => {}, lost: (why) => this.#ended(attempt, why) };
    connection.deadlines.set('attach', TIMER.T_ATTACH_TCP, () => connection.fail('it was not opened in time'));
    connection.connected(() => {
      connection.stage = new AttachHello(connection, this.#say(attempt), on);
      connection.wire.write(attempt.attach.frame);
      connection.deadlines.set('attach', TIMER.T_ATTACH_TCP, () => connection.fail('no AttachAck within T_ATTACH_TCP'));
    });
  }

  // #clearError: only the server's own word ends the session. [XTMP-PTH-045] [XTMP-PTH-046]
  #clearError(connection, h, body) {
    const session = this.#session;
    const own = h.type === TYPE.ERROR && h.sessionId === session.id && body.length >= 32 && body.readUInt16BE(0) === ERROR.SESSION_UNKNOWN
      && body[2] === SCOPE.SESSION && (body[3] & BIT.ERROR_TOKEN) !== 0 && equal(body.subarray(16, 32), session.params.resetToken);
    connection.fail('a clear Error in answer to Attach');
    if (own && session.suite !== SUITE.INTEGRITY_ONLY) session.end('the server does not know the session');
  }

  // [XTMP-ATT-009] [XTMP-ATT-011]
  async #overUDP(attempt, endpoint) {
    const session = this.#session;
    const { address, family } = endpoint.address ? endpoint : await this.#net.resolve(endpoint.host);
    const socket = await this.#net.socket(family);
    if (this.#attempt !== attempt || session.over) return socket.close();
    const attach = this.#say(attempt);
    const first = nowMs();
    const link = new Link(socket, { address, port: endpoint.port }, (bytes) => {
      const h = checked(bytes);
      const answer = attach.answer(h, bytes);
      if (answer.status !== 0) return void attempt.end(`AttachAck, status ${errorName(answer.status)}`, true);
      const { slots, anchor } = answer;
      const path = pathOver(link, session, { slots, anchor, rtt: nowMs() - first, attached: true, standby: attempt.standby });
      this.#attached(attempt, path);
    });
    attempt.end = (why, answered = false) => {
      link.close();
      this.#ended(attempt, why, answered);
    };
    const send = (tries, wait) => {
      if (tries === 0) return attempt.end('no AttachAck');
      link.send(attach.frame, link.route);
      session.deadlines.set('attach retx', wait, () => send(tries - 1, 2 * wait));
    };
    send(LIMIT.attach_tries, TIMER.T_ATTACH_RETX);
  }

  // #attached: the path is the current one from now on, unless it is for standby. A frame
  // goes there at once. [XTMP-ATT-037] [XTMP-RKY-052]
  #attached(attempt, path) {
    const session = this.#session;
    this.#over(attempt);
    this.#failed = 0;
    this.#standbyFailed = 0;
    session.attached(path);
    if (path.datagram) {
      session.deadlines.clear('udp back');
      path.deadlines.set('holds', TIMER.T_UDP_BACK_MAX, () => path.live && this.udpHolds());
    }
    if (!attempt.standby) session.moveTo(path);
    if (path.seal.last < 0n) this.#knock(path, LIMIT.attach_tries);
    session.resumed();
    this.look();
  }

  // #knock is the PING that makes a path live. [13.4]
  #knock(path, tries) {
    if (path.over || path.heardOnce) return;
    if (tries === 0 && path.datagram) return path.fail('nothing was heard on the attached path');
    path.ping();
    if (path.datagram) path.deadlines.set('knock', path.recovery.pto, () => this.#knock(path, tries - 1));
  }

  #over(attempt) {
    if (this.#attempt === attempt) this.#attempt = null;
    this.#session.deadlines.clear('attach retx');
    attempt.attach?.erase();
  }

  // #ended: an attempt came to nothing. After three of them the session is given up if
  // nothing of it is live. [XTMP-PTH-047]
  #ended(attempt, why, answered = false) {
    if (this.#attempt !== attempt) return;
    this.#over(attempt);
    const session = this.#session;
    if (session.over) return;
    if (attempt.attach && !answered) this.#failed += 1;
    if (attempt.standby) this.#standbyFailed += 1;
    if (attempt.kind === KIND.UDP && this.#type !== 'tcp') this.#later();
    const live = session.paths.some((path) => path.live);
    if (!live && this.#failed >= LIMIT.attach_attempts) {
      const wait = this.#firstAt + GIVE_UP - nowMs();
      if (wait <= 0) return session.end(`the session could not be attached to: ${why}`);
      session.deadlines.set('give up', wait, () => session.paths.some((path) => path.live) || this.#failed < LIMIT.attach_attempts || session.end(`the session could not be attached to: ${why}`));
    }
    this.look();
  }

  // #later: UDP is tried again after twice the time.
  #later() {
    this.#backMs = Math.min(2 * this.#backMs, TIMER.T_UDP_BACK_MAX);
    if (this.#allows(KIND.STREAM)) this.#session.deadlines.set('udp back', this.#backMs, () => this.#back());
  }

  // stop ends what is under way.
  stop() {
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.end('the session has ended');
    attempt?.attach?.erase();
  }
}

