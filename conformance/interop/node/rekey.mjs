// Rekey, at either end: roots, epochs and their timers. Chapter 11.
//
// What both ends do is in Epochs. An end works on the paths of its session, its deadlines
// and its root; elapsed() is the time in microseconds.

import { ERROR, HEARTBEAT, HS, SCOPE, TIMER, TYPE } from './codes.mjs';
import { elapsedMicros } from './clock.mjs';
import { Malformed, Violation } from './frame.mjs';
import { nextRoot, pathSecrets, transcriptMessage } from './keys.mjs';
import { decodeRekeyInit, decodeRekeyResp, encodeRekeyInit, encodeRekeyResp, withEnvelope } from './messages.mjs';
import * as p from './primitives.mjs';

const violation = (code, what) => new Violation(ERROR[code], what);

// decode gives a body of another length as the violation that it is, for what is
// wrong with it is judged in an order. [11.6]
function decode(decoder, body) {
  try {
    return decoder(body);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw violation('PROTOCOL_VIOLATION', error.message);
  }
}

class Epochs {
  epoch = 0; // the current one
  pending = null; // root of the next
  #old = null; // root of the one before
  #retireAt = Infinity; // when the old root goes at the latest
  #rekeyLeft = null; // what is left of T_REKEY while every path is closed

  constructor({ session, root, elapsed = elapsedMicros }) {
    Object.assign(this, { session, root, elapsed });
  }

  get deadlines() {
    return this.session.deadlines;
  }

  get holdsOld() {
    return this.#old !== null;
  }

  // rootOf is the root of an epoch, if it is held.
  rootOf(epoch) {
    if (epoch === this.epoch) return this.root;
    if (epoch === this.epoch + 1) return this.pending;
    return epoch === this.epoch - 1 ? this.#old : null;
  }

  // secretsOf are the traffic secrets of a path in an epoch.
  secretsOf({ binder }, epoch) {
    return pathSecrets(this.rootOf(epoch), binder);
  }

  // next derives the root of the next epoch and gives every path its receive keys.
  // [XTMP-RKY-036] [XTMP-RKY-045] [XTMP-RKY-048]
  next(init, resp, mlkemShared, x25519Shared) {
    const bodies = [transcriptMessage(HS.REKEY_INIT, init), transcriptMessage(HS.REKEY_RESP, resp)];
    this.pending = nextRoot(this.root, ...bodies, mlkemShared, x25519Shared);
    for (const secret of [mlkemShared, x25519Shared]) secret.fill(0);
    for (const path of this.session.paths) this.#prepare(path, this.epoch + 1);
  }

  #prepare(path, epoch) {
    path.open.prepare(this.secretsOf(path, epoch)[this.receives], epoch);
    path.open.switched = () => this.#switched(path, epoch);
  }

  // adopt takes a path that was attached under an epoch. It opens frames of the next one
  // too, if there is one. [XTMP-RKY-052] [XTMP-RKY-053]
  adopt(path) {
    const next = path.open.epoch + 1;
    if (this.rootOf(next)) this.#prepare(path, next);
  }

  // #switched: a frame of the epoch has opened on the path, the first there.
  #switched(path, epoch) {
    this.#retireKeys(path, epoch);
    this.switchedOn(path, epoch);
    if (epoch === this.epoch + 1) this.confirm();
    else this.#look();
  }

  // #retireKeys: on UDP the receive keys of the epoch before stay for a while. [XTMP-RKY-054]
  #retireKeys(path, epoch) {
    if (!path.datagram) return;
    const ms = Math.min(Math.max(3 * path.recovery.pto, TIMER.T_OLD_KEYS), TIMER.T_OLD_KEYS_MAX);
    path.deadlines.set('old-keys', ms, () => path.open.drop(epoch));
  }

  // watch runs T_REKEY. [XTMP-RKY-031]
  watch(ms = TIMER.T_REKEY) {
    const end = this.elapsed() + BigInt(Math.ceil(ms * 1000));
    this.deadlines.set('rekey', ms, () => this.session.endByError(ERROR.REKEY_FAILED, SCOPE.SESSION));
    this.#rekeyLeft = () => Number(end - this.elapsed()) / 1000;
  }

  // rest and resume: T_REKEY stands still while every path is closed. [XTMP-RKY-059] [XTMP-PRK-011]
  rest() {
    if (!this.deadlines.has('rekey')) return;
    const left = this.#rekeyLeft();
    this.deadlines.clear('rekey');
    this.#rekeyLeft = () => left;
  }

  resume() {
    if (this.#rekeyLeft && (this.pending !== null || this.inFlight)) this.watch(this.#rekeyLeft());
  }

  // confirm: the first frame of the next epoch has opened, somewhere.
  confirm() {
    this.deadlines.clear('rekey');
    this.#old = this.root;
    this.root = this.pending;
    this.pending = null;
    this.epoch += 1;
    this.deadlines.set('retire-max', TIMER.T_RETIRE_MAX, () => this.#retireLate()); // [XTMP-RKY-057]
    this.confirmed();
    this.#look();
  }

  // #look: the old root goes a while after every live path has switched. [XTMP-RKY-035] [XTMP-RKY-056]
  #look() {
    if (this.#old === null) return;
    const waits = this.session.paths.some((path) => path.live && path.open.epoch < this.epoch);
    if (waits) return this.deadlines.clear('retire');
    const ptos = this.session.paths.filter((path) => path.datagram).map((path) => 3 * path.recovery.pto);
    this.deadlines.begin('retire', Math.max(TIMER.T_RETIRE, ...ptos), () => this.retire());
  }

  pathEnded() {
    this.#look();
  }

  // [XTMP-RKY-058]
  #retireLate() {
    for (const path of [...this.session.paths]) if (path.open.epoch < this.epoch) path.fail('it has not switched to the new keys');
    if (!this.session.over) this.retire();
  }

  // retire erases the old root and what was derived from it. A path that has not switched
  // has nothing to seal under until it does.
  retire() {
    this.#eraseOld();
    for (const path of this.session.paths) {
      path.open.drop(this.epoch);
      if (path.seal.epoch < this.epoch) path.mute = true;
    }
    this.retired?.();
  }

  #eraseOld() {
    for (const name of ['retire', 'retire-max']) this.deadlines.clear(name);
    this.#old?.fill(0);
    this.#old = null;
  }

  // beforeNext: a root of the epoch before does not stand in the way of a rekey. [XTMP-RKY-027]
  beforeNext() {
    this.#eraseOld();
  }

  erase() {
    for (const secret of [this.root, this.pending, this.#old]) secret?.fill(0);
  }
}

export class ServerRekey extends Epochs {
  receives = 'ts_client';
  #asking = false; // no rekey has served what ask was called for
  #lastAsked = null; // when REKEY_REQUEST was sent
  lastInit = null; // when the RekeyInit before arrived

  // init takes the body of a RekeyInit under a new mid and returns that of
  // RekeyResp. The order is that of 11.6. [XTMP-RKY-024] … [XTMP-RKY-027], [XTMP-RKY-032]
  init(body, entropy = { x25519: p.random(32), mlkemMessage: p.random(32) }) {
    const now = this.elapsed();
    const { epoch, x25519, kem: ek } = decode(decodeRekeyInit, body);
    if (this.pending !== null) throw violation('PROTOCOL_VIOLATION', 'RekeyInit while a rekey is in flight');
    if (epoch !== this.epoch + 1) throw violation('PROTOCOL_VIOLATION', `RekeyInit for epoch ${epoch} in epoch ${this.epoch}`);
    if (this.lastInit !== null && now - this.lastInit < BigInt(TIMER.T_REKEY_GAP_MIN) * 1000n) {
      throw violation('PROTOCOL_VIOLATION', 'RekeyInit too soon after the one before');
    }
    const shared = p.mlkemKeyAcceptable(ek) ? p.x25519Shared(entropy.x25519, x25519) : null;
    if (shared === null) throw violation('REKEY_FAILED', 'arithmetic of RekeyInit');
    this.beforeNext();
    this.lastInit = now;
    const { ct, shared: mlkemShared } = p.mlkemEncapsulate(ek, entropy.mlkemMessage); // [XTMP-RKY-008]
    const resp = encodeRekeyResp(epoch, p.x25519Public(entropy.x25519), ct); // [XTMP-RKY-007]
    this.next(body, resp, mlkemShared, shared);
    for (const secret of Object.values(entropy)) secret.fill(0);
    this.deadlines.clear('rekey-ask');
    this.watch();
    return resp;
  }

  // switchedOn: the path alone goes over to the new keys, for everything that is sealed
  // there from now on. [XTMP-RKY-022] [XTMP-RKY-023] [XTMP-RKY-049] [XTMP-RKY-050]
  switchedOn(path, epoch) {
    path.seal.rekey(this.secretsOf(path, epoch).ts_server, epoch);
    path.mute = false;
  }

  confirmed() {
    this.#asking = false;
    this.deadlines.clear('key-limit');
  }

  // ask asks for a rekey, and again until a RekeyInit arrives. [XTMP-RKY-014] [XTMP-RKY-015]
  ask() {
    if (this.pending !== null || this.#asking) return;
    this.#asking = true;
    const since = this.#lastAsked === null ? Infinity : Number(this.elapsed() - this.#lastAsked) / 1000;
    if (since >= TIMER.T_REKEY_ASK) this.#send();
    else this.deadlines.set('rekey-ask', TIMER.T_REKEY_ASK - since, () => this.#send());
  }

  #send() {
    this.session.current?.sendHeartbeat(HEARTBEAT.REKEY_REQUEST, Buffer.alloc(0));
  }

  // asked: a REKEY_REQUEST is handed over. [XTMP-RKY-016]
  asked() {
    this.#lastAsked = this.elapsed();
    if (this.pending !== null || !this.#asking) return;
    this.deadlines.begin('key-limit', TIMER.T_KEY_LIMIT, () => this.session.endByError(ERROR.KEY_LIMIT, SCOPE.SESSION));
    this.deadlines.set('rekey-ask', TIMER.T_REKEY_ASK, () => this.#send());
  }

  // rest and resume: T_KEY_LIMIT does not run while the session is parked, and what was
  // asked for is asked for again. [XTMP-PRK-011]
  rest() {
    super.rest();
    for (const name of ['key-limit', 'rekey-ask']) this.deadlines.clear(name);
  }

  resume() {
    super.resume();
    if (!this.#asking) return;
    this.#asking = false;
    this.ask();
  }
}

export class ClientRekey extends Epochs {
  mids = new Set(); // of the RekeyInits that were sent
  mid = null; // of the last
  flight = null; // the rekey that is in flight
  receives = 'ts_server';
  #due = false;
  #lastInit = null;
  #rotateMs;

  // rotateMs is T_ROTATE. [XTMP-RKY-010]
  constructor({ rotateMs, ...options }) {
    super(options);
    this.#rotateMs = rotateMs;
  }

  retired() {
    this.#start();
  }

  get inFlight() {
    return this.flight !== null;
  }

  // awaiting says that RekeyInit has no answer yet.
  get awaiting() {
    return this.flight !== null && this.pending === null;
  }

  // rotate starts T_ROTATE.
  rotate() {
    this.deadlines.set('rotate', this.#rotateMs, () => this.request());
  }

  // request starts a rekey, or notes that one is due as soon as it is allowed. One
  // that is in flight serves it. [XTMP-RKY-011] … [XTMP-RKY-013]
  request() {
    if (this.flight !== null) return;
    this.#due = true;
    this.#start();
  }

  // [XTMP-RKY-017] [XTMP-RKY-018]
  #start() {
    if (!this.#due || this.flight !== null || this.holdsOld || this.session.draining || this.session.over || this.session.paths.length === 0) return;
    const since = this.#lastInit === null ? Infinity : Number(this.elapsed() - this.#lastInit) / 1000;
    if (since < TIMER.T_REKEY_GAP) {
      this.deadlines.set('rekey-gap', TIMER.T_REKEY_GAP - since, () => this.#start());
      return;
    }
    this.#due = false;
    this.send();
  }

  // send sends RekeyInit. [XTMP-RKY-001] [XTMP-RKY-002] [XTMP-RKY-003]
  send({ x25519, mlkemSeed, handshakeId } = { x25519: p.random(32), mlkemSeed: p.random(64), handshakeId: p.random(8) }) {
    const { ek, dk } = p.mlkemKeys(mlkemSeed);
    mlkemSeed.fill(0);
    const init = encodeRekeyInit(this.epoch + 1, p.x25519Public(x25519), ek);
    this.flight = { epoch: this.epoch + 1, handshakeId, x25519, dk, init };
    this.session.post({
      type: TYPE.HANDSHAKE, body: withEnvelope(HS.REKEY_INIT, handshakeId, init), reliable: true,
      numbered: (mid) => {
        this.mids.add(mid);
        this.mid = mid;
        this.#lastInit = this.elapsed();
        this.watch();
      },
    });
  }

  // resp takes the envelope of a reply to RekeyInit; everything sent from now on is
  // sealed under the next epoch. [XTMP-RKY-019] [XTMP-RKY-033] [XTMP-RKY-034] [XTMP-RKY-040] … [XTMP-RKY-042]
  resp({ hsType, handshakeId, body }) {
    const { epoch, handshakeId: id, x25519, dk, init } = this.flight;
    if (hsType !== HS.REKEY_RESP) throw violation('UNEXPECTED_MESSAGE', `hs_type ${hsType} in reply to RekeyInit`);
    if (!handshakeId.equals(id)) throw violation('UNEXPECTED_MESSAGE', 'RekeyResp with another handshake_id');
    const resp = decode(decodeRekeyResp, body);
    if (resp.epoch !== epoch) throw violation('PROTOCOL_VIOLATION', `RekeyResp for epoch ${resp.epoch}`);
    const shared = p.x25519Shared(x25519, resp.x25519);
    if (shared === null) throw violation('REKEY_FAILED', 'the X25519 secret is zero');
    this.next(init, body, p.mlkemDecapsulate(dk, resp.kem), shared);
    for (const secret of [x25519, dk]) secret.fill(0);
    for (const path of this.session.paths) path.seal.rekey(this.secretsOf(path, epoch).ts_client, epoch);
    this.rotate();
  }

  // pingAll makes every path switch at the server, the UDP paths again until they have
  // switched here. [XTMP-RKY-020] [XTMP-RKY-046] [XTMP-RKY-047]
  pingAll() {
    for (const path of [...this.session.paths]) this.#ping(path, path.seal.epoch);
  }

  #ping(path, epoch) {
    if (path.over || path.open.epoch >= epoch) return;
    path.ping();
    if (path.datagram) path.deadlines.set('switch', path.recovery.pto, () => this.#ping(path, epoch));
  }

  switchedOn(path) {
    path.deadlines.clear('switch');
  }

  confirmed() {
    this.flight = null;
  }

  resume() {
    super.resume();
    this.#start(); // [XTMP-PRK-019] [XTMP-RKY-060]
  }
}
