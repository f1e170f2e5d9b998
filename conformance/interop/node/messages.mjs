// Bodies: envelope, TLV blocks, the messages of the handshake, Error, Ack and
// Disconnect. Decoders throw Malformed and nothing else, whatever the bytes.

import { BIT, ERROR, FLIGHT, LIMIT, NO_SEQ, errorName } from './codes.mjs';
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

// sealEnvelope puts the envelope of TCP before a body: one fragment, no token.
// [XTMP-ENV-001] [XTMP-ENV-002] [XTMP-ENV-003]
export const withEnvelope = (hsType, handshakeId, body) =>
  Buffer.concat([Buffer.from([hsType, 0, 1, 0]), u32(body.length), handshakeId, body]);

// splitEnvelope throws Malformed for a bad envelope. [XTMP-ENV-007] … [XTMP-ENV-011]
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

// encodeTLVs takes [type, value] pairs in ascending order of type.
export function encodeTLVs(entries) {
  const block = Buffer.concat(entries.flatMap(([type, value]) => [u16(type), u16(value.length), value]));
  return Buffer.concat([u16(block.length), block]);
}

// checkTLVs judges a block that fills the rest of its message. Types in `known`
// pass; what they hold is not looked at. [XTMP-TYP-025] … [XTMP-TYP-030]
function checkTLVs(block, known = []) {
  demand(block.length >= 2 && block.readUInt16BE(0) === block.length - 2, 'TLV: ext_len');
  for (let at = 2, before = -1; at < block.length; ) {
    demand(at + 4 <= block.length, 'TLV: entry beyond the block');
    const type = block.readUInt16BE(at);
    demand(type > before, 'TLV: types not ascending');
    demand(type >= 0x8000 || known.includes(type), 'TLV: unknown type below 0x8000');
    before = type;
    at += 4 + block.readUInt16BE(at + 2);
    demand(at <= block.length, 'TLV: entry beyond the block');
  }
}

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
  checkTLVs(body.subarray(76 + keyLength), [0x0002]);
  demand(((body[1] & BIT.KEY_INCLUDED) !== 0) === (keyLength !== 0), 'ServerIdentity: flag and key_len disagree'); // [XTMP-HSK-040]
  return {
    kind: body[0],
    fingerprint: body.subarray(4, 36),
    key: keyLength === 0 ? null : key,
    params: {
      maxPayload: params.readUInt32BE(0),
      idleTimeoutMs: params.readUInt32BE(4),
      keyRotationS: params.readUInt32BE(8),
      maxDatagram: params.readUInt16BE(12),
      policy: params.readUInt16BE(14),
      reassemblyBytes: params.readUInt32BE(16),
      maxInflight: params.readUInt32BE(20) || LIMIT.max_inflight,
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

// encodeError sends neither token nor text. [XTMP-ERR-009] [XTMP-ERR-012]
export const encodeError = ({ code, scope, refSeq = NO_SEQ, retryAfterMs = 0 }) =>
  Buffer.concat([u16(code), Buffer.from([scope, 0]), u32(retryAfterMs), u64(refSeq)]);

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
  return { code, name: errorName(code), scope: body[2], retryAfterMs: body.readUInt32BE(4), refSeq: body.readBigUInt64BE(8), text };
}

// encodeAck: on TCP everything but largest is zero. [XTMP-ACK-002]
export const encodeAck = (largest) => Buffer.concat([u64(largest), Buffer.alloc(8)]);

export function decodeAck(body) {
  demand(body.length === 16, 'Ack: not 16 bytes'); // [XTMP-ACK-006]
  demand(body.readUInt16BE(12) === 0 && body[14] === 0, 'Ack: ranges on TCP'); // [XTMP-ACK-005]
  demand(body[15] === 0, 'Ack: zero'); // [XTMP-CON-003]
  return body.readBigUInt64BE(0);
}

export const encodeDisconnect = (reason, lastSent, lastComplete) => Buffer.concat([u16(reason), u64(lastSent), u64(lastComplete)]);

export function decodeDisconnect(body) {
  demand(body.length === 18, 'Disconnect: not 18 bytes'); // [XTMP-DSC-010]
  return { reason: body.readUInt16BE(0), lastSent: body.readBigUInt64BE(2), lastComplete: body.readBigUInt64BE(10) };
}

// encodeHandshakeDone sends no address token. [XTMP-HSK-055]
export const encodeHandshakeDone = (time) => Buffer.concat([Buffer.alloc(48), u64(time)]);

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
