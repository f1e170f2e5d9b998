// Rekey, at either end: roots, epochs and their timers. Chapter 11.
//
// What both ends do is in Epochs. An end has, besides the secrets of its session, the
// slots of its path, its deadlines and two functions: end(code) ends the session, and
// elapsed() is the time in microseconds.

import { ERROR, HS, TIMER, TYPE, HEARTBEAT } from './codes.mjs';
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
  retired = () => {};
  #old = null; // root of the one before

  constructor({ root, binder, slots, deadlines, end, elapsed = elapsedMicros }) {
    Object.assign(this, { root, binder, slots, deadlines, end, elapsed });
    slots.open.switched = () => this.#confirmed();
  }

  get holdsOld() {
    return this.#old !== null;
  }

  // next derives the root of the next epoch, and the secrets of its path. [XTMP-RKY-036]
  next(init, resp, mlkemShared, x25519Shared) {
    const bodies = [transcriptMessage(HS.REKEY_INIT, init), transcriptMessage(HS.REKEY_RESP, resp)];
    this.pending = nextRoot(this.root, ...bodies, mlkemShared, x25519Shared);
    for (const secret of [mlkemShared, x25519Shared]) secret.fill(0);
    return pathSecrets(this.pending, this.binder);
  }

  // watch runs T_REKEY. [XTMP-RKY-031]
  watch() {
    this.deadlines.set('rekey', TIMER.T_REKEY, () => this.end(ERROR.REKEY_FAILED));
  }

  // #confirmed: the first frame of the next epoch has opened. [XTMP-RKY-035]
  #confirmed() {
    this.deadlines.clear('rekey');
    this.#old = this.root;
    this.root = this.pending;
    this.pending = null;
    this.epoch += 1;
    this.deadlines.set('retire', TIMER.T_RETIRE, () => {
      this.retire();
      this.retired();
    });
    this.confirmed();
  }

  retire() {
    this.deadlines.clear('retire');
    this.#old?.fill(0);
    this.#old = null;
  }

  erase() {
    for (const secret of [this.root, this.pending, this.#old]) secret?.fill(0);
  }
}

export class ServerRekey extends Epochs {
  tsServer = null; // to seal under once the rekey is confirmed
  #asking = false; // no rekey has served what ask was called for
  #lastAsked = null; // when REKEY_REQUEST was sent
  #sendHeartbeat;
  lastInit = null; // when the RekeyInit before arrived

  constructor({ sendHeartbeat, ...options }) {
    super(options);
    this.#sendHeartbeat = sendHeartbeat;
  }

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
    this.retire();
    this.lastInit = now;
    const { ct, shared: mlkemShared } = p.mlkemEncapsulate(ek, entropy.mlkemMessage); // [XTMP-RKY-008]
    const resp = encodeRekeyResp(epoch, p.x25519Public(entropy.x25519), ct); // [XTMP-RKY-007]
    const { ts_client: tsClient, ts_server: tsServer } = this.next(body, resp, mlkemShared, shared);
    for (const secret of Object.values(entropy)) secret.fill(0);
    this.slots.open.prepare(tsClient);
    this.tsServer = tsServer;
    this.deadlines.clear('rekey-ask');
    this.watch();
    return resp;
  }

  // confirmed switches to the new keys for everything that is sealed from now on.
  // [XTMP-RKY-022] [XTMP-RKY-023]
  confirmed() {
    this.slots.seal.rekey(this.tsServer);
    this.tsServer = null;
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
    this.#sendHeartbeat(HEARTBEAT.REKEY_REQUEST, Buffer.alloc(0));
  }

  // asked: a REKEY_REQUEST is handed over. [XTMP-RKY-016]
  asked() {
    this.#lastAsked = this.elapsed();
    if (this.pending !== null || !this.#asking) return;
    if (!this.deadlines.has('key-limit')) this.deadlines.set('key-limit', TIMER.T_KEY_LIMIT, () => this.end(ERROR.KEY_LIMIT));
    this.deadlines.set('rekey-ask', TIMER.T_REKEY_ASK, () => this.#send());
  }
}

export class ClientRekey extends Epochs {
  mids = new Set(); // of the RekeyInits that were sent
  mid = null; // of the last
  flight = null; // the rekey that is in flight
  #due = false;
  #lastInit = null;
  #session;
  #rotateMs;

  // session is the ClientSession, which sends; rotateMs is T_ROTATE. [XTMP-RKY-010]
  constructor({ session, rotateMs, ...options }) {
    super(options);
    this.#session = session;
    this.#rotateMs = rotateMs;
    this.retired = () => this.#start();
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
    if (!this.#due || this.flight !== null || this.holdsOld || this.#session.draining || this.#session.over) return;
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
    this.#session.outbox.push({
      type: TYPE.HANDSHAKE, body: withEnvelope(HS.REKEY_INIT, handshakeId, init), reliable: true,
      numbered: (mid) => {
        this.mids.add(mid);
        this.mid = mid;
        this.#lastInit = this.elapsed();
        this.watch();
      },
    });
    this.#session.flush();
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
    const ts = this.next(init, body, p.mlkemDecapsulate(dk, resp.kem), shared);
    for (const secret of [x25519, dk]) secret.fill(0);
    this.slots.open.prepare(ts.ts_server);
    this.slots.seal.rekey(ts.ts_client);
    this.rotate();
  }

  confirmed() {
    this.flight = null;
  }
}
