// Whatever arrives: nothing throws, nobody is answered who should not be, and the session
// goes on.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from '../client.mjs';
import { frameChecksum, clearFrame, parseHeader } from '../frame.mjs';
import { identityFrom } from '../identity.mjs';
import { encodeRanges } from '../messages.mjs';
import { Probe } from '../probe.mjs';
import { random } from '../primitives.mjs';
import { Server } from '../server.mjs';
import { DatagramPuppet } from '../udp-puppet.mjs';
import { inWorld } from '../virtual.mjs';

const identity = identityFrom(Buffer.alloc(32, 5));
const AT = { host: '198.51.100.1', address: '198.51.100.1', port: 8090 };
const pins = [{ kind: 1, fingerprint: identity.fingerprint, key: null }];
const limits = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };
const ROUNDS = 1500;

function serve(net) {
  const server = new Server({ identities: [identity], settings: { udp: true, probe: true, attach: true }, limits });
  server.serveDatagrams(net.socket(AT.host, AT.port));
  net.listen(AT.host, AT.port, (socket) => server.accept(socket));
  return server;
}

const below = (n) => random(4).readUInt32BE() % n;

// spoil changes a datagram here and there, and mends its checksum now and then.
function spoil(bytes) {
  const b = Buffer.from(bytes.subarray(0, below(8) === 0 ? below(bytes.length + 1) : bytes.length));
  for (let i = below(4); i >= 0 && b.length > 0; i--) b[below(b.length)] = random(1)[0];
  if (b.length >= 96 && below(2) === 0) {
    if (below(2) === 0) b.writeUInt32BE(b.length - 96, 24);
    b.writeUInt32BE(frameChecksum(b), 28);
  }
  return b;
}

describe('spoilt datagrams', () => {
  test('at a server, in both directions, while a client works', inWorld(async (net, world) => {
    const server = serve(net);
    const session = await connect(AT, pins, { transport: 'udp', net: net.at('192.0.2.1') });
    const probe = new Probe(session);
    const seen = [];
    net.drops = ({ bytes, from, to }) => {
      if (seen.length < 200) seen.push({ bytes, from, to });
      return false;
    };
    await probe.echo(random(20_000));
    net.drops = () => false;
    for (let i = 0; i < ROUNDS; i++) {
      const { bytes, from, to } = seen[below(seen.length)];
      net.carry(spoil(bytes), from, to);
      if (i % 50 === 0) await world.sleep(1);
    }
    assert.equal((await probe.echo(random(1000))).length, 1000);
    assert.equal(server.sessions.size, 1);
    session.end('enough');
  }));

  test('in a first contact, and of nothing in particular', inWorld(async (net, world) => {
    const server = serve(net);
    const puppet = new DatagramPuppet(net.socket(), AT);
    const hello = puppet.offer(identity);
    const cookie = await puppet.cookie(hello);
    const frames = [...hello(), ...hello(cookie)];
    for (let i = 0; i < ROUNDS; i++) puppet.raw(i % 3 === 0 ? random(below(1300)) : spoil(frames[below(frames.length)]));
    await world.sleep(12_000);
    assert.equal(server.sessions.size, 0);
    const second = new DatagramPuppet(net.socket(), AT);
    assert.ok(await second.establish(identity));
  }));

  test('at a client that is waiting', inWorld(async (net, world) => {
    const server = serve(net);
    const said = [];
    net.drops = ({ bytes, from, to }) => {
      if (from.port === AT.port) said.push({ bytes, from, to });
      return false;
    };
    const first = await connect(AT, pins, { transport: 'udp', net: net.at('192.0.2.1') });
    first.end('enough');
    const call = connect(AT, pins, { transport: 'udp', net: net.at('192.0.2.1') });
    const { to } = said[0];
    for (let i = 0; i < ROUNDS; i++) {
      const { bytes, from } = said[below(said.length)];
      net.carry(spoil(bytes), from, { ...to, port: to.port + 1 + below(3) });
      if (i % 100 === 0) await world.sleep(1);
    }
    const session = await call;
    await session.ping();
    session.end('enough');
    assert.ok(server);
  }));
});

// What a peer with the keys says has to make sense; if it does not the session ends, and
// nothing else does.
test('sealed nonsense', inWorld(async (net, world) => {
  const server = serve(net);
  for (let round = 0; round < 60; round++) {
    const puppet = new DatagramPuppet(net.socket(), AT);
    assert.ok(await puppet.establish(identity));
    for (let i = 0; i < 20; i++) {
      const type = [1, 2, 3, 4, 5, 0x50, 0x70, 0x90, 0xfe][below(9)];
      puppet.send(type, below(0x80) & ~1, random(below(120)));
      puppet.send(5, 0, encodeRanges([{ low: BigInt(below(5)), high: BigInt(below(30) + 5) }], below(1e6)));
    }
    await world.sleep(200);
  }
  await world.sleep(1_000_000);
  assert.equal(server.sessions.size, 0);
}));

test('clear frames of every kind get no answer but Retry', inWorld(async (net) => {
  serve(net);
  const puppet = new DatagramPuppet(net.socket(), AT);
  for (let type = 0; type < 256; type++) puppet.raw(clearFrame(type, BigInt(type % 3), 0n, random(40 + type)));
  for (let got; (got = await puppet.next()) !== null;) assert.deepEqual([parseHeader(got.frame).type, got.frame.length], [2, 160]);
}));
