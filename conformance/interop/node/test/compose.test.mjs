// compose.mjs against the two ends of handshake.mjs, and against appendix A.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compose } from '../compose.mjs';
import { parseHeader } from '../frame.mjs';
import { ClientHandshake, ServerHandshake } from '../handshake.mjs';
import { identityFrom } from '../identity.mjs';
import { hmac256 } from '../primitives.mjs';

const hex = (s) => Buffer.from(s, 'hex');
const flow = JSON.parse(readFileSync(new URL('../../../../vectors/flows/core.json', import.meta.url), 'utf8'));
const composed = compose(flow);

test('the lengths of appendix A', () => {
  const lengths = composed.frames.map(({ frame }) => frame.length / 2);
  assert.deepEqual(lengths, [1414, 1290, 314, 160, 109, 176, 128, 112, 105, 105, 114]);
  const sum = (from) => composed.frames.reduce((n, f) => n + (f.from === from ? f.frame.length / 2 : 0), 0);
  assert.deepEqual([sum('client'), sum('server')], [2014, 2013]);
});

test('both ends of the handshake make the same bytes from the same inputs', () => {
  const [c, s] = [flow.client, flow.server];
  const identity = identityFrom(hex(flow.identity_seed));
  const wire = Object.fromEntries(composed.frames.slice(0, 4).map(({ name, frame }) => [name, hex(frame)]));
  const same = (got, name) => { // but for stamp, checksum and, since the stamp is sealed in, tag
    const plain = (b) => Buffer.from(b).fill(0, 28, 40).fill(0, 80, 96).toString('hex');
    assert.equal(plain(got), plain(wire[name]), name);
  };
  const entropy = {
    handshakeId: hex(c.handshake_id), random: hex(c.random), x25519: hex(c.x25519_private), mlkemSeed: hex(c.mlkem_seed), extension: c.tlv_type,
  };
  const client = new ClientHandshake([{ kind: 1, fingerprint: identity.fingerprint, key: identity.key }], BigInt(c.time), { entropy, suites: [1] });
  const hello = client.hello();
  assert.equal(hello.toString('hex'), wire.ClientHello.toString('hex'));
  const server = ServerHandshake.fromFirst(hello.subarray(96), [identity], () => false);
  const q = s.params;
  const { hello: [shFrame], flight: [flightFrame] } = server.answer({
    sessionId: hex(s.session_id).readBigUInt64BE(), time: BigInt(s.time),
    params: {
      maxPayload: q.max_payload, idleTimeoutMs: q.idle_timeout_ms, keyRotationS: q.key_rotation_s, maxDatagram: q.max_datagram, policy: q.policy,
      reassemblyBytes: q.reassembly_bytes, maxInflight: q.max_inflight,
      resetToken: hmac256(hex(s.reset_key), 'XTMP/1 reset', hex(s.session_id)).subarray(0, 16),
    },
    entropy: { random: hex(s.random), x25519: hex(s.x25519_private), mlkemMessage: hex(s.mlkem_m) },
  });
  assert.equal(shFrame.toString('hex'), wire.ServerHello.toString('hex'));
  same(flightFrame, 'ServerFlight');
  client.serverHello(parseHeader(shFrame), shFrame.subarray(96));
  const flightHeader = parseHeader(flightFrame);
  client.serverFlight(flightHeader, client.slot.open(flightHeader, flightFrame, client.sessionId, null), false);
  const { frame } = client.finish(BigInt(c.time));
  same(frame, 'ClientFinish');
  for (const [name, value] of Object.entries(client.values)) {
    assert.deepEqual(server.values[name], value, name);
    const shown = { ts_client: 'p0.c.ts', ts_server: 'p0.s.ts' }[name] ?? name;
    assert.equal(value.toString('hex'), composed.result[shown], name);
  }
  const h = parseHeader(frame);
  assert.ok(server.clientFinish(h, server.slot.open(h, frame, server.sessionId, null)));
});
