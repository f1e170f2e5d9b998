// Datagrams at a server: first contact, the handshake, and which path a frame belongs
// to. 7.4, 12.3 to 12.5, 12.14
//
// A Contact goes
//
//	(no valid token: Retry, and nothing is kept)
//	pieces of ClientHello → ServerHello and ServerFlight sent → ClientFinish verified
//
// and is forgotten T_FLIGHT after ServerHello.

import { ERROR, HEADER, HS, LIMIT, SCOPE, TIMER, TYPE } from './codes.mjs';
import { takeAttach } from './attach.mjs';
import { Deadlines, SessionClock, nowMs, skewed, wallMicros } from './clock.mjs';
import { DatagramPath, sameAddress } from './datagram-path.mjs';
import { CheckFailed, Malformed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, clearFrame, isClear, parseHeader } from './frame.mjs';
import { Refusal, ServerHandshake } from './handshake.mjs';
import { sourceOf } from './limits.mjs';
import { Pile, encodeError, splitFragment, withEnvelope } from './messages.mjs';

const HELLO_MIN = 1298; // bytes of a ClientHello body
const ZERO_KEY = Buffer.alloc(16);

class Contact {
  #endpoint;
  #pile = new Pile();
  #deadlines = new Deadlines();
  #counted = { halfOpen: 0, memory: 0 };
  #frames = null; // of ServerHello and ServerFlight
  #resends = 0;
  #sentAt = 0;
  #handshake = null;
  sessionId = null;

  constructor(endpoint, key, route, handshakeId) {
    Object.assign(this, { key, route, handshakeId: Buffer.from(handshakeId), source: sourceOf(route.address) });
    this.#endpoint = endpoint;
    this.#count('halfOpen', 1); // [XTMP-UDP-030]
    this.#deadlines.set('end', TIMER.T_REASSEMBLY_HELLO, () => this.forget('T_REASSEMBLY_HELLO')); // [XTMP-UDP-029]
  }

  get busy() {
    return this.#endpoint.server.counts.busy(this.source);
  }

  #count(name, n) {
    this.#counted[name] += n;
    this.#endpoint.server.counts.add(this.source, name, n);
  }

  // add takes a fragment with a valid token.
  add(fragment) {
    if (this.#frames !== null) return this.#repeated(fragment);
    const before = this.#pile.bytes;
    const body = this.#pile.add(fragment);
    this.#count('memory', this.#pile.bytes - before);
    if (body === null) return;
    try {
      this.#complete(body, wallMicros());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.code === ERROR.NO_COMMON_SUITE) this.#endpoint.refuse(error.code, this.route); // [XTMP-UDP-032]
      this.forget(error.message); // [XTMP-UDP-033] [XTMP-LIM-014]
    }
  }

  // #repeated: a duplicate ClientHello gets the same frames. [XTMP-UDP-063] [XTMP-UDP-064]
  #repeated({ index, fragment }) {
    if (index !== 0 || !fragment.equals(this.#pile.part(0)) || this.#resends >= LIMIT.flight_resends) throw new CheckFailed('a duplicate');
    this.#resends += 1;
    this.#say();
  }

  #say() {
    for (const frame of this.#frames) this.route.link.send(frame, this.route);
  }

  // #complete answers ClientHello. [XTMP-UDP-034]
  #complete(body, wall) {
    const { server } = this.#endpoint;
    const { handshakeId } = this;
    const handshake = new ServerHandshake({ handshakeId, body }, server.identities, () => this.busy, server.settings.suites);
    const anchor = new SessionClock(handshake.ch.time);
    this.tooSkewed = skewed(handshake.ch.time, wall);
    const offer = server.offer();
    const { hello, flight } = handshake.answer({ ...offer, udp: true });
    this.#handshake = handshake;
    this.sessionId = offer.sessionId;
    this.#endpoint.half.set(offer.sessionId, this);
    this.times = { clock: new SessionClock(offer.time), anchor, params: offer.params };
    this.#frames = [...hello, ...flight];
    this.#count('memory', -this.#counted.memory);
    this.#sentAt = nowMs();
    this.#deadlines.set('end', TIMER.T_FLIGHT, () => this.forget('T_FLIGHT')); // [XTMP-UDP-065]
    this.#say();
  }

  // finish takes a frame under the handshake key. [XTMP-UDP-036] [XTMP-UDP-037] [XTMP-UDP-038]
  finish(h, frame, route) {
    if (!sameAddress(route, this.route)) throw new CheckFailed('ClientFinish from another address');
    const handshake = this.#handshake;
    const plaintext = handshake.slot.open(h, frame, this.sessionId, null);
    splitFragment(plaintext, h.seq); // throws for a bad envelope
    if (!handshake.clientFinish(h, plaintext)) throw new CheckFailed('no ClientFinish that verifies');
    this.#handshake = null;
    this.#endpoint.half.delete(this.sessionId);
    this.#count('halfOpen', -1);
    this.#endpoint.server.establish(handshake, this, (session, slots) => this.#endpoint.path(session, {
      slots, anchor: this.times.anchor, route, rtt: nowMs() - this.#sentAt,
    }));
  }

  // forget ends the contact, and the handshake if it is not done.
  forget(why) {
    this.#deadlines.stop();
    this.#endpoint.forget(this);
    if (this.#handshake) {
      this.#handshake.erase();
      this.#endpoint.server.release(this.sessionId);
      this.#endpoint.server.log(`${this.source}: half-open: ${why}`);
    }
    for (const [name, n] of Object.entries(this.#counted)) this.#count(name, -n);
  }
}

export class DatagramServer {
  half = new Map(); // session_id → contact
  #contacts = new Map(); // address, port and handshake_id → contact
  #resets = new Map(); // source → when the last ones were sent, in ms

  constructor(server) {
    this.server = server;
  }

  // take judges a datagram, whatever became of those before it. [XTMP-ORD-032] … [XTMP-ORD-034]
  take(bytes, route) {
    try {
      this.#judge(bytes, route);
    } catch (error) {
      if (!(error instanceof CheckFailed || error instanceof Malformed)) throw error;
      this.server.log(`${route.address}:${route.port}: dropped: ${error.message}`);
    }
  }

  #judge(bytes, route) {
    if (bytes.length < HEADER) throw new CheckFailed('check 1: shorter than 96 bytes'); // [XTMP-UDP-009]
    const h = parseHeader(bytes);
    if (bytes.length !== HEADER + h.length) throw new CheckFailed('check 1: length');
    if (bytes.length > this.server.params.maxDatagram) throw new CheckFailed('longer than what is accepted'); // [XTMP-UDP-011] [XTMP-UDP-012]
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (h.length > LIMIT.payload_before_session) throw new CheckFailed('check 4: payload_length');
    if (h.keyId.equals(ZERO_KEY)) this.#clear(h, bytes, route);
    else this.#sealed(h, bytes, route);
  }

  // [XTMP-ORD-035] [XTMP-ORD-036]
  #clear(h, bytes, route) {
    if (h.type !== TYPE.HANDSHAKE) throw new CheckFailed('check 3: a clear frame of another type');
    if (!this.server.counts.takeToken(sourceOf(route.address))) throw new CheckFailed('check 5: rate');
    if (!isClear(h)) throw new CheckFailed('check 6: neither clear nor sealed');
    if (h.sessionId !== 0n || h.seq !== 0n) throw new CheckFailed('check 6: session_id or sequence number');
    checkChecksum(h, bytes);
    const fragment = splitFragment(bytes.subarray(HEADER));
    if (fragment.hsType !== HS.CLIENT_HELLO) throw new CheckFailed('hs_type');
    this.#hello(fragment, route);
  }

  // [XTMP-UDP-025] [XTMP-UDP-026] [XTMP-UDP-027]
  #hello(fragment, route) {
    const { handshakeId, token, index, total } = fragment;
    const peer = { address: route.address, port: route.port, handshakeId };
    if (!this.server.tokens.valid(token, peer)) {
      if (index !== 0 || total < HELLO_MIN) throw new CheckFailed('no valid token');
      const payload = withEnvelope(HS.RETRY, handshakeId, this.server.tokens.cookie(peer)); // [XTMP-UDP-028]
      return void route.link.send(clearFrame(TYPE.HANDSHAKE_ACK, 0n, wallMicros(), payload), route);
    }
    const key = `${route.address} ${route.port} ${handshakeId.toString('hex')}`;
    let contact = this.#contacts.get(key);
    if (!contact) {
      contact = new Contact(this, key, route, handshakeId);
      if (contact.busy) {
        contact.forget('a limit is reached');
        throw new CheckFailed('a limit is reached');
      }
      this.#contacts.set(key, contact);
    }
    contact.add(fragment);
  }

  // #sealed finds the path by session_id and key_id, never by the address. [XTMP-UDP-085] [XTMP-UDP-035]
  #sealed(h, bytes, route) {
    const contact = this.half.get(h.sessionId);
    if (contact) return contact.finish(h, bytes, route);
    const session = this.server.sessions.get(h.sessionId);
    if (!session) return this.#reset(h, bytes, route);
    const path = session.paths.find((p) => p.datagram && p.open.find(h.keyId));
    if (path) return path.receive(h, bytes, route);
    const slot = this.server.attaches ? session.attachSlots.find(h.keyId) : null; // [XTMP-ATT-017]
    if (!slot || session.over) throw new CheckFailed('check 6: key_id');
    takeAttach(session, slot, h, bytes, this.#place(route));
  }

  // #place is where an Attach comes from.
  #place(route) {
    const source = sourceOf(route.address);
    const send = (frame) => route.link.send(frame, route);
    return {
      udp: true, route, send, refuse: send,
      samePlace: (other) => other.udp && sameAddress(other.route, route),
      busy: () => this.server.counts.attachBusy(source, 0),
      makePath: (session, options) => this.path(session, { route, ...options }),
    };
  }

  // path makes a path of a session.
  path(session, options) {
    const { maxDatagram } = this.server.params;
    const path = new DatagramPath({ session, accepts: maxDatagram, follows: true, ...options });
    return Object.assign(path, { source: sourceOf(options.route.address) });
  }

  refuse(code, route) {
    route.link.send(clearFrame(TYPE.ERROR, 0n, wallMicros(), encodeError({ code, scope: SCOPE.PATH })), route);
  }

  // #reset says that a session is unknown. [XTMP-RST-001] … [XTMP-RST-005]
  #reset(h, bytes, route) {
    if (bytes.length < LIMIT.reset_trigger || h.sessionId === 0n) throw new CheckFailed('check 6: session_id');
    const source = sourceOf(route.address);
    const recent = (this.#resets.get(source) ?? []).filter((at) => nowMs() - at < 1000);
    if (recent.length >= LIMIT.resets_per_source) throw new CheckFailed('too many resets');
    this.#resets.delete(source);
    if (this.#resets.size >= LIMIT.half_open_total) this.#resets.delete(this.#resets.keys().next().value); // the oldest
    this.#resets.set(source, [...recent, nowMs()]);
    route.link.send(this.server.unknown(h.sessionId), route);
  }

  forget(contact) {
    this.#contacts.delete(contact.key);
    this.half.delete(contact.sessionId);
  }

  stop() {
    for (const contact of [...this.#contacts.values()]) contact.forget('shutdown');
  }
}
