// UDP and several paths over the sockets of this computer.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect } from '../client.mjs';
import { FLAG } from '../codes.mjs';
import { identityFrom } from '../identity.mjs';
import { encodeProbe } from '../messages.mjs';
import { OP, Probe, sourceData } from '../probe.mjs';
import { Puppet, mid } from '../puppet.mjs';
import { random } from '../primitives.mjs';
import { Server } from '../server.mjs';
import { AddressTokens } from '../udp-client.mjs';

const identity = identityFrom(Buffer.alloc(32, 5));
const pins = [{ kind: 1, fingerprint: identity.fingerprint, key: null }];
let server;
let endpoint;

before(async () => {
  server = new Server({ identities: [identity], settings: { udp: true, attach: true, probe: true } });
  const { port } = await server.listen(0);
  endpoint = { host: 'localhost', port };
});
after(() => server.shutdown());

async function close(session) {
  session.drain();
  assert.equal(await session.closed, 'an ordinary end');
}

const until = async (right) => {
  while (!right()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('loopback', { concurrency: true }, () => {
  test('UDP: requests, large and small, and an address token', async () => {
    const tokens = new AddressTokens();
    for (let i = 0; i < 2; i++) {
      const session = await connect(endpoint, pins, { transport: 'udp', tokens, failover: false });
      const probe = new Probe(session);
      const data = random(60_000);
      await Promise.all([...Array(20)].map(async () => assert.ok((await probe.echo(data)).equals(data))));
      session.kept();
      await close(session);
    }
  });

  test('hybrid: both transports, a large reply, and a rekey over both', async () => {
    const session = await connect(endpoint, pins, { transport: 'hybrid' });
    const probe = new Probe(session);
    await until(() => session.paths.length === 2 && session.paths.every(({ live }) => live));
    assert.ok(session.current.stream);
    assert.deepEqual(await probe.source(3_000_000), sourceData(3_000_000));
    session.rekey.request();
    await until(() => session.rekey.epoch === 1 && !session.rekey.holdsOld);
    await probe.echo(random(100));
    await close(session);
  });

  test('a TCP connection is lost, and the session goes on', async () => {
    const session = await connect(endpoint, pins, {});
    const probe = new Probe(session);
    await until(() => session.paths.length === 2 && session.paths.every(({ live }) => live));
    const calls = [...Array(50)].map(() => probe.echo(random(500)));
    session.current.transport.wire.close();
    await Promise.all(calls);
    await close(session);
  });

  test('a connection that is reset while pushes wait leaves the server to others', async () => {
    const puppet = await Puppet.open(endpoint.port);
    assert.ok(await puppet.establish(identity));
    puppet.send(0x70, FLAG.REQUIRES_ACK, mid(1, encodeProbe(OP.STREAM, 1_000_000, Buffer.alloc(64))));
    for (let m; (m = await puppet.message()).subId === undefined;);
    const began = performance.now();
    puppet.socket.resetAndDestroy();
    const session = server.sessions.get(puppet.id);
    await until(() => session.parked);
    assert.ok(performance.now() - began < 4000, 'the pushes were made for nobody');
    await close(await connect(endpoint, pins, { failover: false }));
  });

  test('the client changes its port', async () => {
    const session = await connect(endpoint, pins, { transport: 'udp', failover: false });
    const probe = new Probe(session);
    await probe.echo(random(10));
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    session.paths[0].rebind(socket);
    assert.equal((await probe.echo(random(30_000))).length, 30_000);
    await close(session);
  });
});
