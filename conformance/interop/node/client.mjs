#!/usr/bin/env node
// The client: node client.mjs ping host:port --pin HEX [--count N] [--kind 1]

import { readFileSync } from 'node:fs';
import { connect as connectTCP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LIMIT, TIMER, TYPE } from './codes.mjs';
import { SessionClock, skewed, wallClock } from './clock.mjs';
import { ClientSession } from './client-session.mjs';
import { Connection } from './connection.mjs';
import { CheckFailed, Malformed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, isClear } from './frame.mjs';
import { ClientHandshake } from './handshake.mjs';
import { HandshakeFailure, parseEndpoint, parsePins, pinsFor } from './identity.mjs';
import { decodeError } from './messages.mjs';

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
  #heartbeatMs;
  #wall;

  constructor(connection, handshake, { clock, heartbeatMs, done, wall = wallClock }) {
    this.#connection = connection;
    this.#handshake = handshake;
    this.#clock = clock;
    this.#heartbeatMs = heartbeatMs;
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
      handshakeId: this.#handshake.handshakeId, heartbeatMs: this.#heartbeatMs,
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
// HandshakeFailure. [XTMP-TRU-014]
export function connect(endpoint, pins, { heartbeatMs, connectMs = TIMER.T_CONNECT } = {}) {
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
      const handshake = new ClientHandshake(pins, time);
      const done = (session) => {
        session.closed = new Promise((closed) => (connection.closed = () => closed(connection.why)));
        resolve(session);
      };
      connection.stage = new Hello(connection, handshake, { clock: new SessionClock(time), heartbeatMs, done });
      connection.wire.write(handshake.hello()); // [XTMP-HSK-007]
    });
  });
}

const USAGE = 'usage: node client.mjs ping host:port (--pin HEX [--kind 1] | --pins FILE) [--count N]';

function readOptions(args) {
  const text = { type: 'string' };
  const { values: v, positionals } = parseArgs({
    args, allowPositionals: true, options: { pin: text, pins: text, kind: { ...text, default: '1' }, count: { ...text, default: '1' } },
  });
  if (positionals.length !== 2 || positionals[0] !== 'ping') throw new Error('expected: ping host:port');
  if ((v.pin === undefined) === (v.pins === undefined)) throw new Error('give one of --pin and --pins');
  const endpoint = parseEndpoint(positionals[1]);
  const count = Number(v.count);
  if (!Number.isInteger(count) || count < 0) throw new Error(`--count ${v.count}: not a number`);
  if (v.pins !== undefined) return { name: positionals[1], endpoint, count, pins: pinsFor(parsePins(readFileSync(v.pins)), endpoint) };
  if (!/^[12]$/.test(v.kind)) throw new Error(`--kind ${v.kind}: neither 1 nor 2`);
  if (!/^[0-9a-f]{64}$/i.test(v.pin)) throw new Error('--pin: not 64 hexadecimal digits');
  return { name: positionals[1], endpoint, count, pins: [{ kind: Number(v.kind), fingerprint: Buffer.from(v.pin, 'hex'), key: null }] };
}

async function ping({ name, endpoint, pins, count }) {
  const session = await connect(endpoint, pins);
  process.stdout.write(`session ${session.id} with ${name}\n`);
  for (let i = 1; i <= count; i++) {
    const ms = await session.ping();
    process.stdout.write(`pong ${i} of ${count}: ${ms.toFixed(3)} ms\n`);
  }
  session.drain();
  process.stdout.write(`closed: ${await session.closed}\n`);
}

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
    await ping(options);
  } catch (error) {
    process.exitCode = 1;
    const hex = (b) => (b ? b.toString('hex') : 'none');
    const expected = options.pins.map((pin) => hex(pin.fingerprint)).join(' or ') || 'none';
    const met = error instanceof HandshakeFailure ? `; expected fingerprint ${expected}, met ${hex(error.met)}` : '';
    process.stderr.write(`${options.name}: ${error.message}${met}.\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
