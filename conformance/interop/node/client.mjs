#!/usr/bin/env node
// The client:
//
//	node client.mjs ping host:port --pin HEX [--count N]
//	node client.mjs probe host:port --pin HEX [--suites 3,1] [--compression]

import { readFileSync } from 'node:fs';
import { connect as connectTCP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ERROR, LIMIT, SUITE, TIMER, TYPE } from './codes.mjs';
import { SessionClock, skewed, wallClock } from './clock.mjs';
import { ClientSession } from './client-session.mjs';
import { Connection } from './connection.mjs';
import { CheckFailed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, isClear } from './frame.mjs';
import { ClientHandshake, suitesFor } from './handshake.mjs';
import { HandshakeFailure, parseEndpoint, parsePins, pinsFor } from './identity.mjs';
import { decodeError } from './messages.mjs';
import { Probe, ProbeError, sourceData } from './probe.mjs';
import { random } from './primitives.mjs';

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

  // options are those of ClientSession: heartbeatMs, inflates.
  constructor(connection, handshake, { clock, done, wall = wallClock, ...options }) {
    this.#connection = connection;
    this.#handshake = handshake;
    this.#clock = clock;
    this.#options = options;
    this.#wall = wall;
    this.#done = done;
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
    const { params } = this.#handshake.serverFlight(h, this.#handshake.slot.open(h, frame, this.#handshake.sessionId, null), this.#skewed);
    const { frame: finish, ...slots } = this.#handshake.finish(this.#clock.now());
    this.#handshake.erase();
    this.#connection.wire.write(finish);
    const session = new ClientSession({
      connection: this.#connection, id: this.#handshake.sessionId, slots, clock: this.#clock, anchor: this.#anchor, params,
      handshakeId: this.#handshake.handshakeId, ...this.#options,
    });
    this.#connection.stage = session;
    this.#connection.deadlines.clear('connect');
    session.start();
    session.sent(); // the heartbeat period begins with ClientFinish
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

// connect opens a session with an endpoint under the pins given. It rejects with a
// HandshakeFailure. suites are in the order of preference; inflates lets replies be
// compressed. [XTMP-TRU-014]
export function connect(endpoint, pins, { heartbeatMs, connectMs = TIMER.T_CONNECT, suites, inflates = false } = {}) {
  return new Promise((resolve, reject) => {
    if (pins.length === 0) return reject(new HandshakeFailure('there is no pin for this endpoint'));
    const socket = connectTCP({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true }); // resolves names [XTMP-CON-005]
    const connection = new Connection(socket);
    let refused;
    socket.once('error', (error) => (refused = error.message));
    connection.closed = () => reject(new HandshakeFailure(refused ?? connection.why, connection.met));
    connection.deadlines.set('connect', connectMs, () => connection.fail('no session within T_CONNECT')); // [XTMP-HSK-085]
    connection.stage = { judge: () => {}, take: () => {} };
    socket.once('connect', () => {
      const time = wallClock.now(); // [XTMP-HSK-004]
      const handshake = new ClientHandshake(pins, time, { suites, inflates });
      const done = (session) => {
        session.closed = new Promise((closed) => (connection.closed = () => closed(connection.why)));
        resolve(session);
      };
      connection.stage = new Hello(connection, handshake, { clock: new SessionClock(time), heartbeatMs, inflates, done });
      connection.wire.write(handshake.hello()); // [XTMP-HSK-007]
    });
  });
}

const USAGE = `usage: node client.mjs (ping | probe) host:port (--pin HEX [--kind 1] | --pins FILE) [--count N] [--suites 1,2]
  [--compression] [--bytes N]`;

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
    pin: text, pins: text, kind: { ...text, default: '1' }, count: text, bytes: { ...text, default: '1048576' }, suites: text,
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
  const options = { suites: readSuites(v.suites, pins), inflates: v.compression };
  return { command, name, endpoint, pins, options, count: number('count', command === 'ping' ? 1 : 5), bytes: number('bytes') };
}

const say = (line) => process.stdout.write(`${line}\n`);

async function open({ name, endpoint, pins, options }) {
  const session = await connect(endpoint, pins, options);
  const warning = session.suite === SUITE.INTEGRITY_ONLY ? ', NOT ENCRYPTED' : ''; // [XTMP-INT-002]
  say(`session ${session.id} with ${name}, suite ${session.suite}${warning}`);
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
