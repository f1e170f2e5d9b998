// A client on UDP: first contact, the handshake with its timers, and the datagrams of
// its paths. 12.4, 12.5, 12.14
//
//	ClientHello, index 0 → Retry → ClientHello whole → ServerHello, ServerFlight   first phase
//	ClientFinish → a frame under p0.s                                              second phase

import { ERROR, FLAG, HEADER, HS, LIMIT, SCOPE, SUITE, TIMER, TYPE, errorName } from './codes.mjs';
import { Deadlines, SessionClock, nowMs, skewed, wallClock } from './clock.mjs';
import { ClientSession } from './client-session.mjs';
import { DatagramPath } from './datagram-path.mjs';
import { CheckFailed, Malformed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, isClear, parseHeader } from './frame.mjs';
import { ClientHandshake } from './handshake.mjs';
import { HandshakeFailure } from './identity.mjs';
import { Pile, splitFragment } from './messages.mjs';
import { equal } from './primitives.mjs';

const LEAST_RETX = 25; // ms
const PLAIN = FLAG.ENCRYPTED | FLAG.PRIORITY;

// checked does the checks 1 … 3 of a datagram at a client. [XTMP-UDP-009] [XTMP-UDP-010]
export function checked(bytes) {
  if (bytes.length < HEADER || bytes.length > LIMIT.datagram_min) throw new CheckFailed('check 1: length');
  const h = parseHeader(bytes);
  if (bytes.length !== HEADER + h.length) throw new CheckFailed('check 1: length');
  checkMagic(h);
  checkVersion(h);
  checkTypeAndFlags(h);
  return h;
}

const names = (keyId) => keyId.some((byte) => byte !== 0);

// A Link is a socket at the client: what comes from the server goes to take(bytes, route).
// [XTMP-UDP-013]
export class Link {
  #socket;

  constructor(socket, peer, take) {
    this.#socket = socket;
    const route = { link: this, ...peer };
    this.route = route;
    socket.on('error', () => {}); // [XTMP-UDP-007] [XTMP-UDP-008]
    socket.on('message', (bytes, { address, port }) => {
      if (address !== peer.address || port !== peer.port) return;
      try {
        this.take(bytes, route);
      } catch (error) {
        if (!(error instanceof CheckFailed || error instanceof Malformed)) throw error; // dropped
      }
    });
    this.take = take;
  }

  send(bytes, { address, port }) {
    this.#socket.send(bytes, port, address, () => {}); // what is refused counts as lost
  }

  close() {
    this.take = () => {};
    this.#socket.close();
  }
}

// pathOver makes a path of a session over a link. Its local address may be changed by
// rebind(socket); what still arrives at the old one is taken. [XTMP-UDP-117]
export function pathOver(link, session, options) {
  const links = [link];
  const release = () => links.forEach((one) => one.close());
  const path = new DatagramPath({ session, route: link.route, follows: false, release, ...options });
  const take = (bytes, route) => {
    const h = checked(bytes);
    if (!names(h.keyId)) return reset(session, h, bytes);
    if (h.sessionId !== session.id) throw new CheckFailed('check 6: session_id');
    path.receive(h, bytes, route);
  };
  link.take = take;
  path.rebind = (socket) => {
    const { address, port } = link.route;
    links.push(new Link(socket, { address, port }, take));
    path.reroute(links.at(-1).route);
  };
  return path;
}

// reset ends a session that its server has lost. [XTMP-RST-009] … [XTMP-RST-013]
function reset(session, h, bytes) {
  const body = bytes.subarray(HEADER);
  const own = h.type === TYPE.ERROR && isClear(h) && h.sessionId === session.id && body.length === 32;
  if (!own || session.suite === SUITE.INTEGRITY_ONLY) throw new CheckFailed('a clear frame in a session');
  checkChecksum(h, bytes);
  const right = body.readUInt16BE(0) === ERROR.SESSION_UNKNOWN && body[2] === SCOPE.SESSION && body[3] === 1;
  if (right && equal(body.subarray(16), session.params.resetToken)) session.end('the server has lost the session');
}

// A Candidate is what one server, or somebody who claims to be one, has answered: the
// pieces of ServerHello, then those of ServerFlight.
class Candidate {
  hello = new Pile();
  flight = new Pile();
  handshake = null; // once ServerHello is whole
}

// A DatagramHello runs the handshake. It calls done(session) or failed(error); claim()
// says whether its ServerFlight is the first that verifies. [XTMP-UDP-068]
export class DatagramHello {
  #deadlines = new Deadlines();
  #link;
  #options;
  #handshake;
  #clock;
  #token;
  #frames; // of ClientHello that were sent
  #retx;
  #tries = 1;
  #cookies = [];
  #candidates = new Map(); // session_id → Candidate
  #early = []; // sealed frames that overtook their ServerHello [XTMP-UDP-047]
  #wholeAt = null; // when ClientHello was first sent with a token
  #rtt = null;
  #hint = null; // what a clear Error said
  #over = false;

  // known is { token, rtt } of an earlier session, or null.
  constructor({ socket, peer, pins, known = null, connectMs = TIMER.T_CONNECT, done, failed, claim = () => true, suites, inflates = false, attaches = false, ...options }) {
    const now = wallClock.now();
    this.#options = { done, failed, claim, inflates, ...options };
    this.#handshake = new ClientHandshake(pins, now, { suites, inflates, attaches });
    this.#clock = new SessionClock(now);
    this.#link = new Link(socket, peer, (bytes) => this.#take(bytes));
    this.#token = known?.token; // [XTMP-UDP-040]
    this.#retx = known?.rtt ? Math.max(LEAST_RETX, 1.5 * known.rtt) : TIMER.T_HS_RETX; // [XTMP-UDP-058]
    this.first = this.#retx;
    this.#deadlines.set('connect', connectMs, () => this.fail(this.#hint ?? 'no session within T_CONNECT')); // [XTMP-HSK-085]
    this.#say();
  }

  // #say sends ClientHello: whole with a token, without one the first fragment. [XTMP-UDP-039] [XTMP-UDP-041]
  #say() {
    const frames = this.#handshake.helloFrames(this.#token);
    this.#frames = this.#token ? frames : frames.slice(0, 1);
    if (this.#token) this.#wholeAt ??= nowMs();
    this.#send();
  }

  #send() {
    for (const frame of this.#frames) this.#link.send(frame, this.#link.route);
    this.#deadlines.set('retx', this.#retx, () => this.#late());
  }

  // [XTMP-UDP-056] [XTMP-UDP-059] [XTMP-UDP-060]
  #late() {
    if (this.#tries >= LIMIT.handshake_tries) return; // T_CONNECT ends it
    this.#tries += 1;
    this.#retx *= 2;
    this.#send();
  }

  #take(bytes) {
    if (this.#over) return;
    const h = checked(bytes);
    if (names(h.keyId)) return this.#sealed(h, bytes);
    if (!isClear(h) || h.seq !== 0n) throw new CheckFailed('check 6: neither clear nor sealed');
    checkChecksum(h, bytes);
    if (h.type === TYPE.ERROR) return this.#clearError(bytes.subarray(HEADER));
    if (h.type !== TYPE.HANDSHAKE_ACK) throw new CheckFailed('check 3: type');
    const fragment = splitFragment(bytes.subarray(HEADER));
    if (!fragment.handshakeId.equals(this.#handshake.handshakeId)) throw new CheckFailed('another handshake_id'); // [XTMP-UDP-045]
    if (fragment.hsType === HS.RETRY && h.sessionId === 0n) this.#retry(fragment);
    else if (fragment.hsType === HS.SERVER_HELLO) this.#serverHello(h, fragment);
  }

  // #clearError ends nothing, for everybody can send one. [XTMP-UDP-051]
  #clearError(body) {
    if (body.length >= 16) this.#hint = `somebody answered ${errorName(body.readUInt16BE(0))} (unauthenticated)`;
  }

  // [XTMP-UDP-043] [XTMP-UDP-044]
  #retry({ fragment, count }) {
    const known = this.#cookies.some((cookie) => cookie.equals(fragment));
    const whole = [...this.#candidates.values()].some(({ handshake }) => handshake !== null);
    if (count !== 1 || fragment.length !== LIMIT.token_udp || known || whole || this.#cookies.length >= LIMIT.N_RETRY_COOKIE) return;
    this.#token = Buffer.from(fragment);
    this.#cookies.push(this.#token);
    this.#say();
  }

  // #candidate is what is known of a session_id; no more than four are kept, and it takes
  // the handshake_id to be one. [XTMP-UDP-046]
  #candidate(sessionId) {
    let candidate = this.#candidates.get(sessionId);
    if (!candidate) {
      if (sessionId === 0n || this.#candidates.size >= LIMIT.hello_candidates) throw new CheckFailed('one session_id too many');
      candidate = new Candidate();
      this.#candidates.set(sessionId, candidate);
    }
    return candidate;
  }

  #serverHello(h, fragment) {
    const candidate = this.#candidate(h.sessionId);
    if (candidate.handshake !== null) return;
    if (this.#wholeAt !== null) this.#rtt ??= nowMs() - this.#wholeAt;
    const body = candidate.hello.add(fragment);
    if (body === null) return;
    const handshake = this.#handshake.fork();
    try {
      handshake.serverHelloBody(h, body, true);
    } catch (error) {
      if (!(error instanceof HandshakeFailure || error instanceof Malformed)) throw error;
      candidate.hello = new Pile(); // [XTMP-UDP-048]
      return;
    }
    Object.assign(candidate, { handshake, anchor: new SessionClock(handshake.serverTime), skewed: skewed(handshake.serverTime, wallClock.now(), wallClock.step) });
    for (const frame of this.#early.splice(0)) this.#again(frame);
  }

  #again(frame) {
    try {
      this.#link.take(frame, this.#link.route);
    } catch (error) {
      if (!(error instanceof CheckFailed || error instanceof Malformed)) throw error;
    }
  }

  #sealed(h, bytes) {
    const candidate = this.#candidates.get(h.sessionId);
    if (!candidate?.handshake) {
      if (this.#early.length < LIMIT.early_frames) this.#early.push(Buffer.from(bytes));
      return;
    }
    const { handshake } = candidate;
    const plaintext = handshake.slot.open(h, bytes, h.sessionId, null); // [XTMP-UDP-049]
    const fragment = splitFragment(plaintext, h.seq);
    const right = h.type === TYPE.HANDSHAKE_ACK && (h.flags & ~PLAIN) === 0 && fragment.hsType === HS.SERVER_FLIGHT;
    if (!right || !fragment.handshakeId.equals(handshake.handshakeId)) throw new CheckFailed('no ServerFlight');
    const body = candidate.flight.add(fragment);
    if (body !== null) this.#flight(candidate, h.sessionId, body);
  }

  // #flight: one that opens and does not verify ends the handshake. [XTMP-UDP-050]
  #flight({ handshake, anchor, skewed: tooFar }, id, body) {
    let params;
    let endpoints;
    try {
      ({ params, endpoints } = handshake.serverFlightBody(body, tooFar));
    } catch (error) {
      if (!(error instanceof HandshakeFailure || error instanceof Malformed)) throw error;
      return this.fail(error.message, error.met);
    }
    if (!this.#options.claim()) return this.fail('the other transport was faster'); // [XTMP-UDP-070]
    this.#over = true;
    this.#deadlines.stop();
    const { frame, root, ...slots } = handshake.finish(this.#clock.now(), true);
    const { handshakeId, suite } = handshake;
    for (const other of this.#candidates.values()) other.handshake?.forget();
    this.#handshake.erase();
    const { done, failed, claim, ...options } = this.#options;
    const session = new ClientSession({ id, suite, clock: this.#clock, params, root, handshakeId, ...options });
    session.attachEndpoints = endpoints;
    const path = pathOver(this.#link, session, { slots, anchor, rtt: this.#rtt });
    session.start();
    path.watch();
    new Finish(path, frame, this.first);
    session.sent(path);
    done(session);
  }

  // fail sends nothing. [XTMP-HSK-082]
  fail(why, met = null) {
    if (this.#over) return;
    this.#over = true;
    this.#deadlines.stop();
    this.#link.close();
    for (const { handshake } of this.#candidates.values()) handshake?.forget();
    this.#handshake.erase();
    this.#options.failed(new HandshakeFailure(why, met));
  }
}

// A Finish sends ClientFinish, the identical frame, until a frame has opened under p0.s.
// [XTMP-UDP-057] … [XTMP-UDP-061]
class Finish {
  #tries = 0;

  constructor(path, frame, first) {
    Object.assign(this, { path, frame, retx: first });
    path.opensFirst = () => path.deadlines.clear('finish');
    this.#send();
  }

  #send() {
    const { path, frame } = this;
    if (this.#tries >= LIMIT.handshake_tries) return path.fail('nothing answered ClientFinish');
    this.#tries += 1;
    path.route.link.send(frame, path.route);
    path.deadlines.set('finish', this.retx, () => this.#send());
    this.retx *= 2;
  }
}

// AddressTokens keeps the newest token of each server, with the round trip of its
// session, for one handshake. A server is an endpoint under its pins. [XTMP-TOK-016] … [XTMP-TOK-018]
export class AddressTokens {
  #known = new Map();

  static #key = ({ host, port }, pins) => `${host} ${port} ${pins.map(({ fingerprint }) => fingerprint.toString('hex')).sort()}`;

  keep(endpoint, pins, session) {
    const rtt = session.paths.find(({ datagram }) => datagram)?.recovery.srtt ?? null;
    if (session.token) this.#known.set(AddressTokens.#key(endpoint, pins), { token: session.token, rtt });
  }

  take(endpoint, pins) {
    const key = AddressTokens.#key(endpoint, pins);
    const known = this.#known.get(key) ?? null;
    this.#known.delete(key);
    return known;
  }
}
