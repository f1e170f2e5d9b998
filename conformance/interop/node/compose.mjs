#!/usr/bin/env node
// Recomputes a whole flow, handshake and frames after it, from its inputs:
//
//	node compose.mjs ../../../vectors/flows/core.json
//	node compose.mjs < flow.json
//
// The input is a flow of vectors/flows: seeds, randoms, ids, times, and the stamp
// and plaintext of every later frame. The output is one JSON object: `result` has
// the values that the section "result" of a flow has, under the same names; `frames`
// has the frames in order. Byte strings are hexadecimal.
//
// It shares nothing with the programs that made the vectors: the primitives are those
// of node:crypto and @noble/post-quantum, the rest is of this folder.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BIT, FLAG, FLIGHT, HS, SUITE, TYPE, VERSION } from './codes.mjs';
import { OpenSlot, SealSlot, clearFrame, parseHeader } from './frame.mjs';
import { identityFrom } from './identity.mjs';
import { Schedule, slotKeys, transcriptMessage } from './keys.mjs';
import { encodeClientHello, encodeServerHello, encodeServerIdentity, u64, withEnvelope } from './messages.mjs';
import * as p from './primitives.mjs';

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
function agree(c, s) {
  const { ek, dk } = p.mlkemKeys(bytes(c.mlkem_seed));
  const { ct, shared } = p.mlkemEncapsulate(ek, bytes(s.mlkem_m));
  const [a, b] = [bytes(c.x25519_private), bytes(s.x25519_private)];
  const x25519 = p.x25519Shared(a, p.x25519Public(b));
  const same = p.equal(shared, p.mlkemDecapsulate(dk, ct)) && p.equal(x25519, p.x25519Shared(b, p.x25519Public(a)));
  if (!same) throw new Error('the two ends disagree');
  return { ek, ct, shared, x25519 };
}

// compose returns everything of one flow.
export function compose({ identity_seed: seed, client: c, server: s, handshake, frames: further }) {
  const identity = identityFrom(bytes(seed));
  const sessionId = bytes(s.session_id).readBigUInt64BE();
  const handshakeId = bytes(c.handshake_id);
  const { ek, ct, shared, x25519 } = agree(c, s);
  const ch = clientHello(c, identity, ek);
  const sh = encodeServerHello({
    version: VERSION, suite: SUITE, sessionId, time: BigInt(s.time), random: bytes(s.random),
    x25519: p.x25519Public(bytes(s.x25519_private)), ct,
  });

  const schedule = new Schedule(shared, x25519);
  schedule.hellos(transcriptMessage(HS.CLIENT_HELLO, ch), transcriptMessage(HS.SERVER_HELLO, sh));
  const resetToken = p.hmac256(bytes(s.reset_key), 'XTMP/1 reset', bytes(s.session_id)).subarray(0, 16);
  const SI = transcriptMessage(FLIGHT.IDENTITY, serverIdentity(s.params, resetToken, identity, (c.flags & BIT.INCLUDE_KEY) !== 0));
  const SS = transcriptMessage(FLIGHT.SIGNATURE, p.ed25519Sign(identity.seed, schedule.identity(SI).server_signature_input));
  const SF = transcriptMessage(FLIGHT.FINISHED, schedule.signature(SS).sf_mac);
  const { ts_client: tsClient, ts_server: tsServer, ...v } = schedule.finished(SF);
  const secrets = { 'hs.c': v.c_hs, 'hs.s': v.s_hs, 'p0.c': tsClient, 'p0.s': tsServer };

  const flight = Buffer.concat([SI, SS, SF]);
  const payloads = {
    ClientHello: [null, withEnvelope(HS.CLIENT_HELLO, handshakeId, ch)],
    ServerHello: [null, withEnvelope(HS.SERVER_HELLO, handshakeId, sh)],
    ServerFlight: ['hs.s', withEnvelope(HS.SERVER_FLIGHT, handshakeId, flight)],
    ClientFinish: ['hs.c', withEnvelope(HS.CLIENT_FINISH, handshakeId, v.cf_mac)],
  };
  const steps = handshake.map(({ from, message, stamp }) => {
    const [slot, plaintext] = payloads[message];
    const type = from === 'client' ? TYPE.HANDSHAKE : TYPE.HANDSHAKE_ACK;
    return { name: message, from, slot, type, flags: slot ? FLAG.ENCRYPTED : 0, sequence: 0, stamp, plaintext };
  });
  for (const f of further) steps.push({ name: '', ...f, slot: f.from === 'client' ? 'p0.c' : 'p0.s', plaintext: bytes(f.plaintext) });

  const result = {
    fingerprint: identity.fingerprint, reset_token: resetToken, mlkem_ss: shared, x25519_ss: x25519, SI, SS, SF, ...v, binder_0: v.th3,
  };
  for (const [name, ts] of Object.entries(secrets)) {
    const { key, iv, keyId } = slotKeys(ts);
    Object.assign(result, { [`${name}.ts`]: ts, [`${name}.key`]: key, [`${name}.iv`]: iv, [`${name}.key_id`]: keyId });
  }
  return { result: hexAll(result), frames: frames(steps, secrets, sessionId) };
}

// frames seals each step, opens it again, and returns what is on the wire.
function frames(steps, secrets, sessionId) {
  const seals = {};
  const opens = {};
  return steps.map(({ name, from, slot, type, flags, sequence, stamp, plaintext }) => {
    const shown = { name, from, type, flags, sequence, stamp };
    if (slot === null) {
      const id = name === 'ClientHello' ? 0n : sessionId;
      return { ...shown, frame: clearFrame(type, id, BigInt(stamp), plaintext).toString('hex') };
    }
    seals[slot] ??= new SealSlot(secrets[slot]);
    opens[slot] ??= new OpenSlot(secrets[slot]);
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
