// Attach at a server: what one Attach asks for, what it is answered, and the path that
// follows from it. 13.3, 13.4
//
//	Attach opens → AttachAck, status 0 → path open → first path frame → path live
//	             → AttachAck, another status

import { BIT, ERROR, FLAG, HS, KIND, LIMIT, TIMER, TYPE } from './codes.mjs';
import { SessionClock, nowMs } from './clock.mjs';
import { DatagramOpenSlot, DatagramSealSlot } from './datagram.mjs';
import { CheckFailed, Malformed, OpenSlot, SealSlot } from './frame.mjs';
import { attachSecrets, pathSecrets, transcriptMessage } from './keys.mjs';
import { decodeAttach, encodeAttachAck, splitEnvelope, withEnvelope } from './messages.mjs';
import { random, sha384 } from './primitives.mjs';

// binderOf is the binder of an attached path, from the bodies of both messages.
export const binderOf = (attach, ack) =>
  sha384('XTMP/1 path', transcriptMessage(HS.ATTACH, attach), transcriptMessage(HS.ATTACH_ACK, ack));

// slotsUnder are the slots of an attached path, as one end uses them.
export function slotsUnder(root, binder, epoch, suite, { client, udp }) {
  const { ts_client: c, ts_server: s } = pathSecrets(root, binder);
  const [out, inward] = client ? [c, s] : [s, c];
  const [Seal, Open] = udp ? [DatagramSealSlot, DatagramOpenSlot] : [SealSlot, OpenSlot];
  return { seal: Object.assign(new Seal(out, suite), { epoch }), open: new Open(inward, suite, epoch), binder };
}

// An AttachOpenSlot takes the highest counter again, and higher ones. [XTMP-ATT-021] [XTMP-ATT-022]
export class AttachOpenSlot extends OpenSlot {
  highest = -1n;

  fresh(counter) {
    return counter >= this.highest;
  }

  opened(counter) {
    this.highest = counter;
  }
}

// An AttachSlot is the attach slot of one epoch at the server.
class AttachSlot {
  #seal;
  answered = null; // { counter, ack, place, at, path }, the last Attach that was answered

  constructor(root, epoch, suite) {
    const { ts_client: c, ts_server: s } = attachSecrets(root);
    this.epoch = epoch;
    this.open = new AttachOpenSlot(c, suite, epoch);
    this.#seal = new SealSlot(s, suite);
  }

  // [XTMP-ATT-031]
  ackFrame(session, counter, handshakeId, body) {
    this.#seal.next = counter;
    const fields = { type: TYPE.HANDSHAKE_ACK, sessionId: session.id, stamp: session.now };
    return this.#seal.seal(fields, withEnvelope(HS.ATTACH_ACK, handshakeId, body), counter);
  }

  erase() {
    this.open.erase();
    this.#seal.erase();
  }
}

// AttachSlots are those of every root that a session holds.
export class AttachSlots {
  #session;
  #slots = new Map(); // epoch → AttachSlot

  constructor(session) {
    this.#session = session;
  }

  // find returns the slot that a key_id names.
  find(keyId) {
    const { rekey, suite } = this.#session;
    for (const [epoch, slot] of this.#slots) {
      if (rekey.rootOf(epoch)) continue;
      slot.erase();
      this.#slots.delete(epoch);
    }
    for (const epoch of [rekey.epoch - 1, rekey.epoch, rekey.epoch + 1]) {
      const root = rekey.rootOf(epoch);
      if (root && !this.#slots.has(epoch)) this.#slots.set(epoch, new AttachSlot(root, epoch, suite));
      const slot = this.#slots.get(epoch);
      if (slot?.open.find(keyId)) return slot;
    }
    return null;
  }

  erase() {
    for (const slot of this.#slots.values()) slot.erase();
  }
}

const PLAIN = FLAG.ENCRYPTED | FLAG.PRIORITY;

// refused is the first status of the table of 13.3 that holds, or 0.
function refused(body, { counter, kind, bit, session, busy }) {
  try {
    const attach = decodeAttach(body);
    const own = BigInt(attach.counter) === counter && attach.kind === kind && (attach.flags & ~BIT.STANDBY) === 0;
    if (!own) return ERROR.MALFORMED;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return ERROR.MALFORMED;
  }
  if ((session.params.policy & bit) === 0) return ERROR.PERMISSION_DENIED;
  return session.draining || busy() ? ERROR.SERVER_BUSY : 0;
}

// takeAttach judges a frame that names an attach slot of the session, from check 7 on. A
// place is where it comes from: udp, samePlace(other), busy(), send(frame), refuse(frame),
// for another status than 0, and makePath(session, options). It throws CheckFailed where
// the text says: drop, or close silently.
export function takeAttach(session, slot, h, frame, place) {
  const before = slot.open.highest;
  const plaintext = slot.open.open(h, frame, session.id, null);
  if (slot.epoch === session.rekey.epoch + 1) session.rekey.confirm(); // [11.7]
  if (h.type !== TYPE.HANDSHAKE || (h.flags & ~PLAIN) !== 0) throw new CheckFailed('no Attach'); // [XTMP-ATT-023]
  const { hsType, handshakeId, body } = splitEnvelope(plaintext); // [XTMP-ATT-024]
  if (hsType !== HS.ATTACH) throw new CheckFailed('no Attach');
  if (h.seq === before) return repeated(slot, place);
  answer(session, slot, { counter: h.seq, handshakeId, body: Buffer.from(body), place });
}

// takeAttachAgain is takeAttach on a connection that has begun with one: another counter
// has no place there. [XTMP-ATT-028]
export function takeAttachAgain(session, slot, h, frame, place) {
  if (h.seq !== slot.answered?.counter || slot.answered.place !== place) throw new CheckFailed('another Attach on the same connection');
  takeAttach(session, slot, h, frame, place);
}

// repeated: the same frame goes to the same place. [XTMP-ATT-025] [XTMP-ATT-026] [XTMP-ATT-027]
function repeated({ answered }, place) {
  const kept = answered && nowMs() - answered.at < TIMER.T_FLIGHT && !answered.path?.heardOnce;
  if (!kept || !place.samePlace(answered.place)) throw new CheckFailed('a repeated Attach');
  place.send(answered.ack);
}

// answer sends AttachAck and makes the path. [XTMP-ATT-030] … [XTMP-ATT-036]
function answer(session, slot, { counter, handshakeId, body, place }) {
  const [kind, bit] = place.udp ? [KIND.UDP, BIT.ATTACH_UDP] : [KIND.STREAM, BIT.ATTACH_TCP];
  const status = refused(body, { counter, kind, bit, session, busy: place.busy });
  const ackBody = encodeAttachAck({ status, pathId: session.paths.length, random: random(32), time: session.now });
  const ack = slot.ackFrame(session, counter, handshakeId, ackBody);
  slot.answered = { counter, ack, place, at: nowMs(), path: null };
  if (status !== 0) return place.refuse(ack, `AttachAck, status ${status}`);
  const { flags, time } = decodeAttach(body);
  const anchor = new SessionClock(time);
  makeRoom(session);
  place.send(ack);
  const slots = slotsUnder(session.rekey.rootOf(slot.epoch), binderOf(body, ackBody), slot.epoch, session.suite, { client: false, udp: place.udp });
  const path = place.makePath(session, { slots, anchor, attached: true, standby: (flags & BIT.STANDBY) !== 0, began: nowMs() });
  slot.answered.path = path;
  session.rekey.adopt(path);
  path.deadlines.set('first frame', place.udp ? TIMER.T_FLIGHT : TIMER.T_HANDSHAKE_TCP, () => path.heardOnce || path.fail('no frame followed AttachAck')); // [XTMP-ATT-040] [XTMP-ATT-041]
}

// makeRoom closes a path when there are four. [XTMP-ATT-042] [XTMP-LIM-015]
function makeRoom(session) {
  if (session.paths.length < LIMIT.paths_per_session) return;
  const others = session.paths.filter((path) => path !== session.current);
  others.reduce((a, b) => (b.heardAt < a.heardAt ? b : a)).fail('a fifth path took its place');
}
