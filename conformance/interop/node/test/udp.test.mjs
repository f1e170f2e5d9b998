// Client and server on UDP against each other, on virtual time, over networks that
// delay, lose, double and overtake.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HEADER, SCOPE, TYPE } from '../codes.mjs';
import { connect } from '../client.mjs';
import { parseHeader } from '../frame.mjs';
import { hybridFrom, identityFrom } from '../identity.mjs';
import { Probe, sourceData } from '../probe.mjs';
import { random } from '../primitives.mjs';
import { Server } from '../server.mjs';
import { AddressTokens } from '../udp-client.mjs';
import { inWorld } from '../virtual.mjs';

const [identity, hybrid] = [identityFrom(Buffer.alloc(32, 5)), hybridFrom(Buffer.alloc(32, 6), Buffer.alloc(32, 7))];
const AT = { host: '198.51.100.1', port: 8090 };
const pinOf = ({ kind, fingerprint }) => [{ kind, fingerprint, key: null }];
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };

function serve(net, settings = {}) {
  const server = new Server({ identities: [identity, hybrid], settings: { udp: true, probe: true, compression: true, ...settings }, limits: unlimited });
  server.serveDatagrams(net.socket(AT.host, AT.port));
  net.listen(AT.host, AT.port, (socket) => server.accept(socket));
  return server;
}

const dial = (net, options = {}, to = identity) => connect(AT, pinOf(to), { transport: 'udp', net: net.at('192.0.2.1'), ...options });

// on runs a case with a session on UDP.
const on = (act, { net: conditions, settings, ...options } = {}) => inWorld(async (net, world) => {
  const server = serve(net, settings);
  const session = await dial(net, options);
  await session.ping(); // there is a session at the server too
  Object.assign(net, conditions);
  return act({ net, world, server, session, probe: new Probe(session) });
}, { seed: conditions?.seed });

async function close(session) {
  session.drain();
  return session.closed;
}

describe('handshake', () => {
  test('Retry, then everything; 4 round trips in all to a reply', inWorld(async (net, world) => {
    serve(net);
    const session = await dial(net);
    const probe = new Probe(session);
    assert.equal(world.now, 4 * 10);
    assert.deepEqual(await probe.echo(Buffer.from('x')), Buffer.from('x'));
    assert.equal(world.now, 6 * 10);
    assert.equal(session.paths[0].recovery.srtt, 20);
    assert.ok(net.sent < 15, `${net.sent}`);
    assert.equal(await close(session), 'an ordinary end');
  }));

  test('a token saves a round trip, once', inWorld(async (net, world) => {
    serve(net);
    const tokens = new AddressTokens();
    const first = await dial(net, { tokens });
    await world.sleep(100);
    first.kept();
    await close(first);
    for (const trips of [1, 2]) {
      const before = world.now;
      const session = await dial(net, { tokens });
      assert.equal(world.now - before, trips * 20);
      await close(session);
    }
  }));

  test('suite 3, a flight of six datagrams, one of them lost', inWorld(async (net) => {
    serve(net);
    let n = 0;
    net.drops = ({ from }) => from.port === 8090 && ++n === 5;
    const session = await dial(net, { suites: [3] }, hybrid);
    assert.equal(session.suite, 3);
    await close(session);
  }));

  test('a wrong pin fails the handshake at once', inWorld(async (net, world) => {
    serve(net);
    await assert.rejects(connect(AT, [{ kind: 1, fingerprint: Buffer.alloc(32), key: null }], { transport: 'udp', net: net.at('192.0.2.1') }), /no pin/);
    assert.equal(world.now, 40);
  }));

  test('nobody there: five sendings, 400 ms doubling, then T_CONNECT', inWorld(async (net, world) => {
    const sent = [];
    net.drops = () => sent.push(world.now);
    await assert.rejects(dial(net), /T_CONNECT/);
    assert.deepEqual(sent, [0, 400, 1200, 2800, 6000]);
    assert.equal(world.now, 10_000);
  }));

  test('ClientFinish is sent five times, and then the path is closed', inWorld(async (net, world) => {
    serve(net);
    const sent = [];
    net.drops = ({ bytes }) => bytes[5] === 1 && bytes.readUInt32BE(40) !== 0 && sent.push(world.now);
    const session = await dial(net);
    assert.match(await session.closed, /ClientFinish/);
    assert.deepEqual(sent.map((at) => at - sent[0]), [0, 400, 1200, 2800, 6000]);
    assert.equal(world.now - sent[0], 12_400);
  }));

  test('forged clear frames end nothing', inWorld(async (net, world) => {
    serve(net);
    const client = dial(net);
    const forge = (bytes) => net.carry(bytes, { address: AT.host, port: AT.port }, { address: '192.0.2.1', port: 40_000 });
    const { clearFrame } = await import('../frame.mjs');
    const { encodeError } = await import('../messages.mjs');
    for (let i = 0; i < 8; i++) {
      forge(clearFrame(TYPE.ERROR, 0n, 0n, encodeError({ code: 2, scope: SCOPE.PATH })));
      forge(clearFrame(TYPE.HANDSHAKE_ACK, 5n, 0n, random(1040)));
    }
    const session = await client;
    forge(clearFrame(TYPE.ERROR, session.id, 0n, encodeError({ code: 0x10, scope: SCOPE.SESSION, token: Buffer.alloc(16) })));
    await world.sleep(50);
    assert.ok(!session.over);
    await close(session);
  }));

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`with a fifth of everything lost, doubled and overtaken, ${seed}`, inWorld(async (net) => {
      serve(net);
      const session = await dial(net);
      const probe = new Probe(session);
      const data = random(3000);
      assert.deepEqual(await probe.echo(data), data);
      session.end('enough');
    }, { seed, loss: 0.2, double: 0.2, jitter: 30 }));
  }
});

describe('session', () => {
  test('everything that Probe has', on(async ({ session, probe, world }) => {
    const large = Buffer.alloc(60_000, 'xtmp ');
    assert.deepEqual(await probe.echo(large), large);
    assert.deepEqual(await probe.echo(large, { compress: true }), large);
    assert.deepEqual(await probe.echo(large, { fragment: 700 }), large);
    assert.equal(await probe.sink(large), 60_000);
    probe.swallow(large);
    await assert.rejects(probe.fail(0x42), { name: 'CONFLICT' });
    const before = world.now;
    await probe.delay(50);
    assert.ok(world.now - before >= 70);
    assert.deepEqual(await probe.source(65_528), sourceData(65_528));
    await assert.rejects(probe.source(65_529), { name: 'PAYLOAD_TOO_LARGE' });
    const pushes = await probe.stream(200, Buffer.alloc(3000, 1));
    assert.deepEqual(pushes.map(({ n }) => Number(n)), [...Array(200).keys()].map((i) => i + 1));
    await session.ping();
    assert.equal(await close(session), 'an ordinary end');
  }));

  for (const [name, conditions] of Object.entries({
    'a tenth lost': { loss: 0.1 }, 'a quarter lost': { loss: 0.25 }, 'overtaking': { jitter: 60 }, 'everything doubled': { double: 1 }, 'all of it': { loss: 0.1, jitter: 40, double: 0.1 },
    'far away': { delay: 300 }, 'next door': { delay: 0.05 },
  })) {
    test(`hundred requests, large and small: ${name}`, on(async ({ session, probe, world }) => {
      const calls = [...Array(100).keys()].map((i) => {
        const data = random(i % 7 === 0 ? 10_000 : i);
        return probe.echo(data).then((got) => assert.ok(got.equals(data)));
      });
      await Promise.all(calls);
      assert.ok(world.now < 30_000, `${world.now}`);
      session.end('enough');
    }, { net: { seed: 7, ...conditions } }));
  }

  test('throughput is near what the path has', on(async ({ session, probe, world }) => {
    const before = world.now;
    for (let i = 0; i < 20; i++) await probe.source(65_000);
    const seconds = (world.now - before) / 1000;
    assert.ok(seconds < 20 * 0.5, `${seconds}`);
    await close(session);
  }));

  test('a burst is at most ten datagrams', on(async ({ session, probe, world, net }) => {
    const at = new Map();
    net.drops = ({ from, bytes }) => {
      if (from.port === 8090 && bytes.length > 1000) at.set(world.now, (at.get(world.now) ?? 0) + 1);
      return false;
    };
    await probe.source(65_000);
    assert.ok(Math.max(...at.values()) <= 10, `${[...at.values()]}`);
    await close(session);
  }));

  test('rekey, and again, with losses', on(async ({ session, probe, world }) => {
    for (const epoch of [1, 2, 3]) {
      session.rekey.request();
      await probe.echo(random(2000));
      for (let i = 0; i < 100 && (session.rekey.epoch < epoch || session.rekey.holdsOld); i++) await world.sleep(100);
      assert.deepEqual([session.rekey.epoch, session.rekey.holdsOld], [epoch, false]);
      await probe.echo(random(2000));
      await world.sleep(1000);
    }
    session.end('enough');
  }, { net: { loss: 0.1, jitter: 20, seed: 3 } }));

  test('the server asks for a rekey', on(async ({ session, server, world }) => {
    server.askForRekey();
    await world.sleep(500);
    assert.equal(session.rekey.epoch, 1);
    await close(session);
  }));

  test('numbers are left out on both sides, and nobody minds', on(async ({ session, probe }) => {
    for (let i = 0; i < 700; i++) await probe.echo(Buffer.alloc(1));
    assert.ok(session.paths[0].seal.leftOut.size > 0);
    await close(session);
  }));

  test('heartbeats keep an idle session alive', on(async ({ session, world }) => {
    await world.sleep(1_000_000);
    assert.ok(!session.over);
    await close(session);
  }));

  test('a blackout of ten seconds', on(async ({ session, probe, net, world }) => {
    net.loss = 1;
    const call = probe.echo(Buffer.from('x'));
    await world.sleep(10_000);
    assert.ok(session.paths[0].suspect);
    net.loss = 0;
    const before = world.now;
    await call;
    assert.ok(world.now - before < 2500, `${world.now - before}`);
    await close(session);
  }));

  test('Disconnect by the server, two copies of three lost', on(async ({ session, server, net }) => {
    let n = 0;
    net.drops = ({ bytes, from }) => from.port === 8090 && bytes[5] === 4 && ++n < 3;
    const down = server.shutdown();
    assert.match(await session.closed, /Disconnect/);
    await down;
  }));

  test('a server that lost the session resets it', on(async ({ session, server }) => {
    server.sessions.clear();
    await assert.rejects(session.ping(), /lost the session/);
  }));

  test('the client moves to another port, and to another network', on(async ({ session, probe, net, world }) => {
    for (const address of ['192.0.2.1', '203.0.113.9']) {
      session.paths[0].rebind(net.socket(address));
      assert.equal((await probe.echo(random(20_000))).length, 20_000);
      await world.sleep(200);
    }
    assert.ok(!session.paths[0].suspect);
    await close(session);
  }));

  // Of PATH_RESPONSE no copy is made: it would be taken for the answer, since old and new
  // address are asked for the same bytes.
  test('a copy that overtakes from elsewhere does not move the session', on(async ({ session, probe, net, world }) => {
    net.drops = ({ bytes, from, to }) => {
      if (from.address === '192.0.2.1' && bytes.length !== 113) net.carry(bytes, { address: '203.0.113.66', port: 6 }, to);
      return false;
    };
    for (let i = 0; i < 5; i++) {
      await probe.echo(random(1000));
      await world.sleep(20);
    }
    net.drops = () => false;
    await world.sleep(500);
    const before = world.now;
    await probe.echo(Buffer.alloc(1));
    assert.equal(world.now - before, 20);
    await close(session);
  }));
});

describe('race', () => {
  test('UDP wins, and TCP is not begun', inWorld(async (net) => {
    serve(net);
    const session = await dial(net, { transport: 'hybrid' });
    assert.ok(session.paths[0].datagram);
    await close(session);
  }));

  test('without UDP, TCP wins after T_RACE', inWorld(async (net, world) => {
    serve(net);
    net.loss = 1;
    const session = await dial(net, { transport: 'hybrid' });
    assert.ok(session.paths[0].stream);
    assert.equal(world.now, 250 + 20 + 20);
    await close(session);
  }));

  test('a slow UDP loses, and the server has one session', inWorld(async (net, world) => {
    const server = serve(net);
    let held = 0;
    net.drops = ({ bytes, from, to }) => {
      if (from.port !== 8090 || bytes[HEADER] === 2 || parseHeader(bytes).type !== 2 || held++ > 20) return false;
      world.after(300, () => net.carry(bytes, from, to));
      return true;
    };
    const session = await dial(net, { transport: 'hybrid' });
    assert.ok(session.paths[0].stream);
    await world.sleep(11_000);
    assert.equal(server.sessions.size, 1);
    await close(session);
  }));
});
