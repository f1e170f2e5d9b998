// Client and server over several paths against each other, on virtual time.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from '../client.mjs';
import { identityFrom } from '../identity.mjs';
import { Probe, sourceData } from '../probe.mjs';
import { random } from '../primitives.mjs';
import { Server } from '../server.mjs';
import { inWorld } from '../virtual.mjs';

const identity = identityFrom(Buffer.alloc(32, 5));
const AT = { host: '198.51.100.1', port: 8090 };
const pins = [{ kind: 1, fingerprint: identity.fingerprint, key: null }];
const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };

const on = (transport, act, { settings, ...options } = {}) => inWorld(async (net, world) => {
  const server = new Server({ identities: [identity], settings: { udp: true, attach: true, probe: true, ...settings }, limits: unlimited });
  server.serveDatagrams(net.socket(AT.host, AT.port));
  net.listen(AT.host, AT.port, (socket) => server.accept(socket));
  const session = await connect(AT, pins, { transport, net: net.at('192.0.2.1'), ...options });
  await session.ping();
  await world.sleep(500);
  await act({ net, world, server, session, probe: new Probe(session), there: server.sessions.get(session.id) });
  session.end('enough');
});

const shape = (session) => session.paths.map((path) => `${path.datagram ? 'udp' : 'tcp'}${path === session.current ? '*' : ''}${path.standby ? '+' : ''}`).sort().join(' ');

describe('the paths of each type', () => {
  for (const [transport, wanted] of [['tcp', 'tcp* tcp+'], ['udp', 'tcp+ udp*'], ['hybrid', 'tcp* udp']]) {
    test(transport, on(transport, async ({ session, there, probe, world }) => {
      assert.equal(shape(session), wanted);
      assert.equal(shape(there), wanted);
      assert.deepEqual(await probe.source(5000), sourceData(5000));
      await world.sleep(1_000_000); // heartbeats on each of them
      assert.equal(shape(session), wanted);
      assert.ok([...session.paths, ...there.paths].every(({ live }) => live));
    }));
  }

  test('without Attach there is one path', on('udp', async ({ session }) => {
    assert.equal(shape(session), 'udp*');
  }, { settings: { attach: false } }));
});

describe('failover', () => {
  test('UDP dies: calls go on over TCP, within a second', on('udp', async ({ session, there, probe, net, world }) => {
    net.drops = () => true;
    const before = world.now;
    const data = random(30_000);
    assert.deepEqual(await probe.echo(data), data);
    assert.ok(world.now - before < 2500, `${world.now - before}`);
    assert.equal(shape(session).includes('tcp*'), true);
    assert.equal(shape(there).includes('tcp*'), true);
  }));

  test('UDP comes back: it is tried after T_UDP_BACK', on('udp', async ({ session, probe, net, world }) => {
    net.drops = () => true;
    await probe.echo(random(100));
    await world.sleep(10_000);
    assert.ok(session.current.stream);
    net.drops = () => false;
    await world.sleep(35_000);
    assert.ok(session.current.datagram, shape(session));
    assert.deepEqual((await probe.echo(random(5000))).length, 5000);
  }));

  test('TCP is cut: the standby path is as well, and a third one carries on', on('tcp', async ({ session, probe, net, world, server }) => {
    net.cut = true;
    const call = probe.echo(Buffer.from('x'));
    await world.sleep(4000);
    net.cut = false;
    await call;
    assert.ok(session.current.live);
    assert.equal(server.sessions.size, 1);
  }));

  test('the current TCP connection is reset: nothing is executed twice, nothing is lost', on('tcp', async ({ session, probe, world }) => {
    const calls = [...Array(30).keys()].map((i) => probe.echo(Buffer.from(`${i}`)).then((got) => assert.equal(got.toString(), `${i}`)));
    const slow = probe.delay(700, Buffer.from('slow'));
    await world.sleep(25);
    session.current.transport.wire.close();
    await Promise.all(calls);
    assert.equal((await slow).toString(), 'slow');
    assert.equal(shape(session), 'tcp* tcp+');
  }));

  test('everything dies for a while: the session is parked and resumed', on('udp', async ({ session, there, probe, net, world }) => {
    const slow = probe.delay(3000, Buffer.from('kept'));
    await world.sleep(100);
    for (const path of [...session.paths]) path.fail('gone');
    net.drops = () => true;
    net.cut = true;
    await world.sleep(1500);
    net.drops = () => false;
    net.cut = false;
    assert.equal((await slow).toString(), 'kept');
    assert.ok(!there.parked && !session.over);
    assert.deepEqual((await probe.echo(random(2000))).length, 2000);
  }));

  test('a server that is gone: three attempts, and calls are unknown', on('tcp', async ({ session, server, net, probe }) => {
    const call = probe.echo(Buffer.from('x'));
    call.catch(() => {});
    server.sessions.clear();
    for (const path of [...session.paths]) path.fail('gone');
    await assert.rejects(call, /unknown|not sent/);
    assert.match(session.why, /does not know the session/);
    assert.ok(net);
  }));

  test('a caller goes on with a new session', on('udp', async ({ server, net, world }) => {
    const { Caller } = await import('../caller.mjs');
    const sessions = [];
    const caller = new Caller(async () => {
      sessions.push(await connect(AT, pins, { transport: 'udp', net: net.at('192.0.2.1'), failover: false }));
      return sessions.at(-1);
    });
    const probe = new Probe(caller);
    await probe.echo(Buffer.from('one'));
    server.sessions.delete(sessions[0].id);
    await assert.rejects(probe.echo(Buffer.from('two')), /unknown.*lost the session/); // it was sent
    assert.equal((await probe.echo(Buffer.from('three'))).toString(), 'three');
    assert.equal(sessions.length, 2);
    sessions[1].end('enough');
    assert.ok(world);
  }));

  test('a network that is gone for T_PARK_ANON', on('tcp', async ({ session, net, world, probe }) => {
    net.cut = true;
    const call = probe.echo(Buffer.from('x'));
    call.catch(() => {});
    for (const path of [...session.paths]) path.fail('gone');
    await world.sleep(61_000);
    assert.ok(session.over);
  }));

  test('pushes come by TCP, and none before their reply', on('udp', async ({ probe }) => {
    const pushes = await probe.stream(50, Buffer.alloc(100));
    assert.deepEqual(pushes.map(({ n }) => Number(n)), [...Array(50).keys()].map((i) => i + 1));
  }));

  test('a large reply goes by TCP', on('udp', async ({ session, probe }) => {
    assert.deepEqual(await probe.source(200_000), sourceData(200_000));
    assert.ok(session.current.datagram);
  }));

  test('an idle session does not come back by itself, a call brings it', on('tcp', async ({ session, world, probe, there, net }) => {
    net.cut = true;
    for (const path of [...session.paths, ...there.paths]) path.fail('gone');
    await world.sleep(5000);
    net.cut = false;
    await world.sleep(5000);
    assert.deepEqual([session.paths.length, there.parked], [0, true]);
    assert.equal((await probe.echo(Buffer.from('x'))).toString(), 'x');
    assert.equal(there.parked, false);
  }));
});

describe('rekey over several paths', () => {
  for (const transport of ['tcp', 'udp', 'hybrid']) {
    test(transport, on(transport, async ({ session, there, probe, world }) => {
      for (const epoch of [1, 2]) {
        session.rekey.request();
        await probe.echo(random(100));
        await world.sleep(2000);
        assert.deepEqual([session.rekey.epoch, there.rekey.epoch, session.rekey.holdsOld, there.rekey.holdsOld], [epoch, epoch, false, false]);
        assert.ok([...session.paths, ...there.paths].every((path) => path.open.epoch === epoch && path.seal.epoch === epoch));
      }
      for (const path of [...session.paths]) path.fail('gone');
      assert.deepEqual((await probe.echo(random(10))).length, 10); // Attach under the root of epoch 2
    }));
  }

  test('in flight while every path is gone', on('tcp', async ({ session, there, probe, world }) => {
    session.rekey.request();
    await world.sleep(5);
    for (const path of [...session.paths]) path.fail('gone');
    await world.sleep(40_000); // longer than T_REKEY
    assert.ok(!session.over && !there.over);
    await probe.echo(random(10));
    await world.sleep(2000);
    assert.deepEqual([session.rekey.epoch, there.rekey.epoch], [1, 1]);
  }));
});
