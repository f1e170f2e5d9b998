#!/usr/bin/env node
// The server: node server.mjs [--port N] [--key FILE] ...

import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BIT, ERROR, LIMIT, SCOPE, SUITE, TIMER, TYPE, VERSION, errorName } from './codes.mjs';
import { SessionClock, skewed, wallMicros } from './clock.mjs';
import { Connection } from './connection.mjs';
import { CheckFailed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, clearFrame, isClear } from './frame.mjs';
import { Refusal, ServerHandshake } from './handshake.mjs';
import { KIND_ED25519, KIND_HYBRID, freshIdentity, loadIdentity } from './identity.mjs';
import { Counts, sourceOf } from './limits.mjs';
import { encodeError, u64 } from './messages.mjs';
import { hmac256, random } from './primitives.mjs';
import { ServerSession } from './server-session.mjs';

// First is the stage before ClientHello. [5.7] [5.8]
class First {
  constructor(connection) {
    this.connection = connection;
  }

  judge(h) {
    checkMagic(h);
    if (h.version !== VERSION) this.#refuse(ERROR.VERSION_UNSUPPORTED, h); // [XTMP-HSK-070]
    checkTypeAndFlags(h);
    if (![TYPE.HANDSHAKE, TYPE.HANDSHAKE_ACK, TYPE.ERROR].includes(h.type)) throw new CheckFailed('check 3: type'); // [XTMP-TYP-006]
    if (h.length <= LIMIT.payload_before_session) return; // [XTMP-LIM-001]
    if (h.type !== TYPE.ERROR) this.#refuse(ERROR.PAYLOAD_TOO_LARGE, h); // [XTMP-HSK-076] [XTMP-ERR-003]
    throw new CheckFailed('check 4: an Error that is too long'); // [XTMP-HSK-065]
  }

  #refuse(code, h) {
    this.connection.refuse(code, 'the header', h.length);
    throw new CheckFailed(errorName(code));
  }

  // take is check 5 for the first frame, and then the rest. A frame that comes
  // while this one is delayed cannot be a ClientFinish.
  take(h, frame) {
    const { connection } = this;
    const received = { wall: wallMicros(), h, frame };
    const delay = connection.server.counts.delayOfFirstFrame(connection.source);
    if (delay === 0) return this.#judgeWhole(received);
    connection.stage = {
      judge: () => {
        throw new CheckFailed('a frame before ServerHello');
      },
    };
    connection.deadlines.set('token', delay, () => connection.guard(() => this.#judgeWhole(received))); // [XTMP-ORD-014]
  }

  #judgeWhole({ wall, h, frame }) {
    if (!isClear(h)) throw new CheckFailed('check 6: not a clear frame'); // [XTMP-HSK-064] [XTMP-HDR-033]
    if (h.sessionId !== 0n) throw new CheckFailed('check 6: session_id'); // [XTMP-ORD-015]
    checkChecksum(h, frame);
    if (h.seq !== 0n) throw new CheckFailed('check 9: sequence number'); // [XTMP-ORD-023]
    if (h.type === TYPE.ERROR) throw new CheckFailed('an Error as first frame'); // [XTMP-HSK-065]
    if (h.type === TYPE.HANDSHAKE_ACK) return this.connection.refuse(ERROR.MALFORMED, 'type 0x02'); // [XTMP-HSK-066]
    try {
      this.connection.hello(frame.subarray(96), wall);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.connection.refuse(error.code, error.message);
    }
  }
}

// Half is the stage between ServerHello and ClientFinish. [XTMP-HSK-049]
export class Half {
  constructor(connection, handshake, establish) {
    Object.assign(this, { connection, handshake, establish });
  }

  judge(h) {
    checkMagic(h);
    checkVersion(h);
    checkTypeAndFlags(h);
    if (h.type !== TYPE.HANDSHAKE) throw new CheckFailed('check 3: type'); // [XTMP-ORD-008]
    if (h.length > LIMIT.payload_before_session) throw new CheckFailed('check 4: payload_length'); // [XTMP-ORD-010]
  }

  take(h, frame) {
    const plaintext = this.handshake.slot.open(h, frame, this.handshake.sessionId, null);
    if (!this.handshake.clientFinish(h, plaintext)) throw new CheckFailed('no ClientFinish that verifies');
    this.establish();
  }

  lost() {
    this.handshake.erase();
  }
}

export class ServerConnection extends Connection {
  #counted = { halfOpen: 0, sessions: 0, memory: 0 };

  constructor(server, socket) {
    super(socket);
    this.server = server;
    this.source = sourceOf(socket.remoteAddress ?? '');
    this.stage = new First(this);
    this.deadlines.set('handshake', TIMER.T_HANDSHAKE_TCP, () => this.fail('T_HANDSHAKE_TCP')); // [XTMP-HSK-088]
    this.#count('halfOpen', 1);
  }

  // hello takes the payload of ClientHello, received at the wall time given.
  hello(payload, wall) {
    const { identities, settings } = this.server;
    const handshake = new ServerHandshake(payload, identities, () => this.server.counts.busy(this.source), settings.suites);
    const anchor = new SessionClock(handshake.ch.time);
    const tooSkewed = skewed(handshake.ch.time, wall); // [XTMP-TIM-010]
    this.sessionId = this.server.newSessionId();
    const time = wallMicros(); // [XTMP-HSK-014]
    const params = { ...this.server.params, resetToken: this.server.resetToken(this.sessionId) };
    const answer = handshake.answer({ sessionId: this.sessionId, time, params });
    const clock = new SessionClock(time);
    this.stage = new Half(this, handshake, () => this.#establish(handshake, { clock, anchor, params }, tooSkewed));
    this.wire.write(Buffer.concat([answer.hello, answer.flight])); // [XTMP-HSK-035]
  }

  #establish(handshake, times, tooSkewed) {
    this.deadlines.clear('handshake');
    this.#count('halfOpen', -1);
    this.#count('sessions', 1);
    const slots = handshake.slots();
    handshake.erase();
    const { heartbeatMs, probe, compression } = this.server.settings;
    const features = { probe, inflates: compression, clientInflates: handshake.ch.inflates, full: () => this.server.counts.full(this.source) };
    this.stage = new ServerSession({ ...times, ...features, connection: this, id: this.sessionId, slots, heartbeatMs });
    this.stage.begin(handshake.handshakeId, tooSkewed);
  }

  // refuse sends a clear Error in place of ServerHello. [XTMP-HSK-081] [XTMP-ERR-005] [XTMP-HDR-016]
  refuse(code, why, refusedLength = 0) {
    const body = encodeError({ code, scope: SCOPE.PATH });
    this.lastWrite(clearFrame(TYPE.ERROR, 0n, wallMicros(), body), refusedLength, `${errorName(code)}: ${why}`); // [XTMP-TIM-004]
  }

  guard(act) {
    try {
      act();
    } catch (error) {
      if (!(error instanceof CheckFailed)) throw error;
      this.fail(error.message);
    }
  }

  memory(n) {
    this.#count('memory', n);
  }

  #count(name, n) {
    this.#counted[name] += n;
    this.server.counts.add(this.source, name, n);
  }

  // ended releases what the connection counted. It may linger a second longer, but
  // there is no handshake and no session in it any more. [XTMP-LIM-010]
  ended() {
    for (const [name, n] of Object.entries(this.#counted)) this.#count(name, -n);
  }

  closed() {
    this.server.forget(this);
  }

  // stop is what a shutdown does to a connection. [9.8]
  stop() {
    if (this.stage instanceof ServerSession) this.stage.drain();
    else this.fail('shutdown');
  }
}

export const DEFAULTS = Object.freeze({
  params: Object.freeze({
    maxPayload: LIMIT.payload_max, idleTimeoutMs: TIMER.T_IDLE, keyRotationS: TIMER.T_ROTATE / 1000, maxDatagram: LIMIT.datagram_min,
    policy: 0, reassemblyBytes: LIMIT.reassembly_bytes_min, maxInflight: LIMIT.max_inflight, // [XTMP-TYP-033]
  }),
  heartbeatMs: TIMER.T_HEARTBEAT,
  suites: Object.freeze([SUITE.AES256GCM, SUITE.CHACHA20POLY1305, SUITE.POSTQUANTUM]), // [XTMP-SUI-004] [XTMP-SUI-005]
  probe: false, // [XTMP-PRB-002]
  compression: false, // whether requests may be compressed
});

export class Server {
  #connections = new Set();
  #resetKey = random(32); // [XTMP-HSK-034]
  #sessionIds = new Set();
  #listener;
  #emptied = () => {};

  // identities are in order, the default first; limits override those of codes.mjs.
  constructor({ identities, settings = {}, limits = {}, log = () => {} }) {
    this.identities = identities;
    this.settings = { ...DEFAULTS, ...settings };
    this.params = { ...this.settings.params, policy: this.settings.compression ? BIT.SERVER_INFLATES : 0 }; // [XTMP-TYP-032]
    this.counts = new Counts(limits);
    this.log = log;
    this.#listener = createServer({ allowHalfOpen: true }, (socket) => this.#connections.add(new ServerConnection(this, socket)));
  }

  listen(port, host = '127.0.0.1') {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(port, host, () => resolve(this.#listener.address()));
    });
  }

  // shutdown refuses new connections, drains the sessions and resolves when all is closed.
  shutdown() {
    this.#listener.close();
    return new Promise((resolve) => {
      this.#emptied = resolve;
      for (const connection of [...this.#connections]) connection.stop();
      if (this.#connections.size === 0) resolve();
    });
  }

  // askForRekey asks every client for new keys.
  askForRekey() {
    for (const { stage } of this.#connections) if (stage instanceof ServerSession) stage.rekey.ask();
  }

  // newSessionId is random and, while its session lives, unique. [XTMP-HDR-011] [XTMP-HDR-012] [XTMP-HDR-014]
  newSessionId() {
    for (;;) {
      const id = random(8).readBigUInt64BE() & LIMIT.session_id_max;
      if (id === 0n || this.#sessionIds.has(id)) continue;
      this.#sessionIds.add(id);
      return id;
    }
  }

  resetToken(sessionId) {
    return hmac256(this.#resetKey, 'XTMP/1 reset', u64(sessionId)).subarray(0, 16); // [XTMP-HSK-033]
  }

  forget(connection) {
    this.log(`${connection.source}: closed: ${connection.why}`);
    this.#sessionIds.delete(connection.sessionId);
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#emptied();
  }
}

const USAGE = `usage: node server.mjs [--host 127.0.0.1] [--port 8090] [--key FILE | --key2 FILE]... [--suites 1,2,3] [--probe] [--compression]
  [--idle-ms N] [--heartbeat-ms N] [--rotate-s N] [--max-inflight N] [--half-open-per-source N] [--connections-per-client N] [--verbose]`;

// readSuites reads numbers separated by commas. That 0 is named is what chapter 15
// asks for: it stands for require_encryption: false.
function readSuites(text) {
  const suites = text.split(',').map(Number);
  if (!/^[0-3](,[0-3])*$/.test(text) || new Set(suites).size !== suites.length) throw new Error(`--suites ${text}: not numbers from 0 to 3, as in 1,2,3`);
  return suites;
}

// readIdentities loads the keys in the order in which they are named. Without any,
// new ones are made: of kind 1, and of kind 2 for suite 3.
function readIdentities(tokens, suites) {
  const kinds = { key: KIND_ED25519, key2: KIND_HYBRID };
  const named = tokens.filter(({ name }) => name in kinds).map(({ name, value }) => loadIdentity(value, kinds[name]));
  if (named.length > 0) return named;
  return [KIND_ED25519, ...(suites.includes(SUITE.POSTQUANTUM) ? [KIND_HYBRID] : [])].map(freshIdentity);
}

function readOptions(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values: v, tokens } = parseArgs({ args, tokens: true, options: {
    host: { ...text, default: '127.0.0.1' }, port: { ...text, default: '8090' }, key: { ...text, multiple: true }, key2: { ...text, multiple: true },
    suites: { ...text, default: '1,2,3' }, probe: flag, compression: flag, 'idle-ms': text, 'heartbeat-ms': text, 'rotate-s': text,
    'max-inflight': text, 'half-open-per-source': text, 'connections-per-client': text, verbose: flag,
  } });
  const number = (name, least, fallback) => {
    const n = v[name] === undefined ? fallback : Number(v[name]);
    if (!Number.isInteger(n) || n < least || n > 0xffffffff) throw new Error(`--${name} ${v[name]}: not a number from ${least} on`);
    return n;
  };
  const suites = readSuites(v.suites);
  return {
    host: v.host,
    port: number('port', 0),
    identities: readIdentities(tokens, suites),
    settings: {
      params: {
        ...DEFAULTS.params, idleTimeoutMs: number('idle-ms', 1, TIMER.T_IDLE), keyRotationS: number('rotate-s', 1, TIMER.T_ROTATE / 1000),
        maxInflight: number('max-inflight', 1, LIMIT.max_inflight),
      },
      heartbeatMs: number('heartbeat-ms', 1, TIMER.T_HEARTBEAT),
      suites, probe: v.probe, compression: v.compression,
    },
    limits: {
      half_open_per_source: number('half-open-per-source', 0, LIMIT.half_open_per_source),
      connections_per_client: number('connections-per-client', 0, LIMIT.connections_per_client),
    },
    log: v.verbose ? (line) => process.stderr.write(`${line}\n`) : undefined,
  };
}

// readyLine names the default identity, and then all of them, each with its kind.
function readyLine(address, identities) {
  const hex = ({ fingerprint }) => fingerprint.toString('hex');
  const pins = identities.map((identity) => `${identity.kind}:${hex(identity)}`).join(',');
  return `READY tcp=${address} udp=- fingerprint=${hex(identities[0])} pins=${pins}\n`;
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
  const server = new Server(options);
  const { address, port, family } = await server.listen(options.port, options.host);
  const name = family === 'IPv6' ? `[${address}]` : address;
  process.stdout.write(readyLine(`${name}:${port}`, options.identities));
  process.on('SIGUSR1', () => server.askForRekey()); // a word of the operator [11.2]
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => server.shutdown().then(() => process.exit(0)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
