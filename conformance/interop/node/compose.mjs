#!/usr/bin/env node
// Recomputes a whole flow, handshake and frames after it, from its inputs:
//
//	node compose.mjs ../../../vectors/flows/core.json
//	node compose.mjs < flow.json
//
// The input is a flow of vectors/flows: seeds, randoms, ids, times, and the stamp
// and plaintext of every later frame; of RekeyInit and RekeyResp the plaintext is the
// prologue, and the rest follows from the part "rekey"; Attach and AttachAck follow from
// "attach", tokens from "udp". The output is one JSON object: `result` has
// the values that the section "result" of a flow has, under the same names; `frames`
// has the frames in order. Byte strings are hexadecimal.
//
// It shares nothing with the programs that made the vectors: the primitives are those
// of node:crypto and @noble/post-quantum, the rest is of this folder.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { binderOf } from './attach.mjs';
import { BIT, FLAG, FLIGHT, HS, LIMIT, SUITE, TYPE, VERSION } from './codes.mjs';
import { OpenSlot, SealSlot, clearFrame, parseHeader } from './frame.mjs';
import { hybridFrom, identityFrom, sign } from './identity.mjs';
import { Schedule, attachSecrets, expandLabel, nextRoot, pathSecrets, slotKeys, transcriptMessage } from './keys.mjs';
import {
  encodeAttach, encodeAttachAck, encodeClientHello, encodeHandshakeDone, encodeRekeyInit, encodeRekeyResp, encodeServerHello, encodeServerIdentity,
  envelopes, withEnvelope,
} from './messages.mjs';
import * as p from './primitives.mjs';
import { ADDRESS, COOKIE, makeToken } from './tokens.mjs';

const bytes = (hex) => Buffer.from(hex, 'hex');
const hexAll = (o) => Object.fromEntries(Object.entries(o).map(([name, value]) => [name, value.toString('hex')]));

function clientHello(c, identity, ek) {
  return encodeClientHello({
    minVersion: VERSION, maxVersion: VERSION, suites: bytes(c.suites), flags: c.flags, time: BigInt(c.time), random: bytes(c.random),
    x25519: p.x25519Public(bytes(c.x25519_private)), ek, hints: c.hint ? [identity.fingerprint] : [],
    extensions: [[c.tlv_type, bytes(c.tlv_value)]],
  });
}

function serverIdentity(q, resetToken, identity, withKey) {
  return encodeServerIdentity({
    ...identity,
    key: withKey ? identity.key : null,
    params: {
      maxPayload: q.max_payload, idleTimeoutMs: q.idle_timeout_ms, keyRotationS: q.key_rotation_s, maxDatagram: q.max_datagram,
      policy: q.policy, reassemblyBytes: q.reassembly_bytes, maxInflight: q.max_inflight, resetToken,
    },
  });
}

// agree computes the shared secrets at both ends, which have to find the same.
function agree(clientX25519, mlkemSeed, serverX25519, mlkemM) {
  const { ek, dk } = p.mlkemKeys(bytes(mlkemSeed));
  const { ct, shared } = p.mlkemEncapsulate(ek, bytes(mlkemM));
  const [a, b] = [bytes(clientX25519), bytes(serverX25519)];
  const [A, B] = [p.x25519Public(a), p.x25519Public(b)];
  const x25519 = p.x25519Shared(a, B);
  const same = p.equal(shared, p.mlkemDecapsulate(dk, ct)) && p.equal(x25519, p.x25519Shared(b, A));
  if (!same) throw new Error('the two ends disagree');
  return { ek, ct, shared, x25519, client: A, server: B };
}

// rekeyed returns what the part "rekey" of a flow gives: the payloads of RekeyInit and
// RekeyResp, without prologue, and the values on the way.
function rekeyed(r, root) {
  const { ek, ct, shared, x25519, client, server } = agree(r.client_x25519_private, r.client_mlkem_seed, r.server_x25519_private, r.server_mlkem_m);
  const [init, resp] = [encodeRekeyInit(1, client, ek), encodeRekeyResp(1, server, ct)];
  const [rekeyInit, rekeyResp] = [transcriptMessage(HS.REKEY_INIT, init), transcriptMessage(HS.REKEY_RESP, resp)];
  const hash = p.sha384(rekeyInit, rekeyResp);
  const next = nextRoot(root, rekeyInit, rekeyResp, shared, x25519);
  const id = bytes(r.handshake_id);
  return {
    payloads: { RekeyInit: withEnvelope(HS.REKEY_INIT, id, init), RekeyResp: withEnvelope(HS.REKEY_RESP, id, resp) },
    values: {
      rekey_mlkem_ss: shared, rekey_x25519_ss: x25519, rekey_hash: hash, rekey_salt: expandLabel(root, 'rekey', hash, 48), root_next: next,
    },
  };
}

// attachedPath is what an entry of the part "attach" gives: both bodies and the binder.
function attachedPath(a) {
  const attach = encodeAttach({ kind: a.kind, flags: a.flags, counter: a.counter, random: bytes(a.random), time: BigInt(a.client_time) });
  const ack = encodeAttachAck({ status: a.status, pathId: a.path_id, random: bytes(a.server_random), time: BigInt(a.server_time) });
  const id = bytes(a.handshake_id);
  return { binder: binderOf(attach, ack), payloads: { Attach: withEnvelope(HS.ATTACH, id, attach), AttachAck: withEnvelope(HS.ATTACH_ACK, id, ack) } };
}

// secretsOf are the traffic secrets of an epoch: of every path, and of Attach if a flow
// has it.
function secretsOf(root, th3, attached, epoch) {
  const of = (name, { ts_client: c, ts_server: s }) => ({ [`${name}.c${epoch}`]: c, [`${name}.s${epoch}`]: s });
  const paths = [th3, ...attached.map(({ binder }) => binder)].map((binder, i) => of(`p${i}`, pathSecrets(root, binder)));
  return Object.assign({}, ...paths, attached.length > 0 ? of('at', attachSecrets(root)) : {});
}

// tokensOf are the tokens of the part "udp".
function tokensOf({ client, cookie, address_token: address }, handshakeId) {
  const [ip, port] = client.split(':');
  const make = (kind, { key, key_gen: gen, expiry, salt }) =>
    makeToken(bytes(key), { gen, kind, expiry, salt: bytes(salt) }, { address: ip, port: Number(port), handshakeId });
  return { ...(cookie && { cookie: make(COOKIE, cookie) }), ...(address && { address_token: make(ADDRESS, address) }) };
}

// payloadOf is what follows the plaintext that a frame names: a message, or a piece of one.
function payloadOf(message, { path, piece, flags, stamp }, { fresh, attached, udp }) {
  if (message === 'HandshakeDone' && udp) return withEnvelope(HS.HANDSHAKE_DONE, udp.handshakeId, encodeHandshakeDone(BigInt(stamp), udp.token));
  const whole = fresh.payloads[message] ?? attached[path - 1]?.payloads[message] ?? bytes('');
  if (piece === undefined) return whole;
  const size = LIMIT.frame_payload_udp - 16 - ((flags & FLAG.REPLY) === 0 ? 0 : 8); // mid and the fields of FRAGMENT, and reply_to
  return whole.subarray(piece * size, (piece + 1) * size);
}

// compose returns everything of one flow.
export function compose({ identity_seed: seed, mldsa_seed: mldsaSeed, client: c, server: s, rekey, udp, attach: attaches, handshake, frames: further }) {
  const identity = mldsaSeed ? hybridFrom(bytes(seed), bytes(mldsaSeed)) : identityFrom(bytes(seed));
  const sessionId = bytes(s.session_id).readBigUInt64BE();
  const handshakeId = bytes(c.handshake_id);
  const { ek, ct, shared, x25519, server } = agree(c.x25519_private, c.mlkem_seed, s.x25519_private, s.mlkem_m);
  const ch = clientHello(c, identity, ek);
  const suite = bytes(c.suites)[0];
  const sh = encodeServerHello({ version: VERSION, suite, sessionId, time: BigInt(s.time), random: bytes(s.random), x25519: server, ct });

  const schedule = new Schedule(shared, x25519);
  schedule.hellos(transcriptMessage(HS.CLIENT_HELLO, ch), transcriptMessage(HS.SERVER_HELLO, sh));
  const resetToken = p.hmac256(bytes(s.reset_key), 'XTMP/1 reset', bytes(s.session_id)).subarray(0, 16);
  const SI = transcriptMessage(FLIGHT.IDENTITY, serverIdentity(s.params, resetToken, identity, (c.flags & BIT.INCLUDE_KEY) !== 0));
  const SS = transcriptMessage(FLIGHT.SIGNATURE, sign(identity, schedule.identity(SI).server_signature_input));
  const SF = transcriptMessage(FLIGHT.FINISHED, schedule.signature(SS).sf_mac);
  const { ts_client: _, ts_server: __, ...v } = schedule.finished(SF);
  const secrets = { 'hs.c': v.c_hs, 'hs.s': v.s_hs };
  const attached = (attaches ?? []).map((a) => attachedPath(a));
  const fresh = rekey ? rekeyed(rekey, v.root_0) : { payloads: {}, values: {} };
  const roots = { '': v.root_0, ...(rekey ? { '.e1': fresh.values.root_next } : {}) };
  for (const [epoch, root] of Object.entries(roots)) Object.assign(secrets, secretsOf(root, v.th3, attached, epoch));
  const tokens = udp ? tokensOf(udp, handshakeId) : {};

  const flight = Buffer.concat([SI, SS, SF]);
  const messages = {
    ClientHello: [null, HS.CLIENT_HELLO, ch],
    Retry: [null, HS.RETRY, tokens.cookie],
    ServerHello: [null, HS.SERVER_HELLO, sh],
    ServerFlight: ['hs.s', HS.SERVER_FLIGHT, flight],
    ClientFinish: ['hs.c', HS.CLIENT_FINISH, v.cf_mac],
  };
  const steps = handshake.flatMap(({ from, message, stamp, index: only, token }) => {
    const [slot, hsType, body] = messages[message];
    const type = from === 'client' ? TYPE.HANDSHAKE : TYPE.HANDSHAKE_ACK;
    const payloads = udp ? envelopes(hsType, handshakeId, body, tokens[token]) : [withEnvelope(hsType, handshakeId, body)];
    const flags = slot && suite !== SUITE.INTEGRITY_ONLY ? FLAG.ENCRYPTED : 0;
    return payloads.map((plaintext, index) => ({ name: message, from, slot, type, flags, sequence: slot ? index : 0, stamp, plaintext, index }))
      .filter(({ index }) => index === (only ?? index));
  });
  for (const { message = '', ...f } of further) {
    const side = f.from === 'client' ? 'c' : 's';
    const slot = /^Attach/.test(message) ? `at.${side}` : `p${f.path ?? 0}.${side}`;
    const rest = payloadOf(message, f, { fresh, attached, udp: udp && { token: tokens.address_token, handshakeId } });
    steps.push({ name: message, ...f, slot: slot + (f.epoch ? `.e${f.epoch}` : ''), plaintext: Buffer.concat([bytes(f.plaintext), rest]) });
  }

  const result = {
    fingerprint: identity.fingerprint, reset_token: resetToken, mlkem_ss: shared, x25519_ss: x25519, SI, SS, SF, ...v, binder_0: v.th3,
    ...fresh.values, ...tokens,
  };
  attached.forEach(({ binder }, i) => (result[`binder_${i + 1}`] = binder));
  for (const [name, ts] of Object.entries(secrets)) {
    const { key, iv, keyId } = slotKeys(ts);
    Object.assign(result, { [`${name}.ts`]: ts, [`${name}.key`]: key, [`${name}.iv`]: iv, [`${name}.key_id`]: keyId });
  }
  return { result: hexAll(result), frames: frames(steps, secrets, suite, sessionId) };
}

// frames seals each step, opens it again, and returns what is on the wire.
function frames(steps, secrets, suite, sessionId) {
  const seals = {};
  const opens = {};
  return steps.map(({ name, from, slot, type, flags, sequence, stamp, plaintext }) => {
    const shown = { name, from, type, flags, sequence, stamp };
    if (slot === null) {
      const id = name === 'ServerHello' ? sessionId : 0n;
      return { ...shown, frame: clearFrame(type, id, BigInt(stamp), plaintext).toString('hex') };
    }
    seals[slot] ??= new SealSlot(secrets[slot], suite);
    opens[slot] ??= new OpenSlot(secrets[slot], suite);
    if (seals[slot].next > BigInt(sequence)) throw new Error(`sequence number ${sequence} again`);
    seals[slot].next = opens[slot].next = BigInt(sequence);
    const frame = seals[slot].seal({ type, flags, sessionId, stamp: BigInt(stamp) }, plaintext, BigInt(sequence));
    const opened = opens[slot].open(parseHeader(frame), frame, sessionId, null);
    if (!opened.equals(plaintext)) throw new Error(`frame ${name || sequence} does not open`);
    return { ...shown, slot, plaintext: plaintext.toString('hex'), frame: frame.toString('hex') };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flow = JSON.parse(readFileSync(process.argv[2] ?? 0, 'utf8'));
  process.stdout.write(`${JSON.stringify(compose(flow), null, 2)}\n`);
}
