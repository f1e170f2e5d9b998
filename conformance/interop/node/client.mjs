#!/usr/bin/env node
// The client:
//
//	node client.mjs ping host:port --pin HEX [--count N]
//	node client.mjs probe host:port --pin HEX [--suites 3,1] [--compression]

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTCP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ERROR, LIMIT, SUITE, TIMER, TYPE } from './codes.mjs';
import { Deadlines, SessionClock, nowMs, skewed, wallClock } from './clock.mjs';
import { ClientSession } from './client-session.mjs';
import { Connection } from './connection.mjs';
import { Failover } from './failover.mjs';
import { CheckFailed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, isClear } from './frame.mjs';
import { ClientHandshake, suitesFor } from './handshake.mjs';
import { HandshakeFailure, parseEndpoint, parsePins, pinsFor } from './identity.mjs';
import { decodeError } from './messages.mjs';
import { StreamPath } from './path.mjs';
import { Probe, ProbeError, sourceData } from './probe.mjs';
import { random } from './primitives.mjs';
import { DatagramHello } from './udp-client.mjs';

// Hello is the stage before the session: it waits for ServerHello, then for
// ServerFlight. Whatever else comes fails the handshake. [XTMP-HSK-084]
export class Hello {
  #connection;
  #handshake;
  #done;
  #helloSeen = false;
  #clock;
  #anchor;
  #skewed;
  #options;
  #wall;
  #claim;

  // options are those of ClientSession: heartbeatMs, inflates.
  constructor(connection, handshake, { clock, done, wall = wallClock, claim = () => true, ...options }) {
    this.#connection = connection;
    this.#handshake = handshake;
    this.#clock = clock;
    this.#options = options;
    this.#wall = wall;
    this.#done = done;
    this.#claim = claim;
  }

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    const types = this.#helloSeen ? [TYPE.HANDSHAKE_ACK] : [TYPE.HANDSHAKE_ACK, TYPE.ERROR];
    if (!types.includes(h.type)) throw new CheckFailed('check 3: type');
    if (h.length > LIMIT.payload_before_session) throw new CheckFailed('check 4: payload_length'); // [XTMP-ORD-012]
  }

  take(h, frame) {
    try {
      if (this.#helloSeen) this.#flight(h, frame);
      else this.#hello(h, frame);
    } catch (error) {
      if (!(error instanceof HandshakeFailure)) throw error;
      this.#connection.met = error.met ?? undefined;
      this.#connection.fail(error.message); // [XTMP-HSK-082]
    }
  }

  #hello(h, frame) {
    if (!isClear(h)) throw new CheckFailed('check 6: not a clear frame');
    checkChecksum(h, frame);
    if (h.seq !== 0n) throw new CheckFailed('check 9: sequence number');
    const payload = frame.subarray(96);
    if (h.type === TYPE.ERROR) throw new HandshakeFailure(clearError(payload)); // [XTMP-HSK-083]
    this.#handshake.serverHello(h, payload);
    this.#skewed = skewed(this.#handshake.serverTime, this.#wall.now(), this.#wall.step); // [XTMP-TIM-013]
    this.#anchor = new SessionClock(this.#handshake.serverTime);
    this.#helloSeen = true;
  }

  #flight(h, frame) {
    const { params, endpoints } = this.#handshake.serverFlight(h, this.#handshake.slot.open(h, frame, this.#handshake.sessionId, null), this.#skewed);
    if (!this.#claim()) throw new HandshakeFailure('the other transport was faster');
    const { frame: finish, root, ...slots } = this.#handshake.finish(this.#clock.now());
    this.#handshake.erase();
    this.#connection.wire.write(finish);
    const { sessionId: id, suite, handshakeId } = this.#handshake;
    const session = new ClientSession({ id, suite, clock: this.#clock, params, root, handshakeId, ...this.#options });
    session.attachEndpoints = endpoints;
    const path = new StreamPath({ session, connection: this.#connection, slots, anchor: this.#anchor });
    this.#connection.stage = path;
    this.#connection.deadlines.clear('connect');
    session.start();
    path.watch();
    session.sent(path); // the heartbeat period begins with ClientFinish
    this.#done(session);
  }

  lost() {
    this.#handshake.erase();
  }
}

// clearError reports what nobody has authenticated. [XTMP-HSK-086]
function clearError(body) {
  const { name, text } = decodeError(body, false);
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return `the server, or somebody in its place, refused: ${name}${printable && ` (${printable})`} (unauthenticated)`;
}

// network is what a client uses of the system. [XTMP-CON-005]
export const network = Object.freeze({
  resolve: (host) => lookup(host),
  socket: async (family) => {
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    socket.bind(0);
    await once(socket, 'listening');
    return socket;
  },
  connect: ({ host, port }) => connectTCP({ host, port, allowHalfOpen: true }),
});

// owned makes a session whose promise `closed` tells why it ended, and that has further
// paths if its server accepts them.
function owned(session, { type, endpoint, net = network, failover = true }) {
  session.closed = new Promise((closed) => (session.owner = { gone: () => closed(session.why) }));
  if (failover && session.attachable) new Failover(session, { type, endpoint, net });
  return session;
}

// connect opens a session with an endpoint under the pins given. It rejects with a
// HandshakeFailure. suites are in the order of preference; inflates lets replies be
// compressed; transport is tcp, udp, or hybrid for the faster one. [XTMP-TRU-014]
export function connect(endpoint, pins, { transport = 'tcp', ...options } = {}) {
  if (pins.length === 0) return Promise.reject(new HandshakeFailure('there is no pin for this endpoint'));
  return { tcp: connectStream, udp: connectDatagrams, hybrid: race }[transport](endpoint, pins, { type: transport, ...options });
}

// connectStream calls began(connection) as soon as there is one.
function connectStream(endpoint, pins, { heartbeatMs, connectMs = TIMER.T_CONNECT, suites, inflates = false, net = network, claim, began = () => {}, ...rest }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(endpoint);
    const connection = new Connection(socket);
    began(connection);
    let refused;
    socket.once('error', (error) => (refused = error.message));
    connection.closed = () => reject(new HandshakeFailure(refused ?? connection.why, connection.met));
    connection.deadlines.set('connect', connectMs, () => connection.fail('no session within T_CONNECT')); // [XTMP-HSK-085]
    connection.stage = { judge: () => {}, take: () => {} };
    socket.once('connect', () => {
      const time = wallClock.now(); // [XTMP-HSK-004]
      const handshake = new ClientHandshake(pins, time, { suites, inflates, attaches: rest.failover ?? true });
      const done = (session) => {
        connection.closed = () => session.gone();
        resolve(owned(session, { endpoint, net, ...rest }));
      };
      connection.stage = new Hello(connection, handshake, { clock: new SessionClock(time), heartbeatMs, inflates, done, claim });
      connection.wire.write(handshake.hello()); // [XTMP-HSK-007]
    });
  });
}

// connectDatagrams takes a token from tokens, if there is one, and keeps the next one there.
async function connectDatagrams(endpoint, pins, { net = network, tokens, type, failover = true, began = () => {}, ...options }) {
  const { address, family } = await net.resolve(endpoint.host);
  const socket = await net.socket(family);
  const known = tokens?.take(endpoint, pins) ?? null;
  const session = await new Promise((done, failed) => {
    began(new DatagramHello({ socket, peer: { address, port: endpoint.port }, pins, known, done, failed, attaches: failover, ...options }));
  });
  session.kept = () => tokens?.keep(endpoint, pins, session);
  return owned(session, { endpoint: { ...endpoint, address }, net, type, failover });
}

// race begins on UDP, and on TCP a little later; the first ServerFlight that verifies
// has won. [XTMP-UDP-067] … [XTMP-UDP-071]
function race(endpoint, pins, { raceMs = TIMER.T_RACE, ...options }) {
  let won = null;
  const rivals = {};
  const deadlines = new Deadlines();
  const claim = (name) => () => {
    won ??= name;
    deadlines.stop();
    if (won === name) for (const [other, rival] of Object.entries(rivals)) if (other !== name) rival.fail('the other transport was faster');
    return won === name;
  };
  const run = (name, start) => start(endpoint, pins, { ...options, claim: claim(name), began: (rival) => (rivals[name] = rival) });
  const udp = run('udp', connectDatagrams);
  const tcp = new Promise((resolve, reject) => deadlines.set('race', raceMs, () => run('tcp', connectStream).then(resolve, reject)));
  udp.catch(() => won === null && deadlines.set('race', 0, () => run('tcp', connectStream).then(() => {}, () => {})));
  return Promise.any([udp, tcp]).catch((error) => Promise.reject(error.errors.find(({ message }) => !/faster/.test(message)) ?? error.errors[0]));
}

const USAGE = `usage: node client.mjs (ping | probe) host:port (--pin HEX [--kind 1] | --pins FILE) [--count N] [--suites 1,2]
  [--compression] [--bytes N] [--transport tcp|udp|hybrid]`;

// readSuites: suite 0 is offered only if it is named. [XTMP-SUI-004]
function readSuites(text, pins) {
  if (text === undefined) return suitesFor(pins);
  const suites = text.split(',').map(Number);
  if (!/^[0-3](,[0-3]){0,3}$/.test(text) || new Set(suites).size !== suites.length) throw new Error(`--suites ${text}: not numbers from 0 to 3, as in 3,1`);
  return suites;
}

function readPins(v, endpoint) {
  if ((v.pin === undefined) === (v.pins === undefined)) throw new Error('give one of --pin and --pins');
  if (v.pins !== undefined) return pinsFor(parsePins(readFileSync(v.pins)), endpoint);
  if (!/^[12]$/.test(v.kind)) throw new Error(`--kind ${v.kind}: neither 1 nor 2`);
  if (!/^[0-9a-f]{64}$/i.test(v.pin)) throw new Error('--pin: not 64 hexadecimal digits');
  return [{ kind: Number(v.kind), fingerprint: Buffer.from(v.pin, 'hex'), key: null }];
}

function readOptions(args) {
  const text = { type: 'string' };
  const { values: v, positionals } = parseArgs({ args, allowPositionals: true, options: {
    pin: text, pins: text, kind: { ...text, default: '1' }, count: text, bytes: text, suites: text, transport: { ...text, default: 'tcp' },
    compression: { type: 'boolean', default: false },
  } });
  const [command, name] = positionals;
  if (positionals.length !== 2 || !(command in COMMANDS)) throw new Error('expected: ping host:port, or probe host:port');
  const number = (option, fallback) => {
    const n = Number(v[option] ?? fallback);
    if (!Number.isInteger(n) || n < 0) throw new Error(`--${option} ${v[option]}: not a number`);
    return n;
  };
  const endpoint = parseEndpoint(name);
  const pins = readPins(v, endpoint);
  if (!/^(tcp|udp|hybrid)$/.test(v.transport)) throw new Error(`--transport ${v.transport}: neither tcp nor udp nor hybrid`);
  const options = { suites: readSuites(v.suites, pins), inflates: v.compression, transport: v.transport };
  const most = v.transport === 'tcp' ? 1_048_576 : LIMIT.message_udp - 8; // of one reply
  return { command, name, endpoint, pins, options, count: number('count', command === 'ping' ? 1 : 5), bytes: number('bytes', most) };
}

const say = (line) => process.stdout.write(`${line}\n`);

async function open({ name, endpoint, pins, options }) {
  const session = await connect(endpoint, pins, options);
  const warning = session.suite === SUITE.INTEGRITY_ONLY ? ', NOT ENCRYPTED' : ''; // [XTMP-INT-002]
  const how = options.transport === 'tcp' ? '' : ` on ${session.current.datagram ? 'UDP' : 'TCP'}`;
  say(`session ${session.id} with ${name}${how}, suite ${session.suite}${warning}`);
  return session;
}

async function close(session) {
  session.drain();
  say(`closed: ${await session.closed}`);
}

async function ping({ count, ...target }) {
  const session = await open(target);
  for (let i = 1; i <= count; i++) say(`pong ${i} of ${count}: ${(await session.ping()).toFixed(3)} ms`);
  await close(session);
}

// step runs one exchange, whose result has to be what was wanted.
async function step(name, act, right) {
  const started = performance.now();
  const got = await act();
  if (!right(got)) throw new Error(`${name}: not what was asked for`);
  say(`${name}: ${(performance.now() - started).toFixed(1)} ms`);
}

// rekey asks for new keys and waits until they are confirmed.
async function rekey(session) {
  const { epoch } = session.rekey;
  session.rekey.request();
  while (session.rekey.epoch === epoch && !session.over) await new Promise((resolve) => setTimeout(resolve, 1));
  return session.rekey.epoch - epoch;
}

// probe shows echoes, fragments, compression where it is announced, a source, a
// stream, an Error, a rekey in the middle of a source, and an echo after it. It
// resolves to false when the server does not offer Probe.
async function probe({ count, bytes, ...target }) {
  const session = await open(target);
  const probe = new Probe(session);
  const [small, large] = [random(32), Buffer.alloc(60_000, 'xtmp ')];
  try {
    await step('echo', () => probe.echo(small), (data) => data.equals(small));
  } catch (error) {
    if (!(error instanceof ProbeError && error.code === ERROR.UNSUPPORTED_TYPE)) throw error;
    say('the server does not offer Probe');
    await close(session);
    return false;
  }
  for (let i = 2; i <= count; i++) await step('echo', () => probe.echo(large, { compress: true }), (data) => data.equals(large));
  await step('echo in fragments', () => probe.echo(large, { fragment: 512, compress: true }), (data) => data.equals(large));
  await step('echo with PRIORITY', () => probe.echo(small, { priority: true }), (data) => data.equals(small));
  await step('sink', () => probe.sink(large, { fragment: 7000 }), (n) => n === large.length);
  probe.swallow(large);
  await step('fail', () => probe.fail(ERROR.CONFLICT).catch((error) => error), (error) => error.name === 'CONFLICT');
  await step('delay', () => probe.delay(50, small), (data) => data.equals(small));
  const inOrder = (pushes) => pushes.length === 100 && pushes.every(({ n, data }, i) => n === BigInt(i + 1) && data.equals(small));
  await step('stream', () => probe.stream(100, small), inOrder);
  await step(`source of ${bytes} bytes`, () => probe.source(bytes), (data) => data.equals(sourceData(bytes)));
  const both = () => Promise.all([probe.source(bytes), rekey(session)]);
  await step('rekey during a source', both, ([data, epochs]) => epochs === 1 && data.equals(sourceData(bytes)));
  await step('echo after the rekey', () => probe.echo(small), (data) => data.equals(small));
  await close(session);
  return true;
}

const COMMANDS = { ping, probe };

async function main() {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}\n`);
    process.exitCode = 2;
    return;
  }
  try {
    if ((await COMMANDS[options.command](options)) === false) process.exitCode = 3;
  } catch (error) {
    process.exitCode = 1;
    const hex = (b) => (b ? b.toString('hex') : 'none');
    const expected = options.pins.map((pin) => hex(pin.fingerprint)).join(' or ') || 'none';
    const met = error instanceof HandshakeFailure ? `; expected fingerprint ${expected}, met ${hex(error.met)}` : '';
    process.stderr.write(`${options.name}: ${error.message}${met}.\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
