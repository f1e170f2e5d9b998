// The handshake, at either end, as computation alone: bytes, times and entropy come
// in, bytes and keys go out. Sockets and timers are elsewhere, and so compose.mjs can
// run a whole handshake from given inputs.

import { BIT, ERROR, FLAG, FLIGHT, HS, SUITE, TYPE, VERSION } from './codes.mjs';
import { DatagramOpenSlot, DatagramSealSlot, FragmentOpenSlot } from './datagram.mjs';
import { Malformed, OpenSlot, SealSlot, clearFrame } from './frame.mjs';
import { HandshakeFailure, KIND_HYBRID, chooseIdentity, judgeIdentity, keyHeldFor, sign, verify } from './identity.mjs';
import { Schedule, transcriptMessage } from './keys.mjs';
import {
  checkParams, decodeClientHello, decodeEndpoints, decodeServerHello, decodeServerIdentity, encodeClientHello, encodeServerHello,
  encodeServerIdentity, envelopes, flightMessage, splitEnvelope, splitFlight, withEnvelope,
} from './messages.mjs';
import * as p from './primitives.mjs';

const KEM_SEED = 64;

// freshClientEntropy and freshServerEntropy draw what one handshake needs. [XTMP-KEY-006]
export const freshClientEntropy = () => ({
  handshakeId: p.random(8),
  random: p.random(32),
  x25519: p.random(32),
  mlkemSeed: p.random(KEM_SEED), // d ‖ z of FIPS 203
  extension: 0x8000 | p.random(2).readUInt16BE(0), // [XTMP-TYP-021]
});

export const freshServerEntropy = () => ({ random: p.random(32), x25519: p.random(32), mlkemMessage: p.random(32) });

// slotsOf returns the path slots as one end uses them, with what a rekey needs:
// root and binder. It erases nothing.
function slotsOf({ ts_client: c, ts_server: s, root_0: root, th3 }, client, suite, udp) {
  const [out, inward] = client ? [c, s] : [s, c];
  const [Seal, Open] = udp ? [DatagramSealSlot, DatagramOpenSlot] : [SealSlot, OpenSlot];
  return { seal: new Seal(out, suite), open: new Open(inward, suite), root: Buffer.from(root), binder: Buffer.from(th3) };
}

// payloadsOf is a handshake message as its transport carries it.
const payloadsOf = (udp, ...message) => (udp ? envelopes(...message) : [withEnvelope(...message)]);

// sealAll seals the frames of a handshake slot, whose numbers are those of the
// fragments, and erases it. [XTMP-NON-007] [XTMP-UDP-017]
function sealAll(secret, suite, fields, payloads) {
  const slot = new SealSlot(secret, suite, BigInt(payloads.length));
  const frames = payloads.map((payload) => slot.seal(fields, payload));
  slot.erase();
  return frames;
}

const isPlainHandshake = (h, type) => h.type === type && (h.flags & ~(FLAG.ENCRYPTED | FLAG.PRIORITY)) === 0;

// suitesFor is what a client offers under its pins: suite 3 where it can be had.
export const suitesFor = (pins) =>
  [...(pins.some(({ kind }) => kind === KIND_HYBRID) ? [SUITE.POSTQUANTUM] : []), SUITE.AES256GCM, SUITE.CHACHA20POLY1305];

export class ClientHandshake {
  #offer; // suites, entropy, pins, time, asked, ch, dk, attaches
  #schedule = null;
  #serverTime;
  sessionId = 0n;

  // pins are those of the endpoint; time is the wall time in microseconds. suites are
  // in the order of preference, suite 0 among them only if the user says so; inflates
  // is whether replies may be compressed; hint says whether identity_hint names the pins; attaches, whether the client may attach.
  // [XTMP-TYP-030]
  constructor(pins, time, { entropy = freshClientEntropy(), hint = true, suites = suitesFor(pins), inflates = false, attaches = false, offer = null } = {}) {
    if (offer !== null) {
      this.#offer = offer;
      return;
    }
    const { ek, dk } = p.mlkemKeys(entropy.mlkemSeed);
    const asked = pins.some((pin) => !keyHeldFor(pins, pin.fingerprint)); // [XTMP-HSK-005]
    const ch = encodeClientHello({
      suites, // [XTMP-SUI-002] [XTMP-SUI-004] [XTMP-HSK-002] [XTMP-INT-001]
      flags: (asked ? BIT.INCLUDE_KEY : 0) | (inflates ? BIT.CLIENT_INFLATES : 0), // [XTMP-TYP-031]
      time,
      random: entropy.random,
      x25519: p.x25519Public(entropy.x25519),
      ek,
      hints: hint ? pins.map((pin) => pin.fingerprint) : [],
      extensions: [[entropy.extension, entropy.extensionValue ?? Buffer.alloc(0)]],
    });
    this.#offer = { suites, entropy, pins, time, asked, ch, dk, attaches };
  }

  // fork is another continuation of the same ClientHello: on UDP several servers may
  // seem to answer it. [XTMP-UDP-046]
  fork() {
    return new ClientHandshake([], null, { offer: this.#offer });
  }

  get values() {
    return this.#schedule?.values ?? {};
  }

  hello() {
    const { entropy, ch, time } = this.#offer;
    return clearFrame(TYPE.HANDSHAKE, 0n, time, withEnvelope(HS.CLIENT_HELLO, entropy.handshakeId, ch)); // [XTMP-HDR-017]
  }

  // helloFrames are those of UDP, with a token or without. [XTMP-UDP-042]
  helloFrames(token) {
    const { entropy, ch, time } = this.#offer;
    return envelopes(HS.CLIENT_HELLO, entropy.handshakeId, ch, token).map((payload) => clearFrame(TYPE.HANDSHAKE, 0n, time, payload));
  }

  // serverHello takes the payload of a clear frame that passed checks 1 … 10.
  serverHello(h, payload) {
    this.serverHelloBody(h, this.#body(payload, HS.SERVER_HELLO));
  }

  // serverHelloBody takes the body of ServerHello, put together.
  serverHelloBody(h, body, udp = false) {
    const { suites, entropy, ch, dk } = this.#offer;
    const sh = decodeServerHello(body);
    if (sh.version !== VERSION) throw new HandshakeFailure('the server chose a version that was not offered'); // [XTMP-HSK-016]
    if (!suites.includes(sh.suite)) throw new HandshakeFailure('the server chose a suite that was not offered'); // [XTMP-HSK-017]
    if (sh.sessionId === 0n) throw new HandshakeFailure('session_id is 0'); // [XTMP-HSK-018]
    if (sh.sessionId !== h.sessionId) throw new HandshakeFailure('session_id of header and body differ'); // [XTMP-HSK-019]
    const x25519 = p.x25519Shared(entropy.x25519, sh.x25519);
    if (x25519 === null) throw new HandshakeFailure('the X25519 secret is zero'); // [XTMP-KEY-009]
    this.#schedule = new Schedule(p.mlkemDecapsulate(dk, sh.ct), x25519);
    const v = this.#schedule.hellos(transcriptMessage(HS.CLIENT_HELLO, ch), transcriptMessage(HS.SERVER_HELLO, body));
    this.sessionId = sh.sessionId;
    this.suite = sh.suite;
    this.#serverTime = sh.time;
    this.slot = new (udp ? FragmentOpenSlot : OpenSlot)(v.s_hs, sh.suite);
  }

  // serverFlight takes the opened flight. [XTMP-HSK-036] skewed says whether
  // server_time is too far from our clock.
  serverFlight(h, plaintext, skewed) {
    if (!isPlainHandshake(h, TYPE.HANDSHAKE_ACK)) throw new Malformed('not a ServerFlight');
    return this.serverFlightBody(this.#body(plaintext, HS.SERVER_FLIGHT), skewed);
  }

  // serverFlightBody takes the body of the flight, opened and put together.
  serverFlightBody(body, skewed) {
    const { pins, asked, attaches } = this.#offer;
    const flight = splitFlight(body);
    const si = decodeServerIdentity(flight.identity.subarray(4));
    const key = judgeIdentity(si, pins, asked, this.suite); // [XTMP-TRU-011]
    const fail = (why) => {
      throw new HandshakeFailure(why, si.fingerprint);
    };
    const input = this.#schedule.identity(flight.identity).server_signature_input;
    if (!verify(key, input, flight.signature.subarray(4))) fail('the signature does not verify'); // [XTMP-HSK-043]
    if (skewed) fail('the clocks differ by more than 300 s'); // [XTMP-TIM-014]
    const { sf_mac: mac } = this.#schedule.signature(flight.signature);
    if (!p.equal(mac, flight.finished.subarray(4))) fail('the MAC of ServerFinished is wrong'); // [XTMP-HSK-044]
    if (attaches && si.endpoints) si.endpoints = decodeEndpoints(si.endpoints);
    checkParams(si.params);
    this.#schedule.finished(flight.finished);
    return si;
  }

  get serverTime() {
    return this.#serverTime;
  }

  get handshakeId() {
    return this.#offer.entropy.handshakeId;
  }

  // finish returns ClientFinish, one frame on every transport, and the slots of the path.
  finish(stamp, udp = false) {
    const v = this.#schedule.values;
    const [frame] = sealAll(
      v.c_hs, // [XTMP-HSK-046]
      this.suite,
      { type: TYPE.HANDSHAKE, sessionId: this.sessionId, stamp },
      [withEnvelope(HS.CLIENT_FINISH, this.handshakeId, v.cf_mac)], // [XTMP-ENV-006]
    );
    return { frame, ...slotsOf(v, true, this.suite, udp) };
  }

  erase() {
    this.slot?.erase();
    this.#schedule?.erase();
    const { dk, entropy } = this.#offer;
    for (const secret of [dk, entropy.x25519, entropy.mlkemSeed]) secret.fill(0);
  }

  // forget erases what came after ClientHello and leaves the offer to others.
  forget() {
    this.slot?.erase();
    this.#schedule?.erase();
  }

  #body(payload, hsType) {
    const envelope = splitEnvelope(payload);
    if (!envelope.handshakeId.equals(this.handshakeId)) throw new Malformed('another handshake_id'); // [XTMP-ENV-013]
    if (envelope.hsType !== hsType) throw new Malformed(`hs_type ${envelope.hsType} in place of ${hsType}`); // [XTMP-HSK-020]
    return envelope.body;
  }
}

// A Refusal is a clear Error in place of ServerHello.
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// clientFinishVerifies says whether an opened frame is a ClientFinish that verifies.
// [XTMP-HSK-049] [XTMP-ENV-012] [XTMP-TYP-013]
export function clientFinishVerifies(h, plaintext, handshakeId, mac) {
  if (!isPlainHandshake(h, TYPE.HANDSHAKE)) return false;
  try {
    const envelope = splitEnvelope(plaintext);
    const itsPlace = envelope.hsType === HS.CLIENT_FINISH && envelope.handshakeId.equals(handshakeId);
    return itsPlace && p.equal(envelope.body, mac); // [XTMP-HSK-050]
  } catch (error) {
    if (error instanceof Malformed) return false;
    throw error;
  }
}

function orRefuse(decode) {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Refusal(ERROR.MALFORMED, error.message);
  }
}

export class ServerHandshake {
  #schedule;
  #time;

  // fromFirst takes the payload of a clear first frame of type 0x01 on TCP which
  // passed checks 1 … 10.
  static fromFirst(payload, ...options) {
    const envelope = orRefuse(() => splitEnvelope(payload)); // [XTMP-HSK-067]
    if (envelope.hsType !== HS.CLIENT_HELLO) throw new Refusal(ERROR.MALFORMED, 'hs_type'); // [XTMP-HSK-068]
    return new ServerHandshake(envelope, ...options);
  }

  // busy() is asked before the costly part; suites are those enabled. [XTMP-HSK-079]
  constructor({ handshakeId, body }, identities, busy, suites = [SUITE.AES256GCM]) {
    this.handshakeId = Buffer.from(handshakeId);
    this.body = Buffer.from(body);
    this.ch = orRefuse(() => decodeClientHello(this.body)); // [XTMP-HSK-071]
    const { minVersion, maxVersion, suites: offered, hints, ek } = this.ch;
    if (minVersion > maxVersion || minVersion > VERSION || maxVersion < VERSION) { // [XTMP-HSK-072] [XTMP-HSK-073]
      throw new Refusal(ERROR.VERSION_UNSUPPORTED, `versions ${minVersion} to ${maxVersion}`);
    }
    const choice = chooseIdentity(identities, hints, offered, suites);
    if (choice === null) throw new Refusal(ERROR.NO_COMMON_SUITE, `suites ${offered}`); // [XTMP-HSK-074] [XTMP-TRU-021] [XTMP-INT-003]
    Object.assign(this, choice);
    if (busy()) throw new Refusal(ERROR.SERVER_BUSY, 'a limit is reached'); // [XTMP-HSK-077]
    if (!p.mlkemKeyAcceptable(ek)) throw new Refusal(ERROR.HANDSHAKE_FAILED, 'ML-KEM modulus'); // [XTMP-HSK-075]
  }

  // answer returns the frames of ServerHello and of ServerFlight. It draws what it
  // needs, unless told.
  answer({ sessionId, time, params, extensions, udp = false, entropy = freshServerEntropy() }) {
    const { ch, identity, suite, handshakeId } = this;
    const x25519 = p.x25519Shared(entropy.x25519, ch.x25519);
    if (x25519 === null) throw new Refusal(ERROR.HANDSHAKE_FAILED, 'the X25519 secret is zero'); // [XTMP-HSK-075]
    const { ct, shared } = p.mlkemEncapsulate(ch.ek, entropy.mlkemMessage); // [XTMP-HSK-015]
    const sh = encodeServerHello({
      version: VERSION, suite, sessionId, time, random: entropy.random, x25519: p.x25519Public(entropy.x25519), ct,
    });
    this.sessionId = sessionId;
    this.#time = time;
    this.#schedule = new Schedule(shared, x25519);
    this.#schedule.hellos(transcriptMessage(HS.CLIENT_HELLO, this.body), transcriptMessage(HS.SERVER_HELLO, sh));
    const flight = this.#flight(identity, params, extensions);
    this.slot = new (udp ? FragmentOpenSlot : OpenSlot)(this.values.c_hs, suite);
    for (const secret of [shared, x25519, entropy.x25519, entropy.mlkemMessage]) secret.fill(0);
    const fields = { type: TYPE.HANDSHAKE_ACK, sessionId, stamp: time }; // [XTMP-HSK-013]
    const hello = payloadsOf(udp, HS.SERVER_HELLO, handshakeId, sh).map((payload) => clearFrame(fields.type, sessionId, time, payload));
    return { hello, flight: sealAll(this.values.s_hs, suite, fields, payloadsOf(udp, HS.SERVER_FLIGHT, handshakeId, flight)) }; // [XTMP-ENV-005]
  }

  #flight(identity, params, extensions) {
    const key = this.ch.includeKey ? identity.key : null; // [XTMP-HSK-023]
    const si = flightMessage(FLIGHT.IDENTITY, encodeServerIdentity({ ...identity, key, params, extensions }));
    const signature = sign(identity, this.#schedule.identity(si).server_signature_input); // [XTMP-TRU-024]
    const ss = flightMessage(FLIGHT.SIGNATURE, signature);
    const sf = flightMessage(FLIGHT.FINISHED, this.#schedule.signature(ss).sf_mac);
    this.#schedule.finished(sf);
    return Buffer.concat([si, ss, sf]); // [XTMP-HSK-022]
  }

  get values() {
    return this.#schedule.values;
  }

  get time() {
    return this.#time;
  }

  clientFinish(h, plaintext) {
    return clientFinishVerifies(h, plaintext, this.handshakeId, this.values.cf_mac);
  }

  slots(udp = false) {
    return slotsOf(this.values, false, this.suite, udp);
  }

  erase() {
    this.slot?.erase();
    this.#schedule?.erase();
  }
}
