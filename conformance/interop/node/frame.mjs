// Frames: the 96 bytes, the checksum, sealing and opening, the prologue, and the
// reader that finds frames in a stream of bytes.
//
//	 0 magic[4] version type flags[2] session_id[8] sequence_number[8] payload_length[4] checksum[4]
//	32 encryption_type timestamp[7] key_id[16] nonce[24] auth_tag[16]
//	96 payload
//
// Integers that can pass 2^53 are BigInt: session_id, sequence numbers, mids, times.

import { crc32 } from 'node:zlib';
import { AAD, ERROR, FLAG, HEADER, LIMIT, MAGIC, SUITE, TIMER, TYPE, VERSION, flagsLegal } from './codes.mjs';
import * as p from './primitives.mjs';
import { slotKeys } from './keys.mjs';

const ZERO = Buffer.alloc(56);

// A CheckFailed is a frame that failed one of the checks 1 … 11, or something
// else for which the text says: close silently.
export class CheckFailed extends Error {}

// A NotOpened is one whose tag is wrong, which is counted on UDP.
export class NotOpened extends CheckFailed {}

// A Malformed is a body, envelope or TLV block that breaks its layout.
export class Malformed extends Error {}

// A Violation is what 9.6 calls by that name.
export class Violation extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const protocolViolation = (what) => new Violation(ERROR.PROTOCOL_VIOLATION, what);
export const unexpectedMessage = (what) => new Violation(ERROR.UNEXPECTED_MESSAGE, what);

// An Ended is what ends the session in silence.
export class Ended extends Error {}

// A NoRoom is a frame on UDP that is dropped, unacknowledged, until there is room for
// what it begins.
export class NoRoom extends Error {}

function header({ type, flags, sessionId, seq, length, suite, stamp, keyId, nonce }) {
  const b = Buffer.alloc(HEADER);
  MAGIC.copy(b);
  b[4] = VERSION;
  b[5] = type;
  b.writeUInt16BE(flags, 6);
  b.writeBigUInt64BE(sessionId, 8);
  b.writeBigUInt64BE(seq, 16);
  b.writeUInt32BE(length, 24);
  b.writeBigUInt64BE(stamp, 32); // 56 bits of time; the suite goes over the byte above them [XTMP-HDR-006]
  b[32] = suite;
  keyId.copy(b, 40);
  nonce.copy(b, 56);
  return b;
}

// frameChecksum is the CRC of the frame with the four bytes of checksum as zero.
// [XTMP-HDR-021]
export const frameChecksum = (frame) => crc32(frame.subarray(32), crc32(ZERO.subarray(0, 4), crc32(frame.subarray(0, 28))));

function finish(b, payload) {
  const frame = Buffer.concat([b, payload]);
  frame.writeUInt32BE(frameChecksum(frame), 28);
  return frame;
}

// clearFrame has no flags, no number and no key. [XTMP-HDR-029] [XTMP-HDR-030]
export function clearFrame(type, sessionId, stamp, payload) {
  const fields = { type, flags: 0, sessionId, seq: 0n, length: payload.length, suite: 0, stamp };
  return finish(header({ ...fields, keyId: ZERO.subarray(0, 16), nonce: ZERO.subarray(0, 24) }), payload);
}

export function parseHeader(b) {
  return {
    magic: b.subarray(0, 4),
    version: b[4],
    type: b[5],
    flags: b.readUInt16BE(6),
    sessionId: b.readBigUInt64BE(8),
    seq: b.readBigUInt64BE(16),
    length: b.readUInt32BE(24),
    checksum: b.readUInt32BE(28),
    suite: b[32],
    stamp: b.readBigUInt64BE(32) & (2n ** 56n - 1n),
    keyId: b.subarray(40, 56),
    nonce: b.subarray(56, 80),
    tag: b.subarray(80, 96),
  };
}

export const isClear = ({ keyId, nonce, tag }) => Buffer.concat([keyId, nonce, tag]).equals(ZERO);

// checkMagic and checkVersion are check 2, checkTypeAndFlags the part of check 3
// that no state changes.
export function checkMagic(h) {
  if (!h.magic.equals(MAGIC)) throw new CheckFailed('check 2: magic'); // [XTMP-ORD-005]
}

export function checkVersion(h) {
  if (h.version !== VERSION) throw new CheckFailed('check 2: version'); // [XTMP-ORD-006]
}

export function checkTypeAndFlags(h) {
  if (!flagsLegal(h.type, h.flags)) throw new CheckFailed('check 3: type and flags');
  const encrypted = (h.flags & FLAG.ENCRYPTED) !== 0;
  if (encrypted !== (h.suite !== 0)) throw new CheckFailed('check 3: ENCRYPTED and encryption_type'); // [XTMP-FLG-016]
  if (h.flags !== 0 && h.keyId.equals(ZERO.subarray(0, 16))) throw new CheckFailed('check 3: flags without a key'); // [XTMP-FLG-015]
}

export function checkChecksum(h, frame) {
  if (frameChecksum(frame) !== h.checksum) throw new CheckFailed('check 7: checksum'); // [XTMP-ORD-019]
}

// nonceField is the 24 bytes of 4.5.
export function nonceField(iv, seq) {
  const b = Buffer.alloc(24);
  iv.copy(b);
  b.writeBigUInt64BE(b.readBigUInt64BE(4) ^ seq, 4);
  return b;
}

const eraseKeys = ({ key, iv, keyId }) => {
  for (const b of [key, iv, keyId]) b.fill(0);
};

// types that may still be sealed when the budget of a key is nearly used up
const isControl = (type) => (type >= 0x01 && type <= 0x05) || type === TYPE.ERROR;

// A SealSlot seals the frames of one direction of a path: the keys of one traffic
// secret, and the count of frames sealed so far, which goes on when the keys change.
// [XTMP-RKY-029] [XTMP-SUI-008]
export class SealSlot {
  next = 0n;
  last = -1n; // the number of the last frame
  blocks = 0n;
  epoch = 0;
  #end;

  // frames is how many frames the slot may seal: one for the handshake slot of TCP.
  constructor(ts, suite = SUITE.AES256GCM, frames = LIMIT.sequence_end) {
    this.suite = suite;
    this.#end = frames;
    Object.assign(this, slotKeys(ts));
  }

  // seal returns the frame under the next sequence number. No call repeats a
  // number: a caller who names one gets an error unless it is the next.
  // [XTMP-NON-001] … [XTMP-NON-004] [XTMP-NON-007] … [XTMP-NON-010]
  seal({ type, flags = 0, sessionId, stamp }, plaintext, seq = this.next) {
    if (seq !== this.next || seq >= this.#end) throw new RangeError(`sequence number ${seq}, not ${this.next}, or none is left`);
    if (this.blocks >= LIMIT.blocks_end) throw new RangeError('the key is used up'); // [XTMP-NON-016]
    if (this.exhausted && !isControl(type)) throw new RangeError('the key is nearly used up'); // [XTMP-NON-015]
    const encrypted = this.suite === SUITE.INTEGRITY_ONLY ? 0 : FLAG.ENCRYPTED; // [XTMP-HDR-028] [XTMP-INT-005]
    const fields = { type, flags: flags | encrypted, sessionId, seq, length: plaintext.length, suite: this.suite, stamp };
    const b = header({ ...fields, keyId: this.keyId, nonce: nonceField(this.iv, seq) }); // [XTMP-INT-004] [XTMP-INT-006]
    this.last = seq;
    this.next += 1n;
    this.blocks += (BigInt(plaintext.length) + LIMIT.block_bytes - 1n) / LIMIT.block_bytes + LIMIT.blocks_per_frame;
    const { ciphertext, tag } = p.seal(this.suite, this.key, b.subarray(56, 68), b.subarray(0, AAD), plaintext);
    tag.copy(b, 80);
    return finish(b, ciphertext);
  }

  // rekey goes on under the keys of another traffic secret.
  rekey(ts, epoch = this.epoch + 1) {
    eraseKeys(this);
    Object.assign(this, slotKeys(ts), { epoch });
    this.blocks = 0n;
  }

  get exhausted() {
    return this.blocks >= LIMIT.blocks_control;
  }

  erase() {
    eraseKeys(this);
  }
}

// An OpenSlot opens the frames of one direction. During a rekey it holds the keys of
// two epochs. What is particular to TCP is that frames come in their order, each once,
// and that the old keys go with the first frame of the next epoch.
export class OpenSlot {
  next = 0n;
  behind = TIMER.T_STAMP_BEHIND;
  epoch = 0; // the newest of which a frame has opened
  switched = () => {}; // called when the first frame of another epoch has opened
  keys; // one of each epoch: { epoch, key, iv, keyId }

  constructor(ts, suite = SUITE.AES256GCM, epoch = 0) {
    this.suite = suite;
    this.epoch = epoch;
    this.keys = [{ epoch, ...slotKeys(ts) }];
  }

  // prepare makes the slot open frames of the next epoch too. [XTMP-RKY-021]
  prepare(ts, epoch = this.epoch + 1) {
    this.keys.push({ epoch, ...slotKeys(ts) });
  }

  get keyId() {
    return this.keys[0].keyId;
  }

  // drop erases the keys of the epochs before the one given.
  drop(epoch) {
    for (const keys of this.keys) if (keys.epoch < epoch) eraseKeys(keys);
    this.keys = this.keys.filter((keys) => keys.epoch >= epoch);
  }

  find(keyId) {
    return this.keys.find((keys) => keys.keyId.equals(keyId));
  }

  erase() {
    for (const keys of this.keys) eraseKeys(keys);
  }

  // open does the checks 6, key and suite, to 12 on a whole frame and returns
  // the plaintext. Without an anchor the timestamp is not judged. [XTMP-TIM-008]
  open(h, frame, sessionId, anchor) {
    if (h.keyId.equals(ZERO.subarray(0, 16))) throw new CheckFailed('check 6: no key, in a session'); // [XTMP-ORD-028] [XTMP-HDR-033]
    if (h.sessionId !== sessionId) throw new CheckFailed('check 6: session_id'); // [XTMP-ORD-016]
    const keys = this.find(h.keyId);
    if (!keys) throw new CheckFailed('check 6: key_id'); // [XTMP-ORD-017] [XTMP-ORD-031]
    if (h.suite !== this.suite) throw new CheckFailed('check 6: encryption_type'); // [XTMP-ORD-018] [XTMP-INT-009] [XTMP-ORD-037]
    checkChecksum(h, frame);
    if (anchor && !anchor.accepts(h.stamp, this.behind)) throw new CheckFailed('check 8: timestamp');
    if (h.seq >= LIMIT.sequence_end || !this.fresh(h.seq)) { // [XTMP-NON-013]
      throw new CheckFailed('check 9: sequence number');
    }
    if (!h.nonce.equals(nonceField(keys.iv, h.seq))) throw new CheckFailed('check 10: nonce'); // [XTMP-NON-006]
    const aad = Buffer.from(frame.subarray(0, AAD));
    aad.fill(0, 28, 32);
    const plaintext = p.open(this.suite, keys.key, h.nonce.subarray(0, 12), aad, frame.subarray(HEADER), h.tag);
    if (plaintext === null) throw new NotOpened('check 11: it does not open'); // [XTMP-ORD-025]
    this.opened(h.seq, keys.epoch);
    return plaintext;
  }

  // fresh is check 9. [XTMP-ORD-021] [XTMP-ORD-022]
  fresh(seq) {
    return seq === this.next;
  }

  // opened is check 12 and what follows from it. [XTMP-RKY-030]
  opened(seq, epoch) {
    this.next = seq + 1n;
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.drop(epoch);
    this.switched();
  }
}

// readPrologue splits a plaintext; the fields are there exactly when their flags
// are. It returns null when the plaintext is too short. [XTMP-HDR-036]
export function readPrologue(flags, plaintext) {
  const m = {};
  let at = 0;
  let short = false;
  const take = (size, read) => {
    short ||= plaintext.length < at + size;
    if (!short) read(at);
    at += size;
  };
  const has = (flag) => (flags & flag) !== 0;
  if (has(FLAG.REQUIRES_ACK)) take(8, (i) => (m.mid = plaintext.readBigUInt64BE(i)));
  if (has(FLAG.REPLY)) take(8, (i) => (m.replyTo = plaintext.readBigUInt64BE(i)));
  if (has(FLAG.STREAMING)) take(12, (i) => Object.assign(m, { subId: plaintext.readUInt32BE(i), n: plaintext.readBigUInt64BE(i + 4) }));
  if (has(FLAG.FRAGMENT)) {
    take(8, (i) => Object.assign(m, { fragId: plaintext.readUInt32BE(i), index: plaintext.readUInt16BE(i + 4), count: plaintext.readUInt16BE(i + 6) }));
  }
  if (has(FLAG.COMPRESSED) && !(m.index > 0)) take(4, (i) => (m.originalLen = plaintext.readUInt32BE(i)));
  return short ? null : Object.assign(m, { body: plaintext.subarray(at) });
}

// writePrologue is its inverse, for the fields that are there. [XTMP-HDR-035]
export function writePrologue({ mid, replyTo, subId, n, fragId, index, count, originalLen }) {
  const b = Buffer.alloc(40);
  let at = 0;
  if (mid !== undefined) at = b.writeBigUInt64BE(mid, at);
  if (replyTo !== undefined) at = b.writeBigUInt64BE(replyTo, at);
  if (subId !== undefined) at = b.writeBigUInt64BE(n, b.writeUInt32BE(subId, at));
  if (count !== undefined) at = b.writeUInt16BE(count, b.writeUInt16BE(index, b.writeUInt32BE(fragId, at)));
  if (originalLen !== undefined && !(index > 0)) at = b.writeUInt32BE(originalLen, at);
  return b.subarray(0, at);
}

// A FrameReader finds frames by payload_length alone. It asks `judge` about each
// header as soon as its 96 bytes are there; judge throws to stop it. Memory for a
// payload grows with the bytes received. [XTMP-HDR-007] [XTMP-HDR-009] [XTMP-ORD-013]
export class FrameReader {
  held = 0; // bytes of a frame that is not complete
  #judge;
  #head = Buffer.alloc(HEADER);
  #payload = Buffer.alloc(0);
  #header = null;

  constructor(judge) {
    this.#judge = judge;
  }

  // push takes received bytes and yields { h, frame } for each frame that they
  // complete. The caller's work on one frame is done before the next is looked at.
  *push(chunk) {
    let at = 0;
    for (;;) {
      if (this.#header === null) {
        const n = chunk.copy(this.#head, this.held, at, at + HEADER - this.held);
        this.held += n;
        at += n;
        if (this.held < HEADER) return;
        const h = parseHeader(this.#head);
        this.#judge(h);
        this.#header = h;
      }
      at += this.#fill(chunk.subarray(at));
      if (this.held < HEADER + this.#header.length) return;
      yield this.#take();
    }
  }

  #fill(bytes) {
    const have = this.held - HEADER;
    const n = Math.min(bytes.length, this.#header.length - have);
    if (have + n > this.#payload.length) {
      const steps = Math.ceil((have + n - this.#payload.length) / LIMIT.receive_step);
      const size = Math.min(this.#header.length, this.#payload.length + steps * LIMIT.receive_step);
      this.#payload = Buffer.concat([this.#payload], size);
    }
    bytes.copy(this.#payload, have, 0, n);
    this.held += n;
    return n;
  }

  #take() {
    const frame = Buffer.concat([this.#head, this.#payload.subarray(0, this.#header.length)]);
    this.held = 0;
    this.#header = null;
    this.#payload = Buffer.alloc(0);
    return { h: parseHeader(frame), frame };
  }
}
