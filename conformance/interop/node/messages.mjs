// Bodies: envelope, TLV blocks, the messages of the handshake, Error, Ack and
// Disconnect. Decoders throw Malformed and nothing else, whatever the bytes.

import { BIT, ERROR, FLIGHT, HS, KIND, LIMIT, NO_SEQ, errorName } from './codes.mjs';
import { transcriptMessage } from './keys.mjs';
import { Malformed } from './frame.mjs';
import { MLDSA_SIGNATURE } from './primitives.mjs';

const u16 = (n) => Buffer.from([n >> 8, n & 0xff]);
export const u32 = (n) => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
};
export const u64 = (n) => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(n);
  return b;
};

function demand(condition, what) {
  if (!condition) throw new Malformed(what);
}

// withEnvelope puts the envelope of TCP before a body: one fragment, no token.
// [XTMP-ENV-001] [XTMP-ENV-002] [XTMP-ENV-003]
export const withEnvelope = (hsType, handshakeId, body) => envelope(hsType, 0, 1, body.length, handshakeId, Buffer.alloc(0), body);

const envelope = (hsType, index, count, total, handshakeId, token, fragment) =>
  Buffer.concat([Buffer.from([hsType, index, count, token.length]), u32(total), handshakeId, token, fragment]);

// envelopes cuts a body for UDP; a token goes into each. [XTMP-UDP-015] [XTMP-UDP-016] [XTMP-UDP-018] [XTMP-UDP-019]
export function envelopes(hsType, handshakeId, body, token = Buffer.alloc(0)) {
  const size = LIMIT.handshake_fragment;
  const count = Math.ceil(body.length / size);
  return [...Array(count).keys()].map((i) =>
    envelope(hsType, i, count, body.length, handshakeId, token, body.subarray(i * size, (i + 1) * size)));
}

// splitEnvelope throws Malformed for an envelope that is bad on TCP. [XTMP-ENV-007] … [XTMP-ENV-011]
export function splitEnvelope(payload) {
  demand(payload.length >= 16, 'envelope: shorter than 16 bytes');
  const [hsType, index, count, tokenLength] = payload;
  const body = payload.subarray(16);
  demand(count === 1 && index === 0, 'envelope: fragmented on TCP');
  demand(tokenLength === 0, 'envelope: token on TCP');
  demand(payload.readUInt32BE(4) === body.length, 'envelope: total_len');
  demand(body.length <= LIMIT.handshake_message, 'envelope: total_len above 8192');
  return { hsType, handshakeId: payload.subarray(8, 16), body };
}

// splitFragment throws Malformed for an envelope that is bad on UDP; seq is that of a
// sealed frame. [XTMP-UDP-021]
export function splitFragment(payload, seq) {
  demand(payload.length >= 16, 'envelope: shorter than 16 bytes');
  const [hsType, index, count, tokenLength] = payload;
  const total = payload.readUInt32BE(4);
  demand(tokenLength === 0 || (tokenLength === LIMIT.token_udp && hsType === HS.CLIENT_HELLO), 'envelope: token_len');
  demand(payload.length >= 16 + tokenLength, 'envelope: shorter than its token');
  demand(total > 0 && total <= LIMIT.handshake_message, 'envelope: total_len');
  demand(count === Math.ceil(total / LIMIT.handshake_fragment), 'envelope: frag_count');
  demand(index < count && (seq === undefined || BigInt(index) === seq), 'envelope: frag_index');
  const fragment = payload.subarray(16 + tokenLength);
  const length = index < count - 1 ? LIMIT.handshake_fragment : total - index * LIMIT.handshake_fragment;
  demand(fragment.length === length, 'envelope: length of the fragment');
  return { hsType, index, count, total, handshakeId: payload.subarray(8, 16), token: payload.subarray(16, 16 + tokenLength), fragment };
}

// A Pile puts a handshake message together from its fragments. [XTMP-UDP-022] [XTMP-UDP-023] [XTMP-UDP-024]
export class Pile {
  #first = null;
  #parts = new Map();

  // add returns the body when the last missing fragment is in, else null.
  add({ hsType, index, count, total, fragment }) {
    this.#first ??= { hsType, count, total };
    const same = hsType === this.#first.hsType && count === this.#first.count && total === this.#first.total;
    if (!same || this.#parts.has(index)) return null;
    this.#parts.set(index, Buffer.from(fragment));
    if (this.#parts.size < count) return null;
    return Buffer.concat([...Array(count).keys()].map((i) => this.#parts.get(i)));
  }

  get bytes() {
    return [...this.#parts.values()].reduce((sum, { length }) => sum + length, 0);
  }

  part(index) {
    return this.#parts.get(index);
  }
}

// encodeTLVs takes [type, value] pairs in ascending order of type.
export function encodeTLVs(entries) {
  const block = Buffer.concat(entries.flatMap(([type, value]) => [u16(type), u16(value.length), value]));
  return Buffer.concat([u16(block.length), block]);
}

// checkTLVs judges a block that fills the rest of its message and returns the values of
// the types in `known`. [XTMP-TYP-025] … [XTMP-TYP-030]
function checkTLVs(block, known = []) {
  const values = new Map();
  demand(block.length >= 2 && block.readUInt16BE(0) === block.length - 2, 'TLV: ext_len');
  for (let at = 2, before = -1; at < block.length; ) {
    demand(at + 4 <= block.length, 'TLV: entry beyond the block');
    const type = block.readUInt16BE(at);
    demand(type > before, 'TLV: types not ascending');
    demand(type >= 0x8000 || known.includes(type), 'TLV: unknown type below 0x8000');
    before = type;
    const value = at + 4;
    at = value + block.readUInt16BE(at + 2);
    demand(at <= block.length, 'TLV: entry beyond the block');
    if (known.includes(type)) values.set(type, block.subarray(value, at));
  }
  return values;
}

// decodeEndpoints reads TLV 0x0002. [XTMP-PTH-059] [XTMP-PTH-060]
export function decodeEndpoints(value) {
  demand(value.length > 0, 'attach endpoints: none');
  const all = [];
  for (let at = 0; at < value.length; ) {
    demand(at + 4 <= value.length, 'attach endpoints: an entry is cut');
    const [kind, port, length] = [value[at], value.readUInt16BE(at + 1), value[at + 3]];
    at += 4 + length;
    demand(at <= value.length, 'attach endpoints: an entry is cut');
    const host = value.subarray(at - length, at);
    demand(port !== 0 && length > 0 && host.every((byte) => byte < 0x80), 'attach endpoints: port or host');
    if (kind === KIND.STREAM || kind === KIND.UDP) all.push({ kind, port, host: host.toString('ascii') });
  }
  return all;
}

// encodeEndpoints is its inverse. [XTMP-PTH-056]
export const encodeEndpoints = (all) =>
  Buffer.concat(all.map(({ kind, port, host }) => Buffer.concat([Buffer.from([kind]), u16(port), Buffer.from([host.length]), Buffer.from(host, 'ascii')])));

export function encodeClientHello({ minVersion = 1, maxVersion = 1, suites, flags, time, random, x25519, ek, hints, extensions }) {
  const slots = Buffer.alloc(4, 0xff); // [XTMP-HSK-003]
  Buffer.from(suites).copy(slots);
  const hint = Buffer.alloc(32);
  hints.slice(0, 4).forEach((prefix, i) => prefix.copy(hint, 8 * i, 0, 8)); // [XTMP-HSK-006]
  const head = Buffer.concat([Buffer.from([minVersion, maxVersion]), slots, u16(flags), u64(time)]);
  return Buffer.concat([head, random, x25519, ek, hint, encodeTLVs(extensions)]);
}

export function decodeClientHello(body) {
  demand(body.length >= 1298, 'ClientHello: shorter than 1298 bytes');
  const slots = [...body.subarray(2, 6)];
  const used = slots.filter((suite) => suite !== 0xff);
  demand(slots.slice(0, used.length).every((suite) => suite !== 0xff), 'ClientHello: suite after 0xFF'); // [XTMP-HSK-008]
  checkTLVs(body.subarray(1296));
  const hints = [0, 1, 2, 3].map((i) => body.subarray(1264 + 8 * i, 1272 + 8 * i));
  return {
    minVersion: body[0],
    maxVersion: body[1],
    suites: used,
    includeKey: (body.readUInt16BE(6) & BIT.INCLUDE_KEY) !== 0, // [XTMP-TYP-017]
    inflates: (body.readUInt16BE(6) & BIT.CLIENT_INFLATES) !== 0,
    time: body.readBigUInt64BE(8),
    x25519: body.subarray(48, 80),
    ek: body.subarray(80, 1264),
    hints: hints.filter((hint) => hint.some((byte) => byte !== 0)),
  };
}

export const encodeServerHello = ({ version, suite, sessionId, time, random, x25519, ct, extensions = [] }) =>
  Buffer.concat([Buffer.from([version, suite, 0, 0, 0, 0, 0, 0]), u64(sessionId), u64(time), random, x25519, ct, encodeTLVs(extensions)]);

export function decodeServerHello(body) {
  demand(body.length >= 1178, 'ServerHello: shorter than 1178 bytes');
  demand(body.subarray(2, 8).every((byte) => byte === 0), 'ServerHello: zero'); // [XTMP-CON-003]
  checkTLVs(body.subarray(1176));
  return {
    version: body[0],
    suite: body[1],
    sessionId: body.readBigUInt64BE(8),
    time: body.readBigUInt64BE(16),
    x25519: body.subarray(56, 88),
    ct: body.subarray(88, 1176),
  };
}

export function encodeParams(p) {
  const head = [u32(p.maxPayload), u32(p.idleTimeoutMs), u32(p.keyRotationS), u16(p.maxDatagram), u16(p.policy)];
  return Buffer.concat([...head, u32(p.reassemblyBytes), u32(p.maxInflight), p.resetToken]);
}

// encodeServerIdentity leaves the key out when it is null. [XTMP-HSK-024] [XTMP-HSK-025]
export const encodeServerIdentity = ({ kind, fingerprint, key, params, extensions = [] }) =>
  Buffer.concat([
    Buffer.from([kind, key ? BIT.KEY_INCLUDED : 0]), u16(key ? key.length : 0),
    fingerprint, key ?? Buffer.alloc(0), encodeParams(params), encodeTLVs(extensions),
  ]);

export function decodeServerIdentity(body) {
  demand(body.length >= 36, 'ServerIdentity: too short');
  const keyLength = body.readUInt16BE(2);
  demand(body.length >= 36 + keyLength + 42, 'ServerIdentity: too short');
  const key = body.subarray(36, 36 + keyLength);
  const params = body.subarray(36 + keyLength, 76 + keyLength);
  const endpoints = checkTLVs(body.subarray(76 + keyLength), [0x0002]).get(0x0002);
  demand(((body[1] & BIT.KEY_INCLUDED) !== 0) === (keyLength !== 0), 'ServerIdentity: flag and key_len disagree'); // [XTMP-HSK-040]
  return {
    kind: body[0],
    fingerprint: body.subarray(4, 36),
    key: keyLength === 0 ? null : key,
    endpoints, // of a server with Attach, as they came
    params: {
      maxPayload: params.readUInt32BE(0),
      idleTimeoutMs: params.readUInt32BE(4),
      keyRotationS: params.readUInt32BE(8),
      maxDatagram: params.readUInt16BE(12),
      policy: params.readUInt16BE(14),
      reassemblyBytes: params.readUInt32BE(16),
      maxInflight: params.readUInt32BE(20) || LIMIT.max_inflight,
      resetToken: Buffer.from(params.subarray(24, 40)),
    },
  };
}

// checkParams: the bounds that bind the server. [XTMP-HSK-045]
export function checkParams(p) {
  demand(p.maxPayload >= LIMIT.max_payload_min && p.maxPayload <= LIMIT.payload_max, 'params: max_payload');
  demand(p.idleTimeoutMs !== 0, 'params: idle_timeout_ms');
  demand(p.keyRotationS !== 0, 'params: key_rotation_s');
  demand(p.reassemblyBytes >= LIMIT.reassembly_bytes_min, 'params: reassembly_bytes');
  const datagram = p.maxDatagram >= LIMIT.datagram_min && p.maxDatagram <= LIMIT.datagram_max;
  demand(datagram || (p.policy & BIT.ATTACH_UDP) === 0, 'params: max_datagram');
}

const signatureLength = (kind) => (kind === 2 ? 64 + MLDSA_SIGNATURE : 64);

// splitFlight returns the three messages, with their bodies and with the bytes
// that the transcript takes. [XTMP-HSK-037]
export function splitFlight(body) {
  let at = 0;
  const [identity, signature, finished] = [FLIGHT.IDENTITY, FLIGHT.SIGNATURE, FLIGHT.FINISHED].map((type) => {
    demand(at + 4 <= body.length && body[at] === type, 'ServerFlight: messages missing or out of order');
    const end = at + 4 + body.readUIntBE(at + 1, 3);
    demand(end <= body.length, 'ServerFlight: message beyond the end');
    const message = body.subarray(at, end);
    at = end;
    return message;
  });
  demand(at === body.length, 'ServerFlight: bytes after the last message');
  const kind = identity[4]; // of a ServerIdentity that may still be malformed
  demand(signature.length === 4 + signatureLength(kind) && finished.length === 4 + 48, 'ServerFlight: length of signature or MAC');
  return { identity, signature, finished };
}

export const flightMessage = transcriptMessage;

// encodeError sends no text, and a token in SESSION_UNKNOWN alone. [XTMP-ERR-009] [XTMP-ERR-012]
export const encodeError = ({ code, scope, refSeq = NO_SEQ, retryAfterMs = 0, token }) =>
  Buffer.concat([u16(code), Buffer.from([scope, token ? BIT.ERROR_TOKEN : 0]), u32(retryAfterMs), u64(refSeq), token ?? Buffer.alloc(0)]);

// decodeError of a sealed Error; in a clear one the token is legal. [9.5]
export function decodeError(body, sealed = true) {
  demand(body.length >= 16, 'Error: shorter than 16 bytes');
  const token = (body[3] & BIT.ERROR_TOKEN) !== 0; // the other bits mean nothing [XTMP-TYP-019]
  demand(!token || (!sealed && body.length >= 32), 'Error: token');
  const textBytes = body.subarray(token ? 32 : 16);
  demand(textBytes.length <= LIMIT.error_text, 'Error: text longer than 256 bytes');
  demand(body[2] <= 2, 'Error: scope');
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(textBytes);
  } catch {
    // text that is not UTF-8 is ignored, the rest counts [XTMP-ERR-026]
  }
  const listed = Object.values(ERROR).includes(body.readUInt16BE(0));
  const code = listed ? body.readUInt16BE(0) : ERROR.INTERNAL; // [XTMP-ERR-002]
  const shown = { code, name: errorName(code), scope: body[2], retryAfterMs: body.readUInt32BE(4), refSeq: body.readBigUInt64BE(8), text };
  return token ? { ...shown, token: body.subarray(16, 32) } : shown;
}

// encodeAck: on TCP everything but largest is zero. [XTMP-ACK-002]
export const encodeAck = (largest) => Buffer.concat([u64(largest), Buffer.alloc(8)]);

export function decodeAck(body) {
  demand(body.length === 16, 'Ack: not 16 bytes'); // [XTMP-ACK-006]
  demand(body.readUInt16BE(12) === 0 && body[14] === 0, 'Ack: ranges on TCP'); // [XTMP-ACK-005]
  demand(body[15] === 0, 'Ack: zero'); // [XTMP-CON-003]
  return body.readBigUInt64BE(0);
}

// encodeRanges is an Ack on UDP, for ranges from the newest down. [XTMP-ACK-013] … [XTMP-ACK-016]
export function encodeRanges(ranges, delayUs) {
  const [{ low, high }, ...rest] = ranges;
  const first = cap(high - low);
  const pairs = [];
  let [above, whole] = [low, first === high - low];
  for (const range of rest) {
    const gap = above - range.high - 1n;
    if (!whole || gap > 0xffffn || pairs.length === LIMIT.ack_ranges) break;
    const length = cap(range.high - range.low + 1n);
    whole = length === range.high - range.low + 1n;
    above = range.low;
    pairs.push(Buffer.concat([u16(Number(gap)), u16(Number(length))]));
  }
  const delay = u32(Math.min(Math.max(0, Math.round(delayUs)), 0xffffffff)); // [XTMP-ACK-018]
  return Buffer.concat([u64(high), delay, u16(Number(first)), Buffer.from([pairs.length, 0]), ...pairs]);
}

const cap = (n) => (n > 0xffffn ? 0xffffn : n);

// decodeRanges returns { largest, delayUs, ranges }. [XTMP-ACK-028] [XTMP-ACK-029]
export function decodeRanges(body) {
  demand(body.length >= 16 && body.length === 16 + 4 * body[14], 'Ack: length');
  demand(body[15] === 0, 'Ack: zero'); // [XTMP-CON-003]
  demand(body[14] <= LIMIT.ack_ranges, 'Ack: more than 32 pairs');
  const largest = body.readBigUInt64BE(0);
  const ranges = [{ low: largest - BigInt(body.readUInt16BE(12)), high: largest }];
  for (let at = 16; at < body.length; at += 4) {
    const [gap, length] = [body.readUInt16BE(at), body.readUInt16BE(at + 2)];
    demand(gap > 0 && length > 0, 'Ack: a gap or a range of none');
    const high = ranges.at(-1).low - BigInt(gap) - 1n;
    ranges.push({ low: high - BigInt(length) + 1n, high });
  }
  demand(ranges.at(-1).low >= 0n, 'Ack: a range below 0');
  return { largest, delayUs: body.readUInt32BE(8), ranges };
}

export const encodeDisconnect = (reason, lastSent, lastComplete) => Buffer.concat([u16(reason), u64(lastSent), u64(lastComplete)]);

export function decodeDisconnect(body) {
  demand(body.length === 18, 'Disconnect: not 18 bytes'); // [XTMP-DSC-010]
  return { reason: body.readUInt16BE(0), lastSent: body.readBigUInt64BE(2), lastComplete: body.readBigUInt64BE(10) };
}

// encodeHandshakeDone: a token of zero bytes is none. [XTMP-HSK-055]
export const encodeHandshakeDone = (time, token = Buffer.alloc(48)) => Buffer.concat([token, u64(time)]);

// Attach and AttachAck are alike: two bytes, what is between them, random and time. [13.3]
export const encodeAttach = ({ kind, flags, counter, random, time }) =>
  Buffer.concat([Buffer.from([kind, flags, 0, 0]), u32(counter), random, u64(time)]);
export const encodeAttachAck = ({ status, pathId, random, time }) =>
  Buffer.concat([Buffer.from([status, pathId, 0, 0, 0, 0, 0, 0]), random, u64(time)]);

export function decodeAttach(body) {
  demand(body.length === 48, 'Attach: not 48 bytes');
  demand(body.readUInt16BE(2) === 0, 'Attach: zero');
  return { kind: body[0], flags: body[1], counter: body.readUInt32BE(4), time: body.readBigUInt64BE(40) };
}

export function decodeAttachAck(body) {
  demand(body.length === 48, 'AttachAck: not 48 bytes');
  demand(body.subarray(2, 8).every((byte) => byte === 0), 'AttachAck: zero');
  return { status: body[0], time: body.readBigUInt64BE(40) };
}

// RekeyInit and RekeyResp are the same but for the length of their last field. [11.1]
const encodeRekey = (epoch, x25519, kem) => Buffer.concat([u32(epoch), x25519, kem]);

function decodeRekey(body, length) {
  demand(body.length === 36 + length, `rekey: not ${36 + length} bytes`);
  return { epoch: body.readUInt32BE(0), x25519: body.subarray(4, 36), kem: body.subarray(36) };
}

export const encodeRekeyInit = (epoch, x25519, ek) => encodeRekey(epoch, x25519, ek);
export const encodeRekeyResp = (epoch, x25519, ct) => encodeRekey(epoch, x25519, ct);
export const decodeRekeyInit = (body) => decodeRekey(body, 1184);
export const decodeRekeyResp = (body) => decodeRekey(body, 1088);

// encodeProbe and decodeProbe are the body of 18.1.
export const encodeProbe = (op, arg, data = Buffer.alloc(0)) => Buffer.concat([Buffer.from([op, 0, 0, 0]), u32(arg), data]);

export function decodeProbe(body) {
  demand(body.length >= 8, 'Probe: shorter than 8 bytes');
  demand(body.readUIntBE(1, 3) === 0, 'Probe: zero');
  return { op: body[0], arg: body.readUInt32BE(4), data: body.subarray(8) };
}
