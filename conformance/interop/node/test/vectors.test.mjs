// The golden vectors of vectors/, each given to the code that has to judge it: the
// stages of a connection over a socket that is none.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { BIT, FLAG, HEADER, NO_SEQ, SUITE, TYPE } from '../codes.mjs';
import { SessionClock } from '../clock.mjs';
import { ClientSession } from '../client-session.mjs';
import { Hello } from '../client.mjs';
import { compose } from '../compose.mjs';
import { inflate } from '../compression.mjs';
import { Connection } from '../connection.mjs';
import { FrameReader, OpenSlot, SealSlot, nonceField, parseHeader, readPrologue } from '../frame.mjs';
import { ClientHandshake, clientFinishVerifies } from '../handshake.mjs';
import { fingerprintOf, hybridFrom, identityFrom } from '../identity.mjs';
import * as keys from '../keys.mjs';
import {
  decodeError, decodeProbe, decodeRekeyInit, decodeRekeyResp, encodeAck, encodeHandshakeDone, encodeProbe, splitEnvelope, withEnvelope,
} from '../messages.mjs';
import { ed25519KeyAcceptable, ed25519Verify, hmac256, hmac384, sha384 } from '../primitives.mjs';
import { OP, sourceData } from '../probe.mjs';
import { DEFAULTS, Half, Server, ServerConnection } from '../server.mjs';
import { StreamPath } from '../path.mjs';
import { ServerSession } from '../server-session.mjs';
import { Mids } from '../session.mjs';
import { makeToken, resetToken } from '../tokens.mjs';
import { ROOT, vectors } from '../vectors.mjs';

const u64 = (b) => b.readBigUInt64BE();
const hex = (b) => b.toString('hex');
const OUR_TS = Buffer.alloc(48, 0x77); // of the slot that the receiver under test seals with
const OUR_NEXT_TS = Buffer.alloc(48, 0x78); // the same in the next epoch

const ofKind = (...kinds) => vectors.filter(({ kind }) => kinds.includes(kind));

class NoSocket extends EventEmitter {
  sent = [];
  closed = false;
  writableLength = 0;
  remoteAddress = '192.0.2.1';

  setNoDelay() {}

  write(bytes) {
    this.sent.push(bytes);
  }

  end(bytes) {
    this.sent.push(bytes);
  }

  destroy() {
    this.closed = true;
  }
}

// atClock runs with the wall clock standing at a time in microseconds.
function atClock(micros, act) {
  const now = Date.now;
  Date.now = () => Number(micros / 1000n);
  try {
    return act();
  } finally {
    Date.now = now;
  }
}

const unlimited = { half_open_per_source: 0, connections_per_client: 0, sessions_per_source: 0, pre_session_rate: 0 };
// serverOf is a server with the identities of a vector.
function serverOf({ identity_seed: first = Buffer.alloc(32, 5), mldsa_seed: mldsa, second_identity_seed: second, second_mldsa_seed: secondMldsa }) {
  const make = (seed, more) => (more ? hybridFrom(seed, more) : identityFrom(seed));
  return new Server({ identities: [make(first, mldsa), ...(second ? [make(second, secondMldsa)] : [])], limits: unlimited });
}
const server = serverOf({});

// receivers make a connection in the state of a vector, and say which of its
// frames are history: those that bring it there.
const receivers = {
  'server first': (socket, { given }) => new ServerConnection(given.identity_seed ? serverOf(given) : server, socket),

  'server half-open': (socket, { given }) => {
    const connection = new ServerConnection(server, socket);
    const handshake = {
      slot: new OpenSlot(given.ts, given.suite?.[0]), sessionId: u64(given.session_id), erase() {},
      clientFinish: (h, plaintext) => clientFinishVerifies(h, plaintext, given.handshake_id, given.cf_mac),
    };
    connection.stage = new Half(connection, handshake, () => (connection.established = true));
    return connection;
  },

  'server established': (socket, { given, needs }) => {
    const connection = new ServerConnection(server, socket);
    const features = { probe: needs === 'probe', inflates: given.inflates?.[0] === 1, clientInflates: true };
    const { slots, anchor, ...options } = sessionOptions(connection, given);
    const session = new ServerSession({ ...options, ...features });
    const path = new StreamPath({ session, connection, slots, anchor });
    connection.stage = path;
    session.start();
    path.watch();
    const now = session.rekey.elapsed();
    session.rekey.elapsed = () => now;
    if (given.rekey_age) session.rekey.lastInit = now - u64(given.rekey_age);
    session.rekey.epoch = given.epoch?.readUInt32BE() ?? 0;
    if (given.rekey_epoch) session.rekey.pending = Buffer.alloc(48);
    if (given.next_ts) {
      session.rekey.pending = Buffer.alloc(48);
      path.open.epoch = path.open.keys[0].epoch = session.rekey.epoch;
      session.rekey.secretsOf = () => ({ ts_client: given.next_ts, ts_server: OUR_NEXT_TS });
      session.rekey.adopt(path);
      if (!given.rekey_epoch) session.rekey.pending = null;
    }
    bring(session, given);
    return connection;
  },

  'client finished': (socket, { given }) => clientSession(socket, given),

  'client established': (socket, { given }) => {
    const connection = clientSession(socket, given);
    const { session } = connection.stage;
    session.dispatch({ type: TYPE.HANDSHAKE_ACK, mid: 1n, path: connection.stage, body: withEnvelope(6, Buffer.alloc(8), encodeHandshakeDone(0n)) });
    bring(session, given);
    const [x25519, mlkemSeed] = [given.rekey_client_x25519, given.rekey_client_mlkem_seed].map((secret) => secret && Buffer.from(secret));
    if (x25519) session.rekey.send({ x25519, mlkemSeed, handshakeId: given.rekey_handshake_id });
    else for (let mid = 1n; given.sent_mid && mid <= u64(given.sent_mid); mid += 1n) {
      session.call(given.sent_type[0], Buffer.alloc(0)).then((reply) => (connection.reply = reply), (error) => (connection.unknown = error));
    }
    socket.sent.length = 0;
    connection.sealSlot.next = u64(given.last_sent) + 1n;
    return connection;
  },

  'client hello': (socket, vector) => clientHello(socket, vector),
  'client flight': (socket, vector) => clientHello(socket, vector),
};

function sessionOptions(connection, given) {
  const suite = given.suite?.[0];
  const open = new OpenSlot(given.ts, suite);
  open.next = u64(given.sequence);
  const seal = new SealSlot(OUR_TS, suite);
  seal.next = u64(given.last_sent) + 1n;
  connection.sealSlot = seal;
  const clock = u64(given.clock);
  const anchor = Object.assign(new SessionClock(clock), { now: () => clock });
  const mids = new Mids(given.base ? u64(given.base) : 1n);
  const slots = { seal, open, binder: Buffer.alloc(48) };
  const root = Buffer.from(given.root ?? Buffer.alloc(48));
  return { id: u64(given.session_id), suite, root, slots, clock: new SessionClock(clock), anchor, params: DEFAULTS.params, mids };
}

// bring sets the epoch, and begins as many messages as the vector says are incomplete.
function bring(session, { epoch, incomplete = Buffer.alloc(8) }) {
  session.rekey.epoch = epoch?.readUInt32BE() ?? 0;
  for (let fragId = 1000; fragId < 1000 + Number(u64(incomplete)); fragId++) {
    const m = { type: TYPE.PROBE, flags: FLAG.FRAGMENT, fragId, index: 0, count: 2, seq: 0n, body: Buffer.alloc(512), path: session.current };
    session.receive(m, { limit: 65_536, inflates: false });
  }
}

function clientSession(socket, given) {
  const connection = new Connection(socket);
  const options = { handshakeId: given.handshake_id ?? Buffer.alloc(8), inflates: given.inflates?.[0] === 1 };
  const { slots, anchor, ...more } = sessionOptions(connection, given);
  const session = new ClientSession({ ...more, ...options });
  connection.stage = new StreamPath({ session, connection, slots, anchor });
  if (given.next_ts) connection.stage.open.prepare(given.next_ts);
  session.start();
  connection.stage.watch();
  return connection;
}

// clientHello is a client whose ClientHello is that of the vector, byte for byte.
function clientHello(socket, { given, frames }) {
  const connection = new Connection(socket);
  const pins = [{ kind: given.pin_kind?.[0] ?? 1, fingerprint: given.pin ?? Buffer.alloc(32), key: given.pinned_key ?? null }];
  const own = frames[0].from === 'client' ? frames.shift().bytes : null;
  const body = own?.subarray(112);
  const entropy = own && {
    handshakeId: own.subarray(104, 112), random: body.subarray(16, 48), x25519: given.client_x25519, mlkemSeed: given.client_mlkem_seed,
    extension: body.readUInt16BE(1298), extensionValue: body.subarray(1302),
  };
  const hint = own !== null && body[1264] !== 0;
  const suites = own ? [...body.subarray(2, 6)].filter((suite) => suite !== 0xff) : [given.suite?.[0] ?? SUITE.AES256GCM];
  const inflates = own !== null && (body.readUInt16BE(6) & BIT.CLIENT_INFLATES) !== 0;
  const handshake = new ClientHandshake(pins, own ? body.readBigUInt64BE(8) : 0n, { entropy: entropy ?? undefined, hint, suites, inflates, attaches: true });
  if (own) assert.ok(handshake.hello().equals(own), 'ClientHello');
  connection.stage = new Hello(connection, handshake, { clock: new SessionClock(0n), wall: { step: 1n, now: () => u64(given.clock) }, done: () => (connection.established = true) });
  return connection;
}

// judge gives the frames of a vector to its receiver and compares what follows.
async function judge(vector) {
  const socket = new NoSocket();
  const clock = u64(vector.given.clock);
  const connection = atClock(clock, () => {
    const made = receivers[`${vector.receiver} ${vector.state}`](socket, vector);
    for (const { bytes } of vector.frames) {
      if (vector.state === 'established') socket.sent.length = 0; // nothing is said about the frames before the last
      made.received(bytes);
    }
    return made;
  });
  try {
    const [expected, stage] = vector.expect.split(/[@]/)[0].split(':');
    if (vector.kind === 'stream') {
      assert.ok(!connection.over && connection.deadlines.has('frame'), 'T_FRAME runs');
      return;
    }
    if (expected === 'invalid') invalid(stage, vector, connection, socket);
    else await (effects[vector.effect ?? 'none'] ?? assert.fail(`unknown effect ${vector.effect}`))(connection, socket, vector);
  } finally {
    connection.wire.close();
    connection.fail('done');
    connection.closed?.();
  }
}

// wholeFrames are what was sent, frame by frame.
const wholeFrames = ({ sent }) => [...new FrameReader(() => {}).push(Buffer.concat(sent))].map(({ frame }) => frame);

// opened is a frame that the receiver under test has sealed, under one epoch or the next.
function opened(frame, nextTs = OUR_NEXT_TS) {
  const h = parseHeader(frame);
  const slot = new OpenSlot(OUR_TS, h.suite);
  slot.prepare(nextTs);
  let later = false;
  slot.switched = () => (later = true);
  slot.next = h.seq;
  const plaintext = slot.open(h, frame, h.sessionId, null);
  return { h, later, ...readPrologue(h.flags, plaintext) };
}

// received opens a frame of a vector.
function received({ bytes }, { ts, next_ts: nextTs, suite }) {
  const h = parseHeader(bytes);
  const slot = new OpenSlot(ts, suite?.[0]);
  if (nextTs) slot.prepare(nextTs);
  let later = false;
  slot.switched = () => (later = true);
  slot.next = h.seq;
  const plaintext = slot.open(h, bytes, h.sessionId, null);
  return { h, type: h.type, later, ...readPrologue(h.flags, plaintext) };
}

// request is the last request of a vector, put together and inflated.
function request({ frames, given }) {
  const parts = frames.map((frame) => received(frame, given)).filter(({ mid, type }) => mid !== undefined && type === TYPE.PROBE);
  const { mid } = parts.at(-1);
  const newest = Math.max(...parts.filter((m) => m.mid === mid).map(({ fragId = 0 }) => fragId));
  const mine = new Map(parts.filter((m) => m.mid === mid && (m.fragId ?? 0) === newest).map((m) => [m.index ?? 0, m]));
  const joined = Buffer.concat([...mine.keys()].sort((a, b) => a - b).map((index) => mine.get(index).body));
  const { originalLen } = mine.get(0);
  return { mid, ...decodeProbe(originalLen === undefined ? joined : inflate(joined, originalLen)) };
}

function invalid(outcome, { kind, state, frames, expect }, connection, socket) {
  if (outcome === 'discard') return void assert.deepEqual([connection.over, socket.sent.length], [false, 0]);
  assert.equal(connection.over, true, 'it goes on');
  if (outcome === 'silent') return void assert.deepEqual([socket.sent.length, socket.closed], [0, true], connection.why);
  assert.equal(socket.sent.length, 1, connection.why);
  const clear = state === 'first';
  const { h, body } = clear ? { h: parseHeader(socket.sent[0]), body: socket.sent[0].subarray(HEADER) } : opened(socket.sent[0]);
  const error = decodeError(body);
  assert.deepEqual([h.type, error.name], [TYPE.ERROR, outcome], connection.why);
  const path = clear || expect.endsWith('@check4');
  assert.deepEqual([error.scope, error.refSeq], [path ? 1 : 2, path ? NO_SEQ : parseHeader(frames.at(-1).bytes).seq], kind);
  if (clear) assert.deepEqual([h.sessionId, h.flags, h.seq], [0n, 0, 0n]);
}

function one(socket, type, check) {
  const frames = wholeFrames(socket);
  assert.equal(frames.length, 1);
  const m = opened(frames[0]);
  assert.equal(m.h.type, type);
  check(m);
}

const quiet = (connection, socket) => assert.deepEqual([connection.over, socket.sent.length], [false, 0], connection.why);
const answered = (kind) => (connection, socket, { frames, given }) => {
  const asked = received(frames.at(-1), given);
  const sent = socket.sent.map((frame) => opened(frame)).filter(({ h }) => h.type === TYPE.HEARTBEAT);
  assert.equal(sent.length, 1);
  assert.equal(hex(sent[0].body), hex(Buffer.concat([Buffer.from([kind]), asked.body.subarray(1)])));
  assert.equal(sent[0].later, asked.later, 'epoch');
};

// refusal is an Error of scope 0, as a reply or not.
const refusal = (name, reply) => (connection, socket, { frames, given, receiver }) => {
  assert.equal(connection.over, false, connection.why);
  one(socket, TYPE.ERROR, ({ mid, replyTo, body }) => {
    const error = decodeError(body);
    assert.deepEqual([error.name, error.scope, mid !== undefined], [name, 0, reply]);
    assert.equal(error.refSeq, reply ? NO_SEQ : parseHeader(frames.at(-1).bytes).seq);
    assert.equal(replyTo, reply ? received(frames.at(-1), given).mid : undefined);
  });
  if (!reply) assert.equal(connection.deadlines.has('ack'), receiver === 'client', 'an Ack is due for a reply');
};

const failed = (connection, socket, vector) => one(socket, TYPE.ERROR, ({ body, replyTo }) => {
  const { mid, arg } = request(vector);
  assert.deepEqual([body.readUInt16BE(0), body[2], replyTo], [arg, 0, mid]);
});

// probeReply compares with what 18.1 says, apart from the number of a subscription.
async function probeReply(connection, socket, vector) {
  await new Promise((resolve) => setTimeout(resolve, 5)); // for a delay of 0
  const { mid, op, arg, data } = request(vector);
  const none = Buffer.alloc(0);
  const [wantArg, wantData] = {
    [OP.ECHO]: [0, data], [OP.SINK]: [data.length, none], [OP.SOURCE]: [0, sourceData(arg)], [OP.DELAY]: [0, data], [OP.STREAM]: [arg, null],
  }[op];
  const [reply, ...pushes] = wholeFrames(socket).map((frame) => opened(frame)).filter(({ h }) => h.type === TYPE.PROBE);
  const got = decodeProbe(reply.originalLen === undefined ? reply.body : inflate(reply.body, reply.originalLen));
  assert.deepEqual([reply.replyTo, got.op, got.arg], [mid, op, wantArg]);
  if (wantData) assert.deepEqual([hex(got.data), pushes.length], [hex(wantData), 0]);
  const wanted = (i) => [got.data.readUInt32BE(), BigInt(i + 1), hex(encodeProbe(op, 0, data))];
  if (!wantData) assert.deepEqual(pushes.map(({ subId, n, body }) => [subId, n, hex(body)]), [...Array(arg).keys()].map(wanted));
}

function rekeyResp(connection, socket, { frames, given }) {
  one(socket, TYPE.HANDSHAKE_ACK, (m) => {
    const { hsType, body } = splitEnvelope(m.body);
    assert.deepEqual([hsType, m.later, m.replyTo], [33, false, received(frames.at(-1), given).mid]);
    assert.equal(decodeRekeyResp(body).epoch, connection.stage.session.rekey.epoch + 1);
  });
}

const rekeyInit = (connection, socket) => one(socket, TYPE.HANDSHAKE, (m) => {
  const { hsType, body } = splitEnvelope(m.body);
  assert.deepEqual([hsType, decodeRekeyInit(body).epoch, m.mid], [32, 1, 1n]);
});

// pinged: the PING of a client after RekeyResp is sealed with the keys of the next epoch.
function pinged(connection, socket) {
  const { session: { rekey }, binder } = connection.stage;
  const m = opened(socket.sent.at(-1), keys.pathSecrets(rekey.pending, binder).ts_client);
  assert.deepEqual([m.h.type, m.body[0], m.later], [TYPE.HEARTBEAT, 0, true]);
}

// many makes an effect for each of several codes.
const many = (prefix, reply, names) => Object.fromEntries(names.map((name) => [`${prefix} ${name}`, refusal(name, reply)]));

const effects = {
  ...many('reply', true, ['UNSUPPORTED_TYPE', 'MALFORMED', 'PAYLOAD_TOO_LARGE', 'COMPRESSION_REFUSED', 'DECOMPRESS_LIMIT', 'INVALID_PAYLOAD', 'RATE_LIMITED', 'SERVER_BUSY']),
  ...many('Error', false, ['UNSUPPORTED_TYPE', 'MALFORMED', 'PAYLOAD_TOO_LARGE', 'COMPRESSION_REFUSED', 'DECOMPRESS_LIMIT']),
  'reply Probe': probeReply,
  'reply FAIL': failed,
  'refusal NO_COMMON_SUITE': (connection, socket, vector) => invalid('NO_COMMON_SUITE', vector, connection, socket),
  RekeyInit: rekeyInit,
  RekeyResp: rekeyResp,
  PING: pinged,
  none: quiet,
  nothing: (connection, socket) => {
    quiet(connection, socket);
    assert.ok(!connection.deadlines.has('ack'), 'no Ack is due');
  },
  PONG: answered(1),
  PATH_RESPONSE: answered(3),
  Ack: async (connection, socket, { frames }) => {
    quiet(connection, socket);
    assert.ok(connection.deadlines.has('ack'), 'an Ack is due');
    for (let i = 0; i < 100 && socket.sent.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    one(socket, TYPE.ACK, ({ body }) => assert.equal(hex(body), hex(encodeAck(parseHeader(frames.at(-1).bytes).seq))));
  },
  end: (connection, socket) => assert.deepEqual([connection.over, socket.sent.length, socket.closed], [true, 0, true]),
  ServerHello: (connection, socket) => {
    assert.ok(!connection.over, connection.why);
    assert.deepEqual([socket.sent.length, socket.sent[0][5], socket.sent[0][HEADER]], [1, TYPE.HANDSHAKE_ACK, 3]);
  },
  HandshakeDone: (connection) => assert.ok(connection.established, connection.why),
  ClientFinish: (connection, socket) => {
    assert.ok(connection.established, connection.why);
    assert.deepEqual([socket.sent.length, socket.sent[0][5], socket.sent[0].length], [1, TYPE.HANDSHAKE, 160]);
  },
};

describe('frames', { concurrency: true }, () => {
  for (const vector of ofKind('frame', 'header', 'stream')) test(vector.id, () => judge(vector));
});

describe('Ed25519 keys and signatures', () => {
  for (const { id, expect, given } of ofKind('key')) {
    test(id, () => {
      const ok = given.signature ? ed25519Verify(given.key, given.message, given.signature) : ed25519KeyAcceptable(given.key);
      assert.equal(ok, expect === 'valid');
    });
  }
});

// formulas compute the functions of the key schedule from what a vector gives.
const formulas = {
  handshake: (g) => {
    const ss = Buffer.concat([g.mlkem_ss, g.x25519_ss]);
    if (g.CH) {
      const schedule = new keys.Schedule(g.mlkem_ss, g.x25519_ss);
      schedule.hellos(g.CH, g.SH);
      schedule.identity(g.SI);
      const SF = keys.transcriptMessage(0x43, schedule.signature(g.SS).sf_mac);
      return { ...schedule.finished(SF), SF, binder_0: schedule.values.th3 };
    }
    const hello = keys.helloSecrets(ss, g.th1);
    const [sfKey, cfKey] = [keys.finishedKey(hello.s_hs), keys.finishedKey(hello.c_hs)];
    return { ss, ...hello, sf_key: sfKey, cf_key: cfKey, cf_mac: hmac384(cfKey, g.th3), ...keys.sessionSecrets(hello.MS, g.th3), binder_0: g.th3 };
  },
  path: (g) => keys.pathSecrets(g.root, g.binder),
  attach: (g) => ({ ts_client: keys.expandLabel(g.root, 'c attach', Buffer.alloc(0), 48), ts_server: keys.expandLabel(g.root, 's attach', Buffer.alloc(0), 48) }),
  path_binder: (g) => ({ binder: sha384('XTMP/1 path', g.attach, g.attach_ack) }),
  slot: (g) => {
    const { key, iv, keyId } = keys.slotKeys(g.ts);
    return { key, iv, key_id: keyId };
  },
  nonce: (g) => {
    const field = nonceField(g.iv, u64(g.seq));
    return { nonce: field.subarray(0, 12), nonce_field: field, nonce_mask: Buffer.concat([Buffer.alloc(4), g.seq]) };
  },
  export: (g, r) => {
    const exported = keys.exportSecret(g.exporter, g.label.toString(), g.context ?? Buffer.alloc(0), r.exported.length);
    return { exported, export_secret: keys.expandLabel(g.exporter, g.label.toString(), Buffer.alloc(0), 48), export_hash: sha384(g.context ?? '') };
  },
  rekey: (g) => {
    const hash = g.rekey_hash ?? sha384(g.rekey_init, g.rekey_resp);
    const salt = keys.expandLabel(g.root, 'rekey', hash, 48);
    const ss = Buffer.concat([g.mlkem_ss, g.x25519_ss]);
    const next = g.rekey_init ? keys.nextRoot(g.root, g.rekey_init, g.rekey_resp, g.mlkem_ss, g.x25519_ss) : keys.hkdfExtract(salt, ss);
    return { ss, rekey_hash: hash, rekey_salt: salt, root_next: next };
  },
  integrity_tag: (g) => {
    const mac = hmac256(g.key, g.aad, g.payload ?? '');
    return { integrity_mac: mac, tag: mac.subarray(0, 16) };
  },
  identity: (g) => ({ fingerprint: fingerprintOf(g.identity_key) }),
  reset: (g) => ({ reset_mac: hmac256(g.reset_key, 'XTMP/1 reset', g.session_id), reset_token: resetToken(g.reset_key, u64(g.session_id)) }),
  address: ({ token_key: key, token_head: head, client_ip: ip, binding }) => {
    const fields = { gen: head[0], kind: head[1], expiry: head.readUInt32BE(4), salt: head.subarray(8) };
    const peer = { address: addressOf(ip), port: binding.length > 0 ? binding.readUInt16BE(0) : undefined, handshakeId: binding.subarray(2) };
    return { token_mac: hmac256(key, 'XTMP/1 cookie', head, ip, binding), token: makeToken(key, fields, peer) };
  },
};

// addressOf is an address of 16 bytes as text.
const addressOf = (ip) => [...Array(8).keys()].map((i) => ip.readUInt16BE(2 * i).toString(16)).join(':');

describe('values', () => {
  for (const { id, function: name, given, result } of ofKind('values')) {
    test(id, () => {
      const got = formulas[name](given, result);
      for (const [field, value] of Object.entries(result)) assert.equal(hex(got[field]), hex(value), field);
    });
  }
});

describe('flows', () => {
  for (const { id, result, frames } of ofKind('flow')) {
    test(id, () => {
      const composed = compose(JSON.parse(readFileSync(new URL(`${id}.json`, ROOT), 'utf8')));
      assert.deepEqual(composed.frames.map(({ frame }) => frame), frames.map(({ bytes }) => hex(bytes)));
      assert.deepEqual(composed.result, Object.fromEntries(Object.entries(result).map(([name, value]) => [name, hex(value)])));
    });
  }
});

test('there are vectors of every kind', () => {
  const kinds = new Set(vectors.map(({ kind }) => kind));
  for (const kind of ['flow', 'frame', 'header', 'key', 'stream', 'values']) assert.ok(kinds.delete(kind), kind);
  for (const kind of ['datagram', 'paths']) kinds.delete(kind); // datagrams.test.mjs takes them
  assert.deepEqual([...kinds], [], 'kinds that no test takes');
});
