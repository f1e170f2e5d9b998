#!/usr/bin/env node
// The server: node server.mjs [--port N] [--key FILE] ...

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BIT, ERROR, LIMIT, SCOPE, SUITE, TIMER, TYPE, VERSION, errorName } from './codes.mjs';
import { takeAttach, takeAttachAgain } from './attach.mjs';
import { SessionClock, skewed, wallMicros } from './clock.mjs';
import { Connection } from './connection.mjs';
import { CheckFailed, checkChecksum, checkMagic, checkTypeAndFlags, checkVersion, clearFrame, isClear } from './frame.mjs';
import { Refusal, ServerHandshake } from './handshake.mjs';
import { KIND_ED25519, KIND_HYBRID, freshIdentity, loadIdentity } from './identity.mjs';
import { Counts, sourceOf } from './limits.mjs';
import { encodeError } from './messages.mjs';
import { StreamPath } from './path.mjs';
import { random } from './primitives.mjs';
import { ServerSession } from './server-session.mjs';
import { Tokens, resetToken } from './tokens.mjs';
import { DatagramServer } from './udp-server.mjs';

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
    if (!isClear(h)) return this.#attach(h, frame);
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

  // #attach takes a first frame that is not clear. [XTMP-HSK-064] [XTMP-HDR-033] [XTMP-ATT-017] … [XTMP-ATT-020]
  #attach(h, frame) {
    const { connection } = this;
    const { server } = connection;
    const named = h.keyId.some((byte) => byte !== 0);
    if (!named || !server.attaches || h.type !== TYPE.HANDSHAKE || h.sessionId === 0n) throw new CheckFailed('check 6: not a clear frame');
    const session = server.sessions.get(h.sessionId);
    if (!session || session.over) return connection.lastWrite(server.unknown(h.sessionId), 0, 'SESSION_UNKNOWN');
    const slot = session.attachSlots.find(h.keyId);
    if (!slot) throw new CheckFailed('check 6: key_id');
    takeAttach(session, slot, h, frame, connection.place());
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
    this.connection.server?.release(this.connection.sessionId);
  }
}

export class ServerConnection extends Connection {
  #counted = { halfOpen: 0, memory: 0 };

  constructor(server, socket) {
    super(socket);
    this.server = server;
    this.address = socket.remoteAddress ?? '';
    this.source = sourceOf(this.address);
    this.stage = new First(this);
    this.deadlines.set('handshake', TIMER.T_HANDSHAKE_TCP, () => this.fail('T_HANDSHAKE_TCP')); // [XTMP-HSK-088]
    this.#count('halfOpen', 1);
  }

  // hello takes the payload of ClientHello, received at the wall time given.
  hello(payload, wall) {
    const { server } = this;
    const handshake = ServerHandshake.fromFirst(payload, server.identities, () => server.counts.busy(this.source), server.settings.suites);
    const anchor = new SessionClock(handshake.ch.time);
    this.tooSkewed = skewed(handshake.ch.time, wall); // [XTMP-TIM-010]
    const offer = server.offer();
    this.sessionId = offer.sessionId;
    const { hello, flight } = handshake.answer(offer);
    this.times = { clock: new SessionClock(offer.time), anchor, params: offer.params };
    this.stage = new Half(this, handshake, () => this.#establish(handshake));
    this.wire.write(Buffer.concat([...hello, ...flight])); // [XTMP-HSK-035]
  }

  #establish(handshake) {
    this.deadlines.clear('handshake');
    this.#count('halfOpen', -1);
    this.server.establish(handshake, this, (session, slots) => this.path(session, { slots, anchor: this.times.anchor }));
  }

  // path makes the connection a path of a session.
  path(session, options) {
    this.stage = new StreamPath({ session, connection: this, ...options });
    return Object.assign(this.stage, { source: this.source });
  }

  // place is where an Attach comes from. On this connection it may come again until a
  // frame of the path has opened. [XTMP-ATT-025] [XTMP-ATT-028] [XTMP-ATT-029] [XTMP-ATT-034]
  place() {
    const place = {
      udp: false,
      samePlace: (other) => other === place,
      busy: () => this.server.counts.attachBusy(this.source, 1),
      send: (frame) => this.wire.write(frame),
      refuse: (frame, why) => this.lastWrite(frame, 0, why),
      makePath: (session, options) => {
        this.deadlines.clear('handshake');
        this.#count('halfOpen', -1);
        const path = this.path(session, options);
        path.attachAgain = (h, frame) => {
          const slot = session.attachSlots.find(h.keyId);
          if (slot) takeAttachAgain(session, slot, h, frame, place);
          return slot !== null;
        };
        return path;
      },
    };
    return place;
  }

  get route() {
    return { address: this.address };
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
    this.stage?.gone?.();
    this.server.forget(this);
  }

  // stop is what a shutdown does to a connection without a session.
  stop() {
    if (!(this.stage instanceof StreamPath)) this.fail('shutdown');
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
  udp: false, // whether datagrams are served
  attach: false, // whether further paths may be attached, on what is served
  parkMs: TIMER.T_PARK_ANON,
});

export class Server {
  sessions = new Map(); // session_id → session
  #connections = new Set();
  #resetKey = random(32); // [XTMP-HSK-034]
  #reserved = new Set(); // session_ids of handshakes
  #sockets = [];
  #listener;
  #udp = new DatagramServer(this);
  #emptied = () => {};

  // identities are in order, the default first; limits override those of codes.mjs.
  constructor({ identities, settings = {}, limits = {}, log = () => {} }) {
    this.identities = identities;
    this.settings = { ...DEFAULTS, ...settings };
    const { compression, udp, attach } = this.settings;
    const policy = (compression ? BIT.SERVER_INFLATES : 0) | (attach ? BIT.ATTACH_TCP : 0) | (attach && udp ? BIT.ATTACH_UDP : 0); // [XTMP-TYP-032] … [XTMP-TYP-035]
    this.params = { ...this.settings.params, policy };
    this.attaches = attach;
    this.counts = new Counts(limits);
    this.tokens = new Tokens();
    this.log = log;
    this.#listener = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  accept(socket) {
    this.#connections.add(new ServerConnection(this, socket));
  }

  // listen takes TCP and, if that is on, UDP at the same port. With port 0 a port is
  // looked for that is free for both.
  async listen(port, host = '127.0.0.1', tries = 10) {
    this.#listener.listen(port, host);
    await once(this.#listener, 'listening');
    const address = this.#listener.address();
    if (!this.settings.udp) return address;
    const socket = createSocket({ type: isIPv6(address.address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    try {
      socket.bind(address.port, host);
      await once(socket, 'listening');
    } catch (error) {
      if (port !== 0 || tries === 0 || error.code !== 'EADDRINUSE') throw error;
      this.#listener.close();
      await once(this.#listener, 'close');
      return this.listen(port, host, tries - 1);
    }
    this.serveDatagrams(socket);
    return address;
  }

  // serveDatagrams takes the datagrams of a socket: anything with send, close and the
  // event 'message'. What the system refuses to send counts as sent and lost. [12.1]
  serveDatagrams(socket) {
    const link = { send: (bytes, { address, port }) => socket.send(bytes, port, address, () => {}) };
    socket.on('error', () => {}); // [XTMP-UDP-007] [XTMP-UDP-008]
    socket.on('message', (bytes, { address, port }) => this.#udp.take(bytes, { link, address, port }));
    this.#sockets.push(socket);
    this.settings.udp = true;
  }

  // pathFor makes a path on UDP.
  pathFor(session, options) {
    return this.#udp.path(session, options);
  }

  // offer is what a handshake needs of the server.
  offer() {
    const sessionId = this.newSessionId();
    const params = { ...this.params, resetToken: resetToken(this.#resetKey, sessionId) };
    return { sessionId, time: wallMicros(), params }; // [XTMP-HSK-014]
  }

  // establish makes a session of a handshake whose ClientFinish has verified. made has
  // route, source, sessionId, times and tooSkewed; makePath(session, slots) its path.
  establish(handshake, { route, source, sessionId, times, tooSkewed }, makePath) {
    const { clock, params, anchor } = times;
    const { root, ...slots } = handshake.slots(route.link !== undefined);
    const { heartbeatMs, probe, compression, udp } = this.settings;
    const memory = (n) => this.counts.add(source, 'memory', n);
    const session = new ServerSession({
      id: sessionId, suite: handshake.suite, clock, params, root, heartbeatMs, owner: this, memory,
      probe, inflates: compression, clientInflates: handshake.ch.inflates, full: () => this.counts.full(source),
      addressToken: udp ? () => this.tokens.address(route) : undefined, // [XTMP-TOK-015]
    });
    handshake.erase();
    Object.assign(session, { source, counted: {}, parkMs: this.settings.parkMs });
    this.#reserved.delete(sessionId);
    this.sessions.set(sessionId, session);
    for (const name of ['connections', 'sessions']) this.#count(session, name, 1);
    const path = makePath(session, { ...slots, anchor });
    path.watch();
    session.begin(handshake.handshakeId, tooSkewed);
  }

  #count(session, name, n) {
    session.counted[name] = (session.counted[name] ?? 0) + n;
    this.counts.add(session.source, name, n);
  }

  // ended releases what a session counted. Its last frames may still be under way, but
  // there is no session any more. [XTMP-LIM-010]
  ended(session, why) {
    this.log(`${session.source}: session ${session.id} ended: ${why}`);
    for (const [name, n] of Object.entries(session.counted)) this.#count(session, name, -n);
  }

  // parked and resumed: a parked session counts by the source of its last path, and as no
  // connection. [XTMP-LIM-016]
  parked(session, why, path) {
    this.log(`${session.source}: session ${session.id} parked: ${why}`);
    this.#recount(session, path.source);
    this.#count(session, 'connections', -1);
  }

  resumed(session, path) {
    this.#count(session, 'connections', 1);
    this.#recount(session, path.source);
  }

  #recount(session, source) {
    const counted = { ...session.counted };
    for (const [name, n] of Object.entries(counted)) this.#count(session, name, -n);
    session.source = source;
    for (const [name, n] of Object.entries(counted)) this.#count(session, name, n);
  }

  gone(session) {
    this.sessions.delete(session.id);
    this.#look();
  }

  // shutdown refuses new connections, drains the sessions and resolves when all is closed.
  shutdown() {
    this.stopping = true;
    if (this.#listener.listening) this.#listener.close();
    this.#udp.stop();
    return new Promise((resolve) => {
      this.#emptied = resolve;
      for (const connection of [...this.#connections]) connection.stop();
      for (const session of [...this.sessions.values()]) session.drain();
      this.#look();
    });
  }

  #look() {
    if (!this.stopping || this.#connections.size > 0 || this.sessions.size > 0) return;
    for (const socket of this.#sockets.splice(0)) socket.close();
    this.#emptied();
  }

  // askForRekey asks every client for new keys.
  askForRekey() {
    for (const session of this.sessions.values()) session.rekey.ask();
  }

  // newSessionId is random and, while its session lives, unique. [XTMP-HDR-011] [XTMP-HDR-012] [XTMP-HDR-014]
  newSessionId() {
    for (;;) {
      const id = random(8).readBigUInt64BE() & LIMIT.session_id_max;
      if (id === 0n || this.#reserved.has(id) || this.sessions.has(id)) continue;
      this.#reserved.add(id);
      return id;
    }
  }

  // release gives a session_id free whose handshake came to nothing.
  release(sessionId) {
    this.#reserved.delete(sessionId);
  }

  // unknown is the clear Error that says that a session is unknown. [XTMP-PTH-044]
  unknown(sessionId) {
    const body = encodeError({ code: ERROR.SESSION_UNKNOWN, scope: SCOPE.SESSION, token: resetToken(this.#resetKey, sessionId) });
    return clearFrame(TYPE.ERROR, sessionId, wallMicros(), body);
  }

  forget(connection) {
    this.log(`${connection.source}: closed: ${connection.why}`);
    this.#connections.delete(connection);
    this.#look();
  }
}

const USAGE = `usage: node server.mjs [--host 127.0.0.1] [--port 8090] [--key FILE | --key2 FILE]... [--suites 1,2,3] [--probe] [--compression] [--udp] [--attach] [--park-ms N]
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
    suites: { ...text, default: '1,2,3' }, probe: flag, compression: flag, udp: flag, attach: flag, 'park-ms': text, 'idle-ms': text, 'heartbeat-ms': text, 'rotate-s': text,
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
      suites, probe: v.probe, compression: v.compression, udp: v.udp, attach: v.attach,
      parkMs: number('park-ms', 1, TIMER.T_PARK_ANON),
    },
    limits: {
      half_open_per_source: number('half-open-per-source', 0, LIMIT.half_open_per_source),
      connections_per_client: number('connections-per-client', 0, LIMIT.connections_per_client),
    },
    log: v.verbose ? (line) => process.stderr.write(`${line}\n`) : undefined,
  };
}

// readyLine names the default identity, and then all of them, each with its kind.
function readyLine(address, udp, identities) {
  const hex = ({ fingerprint }) => fingerprint.toString('hex');
  const pins = identities.map((identity) => `${identity.kind}:${hex(identity)}`).join(',');
  return `READY tcp=${address} udp=${udp ? address : '-'} fingerprint=${hex(identities[0])} pins=${pins}\n`;
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
  process.stdout.write(readyLine(`${name}:${port}`, options.settings.udp, options.identities));
  process.on('SIGUSR1', () => server.askForRekey()); // a word of the operator [11.2]
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => server.shutdown().then(() => process.exit(0)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
