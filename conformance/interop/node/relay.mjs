#!/usr/bin/env node
// A relay before a server, TCP and UDP at one port. After so many datagrams, of both
// directions together, it drops all that come, as a firewall does that has changed its
// mind:
//
//	node relay.mjs host:port --datagrams N

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { parseEndpoint } from './identity.mjs';

const HERE = '127.0.0.1';
const { values, positionals } = parseArgs({ allowPositionals: true, options: { datagrams: { type: 'string' } } });
const { host, port } = parseEndpoint(positionals[0]);
let left = Number(values.datagrams);

// passes counts a datagram.
function passes() {
  left -= 1;
  if (left === -1) process.stdout.write('CUT\n');
  return left >= 0;
}

const listener = createServer((inward) => {
  const outward = connect(port, host);
  for (const [from, to] of [[inward, outward], [outward, inward]]) from.pipe(to).on('error', () => from.destroy());
});
await once(listener.listen(0, HERE), 'listening');
const address = listener.address();

const inside = createSocket('udp4').bind(address.port, HERE);
await once(inside, 'listening');
const outsides = new Map(); // address of a client → the socket that speaks for it
inside.on('message', (bytes, client) => {
  const name = `${client.address}:${client.port}`;
  if (!outsides.has(name)) {
    const outside = createSocket('udp4').on('message', (answer) => passes() && inside.send(answer, client.port, client.address));
    outsides.set(name, outside);
  }
  if (passes()) outsides.get(name).send(bytes, port, host);
});
process.stdout.write(`READY tcp=${HERE}:${address.port} udp=${HERE}:${address.port}\n`);
